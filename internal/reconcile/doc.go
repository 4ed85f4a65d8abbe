// Package reconcile decides what one round of synchronisation must do.
//
// It compares three trees of a folder: base, what both sides last agreed on, local, what the last
// scan saw on disk, and remote, the server's. A node has one identity in all three, so that a
// rename on one side and an edit on the other do not meet. Plan takes the nodes that differ and
// returns actions; carrying them out, and calling Plan again until it returns none, makes the
// three trees equal.
//
// The rules, in the order of their weight:
//
//   - Losing contents is never a valid outcome. Where both sides changed a file differently the
//     remote one keeps the name and the local one gets another, and is uploaded.
//   - An edit beats a deletion: what one side changed and the other deleted comes back. For files,
//     being renamed counts as an edit. A directory that was deleted stays as far as it is needed
//     for what is kept in it.
//   - A rename and an edit of the same node both take effect. Renamed on both sides, the remote
//     place wins; so it does where renames would make a cycle.
//   - Where two nodes want one name the local one gets another, unless they can become one
//     node: two directories, or a new file that came from both sides.
//   - Modification times alone never cause a transfer: a local one is kept, a remote one is set when it
//     comes with a revision that made it.
//   - Many deletions at once, see Guard, wait for a person.
//
// The package reads no disk, network or clock. Equal inputs give equal outputs. Every call stands
// for itself; a View is used by one goroutine.
package reconcile
