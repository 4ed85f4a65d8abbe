package svndiff

import "fmt"

// CorruptError says what the format does not allow in a delta.
type CorruptError struct {
	// Offset is where the window, or the header of the delta, begins, in bytes from the start
	// of the encoded delta; -1 for a window that was not decoded from one.
	Offset int64
	Reason string
}

func (e *CorruptError) Error() string {
	if e.Offset < 0 {
		return "svndiff window: " + e.Reason
	}
	return fmt.Sprintf("svndiff window at byte %d: %s", e.Offset, e.Reason)
}

// invalid returns the error for a window outside of any encoded delta.
func invalid(format string, args ...any) error {
	return &CorruptError{Offset: -1, Reason: fmt.Sprintf(format, args...)}
}
