package rasvn_test

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
	"github.com/havre-cloud/havre/svn/rasvn"
)

// A repository on this machine is reached through a svnserve on a pair of pipes, so that its hooks run.
// svn:// and svn+ssh:// need no Dial.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	made, err := fsfs.Create(filepath.Join(dir, "team"), fsfs.CreateOptions{})
	if err != nil {
		panic(err)
	}
	if err := made.Close(); err != nil {
		panic(err)
	}

	repo, err := rasvn.Open(ctx, "svn://localhost/team", rasvn.Options{
		Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
			return rasvn.Command(ctx, "svnserve", "-t", "-r", dir, "--tunnel-user", "ada")
		},
	})
	if err != nil {
		panic(err)
	}
	defer repo.Close()
	rev, err := repo.Commit(ctx, &svn.Commit{
		RevProps: svn.Props{svn.PropLog: "hello"},
		Changes: []svn.Change{{
			Op: svn.OpPut, Path: "hello.txt", Base: svn.InvalidRevnum,
			Content: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("hello\n")), nil },
		}},
	})
	if err != nil {
		panic(err)
	}
	for entry, err := range repo.Log(ctx, 1, rev) {
		if err != nil {
			panic(err)
		}
		fmt.Printf("r%d by %s: %c /%s\n", entry.Rev, entry.Author(), entry.Changes[0].Action, entry.Changes[0].Path)
	}
	f, err := repo.Open(ctx, "hello.txt", rev)
	if err != nil {
		panic(err)
	}
	data, err := io.ReadAll(f)
	fmt.Printf("%q %v\n", data, errors.Join(err, f.Close()))
	// Output:
	// r1 by ada: A /hello.txt
	// "hello\n" <nil>
}

// What can go wrong with an address and a password.
func ExampleOpen() {
	ctx := context.Background()
	repo, err := rasvn.Open(ctx, "svn://svn.example.org/team/trunk", rasvn.Options{User: "ada", Password: "secret"})
	if refused, ok := errors.AsType[*svn.RefusedError](err); ok && refused.Refusal == svn.RefusedSignIn {
		fmt.Println("the name or the password is wrong:", refused.Text)
		return
	}
	if gone, ok := errors.AsType[*svn.UnreachableError](err); ok {
		fmt.Println("try again later:", gone)
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer repo.Close()
	fmt.Println(repo.URL(), repo.Base()) // the repository, and "trunk" in it
}
