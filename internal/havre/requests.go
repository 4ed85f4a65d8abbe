package havre

import "github.com/havre-cloud/havre/svn"

// Caller is who a request comes from, once its token is known.
type Caller struct {
	User       UserID
	UserName   string
	Device     DeviceID
	DeviceName string
}

// JoinRequest asks to pair a device.
type JoinRequest struct {
	Secret        string // of the invitation, good for one use
	DeviceName    string // as people see it
	ClientVersion string
	Platform      string // GOOS/GOARCH
}

// Joined is what a newly paired device gets.
type Joined struct {
	Token      string // shown once; the server keeps its hash
	Device     DeviceID
	UserName   string
	ServerName string
}

// Chunk is a content-defined piece of a file. Its place is the sum of the lengths before it.
type Chunk struct {
	Length int64 // bytes
	SHA256 [32]byte
}

// FileVersion names the contents of the file at Path in Rev.
type FileVersion struct {
	Path svn.Path
	Rev  svn.Revnum
}

// ReplicaReport tells the server what a replica has reached.
type ReplicaReport struct {
	Scope    Scope
	Revision svn.Revnum // cursor
	Pending  int64      // changes not yet applied or committed
	Error    string     // for the person; empty when all is well
}
