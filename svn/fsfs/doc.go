// Package fsfs reads and writes repositories in FSFS, the file system format of Subversion,
// without libsvn, beside Subversion's own programs that work on the same repository.
//
// The words are Subversion's. A revision is a file of items: representations (the contents of
// files, directories and property lists, mostly as deltas against older ones), node-revisions
// (what is known of a node besides its contents), and the list of changed paths. Items are found
// by number through an index (logical addressing) or by their offset (physical addressing).
// Files are named after their counterparts in subversion/libsvn_fs_fs, where there are any.
//
// Committed revisions never change, so everything that is read of them is cached under its
// revision and item, and reading takes no lock. A commit writes the new contents to a file of its
// own first, in db/txn-protorevs under a name that begins with "havre.", then takes the write lock that
// Subversion's programs take too, applies the changes upon the youngest revision, and moves
// db/current last of all. Commits that wait for the lock at the same time become consecutive
// revisions under one lock. No transaction directory is made, so hooks cannot look into a
// commit: this package runs none, see ActiveHooks.
//
// A Repository may be used by many goroutines, and any number of processes may have the same
// repository open. Format: notes/ and the sources of Subversion 1.14.
package fsfs
