package store

import (
	"slices"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

func TestFindAudit(t *testing.T) {
	s, c := newStore(t)
	ctx := t.Context()
	began := c.t
	ok(s.AddUser(ctx, boss, NewUser{Name: "ada"}))(t)
	c.t = c.t.Add(24 * time.Hour)
	ok(s.AddFolder(ctx, Actor{Name: "ada", Address: "192.0.2.1"}, Folder{Name: "100% plans_x", Location: "p", Repository: "u"}))(t)
	for _, x := range []struct {
		name string
		f    AuditFilter
		want int
	}{
		{"all", AuditFilter{}, 2},
		{"person", AuditFilter{Actor: "ada"}, 1},
		{"kind", AuditFilter{Kind: "user."}, 1},
		{"text", AuditFilter{Text: "PLANS"}, 1},
		{"percent is a sign", AuditFilter{Text: "100%"}, 1},
		{"not a pattern", AuditFilter{Text: "1%s"}, 0},
		{"underscore", AuditFilter{Text: "plans_x"}, 1},
		{"no wildcard", AuditFilter{Text: "plan__x"}, 0},
		{"backslash", AuditFilter{Text: `\`}, 0},
		{"address", AuditFilter{Text: "192.0.2"}, 1},
		{"from", AuditFilter{From: began.Add(time.Hour)}, 1},
		{"until", AuditFilter{Until: began.Add(time.Hour)}, 1},
		{"quote", AuditFilter{Text: `' OR 1=1 --`}, 0},
	} {
		if got := ok(s.FindAudit(ctx, x.f, 100))(t); len(got) != x.want {
			t.Errorf("%s: %d lines, want %d", x.name, len(got), x.want)
		}
	}
}

func TestDecideHeld(t *testing.T) {
	s, c := newStore(t)
	ctx := t.Context()
	u := ok(s.AddUser(ctx, boss, NewUser{Name: "ada"}))(t)
	f := ok(s.AddFolder(ctx, boss, Folder{Name: "Docs", Location: "docs", Repository: "u"}))(t)
	if err := s.AddInvitation(ctx, boss, "i", u.ID, c.t.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	d := ok(s.Redeem(ctx, "i", NewDevice{Name: "laptop", TokenHash: "t"}))(t)
	scope := havre.Scope{Folder: f.ID}
	report := func(held int64) []havre.HeldDecision {
		t.Helper()
		return ok(s.SaveReplicas(ctx, d.ID, []havre.ReplicaReport{{Scope: scope, HeldUp: held}}))(t)
	}
	report(70)
	since := ok(s.Replicas(ctx, f.ID))(t)[0].Since
	c.t = c.t.Add(time.Minute)
	if err := s.DecideHeld(ctx, boss, d.ID, scope, havre.DecisionKeep, 71); havre.CodeOf(err) != havre.CodeNotFound {
		t.Errorf("about another number: %v", err)
	}
	if err := s.DecideHeld(ctx, boss, d.ID, scope, havre.DecisionDelete, 70); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := report(70); len(got) != 1 || got[0] != (havre.HeldDecision{Scope: scope, Decision: havre.DecisionDelete, Count: 70}) {
			t.Errorf("the device hears %v", got)
		}
	}
	if r := ok(s.Replicas(ctx, f.ID))(t)[0]; !r.Since.Equal(since) || r.DecisionBy != "boss" {
		t.Errorf("since %v, want %v; by %s", r.Since, since, r.DecisionBy)
	}
	files := []havre.HeldFile{{Path: "b", Size: 2}, {Path: "a/é", Size: 1}}
	for _, known := range []bool{false, true} { // what is known already is kept
		r := havre.ReplicaReport{Scope: scope, HeldUp: 70, HeldKnown: known}
		if !known {
			r.HeldFiles = files
		}
		ok(s.SaveReplicas(ctx, d.ID, []havre.ReplicaReport{r}))(t)
		if got := ok(s.HeldFiles(ctx, d.ID, scope))(t); !slices.Equal(got, files) {
			t.Errorf("held are %v", got)
		}
	}
	if got := report(80); len(got) != 0 {
		t.Errorf("with more waiting the device hears %v", got)
	}
	if got := ok(s.HeldFiles(ctx, d.ID, scope))(t); len(got) != 0 {
		t.Errorf("of others that were not listed: %v", got)
	}
	if got := report(0); len(got) != 0 {
		t.Errorf("afterwards the device hears %v", got)
	}
	if r := ok(s.Replicas(ctx, f.ID))(t)[0]; !r.Since.IsZero() {
		t.Errorf("it is behind since %v", r.Since)
	}
}
