package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/havre-cloud/havre/internal/source"
)

// backupShow tells a person how a backup goes: a line for each document about which there is something to say, and on
// a terminal one line below that says what is being done. It is safe for concurrent use.
type backupShow struct {
	con   *console
	all   bool // unchanged documents, too
	width func() int
	clock bool // lines begin with the time
	// paused returns the instance that keeps documents waiting for longest, and until when.
	paused func() (instance string, until time.Time)

	mu      sync.Mutex // guards what follows
	total   int
	counts  map[source.Outcome]int
	dropped int // addresses of files that are not looked at any more
	// unanswered are those of them that might be documents.
	unanswered int
	// forbidden says that an address leads to a private network.
	forbidden bool
	busy      []string // instances with which somebody is talking
	drawn     string   // the line below, as it is on the terminal
}

func newBackupShow(con *console) *backupShow {
	s := &backupShow{con: con, all: con.log.Enabled(context.Background(), slog.LevelDebug), counts: map[source.Outcome]int{}, paused: func() (string, time.Time) { return "", time.Time{} }}
	if f, ok := con.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		s.width = func() int {
			if w, _, err := term.GetSize(int(f.Fd())); err == nil {
				return w
			}
			return 80
		}
	}
	return s
}

// begin starts the display; the returned function ends it.
func (s *backupShow) begin(total int) (end func()) {
	s.total = total
	if s.width == nil {
		return func() {}
	}
	stop := make(chan struct{})
	var drawing sync.WaitGroup
	drawing.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				s.mu.Lock()
				s.draw()
				s.mu.Unlock()
			}
		}
	})
	return func() {
		close(stop)
		drawing.Wait()
		s.mu.Lock()
		s.clear()
		s.mu.Unlock()
	}
}

// draw shows what is being done. The caller holds the lock.
func (s *backupShow) draw() {
	done := s.dropped
	for _, n := range s.counts {
		done += n
	}
	text := fmt.Sprintf("%s of %s", grouped(int64(min(done, s.total))), grouped(int64(s.total)))
	if s.clock {
		text = counted(int64(s.total), "document") + ", watching"
	}
	if fresh := s.counts[source.OutcomeNew] + s.counts[source.OutcomeChanged]; fresh > 0 && !s.clock {
		text += fmt.Sprintf(", %s saved", grouped(int64(fresh)))
	}
	if instance, until := s.paused(); instance != "" {
		text += fmt.Sprintf("; %s takes no more until %s", hostOf(instance), until.Local().Format("15:04:05"))
	} else if names := slices.Compact(slices.Sorted(slices.Values(s.busy))); len(names) > 0 {
		text += "; asking " + strings.Join(names, ", ")
	}
	if text = shorten(text, s.width()-1); text != s.drawn {
		fmt.Fprintf(s.con.err, "\r\x1b[K%s", text)
		s.drawn = text
	}
}

func (s *backupShow) clear() {
	if s.drawn != "" {
		fmt.Fprint(s.con.err, "\r\x1b[K")
		s.drawn = ""
	}
}

func (s *backupShow) more(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total += n
}

func (s *backupShow) working(r *backupRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = append(s.busy, hostOf(r.Address.Instance))
}

func (s *backupShow) idle(r *backupRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free(r)
}

func (s *backupShow) free(r *backupRecord) {
	if i := slices.Index(s.busy, hostOf(r.Address.Instance)); i >= 0 {
		s.busy = slices.Delete(s.busy, i, i+1)
	}
}

func hostOf(instance string) string {
	u, err := url.Parse(instance)
	if err != nil {
		return instance
	}
	return u.Host
}

// done tells a result.
func (s *backupShow) done(r *backupRecord, result source.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free(r)
	if r.dropped != "" {
		s.dropped++
		if result.Error != "" && result.Reason != source.ReasonForeign {
			s.unanswered++
			s.line(r, "left out", result)
		}
		return
	}
	s.counts[result.Outcome]++
	s.forbidden = s.forbidden || result.Reason == source.ReasonForbidden
	if result.Outcome == source.OutcomeUnchanged && !s.all {
		return
	}
	s.line(r, string(result.Outcome), result)
}

