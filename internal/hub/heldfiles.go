package hub

import (
	"context"

	"github.com/havre-cloud/havre/svn"
)

// FilesByTop counts the files of a folder as it is, below root, by the first name of their path; files right in
// root are under "".
func (h *Hub) FilesByTop(ctx context.Context, f *FolderStatus, root svn.Path) (map[string]int64, error) {
	repo, err := h.repos.get(f.Folder.Location)
	if err != nil {
		return nil, err
	}
	counts := map[string]int64{}
	dir := f.Folder.Prefix.Join(string(root))
	for n, err := range repo.Walk(ctx, dir, f.Head, "") {
		if has[*svn.NotFoundError](err) {
			return counts, nil
		}
		if err != nil {
			return nil, err
		}
		if rel, ok := n.Path.Rel(dir); ok && n.Kind == svn.KindFile {
			counts[TopOf(rel)]++
		}
	}
	return counts, nil
}

// TopOf returns the first name of a path of several, "" for a single one.
func TopOf(p svn.Path) string {
	for i := range len(p) {
		if p[i] == '/' {
			return string(p[:i])
		}
	}
	return ""
}
