package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/svn"
)

// words writes the actions of a round with the paths of their nodes: local if they have one.
func words(m *model, r reconcile.Round) []string {
	lines := []string{}
	for i, a := range slices.Concat(r.Down, r.Up) {
		p := m.path(local, a.Node)
		if p == "-" {
			p = m.path(remote, a.Node)
		}
		line := fmt.Sprintf("%v %s", a.Kind, p)
		if a.To.Name != "" {
			line += " -> " + string(m.path(local, a.To.Parent).Join(a.To.Name))
		}
		if i >= len(r.Down) {
			line = "up: " + line
		}
		lines = append(lines, line)
	}
	return lines
}

func TestPlan(t *testing.T) {
	const copyOfA = "a (conflict, laptop, 2026-11-21 14.05.09).txt"
	executable := file("a")
	executable.Executable = true
	later := file("a")
	later.ModTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name string
		// change starts from a.txt and d/f, agreed.
		change func(m *model)
		want   []string // the first round
		end    []string // both trees; nil: not compared
	}{
		{"nothing", func(*model) {}, []string{}, nil},
		{
			"new on disk", func(m *model) { m.put(local, "n", dir()); m.put(local, "n/x", file("x")) },
			[]string{"up: put directory n", "up: put n/x"},
			nil,
		},
		{
			"new on the server", func(m *model) { m.put(remote, "n", dir()); m.put(remote, "n/x", file("x")) },
			[]string{"make directory n", "write n/x"},
			nil,
		},
		{"edited on disk", func(m *model) { m.put(local, "a.txt", file("A")) }, []string{"up: put a.txt"}, nil},
		{"edited on the server", func(m *model) { m.put(remote, "a.txt", file("A")) }, []string{"write a.txt"}, nil},
		{
			"edited alike", func(m *model) { m.put(remote, "a.txt", file("A")); m.put(local, "a.txt", file("A")) },
			[]string{"adopt a.txt"},
			nil,
		},
		{
			"edited differently", func(m *model) { m.put(remote, "a.txt", file("A")); m.put(local, "a.txt", file("B")) },
			[]string{"keep both a.txt -> " + copyOfA},
			[]string{copyOfA, "a.txt", "d/", "d/f"},
		},
		{"executable on disk", func(m *model) { m.put(local, "a.txt", executable) }, []string{"up: put attributes a.txt"}, nil},
		{"executable on the server", func(m *model) { m.put(remote, "a.txt", executable) }, []string{"set attributes a.txt"}, nil},
		{"touched on disk", func(m *model) { m.put(local, "a.txt", later) }, []string{}, nil},
		{"touched on the server", func(m *model) { m.put(remote, "a.txt", later) }, []string{"set attributes a.txt"}, nil},
		{"deleted on disk", func(m *model) { m.remove(local, "a.txt") }, []string{"up: delete a.txt"}, []string{"d/", "d/f"}},
		{"deleted on the server", func(m *model) { m.remove(remote, "a.txt") }, []string{"trash a.txt"}, []string{"d/", "d/f"}},
		{
			"deleted on both sides", func(m *model) { m.remove(remote, "a.txt"); m.remove(local, "a.txt") },
			[]string{"forget -"},
			[]string{"d/", "d/f"},
		},
		{"directory deleted on disk", func(m *model) { m.remove(local, "d") }, []string{"up: delete d"}, []string{"a.txt"}},
		{"directory deleted on the server", func(m *model) { m.remove(remote, "d") }, []string{"trash d/f", "trash d"}, []string{"a.txt"}},
		{
			"deleted on disk, edited on the server", func(m *model) { m.remove(local, "a.txt"); m.put(remote, "a.txt", file("A")) },
			[]string{"write a.txt"},
			[]string{"a.txt", "d/", "d/f"},
		},
		{
			"edited on disk, deleted on the server", func(m *model) { m.put(local, "a.txt", file("A")); m.remove(remote, "a.txt") },
			[]string{"up: put a.txt"},
			[]string{"a.txt", "d/", "d/f"},
		},
		{
			"directory deleted on disk, news in it", func(m *model) { m.remove(local, "d"); m.put(remote, "d/n", file("n")) },
			[]string{"make directory d", "write d/n", "up: delete d/f"},
			[]string{"a.txt", "d/", "d/n"},
		},
		{
			"directory deleted on the server, news in it", func(m *model) { m.remove(remote, "d"); m.put(local, "d/n", file("n")) },
			[]string{"trash d/f", "up: put directory d", "up: put d/n"},
			[]string{"a.txt", "d/", "d/n"},
		},
		{"renamed on disk", func(m *model) { m.rename(local, "a.txt", "b") }, []string{"up: put move b"}, []string{"b", "d/", "d/f"}},
		{"renamed on the server", func(m *model) { m.rename(remote, "a.txt", "b") }, []string{"move a.txt -> b"}, []string{"b", "d/", "d/f"}},
		{
			"renamed on both sides", func(m *model) { m.rename(local, "a.txt", "b"); m.rename(remote, "a.txt", "c") },
			[]string{"move b -> c"},
			[]string{"c", "d/", "d/f"},
		},
		{
			"renamed alike", func(m *model) { m.rename(local, "a.txt", "b"); m.rename(remote, "a.txt", "b") },
			[]string{"adopt b"},
			[]string{"b", "d/", "d/f"},
		},
		{
			"renamed on disk, edited on the server", func(m *model) { m.rename(local, "a.txt", "b"); m.put(remote, "a.txt", file("A")) },
			[]string{"up: put move b"},
			[]string{"b", "d/", "d/f"},
		},
		{
			"renamed on disk, deleted on the server", func(m *model) { m.rename(local, "a.txt", "b"); m.remove(remote, "a.txt") },
			[]string{"up: put b"},
			[]string{"b", "d/", "d/f"},
		},
		{
			"directory renamed on disk, deleted on the server", func(m *model) { m.rename(local, "d", "e"); m.remove(remote, "d") },
			[]string{"trash e/f", "trash e"},
			[]string{"a.txt"},
		},
		{
			"saved out of a deleted directory", func(m *model) { m.rename(local, "d/f", "f"); m.remove(local, "d") },
			[]string{"up: put move f", "up: delete d"},
			[]string{"a.txt", "f"},
		},
		{
			"edited in a directory renamed on the server", func(m *model) { m.put(local, "d/f", file("F")); m.rename(remote, "d", "e") },
			[]string{"move d -> e", "up: put d/f"},
			[]string{"a.txt", "e/", "e/f"},
		},
		{
			"edited in a directory renamed on disk", func(m *model) { m.put(local, "d/f", file("F")); m.rename(local, "d", "e") },
			[]string{"up: put move e"},
			[]string{"a.txt", "e/", "e/f"},
		},
		{
			"a file for a directory", func(m *model) { m.remove(local, "d"); m.put(local, "d", file("d")) },
			[]string{"up: delete d", "up: put d"},
			[]string{"a.txt", "d"},
		},
		{
			"a directory for a file, on the server", func(m *model) { m.remove(remote, "a.txt"); m.put(remote, "a.txt", dir()) },
			[]string{"trash a.txt", "make directory a.txt"},
			[]string{"a.txt/", "d/", "d/f"},
		},
		{
			"a file and a directory of one name", func(m *model) { m.put(remote, "n", dir()); m.put(local, "n", file("n")) },
			[]string{"move n -> n (conflict, laptop, 2026-11-21 14.05.09)", "make directory n"},
			[]string{"a.txt", "d/", "d/f", "n (conflict, laptop, 2026-11-21 14.05.09)", "n/"},
		},
		{
			"names exchanged on disk", func(m *model) { m.put(local, "d/g", file("g")); exchange(m, local) },
			[]string{"up: put move a.txt", "up: put move d/f", "up: put d/g"},
			[]string{"a.txt", "d/", "d/f", "d/g"},
		},
		{
			"directories made on both sides", func(m *model) { m.put(local, "n", dir()); m.put(remote, "n", dir()) },
			[]string{"unify n"},
			[]string{"a.txt", "d/", "d/f", "n/"},
		},
		{"a cycle of renames", func(m *model) {
			m.agree("e", dir())
			m.rename(local, "d", "e/d")
			m.rename(remote, "e", "d/e")
		}, []string{"move e/d -> d"}, []string{"a.txt", "d/", "d/e/", "d/f"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newModel()
			m.agree("a.txt", file("a"))
			m.agree("d", dir())
			m.agree("d/f", file("f"))
			tt.change(m)
			if diff := cmp.Diff(tt.want, words(m, reconcile.Plan(m, m.differing(), m.opt))); diff != "" {
				t.Errorf("the first round (-want +got):\n%s", diff)
			}
			if err := m.settle(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m.list(local), m.list(remote)); diff != "" {
				t.Errorf("the trees in the end (-local +remote):\n%s", diff)
			}
			got := []string{}
			for _, line := range m.list(local) {
				p := line
				if i := strings.LastIndexByte(p, ' '); !strings.HasSuffix(p, "/") && i > 0 {
					p = p[:i]
				}
				got = append(got, strings.TrimSuffix(p, "*"))
			}
			if diff := cmp.Diff(tt.end, got); tt.end != nil && diff != "" {
				t.Errorf("in the end (-want +got):\n%s", diff)
			}
		})
	}
}

