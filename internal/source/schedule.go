package source

import (
	"hash/fnv"
	"io"
	"strconv"
	"time"
)

// How often a document is looked at.
const (
	shortest = 5 * time.Minute
	longest  = 3 * 24 * time.Hour
	// A document that was quiet for eight hours is looked at every hour: what is lost at most is an eighth of what
	// has been quiet.
	quietParts = 8
	// Near its end it is looked at daily, and four times at least in what is left.
	endNear  = 7 * 24 * time.Hour
	endParts = 4

	downLongest   = 24 * time.Hour
	goneShortest  = 24 * time.Hour
	goneLongest   = 30 * 24 * time.Hour
	hopeless      = 7 * 24 * time.Hour
	ourselvesLong = time.Hour
)

// History is what the schedule of a document depends on. It is made of results, one after the other, by Add.
type History struct {
	Checked time.Time `json:"checked,omitzero"` // the last check, whatever came of it
	Good    time.Time `json:"good,omitzero"`    // the last one that found a good copy
	// Changed is when someone last changed the document, as far as is known: the instance says so, or a check found it.
	Changed time.Time `json:"changed,omitzero"`
	Ends    time.Time `json:"ends,omitzero"`   // Copy.Ends, or by Lifetime
	Closes  time.Time `json:"closes,omitzero"` // Copy.Closes
	// Failures counts the checks in a row that led to Outcome, if that is not a good one.
	Failures int       `json:"failures,omitempty"`
	Outcome  Outcome   `json:"outcome,omitempty"`
	Reason   Reason    `json:"reason,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	// Every is a fixed schedule, zero for an adaptive one. What failed is tried again soon, then less and less.
	Every time.Duration `json:"every,omitempty"`
}

// Add returns the history after a result.
func (h History) Add(r Result) History {
	if r.Outcome.Good() {
		h.Failures = 0
		h.Good = r.When
		if r.Outcome != OutcomeUnchanged && h.Changed.IsZero() {
			h.Changed = r.When // as far as we know
		}
	} else if r.Outcome == h.Outcome {
		h.Failures++
	} else {
		h.Failures = 1
	}
	h.Checked, h.Outcome, h.Reason, h.Until = r.When, r.Outcome, r.Reason, r.Until
	return h
}

// Next returns when a document should be looked at again. It is a pure function; seed, the document's address, spreads
// those that were added together.
func Next(h History, now time.Time, seed string) time.Time {
	if h.Checked.IsZero() {
		return now
	}
	wait := h.wait(now)
	wait = wait*9/10 + time.Duration(fraction(seed, h.Checked)*float64(wait/5))
	next := now.Add(wait)
	if !h.Until.IsZero() {
		next = later(next, h.Until.Add(time.Duration(fraction(seed, h.Checked)*float64(time.Minute))))
	}
	return next
}

// wait is the time between checks before it is spread.
func (h History) wait(now time.Time) time.Duration {
	switch h.Outcome {
	case OutcomeGone, OutcomePrivate:
		return doubled(max(goneShortest, h.Every), h.Failures, goneLongest)
	case OutcomeUnreachable:
		return doubled(shortest, h.Failures, max(downLongest, h.Every))
	case OutcomeLimited:
		return max(shortest, min(h.Every, time.Hour)) // Until says the rest
	case OutcomeFailed:
		switch h.Reason {
		case ReasonForbidden, ReasonAddress, ReasonTooLarge:
			return max(hopeless, h.Every)
		case ReasonOurs:
			return doubled(shortest, h.Failures, ourselvesLong)
		default:
			return doubled(3*shortest, h.Failures, max(downLongest, h.Every))
		}
	case OutcomeSuspect:
		return max(h.rhythm(now), time.Hour)
	default:
		return h.rhythm(now)
	}
}

// rhythm is how often a document that can be read is looked at.
func (h History) rhythm(now time.Time) time.Duration {
	if h.Every > 0 {
		return h.Every
	}
	quiet := now.Sub(h.Changed)
	if h.Changed.IsZero() {
		quiet = longest * quietParts
	}
	wait := min(max(quiet/quietParts, shortest), longest)
	for _, end := range []time.Time{h.Ends, h.Closes} {
		left := end.Sub(now)
		if end.IsZero() || left <= 0 {
			continue
		}
		if left < endNear {
			wait = min(wait, 24*time.Hour)
		}
		wait = max(min(wait, left/endParts), shortest)
	}
	return wait
}

// doubled returns d doubled for each failure after the first, at most the longest.
func doubled(d time.Duration, failures int, longest time.Duration) time.Duration {
	for ; failures > 1 && d < longest; failures-- {
		d *= 2
	}
	return min(d, longest)
}

// fraction returns a number from 0 to 1 that is always the same for a document and a check.
func fraction(seed string, at time.Time) float64 {
	h := fnv.New32a()
	_, _ = io.WriteString(h, seed+strconv.FormatInt(at.Unix(), 36)) // a hash cannot fail
	return float64(h.Sum32()) / (1 << 32)
}
