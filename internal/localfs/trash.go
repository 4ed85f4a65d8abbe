package localfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// The trash is a directory for each minute in which something went there, named by the time and an
// id, and in it everything at the path it had:
//
//	trash/2026-11-21T14.05.09Z-k3v5.../docs/report.odt
//
// What is set aside lies the same way in kept, beside the trash, and stays until a person removes it.

const (
	trashTime = "2006-01-02T15.04.05Z"
	// trashSpan is how long things go into the same directory.
	trashSpan = time.Minute
	// savedPrefix is for what could not even be moved to the trash; nothing removes it.
	savedPrefix = "saved-"
)

// trashBatch is the directory that things go to at the moment.
type trashBatch struct {
	name  string
	began time.Time
}

// heap is where things go that leave the replica.
type heap int

const (
	inTrash heap = iota
	inKept
)

// openTrash opens the directory for what is to lie at p in the heap, and returns where that is. With
// fresh set it is one that nothing was put in yet.
func (d *Disk) openTrash(h heap, p svn.Path, fresh bool) (*dir, string, error) {
	place := d.place()
	if place == nil {
		return nil, "", &RootGoneError{Root: d.root, Reason: "its marker was not found yet"}
	}
	batch, path, err := d.openBatch(place, h, fresh)
	if err != nil {
		return nil, "", err
	}
	parent := p.Dir()
	path = filepath.Join(path, filepath.FromSlash(string(parent)))
	if parent == "" {
		return batch, path, nil
	}
	defer batch.close()
	if in, err := batch.sub(string(parent)); err == nil {
		return in, path, nil
	}
	in, err := makeSubs(batch, string(parent))
	return in, path, err
}

// openBatch opens the directory that things go to at the moment, after making it if needed.
func (d *Disk) openBatch(place *place, h heap, fresh bool) (*dir, string, error) {
	d.mu.Lock()
	now := time.Now()
	if b := &d.heaps[h]; fresh || b.name == "" || now.Sub(b.began) > trashSpan {
		*b = trashBatch{name: now.UTC().Format(trashTime) + "-" + newID(), began: now}
	}
	name := d.heaps[h].name
	d.mu.Unlock()
	path := filepath.Join(place.trash, name)
	if h == inKept {
		path = filepath.Join(place.kept, name)
	}
	batch, err := openDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(path, 0o700); err == nil {
			batch, err = openDir(path)
		}
	}
	if err != nil {
		return nil, "", &fs.PathError{Op: "open", Path: path, Err: errnoOf(err)}
	}
	return batch, path, nil
}

// makeSubs makes and opens the directory at rel.
func makeSubs(in *dir, rel string) (*dir, error) {
	cur := in
	for name := range strings.SplitSeq(rel, "/") {
		next, err := makeSub(cur, name, 0o700)
		if cur != in {
			cur.close()
		}
		if err != nil {
			return nil, err
		}
		cur = next
	}
	return cur, nil
}

// into moves what is at name into the heap, as what was at p, and returns the directory that it is in.
func (d *Disk) into(h heap, from *dir, name string, p svn.Path) (*dir, string, error) {
	for _, fresh := range []bool{false, true} {
		to, path, err := d.openTrash(h, p, fresh)
		if err == nil {
			err = from.renameNew(name, to, p.Name())
			if err == nil {
				return to, path, nil
			}
			to.close()
		}
		// Something else from this path is there already: another directory will do.
		if !errors.Is(err, fs.ErrExist) && !isNotDir(err) || fresh {
			return nil, "", err
		}
	}
	return nil, "", fs.ErrExist
}

// keep saves a person's contents that have lost their place. It works on a full disk too, if need be
// without leaving the directory.
func (d *Disk) keep(from *dir, name string, p svn.Path) {
	to, _, err := d.into(inTrash, from, name, p)
	if err != nil {
		_ = from.rename(name, from, savedPrefix+newID())
		return
	}
	to.close()
}

// Trash moves what is at p into the trash.
func (d *Disk) Trash(p svn.Path, expected Info) error {
	from, name, err := d.expected(p, expected)
	if err != nil {
		return err
	}
	defer from.close()
	if expected.Kind != KindDir {
		_, err := d.take(inTrash, from, name, p, expected)
		return err
	}
	err = from.rmdir(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &ChangedError{Path: p, Reason: "was removed"}
	case isNotEmpty(err):
		return &NotEmptyError{Path: p}
	case err != nil:
		return wrap("remove", p, err)
	}
	// The trash shows the empty directory too, but nothing is lost without it.
	if to, _, err := d.openTrash(inTrash, p, false); err == nil {
		_ = to.mkdir(p.Name(), 0o700)
		to.close()
	}
	return nil
}

// TrashTree moves a directory into the trash with everything in it.
func (d *Disk) TrashTree(p svn.Path, expected Info) error {
	if expected.Kind != KindDir {
		return &KindError{Path: p, Want: KindDir, Got: expected.Kind}
	}
	from, name, err := d.expected(p, expected)
	if err != nil {
		return err
	}
	defer from.close()
	_, err = d.take(inTrash, from, name, p, expected)
	return err
}

// SetAside moves the file or link at p out of the replica, to where it stays.
func (d *Disk) SetAside(p svn.Path, expected Info) (string, error) {
	if expected.Kind == KindDir {
		return "", &KindError{Path: p, Want: KindFile, Got: KindDir}
	}
	from, name, err := d.expected(p, expected)
	if err != nil {
		return "", err
	}
	defer from.close()
	return d.take(inKept, from, name, p, expected)
}

// IsAside reports whether what SetAside moved to a place is still there.
func (d *Disk) IsAside(place string) bool {
	_, err := os.Lstat(place)
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}

// take moves into a heap and looks then whether it was what is expected. If not, it is put back; if its
// place is taken meanwhile it stays there. It returns where it is.
func (d *Disk) take(h heap, from *dir, name string, p svn.Path, expected Info) (string, error) {
	to, path, err := d.into(h, from, name, p)
	if errors.Is(err, fs.ErrNotExist) {
		return "", &ChangedError{Path: p, Reason: "was removed"}
	}
	if err != nil {
		return "", wrap("move out of the way", p, err)
	}
	defer to.close()
	if got, err := to.lstat(p.Name()); err == nil && got.sameButMoved(expected) {
		return filepath.Join(path, p.Name()), nil
	}
	_ = to.renameNew(p.Name(), from, name)
	return "", &ChangedError{Path: p, Reason: "was changed"}
}

// ExpireTrash removes for good what went to the trash more than age ago.
func (d *Disk) ExpireTrash(age time.Duration) error {
	root, place, err := d.checkedRoot()
	if err != nil {
		return err
	}
	root.close()
	entries, err := os.ReadDir(place.trash)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	limit := time.Now().Add(-age)
	var errs []error
	for _, e := range entries {
		stamp, _, _ := strings.Cut(e.Name(), "Z-")
		went, err := time.Parse(trashTime, stamp+"Z")
		if err != nil || went.After(limit) {
			continue
		}
		errs = append(errs, os.RemoveAll(filepath.Join(place.trash, e.Name())))
	}
	return errors.Join(errs...)
}
