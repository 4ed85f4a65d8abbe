package hub

import (
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// reach is what one person may do where in one folder. It is not changed once it is made, and shared.
//
// What can be read is visible, and so are the directories on the way to it, which are bare: what else is
// in them is not.
type reach struct {
	at    map[svn.Path]havre.Right // what decides at a path and below it, up to the next such path
	paths []svn.Path               // of at, in the order of a walk
	// shape tells in which of two folders, or at which of two moments, the same can be read: where reading
	// begins and where it ends, in the order of a walk.
	shape string
}

// newReach reads the grants that one person has, in whatever folders. On one path a grant to the person
// beats those to groups, and among these the widest wins.
func newReach(grants []store.Grant, folder havre.FolderID) *reach {
	r := &reach{at: map[svn.Path]havre.Right{}}
	personal := map[svn.Path]bool{}
	for i := range grants {
		g := &grants[i]
		if g.Folder != folder {
			continue
		}
		before, there := r.at[g.Path]
		if !there {
			r.paths = append(r.paths, g.Path)
		}
		switch {
		case g.User != "":
			r.at[g.Path], personal[g.Path] = g.Right, true
		case !personal[g.Path]:
			r.at[g.Path] = max(before, g.Right)
		}
	}
	slices.SortFunc(r.paths, svn.Path.Compare)
	r.shape = r.describe()
	return r
}

// right returns what the person may do at a path of the folder.
func (r *reach) right(p svn.Path) havre.Right {
	if len(r.paths) == 1 && r.paths[0] == "" {
		return r.at[""]
	}
	for ; ; p = p.Dir() {
		if right, ok := r.at[p]; ok {
			return right
		}
		if p == "" {
			return havre.RightNone
		}
	}
}

// reads says whether the person may read what is at the path.
func (r *reach) reads(p svn.Path) bool { return r.right(p) >= havre.RightRead }

// below returns the paths inside p, without p itself, at which something else may decide.
func (r *reach) below(p svn.Path) []svn.Path {
	i, found := slices.BinarySearchFunc(r.paths, p, svn.Path.Compare)
	if found {
		i++
	}
	end := i
	for end < len(r.paths) {
		if _, in := r.paths[end].Rel(p); !in {
			break
		}
		end++
	}
	return r.paths[i:end]
}

// leads says whether the person may read something inside p.
func (r *reach) leads(p svn.Path) bool {
	return slices.ContainsFunc(r.below(p), func(q svn.Path) bool { return r.at[q] >= havre.RightRead })
}

// sees says whether what is at the path is visible to the person: a directory also if it is only on the
// way to something.
func (r *reach) sees(p svn.Path, dir bool) bool { return r.reads(p) || dir && r.leads(p) }

// lacking returns the paths inside p where the person has less than the right.
func (r *reach) lacking(p svn.Path, right havre.Right) []svn.Path {
	var less []svn.Path
	for _, q := range r.below(p) {
		if r.at[q] < right {
			less = append(less, q)
		}
	}
	return less
}

// readsAll says whether the person may read p and everything that is or can be in it.
func (r *reach) readsAll(p svn.Path) bool {
	if !r.reads(p) {
		return false
	}
	for _, q := range r.below(p) {
		if r.at[q] < havre.RightRead {
			return false
		}
	}
	return true
}

// describe makes the shape: a line for each path at which reading begins, with +, or ends, with -. Paths
// have no NUL, which ends the lines.
func (r *reach) describe() string {
	var b strings.Builder
	for _, p := range r.paths {
		above := false
		if p != "" {
			above = r.reads(p.Dir())
		}
		reads := r.at[p] >= havre.RightRead
		if reads == above {
			continue
		}
		sign := byte('-')
		if reads {
			sign = '+'
		}
		b.WriteByte(sign)
		b.WriteString(string(p))
		b.WriteByte(0)
	}
	return b.String()
}

// parseShape returns a reach with that shape, in which everything that can be read can only be read. It
// takes what describe makes and nothing else.
func parseShape(shape string) (*reach, bool) {
	r := &reach{at: map[svn.Path]havre.Right{}}
	for rest := shape; rest != ""; {
		line, after, ended := strings.Cut(rest, "\x00")
		if !ended || line == "" || line[0] != '+' && line[0] != '-' {
			return nil, false
		}
		rest = after
		p, err := svn.CheckPath(line[1:])
		if err != nil || len(p) > maxPath {
			return nil, false
		}
		right := havre.RightNone
		if line[0] == '+' {
			right = havre.RightRead
		}
		if _, twice := r.at[p]; twice {
			return nil, false
		}
		r.at[p] = right
		r.paths = append(r.paths, p)
	}
	if !slices.IsSortedFunc(r.paths, svn.Path.Compare) {
		return nil, false
	}
	r.shape = r.describe()
	return r, r.shape == shape
}

// digest is the shape in a length that does not depend on how many paths there are.
func (r *reach) digest() [sha256.Size]byte { return sha256.Sum256([]byte(r.shape)) }
