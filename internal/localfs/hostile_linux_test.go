//go:build !havre_portable

package localfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/localfs/localfstest"
	"github.com/havre-cloud/havre/svn"
)

func newDisk(t *testing.T) (*localfs.Disk, *person) {
	p := &person{t: t, root: t.TempDir(), aside: filepath.Join(t.TempDir(), "aside")}
	return initDisk(t, p.root, p.aside), p
}

// put makes a new file through the disk, or replaces what is expected.
func put(d *localfs.Disk, p svn.Path, content string, expected *localfs.Info) (localfs.Info, error) {
	temp, err := d.CreateTemp()
	if err != nil {
		return localfs.Info{}, err
	}
	_, err = io.WriteString(temp, content)
	if err == nil {
		err = d.SyncTemps([]localfs.Temp{temp})
	}
	var info localfs.Info
	if err == nil {
		info, err = d.Commit(temp, p, expected)
	}
	return info, errors.Join(err, temp.Discard())
}

// TestOddThings shows that what cannot be synchronised is named and does not stand in the way.
func TestOddThings(t *testing.T) {
	d, p := newDisk(t)
	p.ok(unix.Mkfifo(p.at("fifo"), 0o666))
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", p.at("socket"))
	p.ok(err)
	defer l.Close()
	p.ok(os.WriteFile(p.at("new\nline"), nil, 0o666))
	p.ok(os.WriteFile(p.at("bytes\xff"), nil, 0o666))
	p.Write("file", "x")
	p.Mkdir("mount")
	p.ok(unix.Mount("none", p.at("mount"), "tmpfs", 0, "size=64k"))
	defer func() { p.ok(unix.Unmount(p.at("mount"), 0)) }()
	p.Write("mount/f", "x")
	infos, err := d.ReadDir("")
	p.ok(err)
	got := map[string]string{}
	for _, i := range infos {
		got[i.Name] = i.Problem
	}
	want := map[string]string{
		"fifo":      "is a FIFO, which is not synchronised",
		"socket":    "is a socket, which is not synchronised",
		"new\nline": "the name: it contains a newline, which Subversion cannot store",
		"bytes\xff": "the name: it is not valid UTF-8",
		"mount":     "is a mount point of another file system, which is not synchronised",
		"file":      "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, name := range []svn.Path{"fifo", "socket"} {
		if _, err := d.Open(name); err == nil {
			t.Errorf("/%s can be opened", name)
		}
	}
	if _, err := put(d, "mount/g", "x", nil); !isType[*localfs.OtherDiskError](err) {
		t.Errorf("a file on another disk: %v", err)
	}
	info, err := d.Stat("mount/f")
	p.ok(err)
	if err := d.Trash("mount/f", info); !isType[*localfs.OtherDiskError](err) {
		t.Errorf("trash of a file on another disk: %v", err)
	}
	if got := string(mustRead(t, p.at("mount/f"))); got != "x" {
		t.Errorf("the file on the other disk is %q", got)
	}
}

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestNoWayOut tries to get the disk to read and write outside the root, through links that are there and
// links that take the place of directories at any moment.
func TestNoWayOut(t *testing.T) {
	d, p := newDisk(t)
	outside := t.TempDir()
	p.ok(os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o666))
	p.Mkdir("dir")
	p.Write("dir/secret", "harmless")
	p.Symlink(outside, "link")
	if _, err := d.Stat("link/secret"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat through a link: %v", err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = unix.Renameat2(unix.AT_FDCWD, p.at("dir"), unix.AT_FDCWD, p.at("link"), unix.RENAME_EXCHANGE)
		}
	})
	read, written := 0, 0
	for i := range 3000 {
		if f, err := d.Open("dir/secret"); err == nil {
			b, err := io.ReadAll(f)
			p.ok(err)
			f.Close()
			if string(b) != "harmless" {
				t.Fatalf("read %q", b)
			}
			read++
		}
		if _, err := d.Mkdir(svn.Path(fmt.Sprint("dir/d", i))); err == nil {
			written++
		}
		if info, err := d.Stat("dir/secret"); err == nil && info.Size != int64(len("harmless")) {
			t.Fatalf("%+v", info)
		}
	}
	close(stop)
	wg.Wait()
	entries, err := os.ReadDir(outside)
	p.ok(err)
	if len(entries) != 1 {
		t.Errorf("outside is %v", entries)
	}
	t.Logf("%d reads and %d directories reached the real one", read, written)
}

