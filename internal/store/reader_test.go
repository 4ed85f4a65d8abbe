package store

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
)

// TestReaderPrepares: many statements at once, more than are kept, read what was written after they were
// prepared, and one that cannot be says so.
func TestReaderPrepares(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "havre.db"), Options{Program: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		value := fmt.Sprint("round ", round)
		if err := s.SetSetting(t.Context(), "test", value); err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		for i := range 2 * maxPrepared {
			wait.Go(func() {
				text := fmt.Sprintf(`SELECT value, %d FROM settings WHERE name = ?`, i)
				var got string
				var n int
				if err := s.read.QueryRowContext(t.Context(), text, "test").Scan(&got, &n); err != nil || got != value || n != i {
					t.Errorf("%d: %q, %d, %v, want %q", i, got, n, err, value)
				}
			})
		}
		wait.Wait()
		if n := len(s.read.prepared); n != maxPrepared {
			t.Errorf("%d statements are kept", n)
		}
	}
	if err := s.read.QueryRowContext(t.Context(), `SELECT nothing FROM nowhere`).Scan(new(int)); err == nil {
		t.Error("a statement that cannot be is no failure")
	}
	if _, err := query(t.Context(), s.read, func(row func(...any) error) (n int, err error) { return n, row(&n) }, `SELECT nothing FROM nowhere`); err == nil {
		t.Error("a statement that cannot be is no failure")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
