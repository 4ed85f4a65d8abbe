package fsfs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/fsfs/repcache"
)

// exampleDir returns a directory that remove takes away again.
func exampleDir() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		panic(err)
	}
	return filepath.Join(dir, "repository"), func() { _ = os.RemoveAll(dir) }
}

// putFile is a change that adds a file, or changes the one that base knows.
func putFile(path svn.Path, base svn.Revnum, text string) svn.Change {
	return svn.Change{Op: svn.OpPut, Path: path, Base: base, Content: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), nil
	}}
}

// A repository is made and opened again, now with the database by which equal contents are stored
// once. `svn checkout file://...` works on it all the while.
func Example() {
	ctx := context.Background()
	dir, remove := exampleDir()
	defer remove()
	repo, err := fsfs.Create(dir, fsfs.CreateOptions{})
	if err != nil {
		panic(err)
	}
	if err := repo.Close(); err != nil {
		panic(err)
	}
	repo, err = fsfs.Open(dir, fsfs.Options{RepCache: repcache.Open})
	if err != nil {
		panic(err)
	}
	defer repo.Close()

	rev, err := repo.Commit(ctx, &svn.Commit{
		RevProps: svn.Props{svn.PropAuthor: "ada", svn.PropLog: "a file"},
		Changes:  []svn.Change{putFile("hello.txt", svn.InvalidRevnum, "hello\n")},
	})
	if err != nil {
		panic(err)
	}
	f, err := repo.Open(ctx, "hello.txt", rev)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f) // compared with its checksum at the end
	fmt.Printf("r%d %q %v\n", rev, data, err)
	// Output: r1 "hello\n" <nil>
}

// A directory as it is at a revision, without what is below it.
func ExampleRepository_List() {
	ctx := context.Background()
	dir, remove := exampleDir()
	defer remove()
	repo, err := fsfs.Create(dir, fsfs.CreateOptions{})
	if err != nil {
		panic(err)
	}
	defer repo.Close()
	changes := []svn.Change{{Op: svn.OpMkdir, Path: "src", Base: svn.InvalidRevnum}}
	for _, name := range []svn.Path{"src/b.go", "src/a.go", "readme"} {
		changes = append(changes, putFile(name, svn.InvalidRevnum, string(name)))
	}
	if _, err := repo.Commit(ctx, &svn.Commit{Changes: changes}); err != nil {
		panic(err)
	}
	for _, path := range []svn.Path{"", "src", "readme"} {
		for node, err := range repo.List(ctx, path, 1, false) {
			if err != nil {
				fmt.Println(err)
				break
			}
			fmt.Println(node.Kind, node.Path, node.Size)
		}
	}
	// Output:
	// file readme 6
	// dir src 0
	// file src/a.go 8
	// file src/b.go 8
	// /readme: is not a directory in r1
}

// A commit names the revision at which it knew each path. Whoever is out of date looks at what is new and
// tries again.
func ExampleRepository_Commit() {
	ctx := context.Background()
	dir, remove := exampleDir()
	defer remove()
	repo, err := fsfs.Create(dir, fsfs.CreateOptions{})
	if err != nil {
		panic(err)
	}
	defer repo.Close()

	base := svn.InvalidRevnum // nothing is known to be there
	for _, text := range []string{"one\n", "one\ntwo\n"} {
		base, err = repo.Commit(ctx, &svn.Commit{Changes: []svn.Change{putFile("list.txt", base, text)}})
		if err != nil {
			panic(err)
		}
	}
	change := putFile("list.txt", 1, "one\nthree\n")
	_, err = repo.Commit(ctx, &svn.Commit{Changes: []svn.Change{change}})
	for {
		old, ok := errors.AsType[*svn.OutOfDateError](err)
		if !ok {
			break
		}
		fmt.Println(err)
		// Here the two versions would be merged, or both be kept.
		change.Path, change.Base = "list (conflict).txt", svn.InvalidRevnum
		base, err = repo.Commit(ctx, &svn.Commit{Changes: []svn.Change{change}})
		fmt.Println("after", old.Youngest, "comes", base, err)
	}
	// Output:
	// out of date against r2: /list.txt (changed in r2)
	// after 2 comes 3 <nil>
}

// Damage is never returned as contents: a *CorruptError says in which file and where.
func ExampleCorruptError() {
	ctx := context.Background()
	dir, remove := exampleDir()
	defer remove()
	repo, err := fsfs.Create(dir, fsfs.CreateOptions{})
	if err != nil {
		panic(err)
	}
	defer repo.Close()
	if _, err := repo.Commit(ctx, &svn.Commit{Changes: []svn.Change{putFile("f", svn.InvalidRevnum, "some text")}}); err != nil {
		panic(err)
	}
	name := filepath.Join(dir, "db/revs/0/1")
	data, err := os.ReadFile(name)
	if err != nil {
		panic(err)
	}
	damaged := strings.Replace(string(data), "some text", "same text", 1)
	if err := errors.Join(os.Remove(name), os.WriteFile(name, []byte(damaged), 0o444)); err != nil {
		panic(err)
	}

	repo, err = fsfs.Open(dir, fsfs.Options{})
	if err != nil {
		panic(err)
	}
	defer repo.Close()
	f, err := repo.Open(ctx, "f", 1)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	_, err = io.ReadAll(f)
	damage, ok := errors.AsType[*fsfs.CorruptError](err)
	fmt.Println(ok, damage.File)
	// Output: true db/revs/0/1
}

// What is wrong with a repository, revision by revision.
func ExampleRepository_Verify() {
	ctx := context.Background()
	dir, remove := exampleDir()
	defer remove()
	repo, err := fsfs.Create(dir, fsfs.CreateOptions{})
	if err != nil {
		panic(err)
	}
	defer repo.Close()
	head, err := repo.Commit(ctx, &svn.Commit{Changes: []svn.Change{putFile("f", svn.InvalidRevnum, "text")}})
	if err != nil {
		panic(err)
	}
	sound := 0
	err = repo.Verify(ctx, 0, head, func(rev svn.Revnum, err error) error {
		if err != nil {
			fmt.Println(rev, err)
		} else {
			sound++
		}
		return nil // go on
	})
	fmt.Println(sound, "revisions are sound;", err)
	// Output: 2 revisions are sound; <nil>
}

// A repository that runs programs at each commit is reached through svnserve, so that they run.
func ExampleActiveHooks() {
	dir, remove := exampleDir()
	defer remove()
	repo, err := fsfs.Create(dir, fsfs.CreateOptions{})
	if err != nil {
		panic(err)
	}
	defer repo.Close()
	hooks, err := fsfs.ActiveHooks(dir)
	fmt.Println(len(hooks), err)
	// Output: 0 <nil>
}
