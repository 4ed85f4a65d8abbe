package svn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
)

// temporary makes a repository for an example. What is below works on any svn.Repository: of package
// rasvn and radav, too.
func temporary() (repo svn.Repository, remove func()) {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		panic(err)
	}
	repo, err = fsfs.Create(filepath.Join(dir, "repository"), fsfs.CreateOptions{})
	if err != nil {
		panic(err)
	}
	return repo, func() { _, _ = repo.Close(), os.RemoveAll(dir) }
}

// text is a Change.Content.
func text(s string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }
}

// Two revisions are made, and what the repository holds is read.
func Example() {
	ctx := context.Background()
	repo, remove := temporary()
	defer remove()

	_, err := repo.Commit(ctx, &svn.Commit{
		RevProps: svn.Props{svn.PropAuthor: "ada", svn.PropLog: "first notes"},
		Changes: []svn.Change{
			{Op: svn.OpMkdir, Path: "docs", Base: svn.InvalidRevnum},
			{Op: svn.OpPut, Path: "docs/notes.txt", Base: svn.InvalidRevnum, Content: text("one\n")},
		},
	})
	if err != nil {
		panic(err)
	}
	head, err := repo.Commit(ctx, &svn.Commit{
		RevProps: svn.Props{svn.PropAuthor: "bob", svn.PropLog: "two more"},
		// Base says which version was changed.
		Changes: []svn.Change{{Op: svn.OpPut, Path: "docs/notes.txt", Base: 1, Content: text("one\ntwo\nthree\n")}},
	})
	if err != nil {
		panic(err)
	}

	for node, err := range repo.Walk(ctx, "", head, "") {
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s /%s, %d bytes, r%d\n", node.Kind, node.Path, node.Size, node.CreatedRev)
	}
	for rev := head; rev > 0; rev-- {
		f, err := repo.Open(ctx, "docs/notes.txt", rev)
		if err != nil {
			panic(err)
		}
		data, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			panic(err)
		}
		fmt.Printf("r%d: %q\n", rev, data)
	}
	// Output:
	// dir /, 0 bytes, r2
	// dir /docs, 0 bytes, r2
	// file /docs/notes.txt, 14 bytes, r2
	// r2: "one\ntwo\nthree\n"
	// r1: "one\n"
}

// What others committed meanwhile is not overwritten: the commit is refused, and says which of its changes
// stand against theirs.
func ExampleOutOfDateError() {
	ctx := context.Background()
	repo, remove := temporary()
	defer remove()
	commit := func(author string, changes ...svn.Change) error {
		_, err := repo.Commit(ctx, &svn.Commit{RevProps: svn.Props{svn.PropAuthor: author}, Changes: changes})
		return err
	}
	if err := commit("ada", svn.Change{Op: svn.OpPut, Path: "plan.txt", Base: svn.InvalidRevnum, Content: text("a plan")}); err != nil {
		panic(err)
	}
	if err := commit("bob", svn.Change{Op: svn.OpPut, Path: "plan.txt", Base: 1, Content: text("Bob's plan")}); err != nil {
		panic(err)
	}

	// Ada has not seen r2 yet.
	err := commit("ada",
		svn.Change{Op: svn.OpPut, Path: "plan.txt", Base: 1, Content: text("Ada's plan")},
		svn.Change{Op: svn.OpPut, Path: "budget.txt", Base: svn.InvalidRevnum, Content: text("42")},
	)
	if old, ok := errors.AsType[*svn.OutOfDateError](err); ok {
		for _, c := range old.Changes {
			fmt.Printf("change %d, /%s: %s\n", c.Index, c.Path, c.Reason)
		}
	}
	_, err = repo.Stat(ctx, "budget.txt", 2)
	fmt.Println("nothing was committed:", err)
	// Output:
	// change 0, /plan.txt: changed in r2
	// nothing was committed: /budget.txt: not found in r2
}

