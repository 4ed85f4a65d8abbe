package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// benchPack packs two copies of a repository, beside svnadmin, and has each verify what came out.
func benchPack(ctx context.Context, r report, dir string) error {
	ours, theirs := dir+".ours", dir+".theirs"
	for _, to := range []string{ours, theirs} {
		if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
			return err
		}
	}
	if err := command(ctx, "sync"); err != nil {
		return err
	}
	took, peak, err := runSelf(ctx, "pack", ours)
	if err != nil {
		return err
	}
	tookTheirs, err := timed(func() error { return command(ctx, "svnadmin", "pack", "-q", theirs) })
	if err != nil {
		return err
	}
	files, size, err := inFiles(ours)
	if err != nil {
		return err
	}
	filesTheirs, sizeTheirs, err := inFiles(theirs)
	if err != nil {
		return err
	}
	r.title("Pack: the same repository")
	r.row("havre svn pack", secs(took), fmt.Sprintf("%d files, %s", files, mib(size)), mib(peak))
	r.row("svnadmin pack", secs(tookTheirs), fmt.Sprintf("%d files, %s", filesTheirs, mib(sizeTheirs)), ratio(tookTheirs, took))
	verified, err := timed(func() error { return command(ctx, "svnadmin", "verify", "-q", ours) })
	if err != nil {
		return err
	}
	r.row("svnadmin verify, packed by havre", secs(verified), "", "")
	if verified, err = timed(func() error { return command(ctx, "svnadmin", "verify", "-q", theirs) }); err != nil {
		return err
	}
	r.row("svnadmin verify, packed by svnadmin", secs(verified), "", "")
	return nil
}

// inFiles returns how many files are below a directory, and how long they are together.
func inFiles(dir string) (files int, size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		files++
		size += info.Size()
		return err
	})
	return files, size, err
}

// packRepository is what the child does.
func packRepository(ctx context.Context, dir string) error {
	repo, err := openRepository(dir)
	if err != nil {
		return err
	}
	_, err = repo.Pack(ctx, nil)
	return errors.Join(err, repo.Close())
}
