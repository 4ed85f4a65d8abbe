package reconcile_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/svn"
)

// perturb lets somebody work on one of the trees.
func perturb(t *rapid.T, m *model, tr tree, steps int, who string) {
	names := []string{"a", "b", "c", "d"}
	for i := range steps {
		dirs, all := []svn.Path{""}, []svn.Path{}
		for _, id := range m.ids() {
			if s := *tr.of(m.nodes[id]); s != nil && id != reconcile.Root {
				p := m.path(tr, id)
				all = append(all, p)
				if s.Kind == havre.KindDir {
					dirs = append(dirs, p)
				}
			}
		}
		at := rapid.SampledFrom(dirs).Draw(t, "dir").Join(rapid.SampledFrom(names).Draw(t, "name"))
		content := fmt.Sprintf("%s %d", who, i)
		if rapid.IntRange(0, 5).Draw(t, "common") == 0 {
			content = "what both write"
		}
		switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
		case what <= 2: // a new file, or new contents
			if id := m.lookup(tr, at); id == 0 || (*tr.of(m.nodes[id])).Kind == havre.KindFile {
				m.put(tr, at, file(content))
			}
		case what == 3:
			if m.lookup(tr, at) == 0 {
				m.put(tr, at, dir())
			}
		case len(all) == 0:
		case what == 4:
			p := rapid.SampledFrom(all).Draw(t, "path")
			if s := *tr.of(m.nodes[m.lookup(tr, p)]); s.Kind == havre.KindFile {
				e := s.Entry
				e.Executable = !e.Executable
				m.put(tr, p, e)
			}
		case what <= 6:
			m.remove(tr, rapid.SampledFrom(all).Draw(t, "path"))
		default:
			p := rapid.SampledFrom(all).Draw(t, "path")
			if _, in := at.Rel(p); !in && m.lookup(tr, at) == 0 {
				m.rename(tr, p, at)
			}
		}
	}
}

// unify makes one node of what both sides made at the same place, as the state does when it hears
// of the second.
func unify(m *model) {
	for _, id := range m.ids() {
		n := m.nodes[id]
		if n == nil || n.Remote == nil || n.Local != nil || n.Base != nil {
			continue
		}
		if o := m.nodes[m.LocalAt(n.Remote.Place)]; o != nil && o.Remote == nil && o.Base == nil && o.Local.Kind == n.Remote.Kind {
			_ = m.down(reconcile.Action{Kind: reconcile.Unify, Node: id, Other: o.ID})
		}
	}
}

func drawModel(t *rapid.T) *model {
	m := newModel()
	perturb(t, m, remote, rapid.IntRange(0, 12).Draw(t, "steps"), "base")
	for _, n := range m.nodes {
		if n.Remote != nil {
			n.Base, n.Local = clone(n.Remote), clone(n.Remote)
		}
	}
	perturb(t, m, local, rapid.IntRange(0, 8).Draw(t, "steps"), "local")
	perturb(t, m, remote, rapid.IntRange(0, 8).Draw(t, "steps"), "remote")
	for id, n := range m.nodes {
		if n.Local == nil && n.Remote == nil && n.Base == nil {
			delete(m.nodes, id)
		}
	}
	if rapid.Bool().Draw(t, "unify") {
		unify(m)
	}
	return m
}

// copyOf returns a model that shares nothing.
func copyOf(m *model) *model {
	c := *m
	c.nodes = map[reconcile.NodeID]*reconcile.Node{}
	for id, n := range m.nodes {
		d := &reconcile.Node{ID: id}
		for _, t := range []tree{base, local, remote} {
			if s := *t.of(n); s != nil {
				*t.of(d) = clone(s)
			}
		}
		c.nodes[id] = d
	}
	c.trash = slices.Clone(m.trash)
	return &c
}

func TestConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		m.opt.Limit = rapid.SampledFrom([]int{0, 1, 3}).Draw(t, "limit")

		// What somebody wrote since both sides agreed.
		written := map[havre.Hash]string{}
		for id, n := range m.nodes {
			for _, tr := range []tree{local, remote} {
				s := *tr.of(n)
				if s != nil && s.Kind == havre.KindFile && (n.Base == nil || n.Base.Hash != s.Hash) {
					written[s.Hash] = string(m.path(tr, id))
				}
			}
		}
		t.Logf("local %q remote %q", m.list(local), m.list(remote))

		first, second := reconcile.Plan(copyOf(m), copyOf(m).differing(), m.opt), reconcile.Plan(m, m.differing(), m.opt)
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("two plans of the same trees differ:\n%s", diff)
		}
		if err := m.settle(); err != nil {
			t.Fatalf("local %q remote %q: %v", m.list(local), m.list(remote), err)
		}
		if diff := cmp.Diff(m.list(local), m.list(remote)); diff != "" {
			for n := range m.differing() {
				t.Logf("node %d: base %v local %v remote %v", n.ID, n.Base, n.Local, n.Remote)
			}
			t.Fatalf("the trees differ at the end (-local +remote):\n%s", diff)
		}
		for n := range m.differing() {
			t.Fatalf("node %d is not at rest: %v %v %v", n.ID, n.Base, n.Local, n.Remote)
		}
		there := map[havre.Hash]bool{}
		for _, n := range m.nodes {
			there[n.Local.Hash] = true
		}
		for h, path := range written {
			if !there[h] {
				t.Fatalf("what somebody wrote at %s is gone", path)
			}
		}
	})
}
