// Package localfstest is the contract of localfs.FS, for the tests of its implementations.
package localfstest

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/svn"
)

// Person does what people and their programs do to a replica, unseen by the FS.
type Person interface {
	// Write makes or changes a file in place.
	Write(p svn.Path, content string)
	// Replace makes a file and renames it to p, as editors do.
	Replace(p svn.Path, content string)
	Mkdir(p svn.Path)
	Symlink(target string, p svn.Path)
	Rename(from, to svn.Path)
	// Remove removes p with all that is in it.
	Remove(p svn.Path)
	// OpenWriter opens an existing file to write at its end.
	OpenWriter(p svn.Path) io.WriteCloser
	// Trash returns the contents of the files in the trash.
	Trash() []string
}

// Folder is the folder that the FS under test was made for by Init.
const Folder = "f-1"

// Test runs the contract. fresh returns an empty replica, Init done, and who works in it.
func Test(t *testing.T, fresh func(t *testing.T) (localfs.FS, Person)) {
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) {
			fsys, person := fresh(t)
			c.test(&tester{T: t, FS: fsys, Person: person})
		})
	}
}

type tester struct {
	*testing.T
	FS localfs.FS
	Person
}

var contract = []struct {
	name string
	test func(t *tester)
}{
	{"a new file", func(t *tester) {
		mtime := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
		info := t.put("a.txt", "one", nil, localfs.Attrs{ModTime: mtime, Executable: true})
		t.wantFile("a.txt", "one")
		got, err := t.FS.Stat("a.txt")
		t.noError(err)
		t.equal(got, info)
		if !got.Same(info) || got.Size != 3 || got.ModTime != mtime.UnixNano() || !got.Executable || got.Kind != localfs.KindFile {
			t.Errorf("Stat = %+v", got)
		}
	}},
	{"a new file where one is", func(t *tester) {
		t.Write("a", "theirs")
		temp := t.temp("ours")
		_, err := t.FS.Commit(temp, "a", nil)
		wantError[*localfs.ChangedError](t, err)
		t.wantFile("a", "theirs")
		_, err = t.FS.Commit(temp, "b", nil) // it is still there to be committed
		t.noError(err)
		t.wantFile("b", "ours")
	}},
	{"replacing what is expected", func(t *tester) {
		t.Write("d", "old")
		info := t.put("d", "new", new(t.look("d")), localfs.Attrs{})
		t.wantFile("d", "new")
		t.equal(t.look("d"), info)
		t.wantTrash()
	}},
	{"replacing what was written to", func(t *tester) {
		t.Write("d", "old")
		before := t.look("d")
		t.Write("d", "theirs")
		_, err := t.FS.Commit(t.temp("ours"), "d", &before)
		wantError[*localfs.ChangedError](t, err)
		t.wantFile("d", "theirs")
	}},
	{"replacing what was replaced", func(t *tester) {
		t.Write("d", "old")
		before := t.look("d")
		t.Replace("d", "abc")
		_, err := t.FS.Commit(t.temp("ours"), "d", &before)
		wantError[*localfs.ChangedError](t, err)
		t.wantFile("d", "abc")
	}},
	{"replacing what is gone", func(t *tester) {
		t.Write("d", "old")
		before := t.look("d")
		t.Remove("d")
		_, err := t.FS.Commit(t.temp("ours"), "d", &before)
		wantError[*localfs.ChangedError](t, err)
		_, err = t.FS.Stat("d")
		t.wantIs(err, fs.ErrNotExist)
	}},
	{"replacing a file by a link and back", func(t *tester) {
		t.Write("d", "old")
		link, err := t.FS.SymlinkTemp("target/of link")
		t.noError(err)
		t.noError(t.FS.SyncTemps([]localfs.Temp{link}))
		_, err = t.FS.Commit(link, "d", new(t.look("d")))
		t.noError(err)
		target, err := t.FS.Readlink("d")
		t.noError(err)
		t.equal(target, "target/of link")
		t.put("d", "file again", new(t.look("d")), localfs.Attrs{})
		t.wantFile("d", "file again")
	}},
	{"commit into a directory that is gone", func(t *tester) {
		_, err := t.FS.Commit(t.temp("x"), "no/such", nil)
		t.wantIs(err, fs.ErrNotExist)
	}},
	{"links on the way are not followed", func(t *tester) {
		t.Mkdir("real")
		t.Write("real/f", "x")
		t.Symlink("real", "link")
		for name, err := range map[string]error{
			"stat":    second(t.FS.Stat("link/f")),
			"readdir": second(t.FS.ReadDir("link")),
			"open":    second(t.FS.Open("link/f")),
			"mkdir":   second(t.FS.Mkdir("link/d")),
			"commit":  second(t.FS.Commit(t.temp("y"), "link/g", nil)),
			"trash":   t.FS.Trash("link/f", t.look("real/f")),
			"rename":  second(t.FS.Rename("real/f", "link/h", t.look("real/f"))),
		} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: error %v, want fs.ErrNotExist", name, err)
			}
		}
		_, err := t.FS.Open("link")
		wantError[*localfs.KindError](t, err)
		t.wantNames("real", "f")
	}},
	{"the root's own things are out of reach", func(t *tester) {
		for _, p := range []svn.Path{".havre", ".havre/marker", ".HAVRE/marker"} {
			_, err := t.FS.Stat(p)
			wantError[*localfs.NameError](t, err)
		}
		for _, p := range []svn.Path{"..", "a/../b", "/etc", "a//b", "a\nb"} {
			_, err := t.FS.Stat(p)
			wantError[*svn.InvalidPathError](t, err)
		}
		t.wantNames("")
	}},
	{"a directory's entries", func(t *tester) {
		t.Mkdir("d")
		t.Mkdir("d/b")
		t.Write("d/a.txt", "12345")
		t.Write("d/a", "")
		t.Symlink("anywhere", "d/ab")
		infos, err := t.FS.ReadDir("d")
		t.noError(err)
		var got []string
		for _, i := range infos {
			got = append(got, i.Kind.String()+" "+i.Name)
			if i.Inode == 0 || i.Problem != "" {
				t.Errorf("%+v", i)
			}
			stat := t.look(svn.Path("d").Join(i.Name))
			t.equal(i, stat)
		}
		t.equal(got, []string{"file a", "file a.txt", "symbolic link ab", "directory b"})
	}},
	{"rename", func(t *tester) {
		t.Mkdir("d")
		t.Mkdir("e")
		t.Write("d/f", "x")
		before := t.look("d")
		info, err := t.FS.Rename("d", "e/g", before)
		t.noError(err)
		t.equal(info.Inode, before.Inode)
		t.wantFile("e/g/f", "x")
		t.wantNames("", "e")
		file, err := t.FS.Rename("e/g/f", "f", t.look("e/g/f"))
		t.noError(err)
		t.equal(t.look("f"), file)
	}},
	{"rename onto something", func(t *tester) {
		t.Write("a", "1")
		t.Write("b", "2")
		_, err := t.FS.Rename("a", "b", t.look("a"))
		t.wantIs(err, fs.ErrExist)
		t.wantFile("a", "1")
		t.wantFile("b", "2")
	}},
	{"rename of what was changed", func(t *tester) {
		t.Write("a", "1")
		before := t.look("a")
		t.Write("a", "22")
		_, err := t.FS.Rename("a", "b", before)
		wantError[*localfs.ChangedError](t, err)
		t.wantFile("a", "22")
	}},
	{"rename into itself", func(t *tester) {
		t.Mkdir("a")
		_, err := t.FS.Rename("a", "a/b", t.look("a"))
		t.wantIs(err, fs.ErrInvalid)
	}},
	{"rename of the case only", func(t *tester) {
		t.Write("Readme", "x")
		_, err := t.FS.Rename("Readme", "README", t.look("Readme"))
		t.noError(err)
		t.wantNames("", "README")
		t.wantFile("README", "x")
	}},
	{"trash", func(t *tester) {
		t.Mkdir("d")
		t.Write("d/f", "precious")
		err := t.FS.Trash("d", t.look("d"))
		wantError[*localfs.NotEmptyError](t, err)
		t.noError(t.FS.Trash("d/f", t.look("d/f")))
		t.noError(t.FS.Trash("d", t.look("d")))
		t.wantNames("")
		t.wantTrash("precious")
		// The same path again.
		t.Write("d", "a file now")
		t.noError(t.FS.Trash("d", t.look("d")))
		t.Mkdir("d")
		t.Write("d/f", "other")
		t.noError(t.FS.Trash("d/f", t.look("d/f")))
		t.wantTrash("a file now", "other", "precious")
		t.noError(t.FS.ExpireTrash(time.Hour))
		t.wantTrash("a file now", "other", "precious")
		t.noError(t.FS.ExpireTrash(-time.Hour))
		t.wantTrash()
	}},
	{"trash of what was changed", func(t *tester) {
		t.Write("f", "1")
		before := t.look("f")
		t.Write("f", "22")
		wantError[*localfs.ChangedError](t, t.FS.Trash("f", before))
		t.Remove("f")
		wantError[*localfs.ChangedError](t, t.FS.Trash("f", before))
		t.wantTrash()
	}},
	{"trash of a whole directory", func(t *tester) {
		t.Mkdir("d")
		t.Write("d/f", "precious")
		t.noError(t.FS.TrashTree("d", t.look("d")))
		t.wantNames("")
		t.wantTrash("precious")
		t.Write("f", "")
		wantError[*localfs.KindError](t, t.FS.TrashTree("f", t.look("f")))
	}},
	{"set aside", func(t *tester) {
		t.Mkdir("d")
		t.Write("d/f", "precious")
		before := t.look("d/f")
		t.Write("d/f", "more precious")
		_, err := t.FS.SetAside("d/f", before)
		wantError[*localfs.ChangedError](t, err)
		place, err := t.FS.SetAside("d/f", t.look("d/f"))
		t.noError(err)
		if place == "" || !t.FS.IsAside(place) {
			t.Errorf("set aside to %q, where it is not", place)
		}
		t.Write("d/f", "again")
		again, err := t.FS.SetAside("d/f", t.look("d/f"))
		t.noError(err)
		if again == place {
			t.Errorf("both are at %s", place)
		}
		t.noError(t.FS.ExpireTrash(-time.Hour))
		if !t.FS.IsAside(place) {
			t.Error("it went with the trash")
		}
		t.wantTrash()
		_, err = t.FS.SetAside("d", t.look("d"))
		wantError[*localfs.KindError](t, err)
	}},
	{"mkdir", func(t *tester) {
		info, err := t.FS.Mkdir("d")
		t.noError(err)
		t.equal(info, t.look("d"))
		_, err = t.FS.Mkdir("d")
		t.wantIs(err, fs.ErrExist)
		_, err = t.FS.Mkdir("no/d")
		t.wantIs(err, fs.ErrNotExist)
		t.noError(t.FS.SyncDirs([]svn.Path{"", "d", "no/d"}))
	}},
	{"attributes", func(t *tester) {
		t.Write("f", "x")
		before := t.look("f")
		after, err := t.FS.SetAttrs("f", localfs.Attrs{Executable: true}, before)
		t.noError(err)
		t.equal(after, t.look("f"))
		if !after.Executable || after.ModTime != before.ModTime {
			t.Errorf("before %+v, after %+v", before, after)
		}
		_, err = t.FS.SetAttrs("f", localfs.Attrs{}, before)
		wantError[*localfs.ChangedError](t, err)
	}},
	{"an unfinished file goes on", func(t *tester) {
		temp, err := t.FS.ResumeTemp("k-1")
		t.noError(err)
		t.equal(temp.Size(), 0)
		t.write(temp, "first half, ")
		t.noError(temp.Close())
		t.noError(t.FS.Clean())
		temp, err = t.FS.ResumeTemp("k-1")
		t.noError(err)
		t.equal(temp.Size(), 12)
		b := make([]byte, 5)
		_, err = temp.ReadAt(b, 0)
		t.noError(err)
		t.equal(string(b), "first")
		t.write(temp, "second half")
		t.noError(t.FS.SyncTemps([]localfs.Temp{temp}))
		_, err = t.FS.Commit(temp, "f", nil)
		t.noError(err)
		t.wantFile("f", "first half, second half")
		_, err = t.FS.ResumeTemp("../escape")
		if err == nil {
			t.Error("a key with a slash is taken")
		}
	}},
	{"discarded and left temporaries", func(t *tester) {
		temp := t.temp("x")
		t.noError(temp.Discard())
		t.noError(temp.Discard())
		_, err := t.FS.Commit(temp, "f", nil)
		if err == nil {
			t.Error("a discarded temporary is committed")
		}
		left := t.temp("y")
		t.noError(t.FS.Clean())
		_, err = t.FS.Commit(left, "f", nil)
		t.wantIs(err, fs.ErrNotExist)
		t.wantNames("")
	}},
	{"what a program still writes to is kept", func(t *tester) {
		if !t.FS.Features().ExactReplace {
			t.Skip("the system does not tell")
		}
		t.Write("log", "1\n")
		w := t.OpenWriter("log")
		t.put("log", "from afar", new(t.look("log")), localfs.Attrs{})
		_, err := io.WriteString(w, "2\n")
		t.noError(err)
		t.noError(w.Close())
		t.wantFile("log", "from afar")
		t.wantTrash("1\n2\n")
	}},
	{"the marker", func(t *tester) {
		t.noError(t.FS.Check(Folder))
		t.noError(t.FS.Init(Folder))
		wantError[*localfs.OtherFolderError](t, t.FS.Check("f-2"))
		wantError[*localfs.OtherFolderError](t, t.FS.Init("f-2"))
	}},
	{"names", func(t *tester) {
		for _, name := range []string{
			" ", "with space", `quote"s'`, "back\\slash", "tab\t", "e\u0301 NFD", "\u00e9 NFC", "🙂", "a:b?*|<>", "-rf", "~", "CON",
			strings.Repeat("n", 255), strings.Repeat("🙂", 63),
		} {
			t.put(svn.Path(name), name, nil, localfs.Attrs{})
			t.wantFile(svn.Path(name), name)
		}
		_, err := t.FS.Commit(t.temp("x"), svn.Path(strings.Repeat("n", 256)), nil)
		wantError[*localfs.NameError](t, err)
		_, err = t.FS.Mkdir(svn.Path(strings.Repeat("n", 256)))
		wantError[*localfs.NameError](t, err)
	}},
}

