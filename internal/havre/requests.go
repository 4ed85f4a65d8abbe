package havre

import (
	"context"
	"net"
	"strings"

	"github.com/havre-cloud/havre/svn"
)

// Caller is who a request comes from, once its token is known.
type Caller struct {
	User       UserID
	UserName   string
	Device     DeviceID
	DeviceName string
}

// webDevice begins the identifiers of what is no device: the browsers of a person.
const webDevice = "web-"

// WebDevice stands for all browsers of a person where a device is asked for.
func WebDevice(user UserID) DeviceID { return DeviceID(webDevice + string(user)) }

// UserOfWeb returns whose browsers the identifier stands for, false if it is that of a device.
func UserOfWeb(id DeviceID) (UserID, bool) {
	user, ok := strings.CutPrefix(string(id), webDevice)
	return UserID(user), ok
}

// backupDevice begins the identifiers of what is no device: backups in the name of a person.
const backupDevice = "backup-"

// BackupDevice stands for the backups that the server makes in the name of a person where a device is asked for.
func BackupDevice(user UserID) DeviceID { return DeviceID(backupDevice + string(user)) }

// IsBackup says whether the identifier stands for the backups in the name of a person.
func IsBackup(id DeviceID) bool { return strings.HasPrefix(string(id), backupDevice) }

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
	Place    string     // the directory on the device
	HeldUp   int64      // deletions made on the device that wait for a person
	HeldDown int64      // deletions made by others that wait for a person before they happen on the device
	// HeldFiles are those whose deletion waits, by path, or the first of very many; nil with HeldKnown: those of
	// the last report that had some.
	HeldFiles []HeldFile
	HeldKnown bool
}

// HeldFile is a file whose deletion waits for a person.
type HeldFile struct {
	Path svn.Path // in the scope
	Size int64    // bytes
}

// MaxHeldBytes bounds what the names of held files in a report take, all replicas together.
const MaxHeldBytes = 512 << 10

// Guard says which deletions wait for a person: those of a direction in which at least Files files of a replica
// are to go, and more than Percent of all of them. Files is 0 where nobody said so. What others delete is in the
// local trash of a device for TrashDays; 0: as the device itself has it.
type Guard struct{ Files, Percent, TrashDays int64 }

// MaxTrashDays is the longest time that a server can ask for.
const MaxTrashDays = 3650

// Instructions are what the server answers to a report.
type Instructions struct {
	Decisions []HeldDecision
	Guard     Guard
}

// Decision is what a person decided about deletions that wait.
type Decision uint8

// The decisions.
const (
	DecisionNone   Decision = iota
	DecisionKeep            // what was deleted comes back
	DecisionDelete          // the deletions happen
)

func (d Decision) String() string {
	return [...]string{"none", "keep", "delete"}[min(d, DecisionDelete)]
}

// HeldDecision tells a device what a person decided about the Count deletions that wait in a replica.
type HeldDecision struct {
	Scope    Scope
	Decision Decision
	Count    int64
}

type peerKey struct{}

// WithPeer returns a context that knows the network address, HOST:PORT, of who asks.
func WithPeer(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, peerKey{}, address)
}

// PeerOf returns the IP address of who asks, "" if nobody knows.
func PeerOf(ctx context.Context) string {
	address, _ := ctx.Value(peerKey{}).(string)
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
