package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
)

// childFlag makes this program do one job as a process of its own, so that its memory can be
// told apart.
const childFlag = "-child"

func runChild(args []string) int {
	ctx := context.Background()
	var err error
	switch args[0] {
	case "put": // REPOSITORY FILE PATH
		err = inRepository(ctx, args[1], func(repo svn.Repository, head svn.Revnum) error {
			return putFile(ctx, repo, head, args[2], svn.Path(args[3]))
		})
	case "cat": // REPOSITORY PATH
		err = inRepository(ctx, args[1], func(repo svn.Repository, head svn.Revnum) error {
			return readOne(ctx, repo, svn.Path(args[2]), head)
		})
	case "libsvn": // JOB REPOSITORY ...
		if err := libsvnJob(ctx, args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	case "verify": // REPOSITORY
		err = verifyRepository(ctx, args[1])
	case "pack": // REPOSITORY
		err = packRepository(ctx, args[1])
	case "pad": // FILE INDEX
		err = readPad(args[1], args[2])
	case "pad-at": // FILE INDEX REVISION
		err = padAt(args[1], args[2], args[3])
	case "nothing":
		var repo *fsfs.Repository
		if repo, err = openRepository(args[1]); err == nil {
			err = repo.Close()
		}
	}
	var peak int64
	if err == nil {
		peak, err = peakSelf()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(peak)
	return 0
}

// inRepository does something with a repository as it is at its youngest revision.
func inRepository(ctx context.Context, dir string, do func(svn.Repository, svn.Revnum) error) error {
	repo, err := openRepository(dir)
	if err != nil {
		return err
	}
	head, err := repo.Youngest(ctx)
	if err == nil {
		err = do(repo, head)
	}
	return errors.Join(err, repo.Close())
}

// putFile commits the contents of a file, new or as it is known at head.
func putFile(ctx context.Context, repo svn.Repository, head svn.Revnum, file string, path svn.Path) error {
	base := head
	if _, err := repo.Stat(ctx, path, head); err != nil {
		base = svn.InvalidRevnum
	}
	_, err := repo.Commit(ctx, &svn.Commit{
		RevProps: svn.Props{svn.PropAuthor: "bench", svn.PropLog: "edit"},
		Changes: []svn.Change{{
			Op: svn.OpPut, Path: path, Base: base,
			Content: func() (io.ReadCloser, error) { return os.Open(file) },
		}},
	})
	return err
}

// commitTree makes one commit of everything below src.
func commitTree(ctx context.Context, repo svn.Repository, src string) error {
	c := &svn.Commit{RevProps: svn.Props{svn.PropAuthor: "bench", svn.PropLog: "import"}}
	err := filepath.WalkDir(src, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == src {
			return err
		}
		rel, err := filepath.Rel(src, name)
		if err != nil {
			return err
		}
		change := svn.Change{Op: svn.OpMkdir, Path: svn.Path(filepath.ToSlash(rel)), Base: svn.InvalidRevnum}
		if !d.IsDir() {
			change.Op = svn.OpPut
			change.Content = func() (io.ReadCloser, error) { return os.Open(name) }
		}
		c.Changes = append(c.Changes, change)
		return nil
	})
	if err != nil {
		return err
	}
	_, err = repo.Commit(ctx, c)
	return err
}

// put returns a commit of new contents for the file at path, which exists at base.
func put(path svn.Path, base svn.Revnum, content []byte) *svn.Commit {
	return &svn.Commit{
		RevProps: svn.Props{svn.PropAuthor: "bench", svn.PropLog: "edit"},
		Changes: []svn.Change{{
			Op: svn.OpPut, Path: path, Base: base,
			Content: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		}},
	}
}

// benchImport times 10,000 new files in one commit.
func benchImport(ctx context.Context, c config) error {
	tree, err := c.smallTree()
	if err != nil {
		return err
	}
	var ours, theirs []time.Duration
	for round := range c.rounds {
		dir := filepath.Join(c.dir, fmt.Sprintf("import-havre-%d", round))
		repo, err := createRepository(dir)
		if err != nil {
			return err
		}
		d, err := timed(func() error { return commitTree(ctx, repo, tree) })
		if err != nil {
			return err
		}
		ours = append(ours, d)
		repo.Close()
		if err := command(ctx, "svnadmin", "verify", "-q", dir); err != nil {
			return err
		}

		dir = filepath.Join(c.dir, fmt.Sprintf("import-svn-%d", round))
		if err := command(ctx, "svnadmin", "create", dir); err != nil {
			return err
		}
		d, err = timed(func() error { return command(ctx, "svn", "import", "-q", "-m", "import", tree, "file://"+dir) })
		if err != nil {
			return err
		}
		theirs = append(theirs, d)
	}
	report{}.row("10,000 new files of 1 KiB, one commit", secs(median(ours)), "svn import "+secs(median(theirs)),
		ratio(median(theirs), median(ours))+" (goal 20)")
	return nil
}

// benchCommit times commits of one changed file in a repository of 10,000, one after the other
// and by several committers at once.
func benchCommit(ctx context.Context, c config) error {
	const commits, committers = 50, 8
	report{}.title("svn/fsfs beside Subversion's own programs, file://, durable")
	tree, err := c.smallTree()
	if err != nil {
		return err
	}
	dir := filepath.Join(c.dir, "single")
	repo, err := createRepository(dir)
	if err != nil {
		return err
	}
	defer repo.Close()
	if err := commitTree(ctx, repo, tree); err != nil {
		return err
	}
	edit := filepath.Join(c.dir, "edit")
	content := make([]byte, smallSize)

	var alone, together, theirs []time.Duration
	for range c.rounds {
		base, err := repo.Youngest(ctx)
		if err != nil {
			return err
		}
		d, err := timed(func() error {
			for i := range commits {
				rand.Read(content)
				path := svn.Path(fmt.Sprintf("d%02d/f%02d.txt", i%100, i/100+10))
				if _, err := repo.Commit(ctx, put(path, base, content)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		alone = append(alone, d/commits)

		d, err = timed(func() error { return commitTogether(ctx, repo, committers, commits) })
		if err != nil {
			return err
		}
		together = append(together, d/(committers*commits))

		d, err = timed(func() error {
			for i := range commits / 5 {
				rand.Read(content)
				if err := os.WriteFile(edit, content, 0o644); err != nil {
					return err
				}
				url := fmt.Sprintf("file://%s/d%02d/f55.txt", dir, i)
				if err := command(ctx, "svnmucc", "put", "-m", "edit", edit, url); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		theirs = append(theirs, d/(commits/5))
	}
	if err := command(ctx, "svnadmin", "verify", "-q", dir); err != nil {
		return err
	}
	report{}.row("one changed file of 1 KiB, one commit", ms(median(alone)), "svnmucc put "+ms(median(theirs)),
		ratio(median(theirs), median(alone))+" (goal 12)")
	report{}.row("the same, 8 committers at once, each", ms(median(together)), "alone "+ms(median(alone)),
		ratio(median(alone), median(together))+" (group commit)")
	return nil
}

func commitTogether(ctx context.Context, repo svn.Repository, committers, commits int) error {
	base, err := repo.Youngest(ctx)
	if err != nil {
		return err
	}
	errs := make([]error, committers)
	var wg sync.WaitGroup
	for w := range committers {
		wg.Go(func() {
			content := make([]byte, smallSize)
			for i := range commits {
				rand.Read(content)
				path := svn.Path(fmt.Sprintf("d%02d/f%02d.txt", i%100, w+80))
				if _, err := repo.Commit(ctx, put(path, base, content)); err != nil {
					errs[w] = err
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// benchLarge times a large file of random contents, in and out, and the memory for it.
func benchLarge(ctx context.Context, c config) error {
	file := filepath.Join(c.dir, "large.bin")
	if err := writeLarge(file, c.large); err != nil {
		return err
	}
	defer os.Remove(file)

	var in, inSvn, out, outSvn []time.Duration
	var inPeak, outPeak, idlePeak int64
	for range c.rounds {
		dir := filepath.Join(c.dir, "large-havre")
		repo, err := createRepository(dir)
		if err != nil {
			return err
		}
		repo.Close()
		_, idlePeak, err = runSelf(ctx, "nothing", dir)
		if err != nil {
			return err
		}
		d, peak, err := runSelf(ctx, "put", dir, file, "large.bin")
		if err != nil {
			return err
		}
		in, inPeak = append(in, d), max(inPeak, peak)
		d, peak, err = runSelf(ctx, "cat", dir, "large.bin")
		if err != nil {
			return err
		}
		out, outPeak = append(out, d), max(outPeak, peak)
		os.RemoveAll(dir)

		dir = filepath.Join(c.dir, "large-svn")
		if err := command(ctx, "svnadmin", "create", dir); err != nil {
			return err
		}
		d, err = timed(func() error {
			return command(ctx, "svn", "import", "-q", "-m", "large", file, "file://"+dir+"/large.bin")
		})
		if err != nil {
			return err
		}
		inSvn = append(inSvn, d)
		d, err = timed(func() error { return exec.CommandContext(ctx, "svn", "cat", "file://"+dir+"/large.bin").Run() })
		if err != nil {
			return err
		}
		outSvn = append(outSvn, d)
		os.RemoveAll(dir)
	}
	size := mib(c.large)
	report{}.row(size+" of random data, one file, in", secs(median(in)), "svn import "+secs(median(inSvn)),
		ratio(median(inSvn), median(in))+" (goal 4)")
	report{}.row(size+" out again, checked", secs(median(out)), "svn cat "+secs(median(outSvn)),
		ratio(median(outSvn), median(out)))
	report{}.row("memory for that, above an idle process", mib(inPeak-idlePeak)+" in, "+mib(outPeak-idlePeak)+" out", "",
		"(goal under 64 MiB)")
	return nil
}