func second[T any](_ T, err error) error { return err }

func wantError[E error](t *tester, err error) {
	t.Helper()
	if _, ok := errors.AsType[E](err); !ok {
		t.Errorf("error %v (%T), want %T", err, err, *new(E))
	}
}

func (t *tester) wantIs(err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func (t *tester) noError(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t *tester) equal(got, want any) {
	t.Helper()
	switch w := want.(type) {
	case int:
		want = int64(w)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func (t *tester) look(p svn.Path) localfs.Info {
	t.Helper()
	info, err := t.FS.Stat(p)
	t.noError(err)
	return info
}

func (t *tester) write(w io.Writer, content string) {
	t.Helper()
	_, err := io.WriteString(w, content)
	t.noError(err)
}

func (t *tester) temp(content string) localfs.Temp {
	t.Helper()
	temp, err := t.FS.CreateTemp()
	t.noError(err)
	t.write(temp, content)
	t.noError(t.FS.SyncTemps([]localfs.Temp{temp}))
	return temp
}

func (t *tester) put(p svn.Path, content string, expected *localfs.Info, a localfs.Attrs) localfs.Info {
	t.Helper()
	temp, err := t.FS.CreateTemp()
	t.noError(err)
	t.write(temp, content)
	t.noError(temp.SetAttrs(a))
	t.noError(t.FS.SyncTemps([]localfs.Temp{temp}))
	info, err := t.FS.Commit(temp, p, expected)
	t.noError(err)
	return info
}

func (t *tester) wantFile(p svn.Path, want string) {
	t.Helper()
	f, err := t.FS.Open(p)
	t.noError(err)
	defer f.Close()
	b, err := io.ReadAll(f)
	t.noError(err)
	t.equal(string(b), want)
}

func (t *tester) wantNames(dir svn.Path, want ...string) {
	t.Helper()
	infos, err := t.FS.ReadDir(dir)
	t.noError(err)
	var got []string
	for _, i := range infos {
		got = append(got, i.Name)
	}
	t.equal(got, want)
}

func (t *tester) wantTrash(want ...string) {
	t.Helper()
	t.equal(t.Trash(), want)
}
