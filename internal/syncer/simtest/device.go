package simtest

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs/fakefs"
	"github.com/havre-cloud/havre/internal/localfs/watch"
	"github.com/havre-cloud/havre/internal/syncer"
	"github.com/havre-cloud/havre/internal/syncer/syncertest"
	"github.com/havre-cloud/havre/svn"
)

// device is one engine, its disk and its person.
type device struct {
	sim    *sim
	name   string
	fs     *fakefs.FS
	user   fakefs.User
	hints  *watch.Set
	link   *link
	state  string // path of the engine's state
	engine *syncer.Engine
	cancel context.CancelFunc
	done   chan error // nil while the engine does not run

	// mu guards the rest, which the engine's goroutines come to.
	mu      sync.Mutex
	r       *rand.Rand
	fuse    int // steps until the crash; negative: none
	dead    bool
	saved   map[string][]byte // the state at the crash
	failing int               // percent of the disk's steps that fail
	full    bool
}

func newDevice(s *sim, name string) *device {
	d := &device{
		sim: s, name: name, fs: fakefs.New(), hints: watch.NewSet(), fuse: -1,
		state: filepath.Join(s.TempDir(), "state.db"), r: rand.New(rand.NewPCG(s.r.Uint64(), 1)),
	}
	d.user = d.fs.User()
	d.fs.Hints = d.hints
	d.fs.Fail = d.disk
	if err := d.fs.Init(syncertest.Folder); err != nil {
		s.Fatal(err)
	}
	d.link = &link{d: d, remote: s.server.Device(havre.DeviceID(name))}
	d.start()
	return d
}

func (d *device) start() {
	if d.done != nil {
		return
	}
	e, err := syncer.New(syncer.Config{
		Logger: slog.New(slog.NewTextHandler(writer{d.sim}, &slog.HandlerOptions{Level: slog.LevelDebug})).With("device", d.name),
		Events: func(e syncer.Event) {
			d.sim.logf("%s: event up=%v %s %s (from %s) r%d", d.name, e.Up, e.What, e.Path, e.From, e.Rev)
		},
		FS: d.fs, Watcher: fakefs.Watcher{Set: d.hints}, Remote: d.link,
		Scope: havre.Scope{Folder: syncertest.Folder}, StatePath: d.state, Device: d.name,
	})
	if err != nil {
		d.sim.Fatal(err)
	}
	ctx, cancel := context.WithCancel(background())
	done := make(chan error, 1)
	d.mu.Lock()
	d.engine, d.cancel, d.done = e, cancel, done
	d.mu.Unlock()
	go func() { done <- e.Run(ctx) }()
}

// stop ends the engine in order.
func (d *device) stop() {
	if d.done == nil {
		return
	}
	d.cancel()
	// Without its state it does not know that it once had access, and gives up.
	if err := <-d.done; err != nil && havre.CodeOf(err) != havre.CodeNotFound {
		d.sim.Errorf("%s: Run: %v", d.name, err)
	}
	d.done = nil
}

func (d *device) rescan() {
	ctx, cancel := context.WithTimeout(background(), time.Minute)
	defer cancel()
	_ = d.engine.Rescan(ctx) // a session that does not run scans when it does
}

func (d *device) tree() map[string]string {
	tree := map[string]string{}
	for p, item := range d.user.Tree() {
		switch {
		case item.Kind == havre.KindDir:
			tree[string(p)+"/"] = ""
		case item.Kind == havre.KindSymlink:
			tree[string(p)] = "link " + item.Content
		case item.Executable:
			tree[string(p)] = "*" + item.Content
		default:
			tree[string(p)] = item.Content
		}
	}
	return tree
}

// disk is asked before each step of the disk. Some take their time, in which people go on.
func (d *device) disk(op string, _ svn.Path) error {
	d.mu.Lock()
	pause := time.Duration(max(0, d.r.IntN(50)-40)) * time.Millisecond
	d.mu.Unlock()
	if pause > 0 {
		time.Sleep(pause)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	changes := strings.Contains("commit mkdir rename trash trashtree setaside setattrs syncdirs synctemps write createtemp", op)
	if err := d.tick(changes); err != nil {
		return err
	}
	switch {
	case d.full && strings.Contains("mkdir write createtemp", op):
		return syscall.ENOSPC
	case d.r.IntN(100) >= d.failing:
		return nil
	case op == "open" || op == "readdir":
		return fs.ErrPermission
	default:
		return syscall.EIO
	}
}

// tick is a step at which the machine may crash. The state is as it is at this moment then: what the
// engine writes from here on is not kept.
func (d *device) tick(counts bool) error {
	if d.dead {
		return syscall.EIO
	}
	if d.fuse < 0 || !counts {
		return nil
	}
	if d.fuse--; d.fuse >= 0 {
		return nil
	}
	d.dead = true
	d.saved = map[string][]byte{}
	for _, suffix := range []string{"", "-wal"} {
		if b, err := os.ReadFile(d.state + suffix); err == nil {
			d.saved[suffix] = b
		}
	}
	d.cancel()
	return syscall.EIO
}

// revive ends what a crash began: the machine starts again.
func (d *device) revive() {
	d.mu.Lock()
	dead := d.dead
	d.fuse = -1
	d.mu.Unlock()
	if !dead {
		return
	}
	d.stop()
	if d.sim.chance(50) {
		d.sim.logf("%s: starts again after a power cut", d.name)
		d.fs.Crash(d.sim.r)
	} else {
		d.sim.logf("%s: starts again after kill -9", d.name)
		d.fs.Kill()
	}
	d.mu.Lock()
	d.dead = false
	d.mu.Unlock()
	d.removeState()
	for suffix, b := range d.saved {
		if err := os.WriteFile(d.state+suffix, b, 0o600); err != nil {
			d.sim.Fatal(err)
		}
	}
	d.start()
}

func (d *device) removeState() {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(d.state + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.sim.Fatal(err)
		}
	}
}

