package main

import (
	"context"
	"slices"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/home"
)

// report tells the server where the replicas are, and does what people decided there about deletions
// that wait. Nothing depends on it.
func (r *runner) report(ctx context.Context) {
	var last []havre.ReplicaReport
	var at time.Time
	told := false
	for pause(ctx, reportLook) == nil {
		now := r.reports()
		if !reportDue(last, now, time.Since(at), told) {
			continue
		}
		at = time.Now()
		decided, err := r.remote.Report(ctx, now)
		if err != nil {
			r.log.Debug("the server was not told where the replicas are", "error", err)
			continue
		}
		last, told = now, true
		for _, d := range decided {
			r.obey(ctx, d)
		}
	}
}

// reports returns where all replicas are.
func (r *runner) reports() []havre.ReplicaReport {
	list := r.list()
	reports := make([]havre.ReplicaReport, 0, len(list))
	for _, one := range list {
		s := one.status()
		report := havre.ReplicaReport{
			Scope: havre.Scope{Folder: one.Folder, Root: one.Path}, Revision: max(s.Revision, 0),
			Pending: s.PendingDown + s.PendingUp, Place: one.Dir, HeldUp: s.HeldUp, HeldDown: s.HeldDown,
		}
		if s.State == home.StateStopped || s.State == home.StateFailed {
			report.Error = s.LastError
		}
		reports = append(reports, report)
	}
	return reports
}

// reportDue says whether the server should be told, so long after the last time.
func reportDue(last, now []havre.ReplicaReport, since time.Duration, told bool) bool {
	if slices.ContainsFunc(now, func(r havre.ReplicaReport) bool { return r.HeldUp+r.HeldDown > 0 }) && since >= heldPause {
		return true
	}
	if told && slices.Equal(last, now) {
		return false
	}
	return since >= reportPause || !told || len(last) != len(now) || !slices.EqualFunc(last, now, sameCondition)
}

// sameCondition says whether two reports differ in nothing but how much is still to do.
func sameCondition(a, b havre.ReplicaReport) bool {
	return a.Scope == b.Scope && a.Error == b.Error && a.Place == b.Place && a.HeldUp == b.HeldUp && a.HeldDown == b.HeldDown &&
		(a.Pending == 0) == (b.Pending == 0) && (b.Pending > 0 || a.Revision == b.Revision)
}

// obey does what a person decided on the server, if as many deletions wait still.
func (r *runner) obey(ctx context.Context, d havre.HeldDecision) {
	for _, one := range r.list() {
		if one.Folder != d.Scope.Folder || one.Path != d.Scope.Root {
			continue
		}
		if s := one.status(); s.HeldUp+s.HeldDown != d.Count || d.Count == 0 {
			continue
		}
		if err := r.Deletions(ctx, one.ID, d.Decision == havre.DecisionDelete); err != nil {
			r.log.Warn("what was decided about deletions could not be done", "replica", one.Name(), "error", err)
		}
	}
}
