package rasvn_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/rasvn"
	"github.com/havre-cloud/havre/svn/svntest"
)

// hook installs a hook in a repository, as a shell script.
func hook(t *testing.T, dir, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "hooks", name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// pipes opens a repository through svnserve on a pair of pipes.
func pipes(t *testing.T, dir string, o rasvn.Options, args ...string) *rasvn.Repository {
	t.Helper()
	svntest.RequireSubversion(t)
	o.Dial = func(ctx context.Context) (io.ReadWriteCloser, error) {
		return rasvn.Command(ctx, "svnserve", append([]string{"-t", "-r", filepath.Dir(dir), "--tunnel-user", "tester"}, args...)...)
	}
	o.Poll = 20 * time.Millisecond
	r, err := rasvn.Open(t.Context(), "svn://localhost/"+filepath.Base(dir), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// TestContract has svnserve behind the contract. The hook lets authors be set, as it demands.
func TestContract(t *testing.T) {
	var dirs []string
	svntest.TestRepository(t, func(sub *testing.T) svn.Repository {
		dir := svntest.Create(t)
		dirs = append(dirs, dir)
		hook(sub, dir, "pre-revprop-change", `[ "$4" = svn:author ]`)
		return pipes(sub, dir, rasvn.Options{})
	})
	for _, dir := range dirs {
		judge(t, dir)
	}
}

// judge has Subversion look at what was committed, and for what was left behind.
func judge(t *testing.T, dir string) {
	t.Helper()
	svntest.JudgeQuick(t, dir)
	if left := svntest.Run(t, "svnadmin", "lstxns", dir); left != "" {
		t.Errorf("%s: transactions were left behind:\n%s", dir, left)
	}
}

// TestHistory makes random histories through svnserve, and reads such that svnadmin has made.
func TestHistory(t *testing.T) {
	for name, h := range map[string]*svntest.History{"plain": svntest.RandomHistory(t, 51, 12), "rewrites": svntest.RandomRewrites(t, 52, 10)} {
		t.Run(name, func(t *testing.T) {
			dir, loaded := svntest.Create(t), h.Load(t)
			hook(t, dir, "pre-revprop-change", `[ "$4" = svn:author ]`)
			h.Apply(t, pipes(t, dir, rasvn.Options{}))
			svntest.SameHistory(t, dir, loaded)
			h.Check(t, pipes(t, loaded, rasvn.Options{}))
		})
	}
}
