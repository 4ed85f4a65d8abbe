package fsfs

import (
	"os"
	"runtime"
	"sync"
)

// syncDir makes the names in a directory durable. Windows has no such call; NTFS keeps the order
// of renames by its journal.
func syncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// together calls the functions at the same time and returns the first error in their order. The
// system merges syncs that wait at the same time.
func together(calls []func() error) error {
	errs := make([]error, len(calls))
	var wg sync.WaitGroup
	for i, call := range calls[1:] {
		wg.Go(func() { errs[i+1] = call() })
	}
	errs[0] = calls[0]()
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
