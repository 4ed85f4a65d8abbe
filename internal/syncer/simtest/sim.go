// Package simtest runs several devices with the real engine against a server in memory, on disks in
// memory, in fake time, through random schedules of what people do and what goes wrong, and checks
// what must hold at the end:
//
//   - all replicas and the server have the same tree;
//   - what somebody wrote, and nobody overwrote or deleted where it was before their eyes, is in
//     that tree, or was set aside because its writer lost the right to send it;
//   - after that, starting everything again changes nothing, and no temporary is left.
//
// A schedule is made from a seed. The order in which goroutines run is not, so a seed that fails
// may have to be run several times.
package simtest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/syncer"
	"github.com/havre-cloud/havre/internal/syncer/syncertest"
	"github.com/havre-cloud/havre/svn"
)

// Options are the size of a schedule.
type Options struct {
	Seed    uint64
	Devices int
	Steps   int
	// Calm leaves out everything that goes wrong: only people are at work.
	Calm bool
}

// sim is one run.
type sim struct {
	*testing.T
	Options
	r       *rand.Rand
	server  *syncertest.Server
	devices []*device
	counter int
	// owed are the contents that must be in the tree at the end, with who wrote them. Contents that
	// are written more than once are not among them: writing what is there already is no edit,
	// and who deletes one of two equal files means that one.
	owed map[string]string

	mu  sync.Mutex // guards log
	log []string
}

// Run runs one schedule. It prints the schedule if something does not hold.
func Run(t *testing.T, o Options) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &sim{
			T: t, Options: o, r: rand.New(rand.NewPCG(o.Seed, 0)),
			server: syncertest.NewServer(), owed: map[string]string{},
		}
		for i := range o.Devices {
			s.devices = append(s.devices, newDevice(s, fmt.Sprintf("d%d", i)))
		}
		defer func() {
			for _, d := range s.devices {
				d.stop()
			}
			if t.Failed() {
				t.Logf("seed %d:\n%s", o.Seed, strings.Join(s.log, "\n"))
			}
		}()
		for range o.Steps {
			s.step()
		}
		s.heal()
		if s.converge("at the end") {
			s.checkOwed()
			s.checkRest()
		}
	})
}

func (s *sim) logf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (s *sim) chance(percent int) bool { return s.r.IntN(100) < percent }

// step does one thing and lets some time pass: mostly none or little, so that things meet.
func (s *sim) step() {
	synctest.Wait() // what a person sees does not change between the look and the deed
	d := s.devices[s.r.IntN(len(s.devices))]
	switch {
	case s.chance(80) || s.Calm:
		d.userStep()
	case s.chance(20):
		s.somebody()
	default:
		d.mishap()
	}
	switch {
	case s.chance(40):
	case s.chance(50):
		time.Sleep(time.Duration(s.r.IntN(40)) * time.Millisecond)
	case s.chance(80):
		time.Sleep(time.Duration(s.r.IntN(1000)) * time.Millisecond)
	default:
		time.Sleep(time.Duration(s.r.IntN(120)) * time.Second)
	}
}

// somebody commits with another program.
func (s *sim) somebody() {
	tree := s.server.Tree()
	p := s.path()
	dir := string(p.Dir())
	if _, ok := tree[dir+"/"]; dir != "" && !ok {
		return
	}
	if _, isDir := tree[string(p)+"/"]; isDir {
		if s.chance(50) {
			s.logf("somebody deletes %s/", p)
			for q, content := range tree {
				if strings.HasPrefix(q, string(p)+"/") {
					s.destroyed(strings.TrimPrefix(content, "*"))
				}
			}
			s.server.Do(syncertest.Delete(p))
		}
		return
	}
	content := s.content()
	s.logf("somebody writes %s: %.20s", p, content)
	s.destroyed(strings.TrimPrefix(tree[string(p)], "*"))
	s.owe(content, "somebody")
	s.server.Do(syncertest.Put(p, content))
}

// path makes a path of few names, so that devices meet.
func (s *sim) path() svn.Path {
	var p svn.Path
	for range s.r.IntN(3) {
		p = p.Join(string(rune('a' + s.r.IntN(3))))
	}
	return p.Join([]string{"x", "y", "z", "a", "b"}[s.r.IntN(5)])
}

// same begins contents that may be written more than once.
const same = "same "

