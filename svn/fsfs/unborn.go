package fsfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// removeUnborn removes revisions above the youngest: what a crash between renaming their files
// and moving db/current left. libsvn would stumble over their properties.
func (r *Repository) removeUnborn(f format, youngest svn.Revnum) error {
	names, err := r.unborn(f, youngest)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// unbornAge is how much older than db/current a leftover of a crash may seem.
const unbornAge = 10 * time.Second

// unborn returns the files of revisions above the youngest. What cannot have been left by a crash is an
// error: then db/current is wrong, and these are revisions that somebody counts on.
func (r *Repository) unborn(f format, youngest svn.Revnum) (names []string, err error) {
	var moved time.Time // when db/current was written
	for rev := youngest + 1; rev <= youngest+maxGroup+1; rev++ {
		found := false
		for _, dir := range []string{"revprops", "revs"} {
			name := r.db(f.revPath(dir, rev))
			info, err := os.Lstat(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if moved.IsZero() {
				current, err := os.Stat(r.db("current"))
				if err != nil {
					return nil, err
				}
				moved = current.ModTime()
			}
			// What a crash leaves was written after db/current, and is not more than one group.
			if dir == "revs" && (rev > youngest+maxGroup || info.ModTime().Before(moved.Add(-unbornAge))) {
				return nil, &CorruptError{
					File: "db/current", Want: fmt.Sprintf("r%d or higher, because there is a file of it (`svnadmin recover` finds out)", rev),
					Got: fmt.Sprintf("r%d", youngest),
				}
			}
			found = true
			names = append(names, name)
		}
		// Both files of one may be missing after a loss of power, but not of a whole group.
		if !found && r.swept.Load() {
			break
		}
	}
	return names, nil
}