// A revision number is all that a copy has to remember to find out what changed since.
func ExampleRepository_Log() {
	ctx := context.Background()
	repo, remove := temporary()
	defer remove()
	for _, changes := range [][]svn.Change{
		{
			{Op: svn.OpMkdir, Path: "src", Base: svn.InvalidRevnum},
			{Op: svn.OpPut, Path: "src/main.go", Base: svn.InvalidRevnum, Content: text("package main\n")},
		},
		{{Op: svn.OpPut, Path: "readme", Base: svn.InvalidRevnum, Content: text("read me")}},
		// A move is a copy and a deletion in one revision.
		{
			{Op: svn.OpCopy, Path: "cmd", Base: svn.InvalidRevnum, CopyFrom: &svn.CopySource{Path: "src", Rev: 2}},
			{Op: svn.OpDelete, Path: "src", Base: 2},
		},
	} {
		if _, err := repo.Commit(ctx, &svn.Commit{RevProps: svn.Props{svn.PropAuthor: "ada"}, Changes: changes}); err != nil {
			panic(err)
		}
	}

	const seen = 1
	head, err := repo.Youngest(ctx)
	if err != nil {
		panic(err)
	}
	for rev, err := range repo.Log(ctx, seen+1, head) {
		if err != nil {
			panic(err)
		}
		for _, c := range rev.Changes {
			fmt.Printf("r%d by %s: %c /%s", rev.Rev, rev.Author(), c.Action, c.Path)
			if c.CopyFrom != nil {
				fmt.Printf(" from /%s in r%d", c.CopyFrom.Path, c.CopyFrom.Rev)
			}
			fmt.Println()
		}
	}
	// Output:
	// r2 by ada: A /readme
	// r3 by ada: A /cmd from /src in r2
	// r3 by ada: D /src
}

// Properties say what a file is besides its contents. A change without Props leaves them as they are.
func ExampleProps() {
	ctx := context.Background()
	repo, remove := temporary()
	defer remove()
	changes := []svn.Change{{
		Op: svn.OpPut, Path: "run.sh", Base: svn.InvalidRevnum, Content: text("#!/bin/sh\n"),
		Props: svn.Props{svn.PropExecutable: "*", "svn:eol-style": "LF"},
	}}
	for _, c := range [][]svn.Change{changes, {{Op: svn.OpPut, Path: "run.sh", Base: 1, Content: text("#!/bin/sh\nexit 0\n")}}} {
		if _, err := repo.Commit(ctx, &svn.Commit{Changes: c}); err != nil {
			panic(err)
		}
	}
	node, err := repo.Stat(ctx, "run.sh", 2)
	if err != nil {
		panic(err)
	}
	_, executable := node.Props[svn.PropExecutable]
	fmt.Println(node.Size, executable, node.Props["svn:eol-style"])
	// Output: 17 true LF
}

// Wait returns as soon as anybody has committed: another goroutine, another process, or a Subversion client.
func ExampleRepository_Wait() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	repo, remove := temporary()
	defer remove()
	go func() {
		c := &svn.Commit{Changes: []svn.Change{{Op: svn.OpPut, Path: "new.txt", Base: svn.InvalidRevnum, Content: text("new")}}}
		if _, err := repo.Commit(ctx, c); err != nil {
			panic(err)
		}
	}()
	rev, err := repo.Wait(ctx, 0)
	fmt.Println(rev, err)
	// Output: 1 <nil>
}

func ExamplePath() {
	p := svn.Path("projects").Join("havre/notes.txt")
	dir, name := p.Split()
	fmt.Println(p, dir, name)
	rel, below := p.Rel("projects")
	fmt.Println(rel, below)
	_, below = p.Rel("pro")
	fmt.Println(below)
	// Output:
	// projects/havre/notes.txt projects/havre notes.txt
	// havre/notes.txt true
	// false
}

func ExampleCheckPath() {
	for _, p := range []string{"a/b.txt", "/a", "a//b", "a/../b"} {
		if _, err := svn.CheckPath(p); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println(p)
		}
	}
	// Output:
	// a/b.txt
	// path "/a": it has an empty component
	// path "a//b": it has an empty component
	// path "a/../b": it has the component ..
}

// SkipTo reads a part of a large file without what is before it.
func ExampleFile() {
	ctx := context.Background()
	repo, remove := temporary()
	defer remove()
	c := svn.Change{Op: svn.OpPut, Path: "large", Base: svn.InvalidRevnum, Content: text(strings.Repeat("0123456789", 100_000))}
	if _, err := repo.Commit(ctx, &svn.Commit{Changes: []svn.Change{c}}); err != nil {
		panic(err)
	}
	f, err := repo.Open(ctx, "large", 1)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if err := f.SkipTo(987_654); err != nil {
		panic(err)
	}
	var part bytes.Buffer
	if _, err := io.CopyN(&part, f, 8); err != nil {
		panic(err)
	}
	fmt.Println(f.Size(), part.String())
	// Output: 1000000 45678901
}
