package fsfs_test

import (
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/svntest"
)

// TestNoChange sets a file to what it is: the revision is there, but lists no change.
func TestNoChange(t *testing.T) {
	r := create(t)
	props := svn.Props{"a": "b"}
	rev := commit(t, r, svn.Change{Op: svn.OpPut, Path: "f", Base: unknown, Content: content("same"), Props: props})
	again := commit(t, r, svn.Change{Op: svn.OpPut, Path: "f", Base: rev, Content: content("same"), Props: props})
	for e, err := range r.Log(t.Context(), again, again) {
		if err != nil || len(e.Changes) > 0 {
			t.Errorf("r%d: %v, %v", again, e, err)
		}
	}
	n, err := r.Stat(t.Context(), "f", again)
	if err != nil || n.CreatedRev != rev {
		t.Errorf("the file was changed in %v, %v; want r%d", n, err, rev)
	}
	svntest.JudgeQuick(t, r.Dir())
}
