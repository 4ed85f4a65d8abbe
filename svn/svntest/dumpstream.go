package svntest

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// Dump returns the history as a dump stream without deltas, for svnadmin load.
func (h *History) Dump(t testing.TB) []byte {
	t.Helper()
	p := []byte("SVN-fs-dump-format-version: 2\n\n")
	date := time.Date(2026, 11, 21, 14, 5, 9, 0, time.UTC)
	for i := range h.Commits {
		c := &h.Commits[i]
		revProps := maps.Clone(c.RevProps)
		revProps[svn.PropDate] = svn.FormatTime(date.Add(time.Duration(i) * time.Second))
		props := appendHash(nil, sorted(revProps), "PROPS-END")
		p = fmt.Appendf(p, "Revision-number: %d\nProp-content-length: %d\nContent-length: %d\n\n%s\n", i+1, len(props), len(props), props)
		present := kinds(h.Trees[i])
		for j := range c.Changes {
			p = appendNode(t, p, &c.Changes[j], present, h.Trees)
		}
	}
	return p
}

func sorted(props svn.Props) func(yield func(string, string) bool) {
	return func(yield func(string, string) bool) {
		for _, name := range slices.Sorted(maps.Keys(props)) {
			if !yield(name, props[name]) {
				return
			}
		}
	}
}

func kinds(tree Tree) map[svn.Path]svn.Kind {
	m := make(map[svn.Path]svn.Kind, len(tree))
	for p, e := range tree {
		m[p] = e.Kind
	}
	return m
}

// appendNode appends the record of a change; present is what is there before it, and is kept so.
func appendNode(t testing.TB, p []byte, c *svn.Change, present map[svn.Path]svn.Kind, trees []Tree) []byte {
	t.Helper()
	p = fmt.Appendf(p, "Node-path: %s\n", c.Path)
	if c.Op == svn.OpDelete {
		maps.DeleteFunc(present, func(q svn.Path, _ svn.Kind) bool {
			_, below := q.Rel(c.Path)
			return below
		})
		return append(p, "Node-action: delete\n\n\n"...)
	}
	action := "add"
	if _, ok := present[c.Path]; ok {
		action = "change"
	}
	kind := svn.KindFile
	switch c.Op {
	case svn.OpMkdir:
		kind = svn.KindDir
	case svn.OpCopy:
		below := trees[c.CopyFrom.Rev].Below(c.CopyFrom.Path)
		kind = below[""].Kind
		for rel, e := range below {
			present[c.Path.Join(string(rel))] = e.Kind
		}
	}
	present[c.Path] = kind
	p = fmt.Appendf(p, "Node-kind: %s\nNode-action: %s\n", kind, action)
	if c.CopyFrom != nil {
		p = fmt.Appendf(p, "Node-copyfrom-rev: %d\nNode-copyfrom-path: %s\n", c.CopyFrom.Rev, c.CopyFrom.Path)
	}
	return appendContents(t, p, c)
}

// appendContents appends what a record has of properties and text, and the end of its header.
func appendContents(t testing.TB, p []byte, c *svn.Change) []byte {
	t.Helper()
	var props, text []byte
	if c.Props != nil {
		props = appendHash(nil, sorted(c.Props), "PROPS-END")
		p = fmt.Appendf(p, "Prop-content-length: %d\n", len(props))
	}
	if c.Content != nil {
		r, err := c.Content()
		if err != nil {
			t.Fatal(err)
		}
		if text, err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		p = fmt.Appendf(p, "Text-content-length: %d\n", len(text))
	}
	p = fmt.Appendf(p, "Content-length: %d\n\n", len(props)+len(text))
	p = append(p, props...)
	p = append(p, text...)
	return append(p, "\n\n"...)
}
