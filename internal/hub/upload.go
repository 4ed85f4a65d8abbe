package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/relay"
	"github.com/havre-cloud/havre/svn"
)

// uploadLife is how long an upload waits for its device to come back.
const uploadLife = 7 * 24 * time.Hour

// maxUploads is how many uploads a device may have waiting.
const maxUploads = 1024

// uploads keeps contents that wait for their commit: uploads/DEVICE/RANDOM-SIZE, where SIZE is what the
// file will have in the end. What a file has so far is its length; nothing else is remembered, so an
// upload survives a restart. It is not synced to the disk: what a power cut spoils has the wrong
// SHA-1 in the commit, which refuses it.
type uploads struct {
	dir string

	mu   sync.Mutex
	busy map[string]bool // names of files that are being written
}

func newUploads(dir string) *uploads { return &uploads{dir: dir, busy: map[string]bool{}} }

// BeginUpload opens an upload of size bytes, or goes on with the one called resume if it is there and of
// that size. It returns its name and how many bytes it has already.
func (h *Hub) BeginUpload(ctx context.Context, c *havre.Caller, scope havre.Scope, size int64, resume havre.UploadID) (havre.UploadID, int64, error) {
	v, err := h.view(ctx, c, scope)
	if err != nil {
		return "", 0, err
	}
	if v.right("") < havre.RightWrite {
		return "", 0, havre.Errorf(havre.CodeDenied, "you may not write in the folder %s: ask who manages it", v.folder.Name)
	}
	if size < 0 {
		return "", 0, invalid("an upload cannot have %d bytes", size)
	}
	if resume != "" {
		if have, want, err := h.uploads.size(c.Device, resume); err == nil && want == size {
			return resume, have, nil
		}
	}
	if err := h.checkUpload(ctx, v, c, size); err != nil {
		return "", 0, err
	}
	id, err := h.uploads.begin(c.Device, size)
	return id, 0, err
}

// WriteUpload appends what r gives to the upload, at offset, which must be what it has so far or less;
// and returns how many bytes it has then. After a failure these are kept: BeginUpload tells how many.
func (h *Hub) WriteUpload(ctx context.Context, c *havre.Caller, id havre.UploadID, offset int64, r io.Reader) (int64, error) {
	return h.uploads.write(c.Device, id, offset, cancelled{ctx, r})
}

// path returns the file of an upload and the size that it will have.
func (u *uploads) path(device havre.DeviceID, id havre.UploadID) (string, int64, error) {
	name, digits, ok := strings.Cut(string(id), "-")
	size, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || size < 0 || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", 0, noUpload()
	}
	return filepath.Join(u.dir, string(device), string(id)), size, nil
}

func noUpload() error {
	return havre.Errorf(havre.CodeNotFound, "the server does not have this upload: begin it again")
}

func (u *uploads) begin(device havre.DeviceID, size int64) (havre.UploadID, error) {
	dir := filepath.Join(u.dir, string(device))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", full(err)
	}
	waiting, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(waiting) >= maxUploads {
		return "", havre.Errorf(havre.CodeFull, "this device has %d uploads that no commit used: they are removed after a week", len(waiting))
	}
	id := havre.UploadID(fmt.Sprintf("%s-%d", strings.ToLower(rand.Text()), size))
	f, err := os.OpenFile(filepath.Join(dir, string(id)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", full(err)
	}
	return id, f.Close()
}

// size returns how many bytes the upload has and will have.
func (u *uploads) size(device havre.DeviceID, id havre.UploadID) (have, want int64, err error) {
	path, want, err := u.path(device, id)
	if err != nil {
		return 0, 0, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, noUpload()
	}
	if err != nil {
		return 0, 0, err
	}
	return info.Size(), want, nil
}

// write appends to the upload. One request at a time writes to it: two that each believe to go on
// where the first left off would mix their bytes.
func (u *uploads) write(device havre.DeviceID, id havre.UploadID, offset int64, r io.Reader) (int64, error) {
	path, want, err := u.path(device, id)
	if err != nil {
		return 0, err
	}
	if !u.claim(path) {
		return 0, havre.Errorf(havre.CodeUnavailable, "another request writes to this upload: wait until it ends")
	}
	defer u.release(path)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, noUpload()
	}
	if err != nil {
		return 0, err
	}
	have, err := appendAt(f, offset, want, r)
	return have, full(errors.Join(err, f.Close()))
}

