package syncer

import "time"

// statusPause is how long the counts of a Status may be behind while files flow.
const statusPause = 250 * time.Millisecond

// report brings Status up to date.
func (l *loop) report(now time.Time) error {
	working := l.planDue || !l.looked || l.cursor < 0 || !l.scans.idle() || !l.hashes.idle() || !l.queue.idle() ||
		!l.fetches.idle() || !l.downloads.idle() || !l.commits.idle() || len(l.answered) > 0 || !l.uploads.idle()
	if working && l.statusAt.After(now) {
		return nil
	}
	l.statusAt = now.Add(statusPause)
	if !working {
		l.statusAt = time.Time{}
	}
	s := Status{Revision: l.cursor, HeldDown: int64(l.held.HeldRemote), HeldUp: int64(l.held.HeldLocal)}
	err := l.tx(func() {
		down, up := l.db.Pending()
		s.Down, s.Up = Pending(down), Pending(up)
		l.confirmed(s.Down.Files+s.Up.Files == 0)
	})
	if err != nil {
		return err
	}
	if w := l.cfg.Watcher; w != nil {
		if d := w.Status().Degraded; d != nil {
			s.Watch = d.Error()
		}
	}
	offline := l.net.err()
	switch {
	case offline != nil:
		s.State = StateOffline
		s.LastError = offline.Error()
	case !l.downAt.IsZero() || !l.upAt.IsZero():
		s.State = StateFailed
	case !l.looked || l.cursor < 0:
		s.State = StateStarting
	case l.ended && !working:
		s.State, s.Up = StateNoAccess, Pending{}
		l.problems.nothingFails()
	case s.HeldDown+s.HeldUp > 0 && !working:
		s.State = StateHeld
	case working || s.Down.Files+s.Up.Files > 0:
		s.State = StateSyncing
	default:
		s.State = StateUpToDate
		l.lastError = nil
		l.problems.nothingFails()
	}
	if l.lastError != nil && s.LastError == "" {
		s.LastError, s.LastErrorAt = l.lastError.Error(), l.errorAt
	}
	l.publish(&s, now)
	return nil
}

// publish makes s the Status.
func (l *loop) publish(s *Status, now time.Time) {
	was := l.Status()
	s.Problems, s.ProblemCount = was.Problems, len(l.problems.all)
	s.KeptCount = len(l.kept)
	for _, k := range l.kept[:min(len(l.kept), maxProblems)] {
		s.Kept = append(s.Kept, Kept{Path: k.Path, Place: k.Place, At: k.At})
	}
	if l.problems.changed {
		l.problems.changed = false
		s.Problems = l.problems.list()
	}
	if s.LastError != "" && s.LastErrorAt.IsZero() {
		s.LastErrorAt = now
		if was.LastError == s.LastError {
			s.LastErrorAt = was.LastErrorAt
		}
	}
	l.update(func(status *Status) { *status = *s })
	if s.State == StateHeld && was.State != StateHeld {
		l.cfg.Events(Event{Time: now, What: "held", Up: s.HeldUp > 0, Rev: s.Revision, Count: s.HeldUp + s.HeldDown})
	}
}

// confirmed ends a person's consent to deletions once they are done.
func (l *loop) confirmed(atRest bool) {
	if !atRest {
		return
	}
	for _, name := range []string{settingAllowLocal, settingAllowOther} {
		if l.db.Setting(name) != "" {
			l.db.Set(name, "")
		}
	}
}
