package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/fsfs/repcache"
)

// libsvnJob does with svn/fsfs what the program in C does with libsvn, with the same arguments and
// the same answer: seconds and KiB.
func libsvnJob(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errors.New("a job and a repository are needed")
	}
	repo, err := openRepository(args[1])
	if err != nil {
		return err
	}
	job, args := args[0], args[2:]
	took, err := timed(func() error { return errors.Join(doJob(ctx, repo, job, args), repo.Close()) })
	if err != nil {
		return err
	}
	peak, err := peakSelf()
	fmt.Printf("%.6f %d\n", took.Seconds(), peak/1024)
	return err
}

// openRepository opens a repository as the server does: with the rep-cache that libsvn keeps, too.
func openRepository(dir string) (*fsfs.Repository, error) {
	return fsfs.Open(dir, fsfs.Options{RepCache: repcache.Open})
}

// createRepository makes a repository and opens it as the server does.
func createRepository(dir string) (*fsfs.Repository, error) {
	repo, err := fsfs.Create(dir, fsfs.CreateOptions{})
	if err == nil {
		err = repo.Close()
	}
	if err != nil {
		return nil, err
	}
	return openRepository(dir)
}

func doJob(ctx context.Context, repo svn.Repository, job string, args []string) error {
	head, err := repo.Youngest(ctx)
	if err != nil {
		return err
	}
	switch {
	case job == "tree" && len(args) == 1:
		return commitTree(ctx, repo, args[0])
	case job == "edits" && len(args) == 2:
		return jobEdits(ctx, repo, head, args)
	case job == "put" && len(args) == 2:
		return putFile(ctx, repo, head, args[1], svn.Path(strings.TrimPrefix(args[0], "/")))
	case job == "wide" && len(args) == 2:
		return jobWide(ctx, repo, head, args)
	case job == "cat" && len(args) == 2:
		rev, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil {
			return err
		}
		return readOne(ctx, repo, svn.Path(strings.TrimPrefix(args[0], "/")), svn.Revnum(rev))
	case job == "all" && len(args) == 0:
		return readAll(ctx, repo, head)
	}
	return fmt.Errorf("no job %s with that many arguments", job)
}

// numbers reads two numbers.
func numbers(args []string) (a, b int, err error) {
	a, err = strconv.Atoi(args[0])
	if err != nil {
		return 0, 0, err
	}
	b, err = strconv.Atoi(args[1])
	return a, b, err
}

func jobEdits(ctx context.Context, repo svn.Repository, head svn.Revnum, args []string) error {
	commits, committers, err := numbers(args)
	if err != nil {
		return err
	}
	errs := make([]error, committers)
	var wg sync.WaitGroup
	for w := range committers {
		file := 80 + w
		if committers == 1 {
			file = 10
		}
		wg.Go(func() {
			errs[w] = edits(ctx, repo, head, commits, func(i int) svn.Path {
				return svn.Path(fmt.Sprintf("d%02d/f%02d.txt", i%100, file))
			})
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func jobWide(ctx context.Context, repo svn.Repository, head svn.Revnum, args []string) error {
	commits, entries, err := numbers(args)
	if err != nil {
		return err
	}
	return edits(ctx, repo, head, commits, func(i int) svn.Path {
		return svn.Path(fmt.Sprintf("f%06d.txt", (i+1)*7919%entries))
	})
}

// edits commits new contents of 1 KiB for one file after the other; a file that comes again is
// known as of its last commit.
func edits(ctx context.Context, repo svn.Repository, head svn.Revnum, commits int, path func(int) svn.Path) error {
	base := map[svn.Path]svn.Revnum{}
	content := make([]byte, smallSize)
	for i := range commits {
		p := path(i)
		if _, ok := base[p]; !ok {
			base[p] = head
		}
		rand.Read(content)
		rev, err := repo.Commit(ctx, put(p, base[p], content))
		if err != nil {
			return err
		}
		base[p] = rev
	}
	return nil
}

// readAll reads all files of a revision.
func readAll(ctx context.Context, repo svn.Repository, rev svn.Revnum) error {
	for node, err := range repo.Walk(ctx, "", rev, "") {
		if err != nil {
			return err
		}
		if node.Kind == svn.KindFile {
			if err := readOne(ctx, repo, node.Path, rev); err != nil {
				return err
			}
		}
	}
	return nil
}

// readOne reads a file to its end.
func readOne(ctx context.Context, repo svn.Repository, path svn.Path, rev svn.Revnum) error {
	f, err := repo.Open(ctx, path, rev)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, struct{ io.Reader }{f})
	return err
}

// short prints a time with the unit that suits it.
func short(d time.Duration) string {
	if d < time.Second {
		return ms(d)
	}
	return secs(d)
}

// bytesOf prints a size with the unit that suits it.
func bytesOf(n int64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return mib(n)
}
