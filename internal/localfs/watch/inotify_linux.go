package watch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/localfs/ignore"
	"github.com/havre-cloud/havre/svn"
)

// Watch watches a replica with inotify, one watch for each directory that is not ignored.
//
// The directories form a tree of nodes, so that one of them that is renamed takes along everything
// below it by a change of one node: to the kernel a watch belongs to the directory, not to its path.
type Watch struct {
	*Set
	root string
	ign  *ignore.Tree
	add  func(fd int, path string, mask uint32) (int, error) // inotify_add_watch

	fd    int
	nodes map[int32]*node
	top   *node
	// leaving are directories that were renamed to somewhere unknown yet, by the cookie that the
	// other half of the event will have.
	leaving map[uint32]*node
	// unwatched are the topmost directories for which there was no watch left.
	unwatched map[svn.Path]struct{}
	advice    error

	// mu guards status.
	mu     sync.Mutex
	status Status
}

var _ Watcher = (*Watch)(nil)

const (
	// restWhileBusy is how long to wait between two reads: meanwhile the kernel makes one event of
	// many equal ones, and the latency of the first is not touched.
	restWhileBusy = 2 * time.Millisecond
	// leaveWait is how long the second half of a rename may take. Both are queued at once, but
	// others may come in between.
	leaveWait = 100 * time.Millisecond
	// pollInterval is how often the unwatched part is looked through, and tried again.
	pollInterval = 30 * time.Second
	// returnInterval is how often a root that has gone is looked for.
	returnInterval = 2 * time.Second

	dirMask = unix.IN_CREATE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_DELETE | unix.IN_CLOSE_WRITE |
		unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_DELETE_SELF |
		unix.IN_ONLYDIR | unix.IN_DONT_FOLLOW | unix.IN_EXCL_UNLINK
	rootMask = dirMask&^unix.IN_DONT_FOLLOW | unix.IN_MOVE_SELF
)

// New returns a watcher of the replica at root. Rules that the watcher sees change are forgotten in ign.
func New(root string, ign *ignore.Tree) *Watch {
	return &Watch{Set: NewSet(), root: root, ign: ign, add: unix.InotifyAddWatch}
}

var (
	errRootGone = errors.New("the root is gone")
	// errOverflow: events were lost, perhaps those that say which directories are which. The
	// whole tree is watched anew.
	errOverflow = errors.New("events were lost")
)

// Run watches until ctx is done. While the root is gone it waits for it to come back.
func (w *Watch) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := w.watch(ctx)
		wait := returnInterval
		switch {
		case errors.Is(err, errOverflow):
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, errRootGone):
			wait = pollInterval // no instance of inotify to be had: look through everything
			w.setStatus(&DegradedError{Interval: pollInterval, Reason: reasonOf(err), Advice: adviceInstances})
		}
		w.Add("", Appeared)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return ctx.Err()
}

// watch works with one instance of inotify, until the root is gone.
func (w *Watch) watch(ctx context.Context) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("start inotify: %w", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	defer f.Close()
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	w.fd = fd
	w.nodes, w.leaving = make(map[int32]*node), make(map[uint32]*node)
	w.unwatched, w.advice = make(map[svn.Path]struct{}), nil
	wd, err := w.add(fd, w.root, rootMask)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return errRootGone
	}
	if err != nil {
		return fmt.Errorf("watch %s: %w", w.root, err)
	}
	w.top = &node{wd: int32(wd)}
	w.nodes[w.top.wd] = w.top
	w.descend(w.top, "")
	w.report()
	w.Add("", Appeared)
	return w.read(ctx, f)
}

// read handles events.
func (w *Watch) read(ctx context.Context, f *os.File) error {
	buf := make([]byte, 64<<10)
	nextPoll := time.Now().Add(pollInterval)
	for {
		deadline := time.Time{}
		if len(w.unwatched) > 0 {
			deadline = nextPoll
		}
		if len(w.leaving) > 0 {
			deadline = time.Now().Add(leaveWait)
		}
		if err := f.SetReadDeadline(deadline); err != nil {
			return err
		}
		if ctx.Err() != nil { // in case the deadline above has overwritten that of the end
			return ctx.Err()
		}
		n, err := f.Read(buf)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.forgetLeft()
			if len(w.unwatched) > 0 && !time.Now().Before(nextPoll) {
				w.poll()
				nextPoll = time.Now().Add(pollInterval)
			}
			continue
		case err != nil:
			return fmt.Errorf("read inotify: %w", err)
		}
		dirs, unwatched := len(w.nodes), len(w.unwatched)
		if err := w.handleAll(buf[:n]); err != nil {
			return err
		}
		if unwatched != len(w.unwatched) || unwatched == 0 && dirs != len(w.nodes) {
			w.report()
		}
		time.Sleep(restWhileBusy)
	}
}

