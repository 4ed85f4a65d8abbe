package simtest

import (
	"maps"
	"slices"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs/fakefs"
	"github.com/havre-cloud/havre/svn"
)

func sorted(tree map[svn.Path]fakefs.Item) []svn.Path {
	return slices.SortedFunc(maps.Keys(tree), svn.Path.Compare)
}

func contentOf(item fakefs.Item) string {
	if item.Kind == havre.KindSymlink {
		return "link " + item.Content
	}
	return item.Content
}

// lose notes that the person does without what is at p.
func (d *device) lose(tree map[svn.Path]fakefs.Item, p svn.Path) {
	if item, ok := tree[p]; ok && item.Kind != havre.KindDir {
		d.sim.destroyed(contentOf(item))
	}
}

// loseAll notes that the person does without everything at and below p.
func (d *device) loseAll(tree map[svn.Path]fakefs.Item, p svn.Path) {
	for q := range tree {
		if _, in := q.Rel(p); in {
			d.lose(tree, q)
		}
	}
}
