//go:build unix

package fsfs_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
)

// Somebody has locked a file with `svn lock`: no commit of others goes through.
func ExampleRepository_Commit_locked() {
	ctx := context.Background()
	dir, remove := exampleDir()
	defer remove()
	repo, err := fsfs.Create(dir, fsfs.CreateOptions{})
	if err != nil {
		panic(err)
	}
	defer repo.Close()
	if _, err := repo.Commit(ctx, &svn.Commit{Changes: []svn.Change{putFile("plan.txt", svn.InvalidRevnum, "a plan")}}); err != nil {
		panic(err)
	}
	lock := exec.CommandContext(ctx, "svn", "lock", "-q", "--config-dir", dir+".config", "--username", "bob", "file://"+dir+"/plan.txt")
	if out, err := lock.CombinedOutput(); err != nil {
		panic(string(out))
	}

	_, err = repo.Commit(ctx, &svn.Commit{Changes: []svn.Change{putFile("plan.txt", 1, "another")}})
	locked, ok := errors.AsType[*svn.LockedError](err)
	if !ok {
		panic(err)
	}
	fmt.Printf("/%s belongs to %s\n", locked.Path, locked.Owner)
	// Output: /plan.txt belongs to bob
}