// handleAll handles the events of one read.
func (w *Watch) handleAll(b []byte) error {
	for len(b) >= unix.SizeofInotifyEvent {
		e := unix.InotifyEvent{
			Wd:     int32(binary.NativeEndian.Uint32(b)),
			Mask:   binary.NativeEndian.Uint32(b[4:]),
			Cookie: binary.NativeEndian.Uint32(b[8:]),
			Len:    binary.NativeEndian.Uint32(b[12:]),
		}
		end := unix.SizeofInotifyEvent + int(e.Len)
		if end > len(b) {
			return errors.New("read inotify: half an event")
		}
		name, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:end], []byte{0})
		if err := w.handle(e, string(name)); err != nil {
			return err
		}
		b = b[end:]
	}
	return nil
}

func (w *Watch) handle(e unix.InotifyEvent, name string) error {
	if e.Mask&unix.IN_Q_OVERFLOW != 0 {
		return errOverflow
	}
	n, ok := w.nodes[e.Wd]
	if !ok {
		return nil
	}
	if e.Mask&(unix.IN_IGNORED|unix.IN_DELETE_SELF|unix.IN_UNMOUNT|unix.IN_MOVE_SELF) != 0 {
		if n == w.top {
			return errRootGone
		}
		if e.Mask&unix.IN_IGNORED != 0 {
			w.remove(n)
		}
		return nil
	}
	dir, ok := w.pathOf(n)
	if !ok || name == "" || n == w.top && name == localfs.Reserved {
		return nil
	}
	if !isName(name) {
		w.Add(dir, Appeared) // a look at the directory shows the name that is none
		return nil
	}
	if e.Mask&unix.IN_ISDIR != 0 {
		w.handleDir(e, n, dir, name)
		return nil
	}
	p := dir.Join(name)
	if name == ignore.FileName && e.Mask&(unix.IN_CLOSE_WRITE|unix.IN_MOVED_TO|unix.IN_MOVED_FROM|unix.IN_DELETE) != 0 {
		w.ign.Forget()
		w.descend(n, dir)
		w.Add(dir, Appeared)
	}
	if w.ign.Match(p, false) {
		return nil
	}
	switch {
	case e.Mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0:
		w.Add(p, Vanished)
	case e.Mask&(unix.IN_CLOSE_WRITE|unix.IN_MOVED_TO) != 0:
		w.Add(p, Closed)
	case e.Mask&(unix.IN_MODIFY|unix.IN_CREATE) != 0:
		w.Add(p, Written)
	default:
		w.Add(p, Touched)
	}
	return nil
}

// handleDir handles what happened to a directory in n.
func (w *Watch) handleDir(e unix.InotifyEvent, n *node, dir svn.Path, name string) {
	p := dir.Join(name)
	switch {
	case e.Mask&unix.IN_MOVED_FROM != 0:
		w.ign.Forget()
		if child := n.children[name]; child != nil {
			delete(n.children, name)
			child.parent = nil
			w.leaving[e.Cookie] = child
			child.name = string(p) // where it was, for the other half
		}
		w.addUnlessIgnored(p, Vanished)
	case e.Mask&unix.IN_DELETE != 0:
		w.ign.Forget()
		w.addUnlessIgnored(p, Vanished)
	case e.Mask&unix.IN_MOVED_TO != 0:
		w.ign.Forget()
		child, known := w.leaving[e.Cookie]
		delete(w.leaving, e.Cookie)
		if known && !w.ign.Match(p, true) {
			from := svn.Path(child.name)
			w.attach(child, n, name)
			w.Move(from, p)
			w.descend(child, p) // the rules may differ at the new place
			if child.missed {
				child.missed = false
				w.Add(p, Appeared)
			}
			return
		}
		if known {
			w.drop(child)
		}
		w.appeared(n, p, name)
	case e.Mask&unix.IN_CREATE != 0:
		w.appeared(n, p, name)
	default:
		w.addUnlessIgnored(p, Touched)
	}
}

func (w *Watch) addUnlessIgnored(p svn.Path, what What) {
	if !w.ign.Match(p, true) {
		w.Add(p, what)
	}
}

// appeared watches a new directory. The hint comes when all of it is watched: what was made in it
// before, a look finds; what is made after, an event tells.
func (w *Watch) appeared(parent *node, p svn.Path, name string) {
	if w.ign.Match(p, true) {
		return
	}
	if child := w.watchDir(parent, p, name); child != nil {
		w.descend(child, p)
	}
	w.Add(p, Appeared)
}

const adviceInstances = "raise it, as root: sysctl fs.inotify.max_user_instances=1024"
