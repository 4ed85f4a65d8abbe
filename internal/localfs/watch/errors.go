package watch

import (
	"fmt"
	"time"
)

// DegradedError says that a part of the tree is not watched, but looked through at intervals.
type DegradedError struct {
	// Unwatched counts the directories without a watch, Needed those of the whole tree.
	Unwatched, Needed int
	// Interval is how often these are looked through.
	Interval time.Duration
	// Reason and Advice are sentences for the person.
	Reason, Advice string
}

func (e *DegradedError) Error() string {
	return fmt.Sprintf("%d of %d directories are not watched, changes there are noticed within %v only: %s; %s",
		e.Unwatched, e.Needed, e.Interval, e.Reason, e.Advice)
}