// TestNothingIsLost has a person change a file all the time, in both ways, while the disk replaces it with what
// comes from afar. Each contents of the person must be there in the end, or in the trash, or have been
// replaced by the person.
func TestNothingIsLost(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(p *person, content string)
	}{
		{"by renaming", func(p *person, content string) { p.Replace("f", content) }},
		{"in place", func(p *person, content string) { p.Write("f", content) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, p := newDisk(t)
			p.Write("f", "person 0")
			const rounds = 1500
			// ours tells which contents of the person a Commit replaced because it was told to.
			agreed := map[string]bool{}
			done := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				defer close(done)
				for i := range rounds {
					c.change(p, fmt.Sprint("person ", i+1))
				}
			})
			commits := 0
			for running := true; running; {
				select {
				case <-done:
					running = false
				default:
				}
				f, err := d.Open("f")
				p.ok(err)
				info, err := f.Stat()
				p.ok(err)
				b, err := io.ReadAll(f)
				p.ok(err)
				after, err := f.Stat()
				p.ok(err)
				f.Close()
				if !after.Same(info) || len(b) == 0 {
					continue
				}
				_, err = put(d, "f", "afar", &info)
				switch {
				case err == nil:
					commits++
					agreed[string(b)] = true
				case !isType[*localfs.ChangedError](err):
					t.Fatal(err)
				}
			}
			wg.Wait()
			// The last contents of the person were replaced knowingly, or are there.
			last := fmt.Sprint("person ", rounds)
			there := append(p.Trash(), string(mustRead(t, p.at("f"))))
			if !agreed[last] && !slices.Contains(there, last) {
				t.Errorf("%q is lost; there are %q", last, there)
			}
			entries, err := os.ReadDir(filepath.Join(p.aside, "tmp"))
			p.ok(err)
			if len(entries) > 0 {
				t.Errorf("left: %v", entries)
			}
			t.Logf("%d commits, %d contents in the trash", commits, len(there)-1)
		})
	}
}

// TestFullDisk fills a small disk: the error says so, and what was there is unharmed.
func TestFullDisk(t *testing.T) {
	root := t.TempDir()
	if err := unix.Mount("none", root, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatalf("mount a small disk (this test needs the right to): %v", err)
	}
	defer func() { _ = unix.Unmount(root, 0) }()
	p := &person{t: t, root: root}
	d := initDisk(t, root, "")
	p.Write("old", "precious")
	old, err := d.Stat("old")
	p.ok(err)
	_, err = put(d, "new", strings.Repeat("x", 1<<20), nil)
	if !localfs.IsFull(err) {
		t.Errorf("error %v, want one of a full disk", err)
	}
	p.Write("filler", strings.Repeat("x", 64<<10))
	for {
		if err := os.WriteFile(filepath.Join(root, "rest"), make([]byte, 256<<10), 0o666); err != nil {
			break
		}
	}
	if _, err := put(d, "old", strings.Repeat("y", 4096), &old); !localfs.IsFull(err) {
		t.Errorf("error %v, want one of a full disk", err)
	}
	p.ok(d.Trash("old", old)) // a rename needs no room, or next to none
	if diff := cmp.Diff([]string{"precious"}, p.Trash()); diff != "" {
		t.Error(diff)
	}
	p.Remove("rest")
	if _, err := put(d, "new", "fits", nil); err != nil {
		t.Error(err)
	}
}

