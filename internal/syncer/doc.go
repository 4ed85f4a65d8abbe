// Package syncer is the client's engine: it keeps a local directory the same as a folder, or as a
// directory in one.
//
// An Engine has one control loop, which alone owns the state (package state), plans with reconcile
// and changes names on disk. What takes time is done by workers that the loop feeds and hears of by
// channels: looking at files and hashing them (scan.go), fetching contents into temporaries
// (fetch.go), committing (commit.go), uploading large files, listening to the server (remote
// events in follow.go). A worker never touches the state; what it found out counts only if the
// node is still what it was when the worker began.
//
// The loop is restarted from its database after every failure of its own. Nothing but the database
// outlives a session, so that a crash is nothing special.
package syncer