// appendAt writes what r gives at the offset of f, which must not leave a gap, up to the size want.
func appendAt(f *os.File, offset, want int64, r io.Reader) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if offset < 0 || offset > info.Size() {
		return info.Size(), invalid("the upload has %d bytes: it cannot go on at %d", info.Size(), offset)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return info.Size(), err
	}
	// One byte more than there may be shows that there are too many.
	n, err := relay.Copy(f, io.LimitReader(r, want-offset+1))
	if err == nil && offset+n > want {
		err = invalid("the upload was announced with %d bytes and gets more: begin it again", want)
	}
	if offset+n > want {
		return want, errors.Join(err, f.Truncate(want))
	}
	return max(offset+n, info.Size()), err
}

// receive makes a complete upload of what r gives, whose length nobody knows yet.
func (u *uploads) receive(device havre.DeviceID, r io.Reader) (id havre.UploadID, size int64, hash havre.Hash, err error) {
	first, err := u.begin(device, 0)
	if err != nil {
		return "", 0, "", err
	}
	dir := filepath.Join(u.dir, string(device))
	defer func() {
		if err != nil {
			err = errors.Join(err, u.remove(device, []havre.UploadID{first}))
		}
	}()
	f, err := os.OpenFile(filepath.Join(dir, string(first)), os.O_WRONLY, 0)
	if err != nil {
		return "", 0, "", err
	}
	sum := havre.NewHasher()
	size, err = relay.Copy(io.MultiWriter(f, sum), r)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", 0, "", err
	}
	name, _, _ := strings.Cut(string(first), "-")
	id = havre.UploadID(fmt.Sprintf("%s-%d", name, size))
	if id != first {
		err = os.Rename(filepath.Join(dir, string(first)), filepath.Join(dir, string(id)))
	}
	return id, size, havre.SHA1Hash(sum.Sum(nil)), err
}

// UploadSize returns how many bytes an upload of the caller's has, and will have.
func (h *Hub) UploadSize(c *havre.Caller, id havre.UploadID) (have, want int64, err error) {
	return h.uploads.size(c.Device, id)
}

// DropUpload forgets an upload of the caller's.
func (h *Hub) DropUpload(c *havre.Caller, id havre.UploadID) error {
	return h.uploads.remove(c.Device, []havre.UploadID{id})
}

func (u *uploads) claim(path string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.busy[path] {
		return false
	}
	u.busy[path] = true
	return true
}

func (u *uploads) release(path string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.busy, path)
}

// open returns the contents of a complete upload.
func (u *uploads) open(device havre.DeviceID, id havre.UploadID) (io.ReadCloser, error) {
	path, _, err := u.path(device, id)
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// remove forgets uploads; the names are right, and it does not matter whether they are there.
func (u *uploads) remove(device havre.DeviceID, ids []havre.UploadID) error {
	var errs []error
	for _, id := range ids {
		path, _, err := u.path(device, id)
		if err == nil {
			err = os.Remove(path)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// expire removes what was last written before the time, and directories of devices that are empty
// then. It returns how many uploads went.
func (u *uploads) expire(before time.Time) (int, error) {
	devices, err := os.ReadDir(u.dir)
	if err != nil {
		return 0, err
	}
	gone := 0
	var errs []error
	for _, d := range devices {
		dir := filepath.Join(u.dir, d.Name())
		waiting, err := os.ReadDir(dir)
		errs = append(errs, err)
		for _, w := range waiting {
			info, err := w.Info()
			if err != nil || !info.ModTime().Before(before) {
				continue
			}
			if err := os.Remove(filepath.Join(dir, w.Name())); err != nil {
				errs = append(errs, err)
				continue
			}
			gone++
		}
	}
	return gone, errors.Join(errs...)
}

// UploadExpires returns until when an upload that nobody goes on with is kept.
func (h *Hub) UploadExpires() time.Time { return h.now().Add(uploadLife) }

// BeginUploadIn opens an upload for the folder with that name in which the caller may write somewhere.
func (h *Hub) BeginUploadIn(ctx context.Context, c *havre.Caller, folder string, size int64) (havre.UploadID, error) {
	at, err := h.Spot(ctx, c, folder, "", svn.InvalidRevnum)
	if err != nil {
		return "", err
	}
	if size < 0 {
		return "", invalid("an upload cannot have %d bytes", size)
	}
	if !at.v.reach.writesSomewhere() {
		return "", denied("you may not write in the folder %s: ask who manages it", at.Folder.Name)
	}
	// Most of what is sent by hand is new. Whoever replaces a large file at the end of a quota deletes it first.
	none := func(string) (int64, error) { return 0, nil }
	if err := h.checkRoom(ctx, at.v, c, size, none, at.Folder.Head); err != nil {
		return "", err
	}
	return h.uploads.begin(c.Device, size)
}

// writesSomewhere says whether the person may write anywhere in the folder.
func (r *reach) writesSomewhere() bool {
	return slices.ContainsFunc(r.paths, func(p svn.Path) bool { return r.at[p] >= havre.RightWrite })
}
