package localfs_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/localfs/localfstest"
	"github.com/havre-cloud/havre/svn"
)

func TestDiskContract(t *testing.T) {
	for _, c := range []struct {
		name  string
		aside bool
	}{
		{"aside elsewhere on the file system", true},
		{"aside in the root", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			localfstest.Test(t, func(t *testing.T) (localfs.FS, localfstest.Person) {
				root := t.TempDir()
				aside := ""
				if c.aside {
					aside = filepath.Join(t.TempDir(), "aside")
				}
				return initDisk(t, root, aside), &person{t: t, root: root, aside: aside}
			})
		})
	}
}

func initDisk(t testing.TB, root, aside string) *localfs.Disk {
	t.Helper()
	d := localfs.NewDisk(root, aside)
	if err := d.Init(localfstest.Folder); err != nil {
		t.Fatal(err)
	}
	return d
}

// person works with package os.
type person struct {
	t           testing.TB
	root, aside string
}

func (p *person) at(path svn.Path) string { return filepath.Join(p.root, string(path)) }

func (p *person) ok(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) Write(path svn.Path, content string) {
	p.ok(os.WriteFile(p.at(path), []byte(content), 0o666))
}

func (p *person) Replace(path svn.Path, content string) {
	p.Write(path+".new", content)
	p.Rename(path+".new", path)
}

func (p *person) Mkdir(path svn.Path)                  { p.ok(os.Mkdir(p.at(path), 0o777)) }
func (p *person) Symlink(target string, path svn.Path) { p.ok(os.Symlink(target, p.at(path))) }
func (p *person) Rename(from, to svn.Path)             { p.ok(os.Rename(p.at(from), p.at(to))) }
func (p *person) Remove(path svn.Path)                 { p.ok(os.RemoveAll(p.at(path))) }

func (p *person) OpenWriter(path svn.Path) io.WriteCloser {
	f, err := os.OpenFile(p.at(path), os.O_WRONLY|os.O_APPEND, 0)
	p.ok(err)
	return f
}

func (p *person) Trash() []string {
	var contents []string
	for _, at := range []string{p.aside, filepath.Join(p.root, localfs.Reserved)} {
		contents = append(contents, p.contents(filepath.Join(at, "trash"))...)
	}
	slices.Sort(contents)
	return contents
}

// contents returns those of all files below a directory, which need not be there.
func (p *person) contents(dir string) []string {
	var contents []string
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	p.ok(filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		contents = append(contents, string(b))
		return err
	}))
	return contents
}
