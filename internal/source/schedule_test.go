package source_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/havre-cloud/havre/internal/source"
)

const day = 24 * time.Hour

func TestNext(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	good := func(quiet, ends time.Duration) source.History {
		h := source.History{Checked: now, Good: now, Changed: now.Add(-quiet), Outcome: source.OutcomeUnchanged}
		if ends > 0 {
			h.Ends = now.Add(ends)
		}
		return h
	}
	bad := func(outcome source.Outcome, reason source.Reason, failures int) source.History {
		return source.History{Checked: now, Outcome: outcome, Reason: reason, Failures: failures, Changed: now.Add(-day)}
	}
	limited := bad(source.OutcomeLimited, source.ReasonLimited, 1)
	limited.Until = now.Add(6 * time.Hour)
	fixed := good(0, 0)
	fixed.Every = 6 * time.Hour
	for name, c := range map[string]struct {
		h    source.History
		want time.Duration
	}{
		"never looked at":       {source.History{}, 0},
		"written just now":      {good(time.Minute, 0), 5 * time.Minute},
		"quiet for a day":       {good(day, 0), 3 * time.Hour},
		"asleep":                {good(300*day, 0), 3 * day},
		"no time of change":     {source.History{Checked: now, Outcome: source.OutcomeUnchanged}, 3 * day},
		"ends in six days":      {good(300*day, 6*day), day},
		"ends in two days":      {good(300*day, 2*day), 12 * time.Hour},
		"ends in an hour":       {good(300*day, time.Hour), 15 * time.Minute},
		"has ended":             {good(300*day, -time.Hour), 3 * day},
		"a family of one day":   {good(20*time.Hour, 4*time.Hour), time.Hour},
		"fixed":                 {fixed, 6 * time.Hour},
		"down once":             {bad(source.OutcomeUnreachable, source.ReasonDown, 1), 5 * time.Minute},
		"down five times":       {bad(source.OutcomeUnreachable, source.ReasonDown, 5), 80 * time.Minute},
		"down for weeks":        {bad(source.OutcomeUnreachable, source.ReasonDown, 50), day},
		"gone":                  {bad(source.OutcomeGone, source.ReasonGone, 1), day},
		"gone for long":         {bad(source.OutcomeGone, source.ReasonGone, 50), 30 * day},
		"limited":               {limited, 6 * time.Hour},
		"an address of our own": {bad(source.OutcomeFailed, source.ReasonForbidden, 1), 7 * day},
		"the disk is full":      {bad(source.OutcomeFailed, source.ReasonOurs, 9), time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			got := source.Next(c.h, now, "https://a.example/n/one").Sub(now)
			if got < c.want*9/10 || got > c.want*11/10+time.Minute {
				t.Errorf("got %v, want about %v", got, c.want)
			}
		})
	}
}

func TestNextIsPureAndSpreads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(rapid.Int64Range(1.7e9, 1.9e9).Draw(t, "now"), 0)
		h := source.History{
			Checked: now, Changed: now.Add(-time.Duration(rapid.Int64Range(0, 1e17).Draw(t, "quiet"))), Failures: rapid.IntRange(0, 100).Draw(t, "failures"),
			Outcome: rapid.SampledFrom([]source.Outcome{"", source.OutcomeNew, source.OutcomeUnchanged, source.OutcomeSuspect, source.OutcomeGone, source.OutcomeUnreachable, source.OutcomeLimited, source.OutcomeFailed}).Draw(t, "outcome"),
			Ends:    now.Add(time.Duration(rapid.Int64Range(-1e16, 1e16).Draw(t, "ends"))),
		}
		seed := rapid.String().Draw(t, "seed")
		a, b := source.Next(h, now, seed), source.Next(h, now, seed)
		if !a.Equal(b) || a.Sub(now) < 4*time.Minute || a.Sub(now) > 34*day {
			t.Fatalf("got %v, %v", a.Sub(now), b.Sub(now))
		}
	})
	now := time.Now()
	h := source.History{Checked: now, Changed: now.Add(-80 * day), Outcome: source.OutcomeUnchanged}
	first, last := now.Add(100*day), now
	for _, seed := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		next := source.Next(h, now, seed)
		if next.Before(first) {
			first = next
		}
		if next.After(last) {
			last = next
		}
	}
	if last.Sub(first) < 4*time.Hour {
		t.Errorf("ten documents within %v", last.Sub(first))
	}
}

func TestLifetime(t *testing.T) {
	for _, c := range []struct {
		instance, name string
		days           int
	}{
		{"https://quotidien.framapad.org", "x", 1},
		{"https://hebdo.framapad.org", "x", 7},
		{"https://mensuel.framapad.org", "x", 30},
		{"https://bimestriel.framapad.org", "x", 60},
		{"https://semestriel.framapad.org", "x", 180},
		{"https://annuel2.framapad.org", "x", 365},
		{"https://pad.riseup.net", "x", 60},
		{"https://pad.riseup.net", "x-keep", 365},
		{"https://pad.riseup.net", "x-tmp", 1},
		{"https://annuel.framapad.org.evil.example", "x", 0},
		{"https://pads.example.org", "x", 0},
		{"https://mypads.framapad.org", "x", 0},
	} {
		days, ok := source.Lifetime(source.Address{Instance: c.instance, Name: c.name})
		if days != c.days || ok != (c.days > 0) {
			t.Errorf("%s %s: %d", c.instance, c.name, days)
		}
	}
}
