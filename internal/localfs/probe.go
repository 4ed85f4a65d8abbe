package localfs

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"strings"
)

const (
	tempPrefix   = "t-"
	resumePrefix = "part-"
)

// probeName is a temporary that Clean removes after a crash.
func probeName() string { return tempPrefix + "probe-" + newID() }

func newID() string { return strings.ToLower(rand.Text()[:16]) }

// probe finds out what the file system can do by doing it in our own directory of the replica, which
// may differ from what its neighbours can.
func probe(ours, tmp *dir) (Features, error) {
	base := probeName()
	lower, upper := base+"-a\u00e9", base+"-A\u00e9" // é as one character
	apart := base + "-ae\u0301"                      // and as two
	f, err := ours.create(lower, false)
	if err != nil {
		return Features{}, err
	}
	f.Close()
	features := Features{
		CaseInsensitive:   present(ours, upper),
		NormalizesUnicode: present(ours, apart),
		Executable:        keepsMode(ours, lower),
	}
	if err := ours.symlink("nowhere", base); err == nil {
		features.Symlinks = true
		features.ExactReplace = ours.exchange(base, ours, lower) == nil && swaps(ours, base, tmp)
		err = ours.remove(base)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Features{}, err
		}
	}
	return features, ours.remove(lower)
}

func present(in *dir, name string) bool {
	_, err := in.lstat(name)
	return err == nil
}

// keepsMode reports whether executable bits stay, and stay away: some file systems have them on
// everything.
func keepsMode(in *dir, name string) bool {
	for _, perm := range []uint32{0o700, 0o600} {
		if in.chmod(name, perm) != nil {
			return false
		}
		_, got, err := in.lstatMode(name)
		if err != nil || got&0o700 != perm&0o700 {
			return false
		}
	}
	return true
}

// swaps reports whether names can be exchanged between the replica and the temporaries.
func swaps(ours *dir, name string, tmp *dir) bool {
	f, err := tmp.create(name, false)
	if err != nil {
		return false
	}
	f.Close()
	err = tmp.exchange(name, ours, name)
	return errors.Join(err, tmp.remove(name)) == nil
}