// content makes contents that are not anywhere else, mostly.
func (s *sim) content() string {
	if s.chance(5) {
		return fmt.Sprint(same, s.r.IntN(3))
	}
	content := s.word()
	if s.chance(3) {
		content += strings.Repeat("-", havre.InlineLimit+s.r.IntN(1000))
	}
	return content
}

// word makes short contents.
func (s *sim) word() string {
	s.counter++
	return fmt.Sprintf("content %d.", s.counter)
}

// owe notes that contents must be there at the end.
func (s *sim) owe(content, by string) {
	if !strings.HasPrefix(content, same) {
		s.owed[content] = by
	}
}

// destroyed notes that a person decided to do without contents.
func (s *sim) destroyed(content string) { delete(s.owed, content) }

// heal ends everything that goes wrong.
func (s *sim) heal() {
	s.logf("all is well again")
	s.server.LoseAnswers(0)
	s.server.SetOffline(false)
	for _, d := range s.devices {
		d.heal()
	}
}

// converge lets time pass until all trees are the same and everybody says so.
func (s *sim) converge(when string) bool {
	s.Helper()
	for range 30 {
		time.Sleep(11 * time.Minute) // beyond every pause after a failure
		for _, d := range s.devices {
			d.rescan()
		}
		time.Sleep(2 * time.Minute)
		if s.differences() == "" {
			return true
		}
	}
	s.Errorf("seed %d: %s, after hours, it is not the same everywhere:\n%s", s.Seed, when, s.differences())
	return false
}

func (s *sim) differences() string {
	var b strings.Builder
	want := short(s.server.Tree())
	for _, d := range s.devices {
		if diff := cmp.Diff(want, short(d.tree())); diff != "" {
			fmt.Fprintf(&b, "%s (-server +%s):\n%s", d.name, d.name, diff)
		}
		if status := d.engine.Status(); status.State != syncer.StateUpToDate || status.ProblemCount > 0 {
			fmt.Fprintf(&b, "%s: status %+v\n", d.name, status)
		}
	}
	return b.String()
}

// short cuts contents, for messages.
func short(tree map[string]string) map[string]string {
	for p, content := range tree {
		if len(content) > 40 {
			tree[p] = fmt.Sprintf("%.40s… %v", content, havre.HashBytes([]byte(content)))
		}
	}
	return tree
}

// checkOwed looks for all contents that must be there.
func (s *sim) checkOwed() {
	s.Helper()
	there := map[string]bool{}
	for _, content := range s.server.Tree() {
		there[strings.TrimPrefix(content, "*")] = true
	}
	for _, d := range s.devices {
		for _, content := range d.user.Kept() { // what could not be sent for want of a right
			there[content] = true
		}
	}
	for _, content := range slices.Sorted(maps.Keys(s.owed)) {
		if !there[content] {
			s.Errorf("seed %d: %.40q, written by %s, which nobody deleted, is not in the tree; it is in %v",
				s.Seed, content, s.owed[content], s.whereIs(content))
		}
	}
}

// whereIs says where contents are that are not in the tree.
func (s *sim) whereIs(content string) []string {
	var where []string
	for _, rev := range s.server.Log() {
		for _, op := range rev.Ops {
			if string(op.Content) == content {
				where = append(where, fmt.Sprintf("r%d /%s", rev.Rev, op.Path))
			}
		}
	}
	for _, d := range s.devices {
		if slices.Contains(d.user.Trash(), content) {
			where = append(where, "the trash of "+d.name)
		}
	}
	return where
}

// checkRest starts everything again and looks that nothing happens.
func (s *sim) checkRest() {
	s.Helper()
	head, tree := s.server.Head(), s.server.Tree()
	for _, d := range s.devices {
		d.stop()
		d.start()
	}
	if !s.converge("after another start") {
		return
	}
	if got := s.server.Head(); got != head {
		s.Errorf("seed %d: another start made r%d of r%d: %+v", s.Seed, got, head, s.server.Log()[head:])
	}
	if diff := cmp.Diff(short(tree), short(s.server.Tree())); diff != "" {
		s.Errorf("seed %d: another start changed the tree (-before +after):\n%s", s.Seed, diff)
	}
	for _, d := range s.devices {
		if n := d.user.Temporaries(); n > 0 {
			s.Errorf("seed %d: %s has %d temporaries left", s.Seed, d.name, n)
		}
	}
}

// background is for what is not ended by the test's end but by the simulation.
func background() context.Context { return context.Background() }
