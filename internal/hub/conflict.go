package hub

import (
	"context"
	"fmt"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// ConflictOriginal returns the name of the file of which a name is a conflict copy, as clients make them when two
// people change the same file: "NAME (conflict, DEVICE, 2026-11-21 14.05.09).EXT" for "NAME.EXT"; "" if it is none.
func ConflictOriginal(name string) string {
	i := strings.LastIndex(name, " (conflict, ")
	if i <= 0 {
		return ""
	}
	end := strings.IndexByte(name[i:], ')')
	if end < 0 {
		return ""
	}
	return name[:i] + name[i+end+1:]
}

// ResolveConflict decides between a file and its conflict copy, both in the same directory: the copy goes, and with
// keepCopy its contents become a new version of the file. Nothing is lost: both stay in the history.
func (h *Hub) ResolveConflict(ctx context.Context, c *havre.Caller, conflict *Spot, keepCopy bool) (*Done, error) {
	original := ConflictOriginal(conflict.Path.Name())
	if original == "" || conflict.Past || conflict.Dir() {
		return nil, invalid("%q is no conflict copy", conflict.Path.Name())
	}
	head := conflict.Folder.Head
	changes := []havre.Change{{Kind: havre.ChangeDelete, Path: conflict.Path, Base: head}}
	if keepCopy {
		to := conflict.Path.Dir().Join(original)
		changes = append(changes, havre.Change{Kind: havre.ChangeDelete, Path: to, Base: head},
			havre.Change{Kind: havre.ChangeCopy, Path: to, Base: svn.InvalidRevnum, CopyFrom: svn.CopySource{Path: conflict.Path, Rev: head}})
	}
	return h.do(ctx, c, conflict, "", changes)
}

// restoredFrom is the message of a revision that brings something back; it is read again by Act.Restored.
const restoredFrom = "restored from r%d"

// Restored returns the revision from which something was brought back, false if that is not what was done.
func (a *Act) Restored() (svn.Revnum, bool) {
	var rev svn.Revnum
	n, err := fmt.Sscanf(a.Message, restoredFrom, &rev)
	return rev, n == 1 && err == nil && a.Message == fmt.Sprintf(restoredFrom, rev)
}
