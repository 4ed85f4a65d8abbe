package fsfs

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Temporary files of ours lie in db/txn-protorevs, where Subversion's programs keep files of the
// same kind and do not look at names they do not know; hotcopy leaves them out. Each is claimed
// as long as its owner lives, so that the others can tell it from a leftover.
const (
	tempDir    = "txn-protorevs"
	tempPrefix = "havre."
)

// createTemp makes a temporary file of ours.
func (r *Repository) createTemp(suffix string) (*os.File, error) {
	for {
		f, err := os.OpenFile(r.db(tempDir, tempPrefix+rand.Text()+suffix), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		ok, err := claim(f)
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
			return nil, err
		}
		// Somebody may have taken it for a leftover before it was claimed.
		if ok && sameFile(f) {
			return f, nil
		}
		_ = f.Close()
	}
}

func sameFile(f *os.File) bool {
	open, err1 := f.Stat()
	named, err2 := os.Lstat(f.Name())
	return err1 == nil && err2 == nil && os.SameFile(open, named)
}

// futureTemp is a temporary file that is being made beside other work: file systems take longer to
// make a file than to write a small one.
type futureTemp struct {
	made  chan struct{} // closed when there is a result
	file  *os.File
	err   error
	taken bool
}

func (r *Repository) beginTemp(suffix string) *futureTemp {
	t := &futureTemp{made: make(chan struct{})}
	go func() {
		defer close(t.made)
		t.file, t.err = r.createTemp(suffix)
	}()
	return t
}

// take waits for the file, which is the caller's then.
func (t *futureTemp) take() (*os.File, error) {
	<-t.made
	t.taken = true
	return t.file, t.err
}

// discard removes the file unless it was taken.
func (t *futureTemp) discard() {
	<-t.made
	if !t.taken && t.file != nil {
		discardTemp(t.file)
	}
	t.taken = true
}

// discardTemp closes and removes a temporary file.
func discardTemp(f *os.File) {
	if renameOpen {
		// While it is still claimed, so that nobody else gets hold of the name.
		_ = os.Remove(f.Name())
		_ = f.Close()
		return
	}
	_ = f.Close()
	_ = os.Remove(f.Name())
}

// removeLeftovers removes the temporary files whose owners died. It is not an error that it cannot:
// the next who has the right will.
func (r *Repository) removeLeftovers() {
	entries, err := os.ReadDir(r.db(tempDir))
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) && e.Type().IsRegular() {
			removeUnclaimed(filepath.Join(r.db(tempDir), e.Name()))
		}
	}
}

// sweepInterval is how often a process that keeps committing looks for leftovers of others.
const sweepInterval = time.Minute

func (r *Repository) sweepTemps() {
	now := time.Now().UnixNano()
	if last := r.lastSweep.Load(); now-last > int64(sweepInterval) {
		r.lastSweep.Store(now)
		r.removeLeftovers()
	}
}

func removeUnclaimed(name string) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return
	}
	if ok, err := claim(f); ok && err == nil && sameFile(f) {
		discardTemp(f)
		return
	}
	_ = f.Close()
}
