package watch

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/havre-cloud/havre/svn"
)

// Status tells how well the watching works.
func (w *Watch) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// poll has the unwatched part looked through, and tries again to watch it.
func (w *Watch) poll() {
	paths := make([]svn.Path, 0, len(w.unwatched))
	for p := range w.unwatched {
		paths = append(paths, p)
	}
	clear(w.unwatched)
	w.descend(w.top, "")
	w.report()
	for _, p := range paths {
		w.Add(p, Appeared)
	}
}

// report brings the status up to date. Only when watches are missing the directories are counted.
func (w *Watch) report() {
	if len(w.unwatched) == 0 {
		w.setStatus(nil)
		return
	}
	missing := 0
	for p := range w.unwatched {
		missing += w.count(p)
	}
	w.setStatus(&DegradedError{
		Unwatched: missing, Needed: len(w.nodes) + missing, Interval: pollInterval,
		Reason: reasonOf(w.advice), Advice: adviceFor(w.advice, len(w.nodes)+missing),
	})
}

// count counts the directories at and below p that are not ignored.
func (w *Watch) count(p svn.Path) int {
	names, err := subdirs(filepath.Join(w.root, string(p)))
	if err != nil {
		return 1
	}
	n := 1
	rules := w.ign.Dir(p)
	for _, name := range names {
		if !rules.Match(name, true) {
			n += w.count(p.Join(name))
		}
	}
	return n
}

func (w *Watch) setStatus(degraded *DegradedError) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status = Status{Dirs: len(w.nodes), Degraded: degraded}
}

func reasonOf(err error) string {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return "the system's limit of watches for a user is reached"
	case errors.Is(err, unix.EMFILE):
		return "the system's limit of inotify instances for a user is reached"
	default:
		return err.Error()
	}
}

// adviceFor says what to do about a missing watch. Others need watches too, hence the reserve.
func adviceFor(err error, needed int) string {
	if !errors.Is(err, unix.ENOSPC) {
		return "see what is special about these directories"
	}
	limit := 1 << 16
	for limit < 2*needed {
		limit *= 2
	}
	return fmt.Sprintf("raise it, as root: sysctl fs.inotify.max_user_watches=%d "+
		"(and put the same line into /etc/sysctl.d/ to keep it)", limit)
}