// mishap makes something go wrong, or right again.
func (d *device) mishap() {
	s := d.sim
	switch s.r.IntN(14) {
	case 0:
		s.logf("connections are cut")
		s.server.Cut()
	case 1:
		s.logf("answers are lost")
		s.server.LoseAnswers(1 + s.r.IntN(3))
	case 2:
		offline := s.chance(50)
		s.logf("server offline: %v", offline)
		s.server.SetOffline(offline)
	case 3:
		cut := s.chance(50)
		s.logf("%s: network cut: %v", d.name, cut)
		d.link.set(cut, s.r.IntN(20))
	case 4:
		s.logf("%s: ends", d.name)
		d.stop()
	case 5:
		d.revive()
		s.logf("%s: starts", d.name)
		d.start()
	case 6, 7:
		if d.done != nil {
			d.mu.Lock()
			d.fuse = s.r.IntN(30)
			s.logf("%s: crashes in %d steps", d.name, d.fuse)
			d.mu.Unlock()
		}
	case 8:
		deaf := s.chance(50)
		s.logf("%s: events are lost: %v", d.name, deaf)
		d.user.SetDeaf(deaf)
	case 9:
		d.mu.Lock()
		d.failing, d.full = s.r.IntN(2)*s.r.IntN(20), s.chance(30)
		s.logf("%s: disk fails %d %%, full %v", d.name, d.failing, d.full)
		d.mu.Unlock()
	case 10:
		mounted := s.chance(60)
		s.logf("%s: mounted: %v", d.name, mounted)
		d.user.SetMounted(mounted)
	case 12, 13:
		d.rights()
	case 11:
		if s.chance(20) {
			s.logf("%s: the state is lost", d.name)
			d.revive()
			d.stop()
			d.removeState()
			d.start()
		}
	}
}

// rights gives the person other rights.
func (d *device) rights() {
	s := d.sim
	var hidden, readOnly []svn.Path
	for range s.r.IntN(3) {
		hidden = append(hidden, s.path())
	}
	if s.chance(30) {
		readOnly = append(readOnly, s.path())
	}
	if s.chance(10) {
		hidden = append(hidden, "")
	}
	s.logf("%s: may not read %q, may not change %q", d.name, hidden, readOnly)
	s.server.SetRights(havre.DeviceID(d.name), hidden, readOnly)
}

// heal makes everything right.
func (d *device) heal() {
	d.sim.server.SetRights(havre.DeviceID(d.name), nil, nil)
	d.revive()
	d.link.set(false, 0)
	d.user.SetDeaf(false)
	d.user.SetMounted(true)
	d.mu.Lock()
	d.failing, d.full = 0, false
	d.mu.Unlock()
	if len(d.done) > 0 {
		d.stop() // it has given up
	}
	d.start()
}

// userStep has the person do something. What cannot be done, as one cannot make a directory where a
// file is, is not done.
func (d *device) userStep() {
	s := d.sim
	tree := d.user.Tree()
	pick := func() svn.Path { // something that is there, mostly
		if len(tree) == 0 || s.chance(20) {
			return s.path()
		}
		return sorted(tree)[s.r.IntN(len(tree))]
	}
	note := func(err error, format string, args ...any) {
		if err == nil {
			s.logf(d.name+": "+format, args...)
		}
	}
	switch n := s.r.IntN(100); {
	case n < 45:
		p := s.path()
		if s.chance(40) {
			p = pick()
		}
		content := s.content()
		write, how := d.user.Write, "writes"
		if s.chance(40) {
			write, how = d.user.Replace, "replaces"
		}
		err := write(p, content)
		if err == nil {
			d.lose(tree, p)
			s.owe(content, d.name)
		}
		note(err, "%s %s: %.20s", how, p, content)
	case n < 60:
		p := pick()
		err := d.user.Remove(p)
		if err == nil {
			d.loseAll(tree, p)
		}
		note(err, "removes %s", p)
	case n < 85:
		from, to := pick(), s.path()
		err := d.user.Rename(from, to)
		if err == nil && from != to {
			d.lose(tree, to)
		}
		note(err, "renames %s to %s", from, to)
	case n < 94:
		p := s.path()
		note(d.user.Mkdir(p), "makes %s/", p)
	case n < 97:
		p := pick()
		note(d.user.SetExecutable(p, s.chance(50)), "changes the executable bit of %s", p)
	default:
		p, target := s.path(), s.word()
		err := d.user.Symlink(target, p)
		if err == nil {
			s.owed["link "+target] = d.name
		}
		note(err, "links %s", p)
	}
}

// writer puts what engines log into the schedule.
type writer struct{ sim *sim }

func (w writer) Write(b []byte) (int, error) {
	w.sim.logf("%s", strings.TrimSpace(string(b)))
	return len(b), nil
}
