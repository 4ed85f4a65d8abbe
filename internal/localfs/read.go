package localfs

import (
	"os"

	"github.com/havre-cloud/havre/svn"
)

// Stat looks at one path without following a link.
func (d *Disk) Stat(p svn.Path) (Info, error) {
	if p == "" {
		root, _, err := d.checkedRoot()
		if err != nil {
			return Info{}, err
		}
		defer root.close()
		info, err := root.stat()
		return info, wrap("stat", p, err)
	}
	dir, name, err := d.parent(p)
	if err != nil {
		return Info{}, err
	}
	defer dir.close()
	info, err := dir.lstat(name)
	if err != nil {
		return Info{}, wrap("stat", p, err)
	}
	d.judge(&info)
	return info, nil
}

// judge fills in the Problem of what is not possible to synchronise.
func (d *Disk) judge(info *Info) {
	p := d.place()
	if info.Problem == "" {
		info.Problem = problemOfName(info.Name)
	}
	if info.Problem == "" && info.Kind == KindDir && p != nil && info.Device != p.device {
		info.Problem = "is a mount point of another file system, which is not synchronised"
	}
}

// ReadDir returns what is in the directory, sorted bytewise by name.
func (d *Disk) ReadDir(p svn.Path) ([]Info, error) {
	dir, err := d.dir(p)
	if err != nil {
		return nil, err
	}
	defer dir.close()
	infos, err := dir.list()
	if err != nil {
		return nil, wrap("read", p, err)
	}
	kept := infos[:0]
	for _, info := range infos {
		if p == "" && info.Name == Reserved {
			continue
		}
		d.judge(&info)
		if p == "" && isReserved(info.Name) && info.Problem == "" {
			info.Problem = "the name: " + Reserved + ", in whatever case, is kept for havre"
		}
		kept = append(kept, info)
	}
	return kept, nil
}

// Readlink returns the target of a symbolic link, as it is written there.
func (d *Disk) Readlink(p svn.Path) (string, error) {
	dir, name, err := d.parent(p)
	if err != nil {
		return "", err
	}
	defer dir.close()
	info, err := dir.lstat(name)
	if err != nil {
		return "", wrap("stat", p, err)
	}
	if info.Kind != KindSymlink {
		return "", &KindError{Path: p, Want: KindSymlink, Got: info.Kind}
	}
	target, err := dir.readlink(name)
	return target, wrap("read", p, err)
}

// Open opens a regular file for reading.
func (d *Disk) Open(p svn.Path) (File, error) {
	dir, name, err := d.parent(p)
	if err != nil {
		return nil, err
	}
	defer dir.close()
	f, err := dir.openFile(name)
	if isNotDir(err) { // a symbolic link: ELOOP
		return nil, &KindError{Path: p, Want: KindFile, Got: KindSymlink}
	}
	if err != nil {
		return nil, wrap("open", p, err)
	}
	return &diskFile{File: f, name: name}, nil
}

type diskFile struct {
	*os.File
	name string
}

func (f *diskFile) Stat() (Info, error) { return infoOfFile(f.File, f.name) }