// say tells something else about a document.
func (s *backupShow) say(r *backupRecord, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line(r, "failed", source.Result{Error: text})
}

func (s *backupShow) line(r *backupRecord, word string, result source.Result) {
	s.clear()
	var b strings.Builder
	if s.clock {
		b.WriteString(time.Now().Format("15:04:05  "))
	}
	title := r.Title
	if title == "" {
		title = r.Address.Name
	}
	if title == "" {
		title = r.Address.URL
	}
	fmt.Fprintf(&b, "%-11s  %s", word, shorten(shown(title), 60))
	switch {
	case result.Error != "":
		fmt.Fprintf(&b, ": %s (%s)", shown(result.Error), shown(r.Address.URL))
	case r.Address.Collection != "":
		fmt.Fprintf(&b, ": %s", r.Summary)
	case r.Summary != "":
		fmt.Fprintf(&b, " (%s)", shown(r.Summary))
	}
	fmt.Fprintln(s.con.out, b.String())
	for _, name := range result.Kept {
		fmt.Fprintf(s.con.out, "             kept: %s\n", shown(name))
	}
}

// endsSoon is how long before a document's end its people are told.
const endsSoon = 7 * 24 * time.Hour

// summary says how it went, and returns the error for the exit code, if there is one.
func (s *backupShow) summary(records []*backupRecord, dir string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(records, func(a, b *backupRecord) int { return a.History.Ends.Compare(b.History.Ends) })
	for _, r := range records {
		if left := r.History.Ends.Sub(now); !r.History.Ends.IsZero() && left > 0 && left < endsSoon && r.Last.Outcome.Good() {
			fmt.Fprintf(s.con.out, "ends soon    %s: %s removes it on %s unless somebody changes it\n",
				shorten(shown(r.Title), 60), hostOf(r.Address.Instance), r.History.Ends.Local().Format("2006-01-02"))
		}
	}
	total := 0
	var parts []string
	for _, o := range []source.Outcome{
		source.OutcomeNew, source.OutcomeChanged, source.OutcomeUnchanged, source.OutcomeSuspect, source.OutcomeGone, source.OutcomePrivate,
		source.OutcomeUnreachable, source.OutcomeLimited, source.OutcomeFailed,
	} {
		if n := s.counts[o]; n > 0 {
			total += n
			parts = append(parts, fmt.Sprintf("%s %s", grouped(int64(n)), o))
		}
	}
	if total > 0 {
		fmt.Fprintf(s.con.out, "%s in %s: %s.\n", counted(int64(total), "document"), shown(dir), strings.Join(parts, ", "))
	}
	if n := s.dropped - s.unanswered; n > 0 {
		fmt.Fprintf(s.con.out, "%s of what was found turned out to be something else.\n", counted(int64(n), "link"))
	}
	if s.unanswered > 0 {
		fmt.Fprintf(s.con.out, "%s left out for nobody said what it is; a document whose address is typed is kept.\n", counted(int64(s.unanswered), "link"))
	}
	return s.verdict()
}

// verdict returns the error that says which exit code fits.
func (s *backupShow) verdict() error {
	gone := s.counts[source.OutcomeGone] + s.counts[source.OutcomePrivate]
	away := s.counts[source.OutcomeUnreachable] + s.counts[source.OutcomeLimited]
	switch {
	case s.counts[source.OutcomeFailed] > 0:
		text := counted(int64(s.counts[source.OutcomeFailed]), "document") + " could not be saved"
		if s.forbidden {
			text += "; --allow-private allows addresses on this machine and in private networks"
		}
		return &backupError{exitFailed, text}
	case s.counts[source.OutcomeSuspect] > 0:
		return &backupError{exitSuspect, counted(int64(s.counts[source.OutcomeSuspect]), "document") + " to look at: the copy is suspect; --accept ADDRESS takes it for good"}
	case gone > 0:
		return &backupError{exitGone, counted(int64(gone), "document") + " gone or not to be read; what was saved stays, and --forget ADDRESS stops looking"}
	case away > 0:
		return &backupError{exitUnreachable, counted(int64(away), "document") + " could not be reached; the next run tries again"}
	}
	return nil
}
