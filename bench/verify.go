package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/havre-cloud/havre/svn"
)

// verifyRevisions is how many revisions the repository has that is verified.
const verifyRevisions = 10_000

// benchVerify measures how long it takes to read all of a repository, and to pack it, beside svnadmin.
func benchVerify(ctx context.Context, c config) error {
	dir, err := c.fresh("verify")
	if err != nil {
		return err
	}
	repo, err := createRepository(dir + "/repository")
	if err != nil {
		return err
	}
	made, err := timed(func() error { return manyRevisions(ctx, repo) })
	if err = errors.Join(err, repo.Close()); err != nil {
		return err
	}
	r := report{}
	r.title("Verify: a repository of %d revisions (made in %s)", verifyRevisions, secs(made))
	ours, peak, err := runSelf(ctx, "verify", repo.Dir())
	if err != nil {
		return err
	}
	theirs, err := timed(func() error { return command(ctx, "svnadmin", "verify", "-q", repo.Dir()) })
	if err != nil {
		return err
	}
	r.row("havre svn verify", secs(ours), "", mib(peak))
	r.row("svnadmin verify", secs(theirs), "", ratio(theirs, ours))
	return benchPack(ctx, r, repo.Dir())
}

// manyRevisions changes files of some kilobytes, one in each revision, in a few hundred directories.
func manyRevisions(ctx context.Context, repo svn.Repository) error {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same every time
	base := map[svn.Path]svn.Revnum{}
	var made []svn.Path
	for range verifyRevisions {
		commit := &svn.Commit{RevProps: svn.Props{svn.PropAuthor: "bench"}}
		var path svn.Path
		if len(made) < 500 || rng.IntN(10) == 0 {
			dir := svn.Path(fmt.Sprintf("d%d", rng.IntN(300)))
			if _, ok := base[dir]; !ok {
				commit.Changes = append(commit.Changes, svn.Change{Op: svn.OpMkdir, Path: dir, Base: svn.InvalidRevnum})
				base[dir] = 0
			}
			path = dir.Join(fmt.Sprintf("f%d.txt", len(made)))
			made = append(made, path)
			base[path] = svn.InvalidRevnum
		} else {
			path = made[rng.IntN(len(made))]
		}
		text := strings.Repeat(fmt.Sprintf("line %d\n", rng.IntN(1e9)), 5+rng.IntN(500))
		commit.Changes = append(commit.Changes, put(path, base[path], []byte(text)).Changes...)
		rev, err := repo.Commit(ctx, commit)
		if err != nil {
			return err
		}
		base[path] = rev
	}
	return nil
}

// verifyRepository is what the child does.
func verifyRepository(ctx context.Context, dir string) error {
	repo, err := openRepository(dir)
	if err != nil {
		return err
	}
	defer repo.Close()
	head, err := repo.Youngest(ctx)
	if err != nil {
		return err
	}
	err = repo.Verify(ctx, 0, head, func(_ svn.Revnum, err error) error { return err })
	if err == nil {
		_, err = repo.VerifyRepCache(ctx, func(err error) error { return err })
	}
	return err
}
