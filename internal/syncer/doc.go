// Package syncer is the client's engine: it keeps a local directory the same as a folder.
package syncer
