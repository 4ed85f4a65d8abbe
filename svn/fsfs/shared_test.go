package fsfs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/fsfs/repcache"
)

// What makes TestMain commit to a repository that others commit to, too, or pack it over and over.
const (
	childShared = "FSFS_TEST_SHARED_DIR" // the repository
	childPacker = "FSFS_TEST_PACKER_DIR"
	childName   = "FSFS_TEST_SHARED_NAME" // of the child, in the names of its files
	childCount  = "FSFS_TEST_SHARED_COUNT"
)

// sharedText is what a file has that one of those who commit has made: lines that others have in their
// files as well, and a last one of its own.
func sharedText(name string) string {
	var text []byte
	for i := range 40 {
		text = fmt.Appendf(text, "line %d of every file\n", i)
	}
	return string(text) + name
}

// sharedChild commits from two goroutines. Each commit makes a file and changes the one before. It writes a
// line for each commit that was made: what was written is promised.
func sharedChild(dir string) {
	r, err := fsfs.Open(dir, fsfs.Options{RepCache: repcache.Open})
	if err != nil {
		panic(err)
	}
	defer r.Close()
	count, err := strconv.Atoi(os.Getenv(childCount))
	if err != nil {
		panic(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex // one line at a time
	for g := range 2 {
		wg.Go(func() {
			base := unknown
			for i := range count {
				name := fmt.Sprintf("%s-%d-%d", os.Getenv(childName), g, i)
				changes := []svn.Change{{Op: svn.OpPut, Path: svn.Path("shared/" + name), Base: unknown, Content: content(sharedText(name))}}
				if i > 0 {
					before := fmt.Sprintf("%s-%d-%d", os.Getenv(childName), g, i-1)
					changes = append(changes, svn.Change{Op: svn.OpPut, Path: svn.Path("shared/" + before), Base: base, Content: content(sharedText(before) + " changed")})
				}
				rev, err := r.Commit(context.Background(), &svn.Commit{RevProps: svn.Props{svn.PropLog: name}, Changes: changes})
				if err != nil {
					panic(err)
				}
				base = rev
				mu.Lock()
				fmt.Fprintln(os.Stdout, name, base)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// packerChild packs until its input ends. It writes a line for each round that packed something.
func packerChild(dir string) {
	r, err := fsfs.Open(dir, fsfs.Options{})
	if err != nil {
		panic(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	for ctx.Err() == nil {
		got, err := r.Pack(ctx, nil)
		if err != nil && !errors.Is(err, context.Canceled) {
			panic(err)
		}
		if got.Shards > 0 {
			fmt.Fprintln(os.Stdout, "packed", got.Packed)
			continue
		}
		_, _ = r.Wait(ctx, got.Next-1)
	}
}
