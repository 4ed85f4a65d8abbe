package localfs

import (
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/havre-cloud/havre/svn"
)

// Mkdir makes a directory.
func (d *Disk) Mkdir(p svn.Path) (Info, error) {
	in, name, err := d.parent(p)
	if err != nil {
		return Info{}, err
	}
	defer in.close()
	if err := in.mkdir(name, 0o777); err != nil {
		return Info{}, wrapName("make directory", p, err)
	}
	info, err := in.lstat(name)
	if err != nil {
		return Info{}, wrap("stat", p, err)
	}
	if info.Kind != KindDir {
		return Info{}, &ChangedError{Path: p, Reason: "was replaced"}
	}
	d.judge(&info)
	return info, nil
}

// Rename moves what is at from to a name that nothing has.
func (d *Disk) Rename(from, to svn.Path, expected Info) (Info, error) {
	if _, below := to.Rel(from); below {
		return Info{}, &fs.PathError{Op: "rename into itself", Path: string(from), Err: fs.ErrInvalid}
	}
	in, name, err := d.expected(from, expected)
	if err != nil {
		return Info{}, err
	}
	defer in.close()
	out, toName, err := d.parent(to)
	if err != nil {
		return Info{}, err
	}
	defer out.close()
	err = in.renameNew(name, out, toName)
	if errors.Is(err, fs.ErrExist) && d.isOneName(in, name, out, toName) {
		err = respell(in, name, toName)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, &ChangedError{Path: from, Reason: "was removed"}
	}
	if err != nil {
		return Info{}, wrapName("rename", to, err)
	}
	moved, err := out.lstat(toName)
	if err == nil && moved.Inode != expected.Inode {
		// Something else had taken the name in the last moment.
		_ = out.renameNew(toName, in, name)
		return Info{}, &ChangedError{Path: from, Reason: "was replaced"}
	}
	return d.made(out, toName, expected)
}

// expected opens the directory of p after making sure that p is still as it is expected.
func (d *Disk) expected(p svn.Path, expected Info) (*dir, string, error) {
	in, name, err := d.parent(p)
	if err != nil {
		return nil, "", err
	}
	cur, err := in.lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = &ChangedError{Path: p, Reason: "was removed"}
	case err != nil:
		err = wrap("stat", p, err)
	case !cur.Same(expected):
		err = &ChangedError{Path: p, Reason: "was changed"}
	}
	if err != nil {
		in.close()
		return nil, "", err
	}
	return in, name, nil
}

// isOneName reports whether two spellings in one directory mean the same file to the disk. Two hard
// links are one file too, but two names.
func (d *Disk) isOneName(in *dir, name string, out *dir, toName string) bool {
	p := d.place()
	if p == nil || name == toName || (!p.features.CaseInsensitive && !p.features.NormalizesUnicode) {
		return false
	}
	if !strings.EqualFold(norm.NFC.String(name), norm.NFC.String(toName)) {
		return false
	}
	a, errA := in.stat()
	b, errB := out.stat()
	return errors.Join(errA, errB) == nil && a.Inode == b.Inode && a.Device == b.Device
}

// respell changes the spelling of a name, by way of another name in the same directory: a direct rename
// is nothing to do for some systems. After a crash between the two the file is there, under the
// name on the way.
func respell(in *dir, name, toName string) error {
	way := toName
	for len(way) > 200 {
		way = way[:len(way)-1]
	}
	way = strings.ToValidUTF8(way, "") + ".renaming-" + newID()
	if err := in.renameNew(name, in, way); err != nil {
		return err
	}
	if err := in.renameNew(way, in, toName); err != nil {
		return errors.Join(err, in.renameNew(way, in, name))
	}
	return nil
}

// SetAttrs changes what Attrs says.
func (d *Disk) SetAttrs(p svn.Path, a Attrs, expected Info) (Info, error) {
	if expected.Kind != KindFile {
		return Info{}, &KindError{Path: p, Want: KindFile, Got: expected.Kind}
	}
	in, name, err := d.expected(p, expected)
	if err != nil {
		return Info{}, err
	}
	defer in.close()
	_, perm, err := in.lstatMode(name)
	if err == nil {
		err = setAttrs(in, name, perm, a)
	}
	if err != nil {
		return Info{}, wrap("set attributes of", p, err)
	}
	info, err := in.lstat(name)
	if err != nil {
		return Info{}, wrap("stat", p, err)
	}
	want := expected
	want.Executable = info.Executable
	if !a.ModTime.IsZero() {
		want.ModTime = info.ModTime
		info.ChangeTime = 0 // a write in between would be hidden by the time that we set
	}
	if !info.sameButMoved(want) {
		info = want
		info.ChangeTime = 0
	}
	d.judge(&info)
	return info, nil
}