// exchange swaps a.txt and d/f.
func exchange(m *model, t tree) {
	m.rename(t, "a.txt", "t")
	m.rename(t, "d/f", "a.txt")
	m.rename(t, "t", "d/f")
}

func TestWaitForOwnCommits(t *testing.T) {
	m := newModel()
	m.agree("d", dir())
	m.agree("d/f", file("f"))
	m.agree("a", file("a"))
	m.opt.CaughtUp = false
	m.remove(local, "d")
	m.rename(local, "a", "b")
	m.put(local, "n", file("n"))
	want := []string{"up: put n"}
	if diff := cmp.Diff(want, words(m, reconcile.Plan(m, m.differing(), m.opt))); diff != "" {
		t.Errorf("before our own commit came back (-want +got):\n%s", diff)
	}
}

func TestBusyNodesAreLeftAlone(t *testing.T) {
	m := newModel()
	m.agree("d", dir())
	m.agree("d/f", file("f"))
	m.rename(local, "d", "e")
	m.put(local, "e/f", file("F"))
	m.busy[m.lookup(local, "e")] = true
	r := reconcile.Plan(m, m.differing(), m.opt)
	if !r.Empty() || r.Waiting != 2 {
		t.Errorf("got %q and %d that wait, want nothing and 2", words(m, r), r.Waiting)
	}
}

