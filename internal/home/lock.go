package home

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Lock is the right to write what is in a home.
type Lock struct{ f *os.File }

// Lock takes the home's lock, or returns a *RunningError at once.
func (h *Home) Lock() (*Lock, error) {
	if err := h.make(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(h.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		if errors.Is(err, errLocked) {
			err = &RunningError{Dir: h.dir}
		} else {
			err = fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		return nil, errors.Join(err, f.Close())
	}
	return &Lock{f: f}, nil
}

// Unlock gives the lock back.
func (l *Lock) Unlock() error { return l.f.Close() }
