package svn

import "time"

// timeLayout is Subversion's form of a time: UTC, six decimals, always.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// FormatTime returns t as Subversion writes it into svn:date, to the microsecond.
func FormatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// ParseTime reads a value of svn:date.
func ParseTime(s string) (time.Time, error) { return time.Parse(timeLayout, s) }
