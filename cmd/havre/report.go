package main

import (
	"context"
	"slices"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/home"
	"github.com/havre-cloud/havre/internal/reconcile"
)

// report tells the server where the replicas are, and does what people decided there about deletions
// that wait. Nothing depends on it.
func (r *runner) report(ctx context.Context) {
	var last []havre.ReplicaReport
	var at time.Time
	told := false
	listed := map[havre.Scope]int64{} // how many deletions waited when their files were listed
	for pause(ctx, reportLook) == nil {
		now := r.reports()
		if !reportDue(last, now, time.Since(at), told) {
			continue
		}
		at = time.Now()
		answer, err := r.remote.Report(ctx, r.listHeld(ctx, now, listed))
		if err != nil {
			clear(listed)
			r.log.Debug("the server was not told where the replicas are", "error", err)
			continue
		}
		last, told = now, true
		r.guard(ctx, answer.Guard)
		for _, d := range answer.Decisions {
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

// listHeld returns the reports with the files whose deletion waits, where another number waits than when they
// were listed last.
func (r *runner) listHeld(ctx context.Context, reports []havre.ReplicaReport, listed map[havre.Scope]int64) []havre.ReplicaReport {
	reports = slices.Clone(reports)
	room := havre.MaxHeldBytes
	for i := range reports {
		report := &reports[i]
		n := report.HeldUp + report.HeldDown
		if report.HeldKnown = n > 0 && listed[report.Scope] == n; report.HeldKnown || n == 0 {
			if n == 0 {
				delete(listed, report.Scope)
			}
			continue
		}
		for _, one := range r.list() {
			e := one.running()
			if one.Folder != report.Scope.Folder || one.Path != report.Scope.Root || e == nil {
				continue
			}
			files, err := e.HeldFiles(ctx, room)
			if err != nil {
				r.log.Debug("the files whose deletion waits are not listed", "error", err)
				continue
			}
			report.HeldFiles = files
			for _, f := range files {
				room -= len(f.Path) + heldOverhead
			}
			listed[report.Scope] = n
		}
	}
	return reports
}

// heldOverhead is what a held file costs in a report besides its name.
const heldOverhead = 16

// guard tells all replicas from when on deletions wait, and how long their trash keeps things.
func (r *runner) guard(ctx context.Context, g havre.Guard) {
	if g.Files == 0 {
		return // an older server
	}
	for _, one := range r.list() {
		if e := one.running(); e != nil {
			if err := e.SetGuard(ctx, reconcile.Guard{Files: int(g.Files), Share: float64(g.Percent) / 100}); err != nil {
				r.log.Debug("a replica was not told from when on deletions wait", "replica", one.Name(), "error", err)
			}
			if err := e.SetTrashAge(ctx, int(g.TrashDays)); err != nil {
				r.log.Debug("a replica was not told how long its trash keeps things", "replica", one.Name(), "error", err)
			}
		}
	}
}

// reportDue says whether the server should be told, so long after the last time.
func reportDue(last, now []havre.ReplicaReport, since time.Duration, told bool) bool {
	if slices.ContainsFunc(now, func(r havre.ReplicaReport) bool { return r.HeldUp+r.HeldDown > 0 }) && since >= heldPause {
		return true
	}
	if told && slices.EqualFunc(last, now, sameReport) {
		return false
	}
	return since >= reportPause || !told || len(last) != len(now) || !slices.EqualFunc(last, now, sameCondition)
}

// sameReport says whether two reports, without the files in them, are equal.
func sameReport(a, b havre.ReplicaReport) bool {
	return sameCondition(a, b) && a.Pending == b.Pending && a.Revision == b.Revision
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
