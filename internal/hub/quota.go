package hub

import (
	"context"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// checkQuota refuses a commit that brings contents into a folder that is as large as it may be. What is
// replaced or deleted by the same commit is not looked at, and what others commit at this moment is
// not known: a folder can end a little above its quota, never far.
func (h *Hub) checkQuota(ctx context.Context, v *view, commit *havre.Commit, head svn.Revnum) error {
	if v.folder.Quota <= 0 {
		return nil
	}
	var more int64
	for i := range commit.Changes {
		if c := &commit.Changes[i]; c.Kind == havre.ChangePut && !c.KeepContent {
			more += c.Entry.Size
		}
	}
	if more == 0 {
		return nil
	}
	if fits, err := h.measures.fits(ctx, &v.folder, head, more); err != nil || fits {
		return explain(err, "")
	}
	return havre.Errorf(havre.CodeFull,
		"the folder %s may hold %d MB and is full: delete something, or ask an administrator for more room",
		v.folder.Name, v.folder.Quota/1_000_000)
}
