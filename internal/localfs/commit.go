package localfs

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/havre-cloud/havre/svn"
)

// Commit puts the temporary at p, if expected is still there.
func (d *Disk) Commit(temp Temp, p svn.Path, expected *Info) (Info, error) {
	t, err := ours(temp)
	if err != nil {
		return Info{}, err
	}
	if t.done {
		return Info{}, fmt.Errorf("commit /%s: the temporary was committed or discarded already", p)
	}
	if err := t.Close(); err != nil {
		return Info{}, wrap("close temporary of", p, err)
	}
	to, name, err := d.parent(p)
	if err != nil {
		return Info{}, err
	}
	defer to.close()
	tmp, err := openDir(t.path)
	if err != nil {
		return Info{}, &fs.PathError{Op: "open", Path: t.path, Err: err}
	}
	defer tmp.close()
	r := replacement{disk: d, temp: t, tmp: tmp, to: to, name: name, path: p}
	if r.mine, r.perm, err = tmp.lstatMode(t.name); err != nil {
		return Info{}, wrap("stat temporary of", p, err)
	}
	if expected == nil {
		err = tmp.renameNew(t.name, to, name)
		if errors.Is(err, fs.ErrExist) {
			err = &ChangedError{Path: p, Reason: "something appeared there"}
		}
	} else {
		err = r.replace(*expected)
	}
	if err != nil {
		if _, ok := errors.AsType[*ChangedError](err); ok {
			return Info{}, err
		}
		return Info{}, wrapName("rename", p, err)
	}
	t.done = true
	return d.made(to, name, r.mine)
}

// made looks at what was just put at name. If it is not what was put there any more, somebody wrote
// to it in the moment since: the answer is what we made, with a ChangeTime that no file has, so that
// the next look sees the difference.
func (d *Disk) made(in *dir, name string, mine Info) (Info, error) {
	info, err := in.lstat(name)
	if err != nil || !info.sameButMoved(mine) {
		info = mine
		info.Name, info.ChangeTime = name, 0
	}
	d.judge(&info)
	return info, nil
}

// replacement is one Commit that replaces something.
type replacement struct {
	disk    *Disk
	temp    *diskTemp
	mine    Info   // of the temporary
	perm    uint32 // of the temporary
	tmp, to *dir
	name    string // in to
	path    svn.Path
}

// replace puts the temporary in the place of what is expected there.
//
// The two names are exchanged in one step. Only then it is certain what was replaced: if it is
// not what was expected, the exchange is undone. A plain rename would destroy what a program
// put there after our look.
func (r *replacement) replace(expected Info) error {
	cur, perm, err := r.to.lstatMode(r.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &ChangedError{Path: r.path, Reason: "was removed"}
	case err != nil:
		return err
	case !cur.Same(expected):
		return &ChangedError{Path: r.path, Reason: "was changed"}
	case cur.Kind == KindDir:
		return &KindError{Want: KindFile, Got: KindDir}
	}
	if cur.Kind == KindFile && r.mine.Kind == KindFile {
		if want := withExecutable(perm, r.mine.Executable); want != r.perm {
			if err := r.tmp.chmod(r.temp.name, want); err != nil {
				return err
			}
		}
	}
	err = r.tmp.exchange(r.temp.name, r.to, r.name)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return r.replaceInSteps(expected)
	case errors.Is(err, fs.ErrNotExist):
		return &ChangedError{Path: r.path, Reason: "was removed"}
	case err != nil:
		return err
	}
	out, err := r.tmp.lstat(r.temp.name)
	if err == nil && out.sameButMoved(expected) {
		r.temp.done = true
		r.dispose(r.temp.name, expected)
		return nil
	}
	r.giveBack()
	return &ChangedError{Path: r.path, Reason: "was changed"}
}

// giveBack undoes an exchange. If a program has replaced what we had put there meanwhile, then
// undoing would put older contents over newer ones: these stay, and the older go to the trash.
func (r *replacement) giveBack() {
	back := r.tmp.exchange(r.temp.name, r.to, r.name)
	if errors.Is(back, fs.ErrNotExist) && r.tmp.renameNew(r.temp.name, r.to, r.name) == nil {
		r.temp.done = true // a program removed ours
		return
	}
	out, err := r.tmp.lstat(r.temp.name)
	if back == nil && err == nil && out.Inode == r.mine.Inode {
		return
	}
	if back == nil {
		_ = r.tmp.exchange(r.temp.name, r.to, r.name) // what is not in place then is kept all the same
	}
	r.temp.done = true
	r.disk.keep(r.tmp, r.temp.name, r.path)
}

// dispose removes what was replaced, unless a program is about to write into it.
func (r *replacement) dispose(name string, expected Info) {
	held := expected.Kind == KindFile && r.tmp.hasWriter(name)
	// A writer that closed since the exchange has changed the file.
	if out, err := r.tmp.lstat(name); held || err != nil || !out.sameButMoved(expected) {
		r.disk.keep(r.tmp, name, r.path)
	} else {
		_ = r.tmp.remove(name) // else Clean will
	}
}

// replaceInSteps is for file systems that cannot exchange names. A second name holds on to what is
// being replaced, so that writes into it are seen; only a program that replaces the file by a rename
// between two of our system calls loses what it put there.
func (r *replacement) replaceInSteps(expected Info) error {
	held := tempPrefix + newID()
	linked := r.to.link(r.name, r.tmp, held) == nil
	if linked {
		out, err := r.tmp.lstat(held)
		if err != nil || !out.sameButMoved(expected) {
			_ = r.tmp.remove(held)
			return &ChangedError{Path: r.path, Reason: "was changed"}
		}
	}
	if err := r.tmp.rename(r.temp.name, r.to, r.name); err != nil {
		if linked {
			_ = r.tmp.remove(held)
		}
		return err
	}
	if linked {
		r.dispose(held, expected)
	}
	return nil
}

// renameInSteps renames to a name that nothing has, on file systems that cannot do it in one step.
func renameInSteps(from *dir, name string, to *dir, toName string) error {
	err := from.link(name, to, toName)
	if err == nil {
		return from.remove(name)
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := to.lstat(toName); err == nil {
		return fs.ErrExist
	}
	return from.rename(name, to, toName)
}

// wrapName is wrap for calls in which an invalid argument can only be the new name.
func wrapName(op string, p svn.Path, err error) error {
	if isInvalid(err) {
		return &NameError{Path: p, Reason: "the name is not possible on this disk"}
	}
	return wrap(op, p, err)
}
