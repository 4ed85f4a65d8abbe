package watch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/localfs/watch"
	"github.com/havre-cloud/havre/svn"
)

var quiet = watch.Quiet{Closed: 5 * time.Millisecond, Written: 20 * time.Millisecond, Gone: 200 * time.Millisecond}

func paths(hints []watch.Hint) []svn.Path {
	var ps []svn.Path
	for _, h := range hints {
		ps = append(ps, h.Path)
	}
	return ps
}

func TestSetWaitsForQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watch.NewSet()
		s.Add("closed", watch.Written)
		s.Add("closed", watch.Closed)
		s.Add("written", watch.Closed)
		s.Add("written", watch.Written)
		s.Add("gone", watch.Vanished)
		s.Add("touched", watch.Touched)
		<-s.Wake()
		for _, c := range []struct {
			wait time.Duration
			want []svn.Path
			next time.Duration
		}{
			{0, nil, 5 * time.Millisecond},
			{5 * time.Millisecond, []svn.Path{"closed", "touched"}, 15 * time.Millisecond},
			{15 * time.Millisecond, []svn.Path{"written"}, 180 * time.Millisecond},
			{180 * time.Millisecond, []svn.Path{"gone"}, -1},
		} {
			time.Sleep(c.wait)
			hints, next := s.Take(quiet, 10)
			if diff := cmp.Diff(c.want, paths(hints)); diff != "" || next != c.next {
				t.Errorf("after %v: next %v, want %v (-want +got)\n%s", c.wait, next, c.next, diff)
			}
		}
	})
}

func TestSetLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watch.NewSet()
		for _, p := range []svn.Path{"c", "a", "b"} {
			s.Add(p, watch.Closed)
		}
		time.Sleep(time.Second)
		first, next := s.Take(quiet, 2)
		rest, _ := s.Take(quiet, 2)
		if diff := cmp.Diff([][]svn.Path{{"a", "b"}, {"c"}}, [][]svn.Path{paths(first), paths(rest)}); diff != "" || next != 0 {
			t.Errorf("next %v (-want +got)\n%s", next, diff)
		}
	})
}

func TestSetMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watch.NewSet()
		s.Add("d/sub/f", watch.Closed)
		s.Add("dd", watch.Closed)
		s.Move("d", "e/d")
		time.Sleep(time.Second)
		hints, _ := s.Take(quiet, 10)
		if diff := cmp.Diff([]svn.Path{"d", "dd", "e/d", "e/d/sub/f"}, paths(hints)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// TestSetIsBounded shows that more hints than fit become one for everything.
func TestSetIsBounded(t *testing.T) {
	s := watch.NewSet()
	for i := range 250_000 {
		s.Add(svn.Path(rune('a'+i%20))+svn.Path(time.Duration(i).String()), watch.Closed)
	}
	hints, _ := s.Take(watch.Quiet{}, 1<<30)
	if len(hints) > 100_000 || hints[0].Path != "" || !hints[0].Tree {
		t.Errorf("%d hints, first %+v", len(hints), hints[0])
	}
}