// TestRootGone takes the replica away in the ways that it happens.
func TestRootGone(t *testing.T) {
	for _, c := range []struct {
		name string
		away func(t *testing.T, p *person)
		want func(err error) bool
	}{
		{"removed", func(_ *testing.T, p *person) { p.ok(os.RemoveAll(p.root)) }, isType[*localfs.RootGoneError]},
		{"a file instead", func(_ *testing.T, p *person) {
			p.ok(os.RemoveAll(p.root))
			p.ok(os.WriteFile(p.root, nil, 0o666))
		}, isType[*localfs.RootGoneError]},
		{"an empty mount over it", func(t *testing.T, p *person) {
			p.ok(unix.Mount("none", p.root, "tmpfs", 0, "size=64k"))
			t.Cleanup(func() { _ = unix.Unmount(p.root, 0) })
		}, isType[*localfs.MarkerGoneError]},
		{"the marker deleted", func(_ *testing.T, p *person) { p.ok(os.Remove(p.at(".havre/marker"))) }, isType[*localfs.MarkerGoneError]},
		{"an old copy in its place", func(_ *testing.T, p *person) {
			p.ok(os.CopyFS(p.root+".copy", os.DirFS(p.root)))
			p.ok(os.Rename(p.root, p.root+".was"))
			p.ok(os.Rename(p.root+".copy", p.root))
		}, isType[*localfs.RootGoneError]},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &person{t: t, root: filepath.Join(t.TempDir(), "root")}
			p.ok(os.Mkdir(p.root, 0o777))
			aside := p.root + ".aside"
			d := initDisk(t, p.root, aside)
			p.Write("f", "x")
			p.ok(d.Check(localfstest.Folder))
			c.away(t, p)
			if err := d.Check(localfstest.Folder); !c.want(err) {
				t.Errorf("Check: %v", err)
			}
			// A process that starts now sees it too.
			if err := localfs.NewDisk(p.root, aside).Check(localfstest.Folder); !c.want(err) {
				t.Errorf("Check after a start: %v", err)
			}
			if c.name != "the marker deleted" {
				if _, err := d.ReadDir(""); !isType[*localfs.RootGoneError](err) {
					t.Errorf("ReadDir: %v", err)
				}
			}
		})
	}
}

// TestUnreadable is about an account without rights; root has them all, so it works as nobody.
func TestUnreadable(t *testing.T) {
	d, p := newDisk(t)
	p.Write("secret", "x")
	p.ok(os.Chmod(p.at("secret"), 0))
	p.Mkdir("closed")
	p.ok(os.Chmod(p.at("closed"), 0))
	p.Write("open", "x")
	err := asNobody(t, p.root, func() error {
		if _, err := d.Open("secret"); !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("open: %w", err)
		}
		if _, err := d.ReadDir("closed"); !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("readdir: %w", err)
		}
		infos, err := d.ReadDir("")
		if err == nil && len(infos) != 3 {
			err = fmt.Errorf("readdir found %v", infos)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// asNobody calls fn in a thread without the rights of root.
func asNobody(t *testing.T, root string, fn func() error) error {
	t.Helper()
	if os.Geteuid() != 0 {
		return fn()
	}
	// The directories that t.TempDir made on the way are for their owner only.
	for dir := root; dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	result := make(chan error)
	go func() {
		// The thread keeps the lock, and so ends with the goroutine.
		runtime.LockOSThread()
		if err := unix.Setfsuid(65534); err != nil {
			result <- err
			return
		}
		result <- fn()
	}()
	return <-result
}

// TestOddTimes shows that times long ago and far ahead stay as they are.
func TestOddTimes(t *testing.T) {
	d, p := newDisk(t)
	for i, mtime := range []time.Time{time.Unix(0, 0), time.Unix(-86400, 123), time.Unix(1<<32, 0), time.Unix(1, 1)} {
		name := svn.Path(fmt.Sprint("f", i))
		temp, err := d.CreateTemp()
		p.ok(err)
		p.ok(temp.SetAttrs(localfs.Attrs{ModTime: mtime}))
		p.ok(d.SyncTemps([]localfs.Temp{temp}))
		info, err := d.Commit(temp, name, nil)
		p.ok(err)
		if info.ModTime != mtime.UnixNano() {
			t.Errorf("%v became %v", mtime, time.Unix(0, info.ModTime))
		}
	}
}

// TestPermissionsStay shows that a private file does not become public by an edit from afar.
func TestPermissionsStay(t *testing.T) {
	d, p := newDisk(t)
	p.Write("private", "x")
	p.ok(os.Chmod(p.at("private"), 0o600))
	info, err := d.Stat("private")
	p.ok(err)
	_, err = put(d, "private", "new", &info)
	p.ok(err)
	fi, err := os.Stat(p.at("private"))
	p.ok(err)
	if fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
}
