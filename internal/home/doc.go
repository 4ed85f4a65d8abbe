// Package home is the directory in which one installation of the client keeps what it must
// remember, and the way in which commands talk to the client that runs there.
//
//	client.json    who this device is, and its replicas; holds the device's token, so 0600
//	state/ID.db    the state of each replica (internal/syncer)
//	aside/ID/      each replica's temporaries and its trash (internal/localfs)
//	lock           held by whoever may write any of this: the running client, or a command
//	control.sock   the running client listens here: HTTP and JSON over a Unix socket
//	control.addr   where the socket is, as the path may be too long for one
//
// It knows neither the server nor the engine: what a command asks for is done by an Agent, which
// cmd/havre makes of both. A Home is safe for concurrent use; its files are written by the
// owner of the lock only, and replaced atomically, so that anybody may read them at any time.
package home