func nth(i int) svn.Path { return svn.Path(fmt.Sprintf("f%d", i)) }

func TestGuard(t *testing.T) {
	tests := []struct {
		name          string
		agreed, gone  int
		side          tree
		confirmed     bool
		held, actions int
	}{
		{"few", 20, 4, local, false, 0, 4},
		{"many of more", 20, 10, local, false, 0, 10},
		{"many of all, on disk", 20, 11, local, false, 11, 0},
		{"many of all, on the server", 20, 11, remote, false, 11, 0},
		{"confirmed, on disk", 20, 11, local, true, 0, 11},
		{"confirmed, on the server", 20, 11, remote, true, 0, 11},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newModel()
			m.opt.Guard = reconcile.Guard{Files: 5, Share: 0.5}
			m.opt.LocalConfirmed, m.opt.RemoteConfirmed = tt.confirmed, tt.confirmed
			for i := range tt.agreed {
				m.agree(nth(i), file(string(nth(i))))
			}
			for i := range tt.gone {
				m.remove(tt.side, nth(i))
			}
			r := reconcile.Plan(m, m.differing(), m.opt)
			if got := r.HeldLocal + r.HeldRemote; got != tt.held {
				t.Errorf("held: got %d, want %d", got, tt.held)
			}
			if got := len(r.Down) + len(r.Up); got != tt.actions {
				t.Errorf("actions: got %d, want %d", got, tt.actions)
			}
		})
	}
}

func TestConflictName(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 5, 9, 0, time.UTC)
	long := strings.Repeat("é", 127)
	tests := []struct {
		name, device string
		kind         havre.Kind
		attempt      int
		want         string
	}{
		{"report.odt", "laptop", havre.KindFile, 1, "report (conflict, laptop, 2026-11-21 14.05.09).odt"},
		{"report.odt", "laptop", havre.KindFile, 2, "report (conflict, laptop, 2026-11-21 14.05.09, 2).odt"},
		{".profile", "laptop", havre.KindFile, 1, ".profile (conflict, laptop, 2026-11-21 14.05.09)"},
		{"v1.2", "laptop", havre.KindDir, 1, "v1.2 (conflict, laptop, 2026-11-21 14.05.09)"},
		{"a", "Ana's/PC: (new)", havre.KindFile, 1, "a (conflict, Ana's-PC- -new-, 2026-11-21 14.05.09)"},
		{"report (conflict, desktop, 2025-01-01 00.00.00).odt", "laptop", havre.KindFile, 1, "report (conflict, laptop, 2026-11-21 14.05.09).odt"},
		{long, "laptop", havre.KindFile, 1, strings.Repeat("é", 107) + " (conflict, laptop, 2026-11-21 14.05.09)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := reconcile.ConflictName(tt.name, tt.kind, tt.device, at, tt.attempt)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if len(got) > 255 {
				t.Errorf("%d bytes are too long", len(got))
			}
		})
	}
}
