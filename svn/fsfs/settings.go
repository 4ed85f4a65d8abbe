package fsfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/svn/svndiff"
)

// settings is what db/fsfs.conf says of how commits are stored. The defaults are those of Subversion
// 1.14.
type settings struct {
	share      bool // equal contents are stored once
	dirDeltas  bool
	propDeltas bool
	// maxWalk and maxLinear are max-deltification-walk and max-linear-deltification.
	maxWalk, maxLinear int64
	version            svndiff.Version

	// changed, size and format tell whether the settings still hold: of the file they were read
	// from, and the number in db/format.
	changed time.Time
	size    int64
	format  int
}

const (
	defaultWalk   = 1023
	defaultLinear = 16
	// highestLinear bounds max-linear-deltification: every revision of a chain is an open file while
	// it is read.
	highestLinear = 1024
)

// settings returns what holds for a commit that begins now: the file may be changed at any time.
func (r *Repository) settings() (*settings, error) {
	f := *r.format.Load()
	known := r.conf.Load()
	info, err := os.Stat(r.db("fsfs.conf"))
	if errors.Is(err, fs.ErrNotExist) {
		info, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	var s settings
	if info != nil {
		s.changed, s.size = info.ModTime(), info.Size()
	}
	s.format = f.number
	if known != nil && known.changed.Equal(s.changed) && known.size == s.size && known.format == s.format {
		return known, nil
	}
	if err := s.read(r, f); err != nil {
		return nil, err
	}
	// What is known of chains depends on how long they may be.
	r.chains.dropIf(func(itemID) bool { return true })
	r.conf.Store(&s)
	return &s, nil
}

// read reads db/fsfs.conf, which there is from format 4 on.
func (s *settings) read(r *Repository, f format) error {
	var c conf
	if f.number >= 4 {
		var err error
		if c, err = r.readConf(); err != nil {
			return err
		}
	}
	var errs [5]error
	s.share, errs[0] = c.bool("rep-sharing/enable-rep-sharing", true)
	s.dirDeltas, errs[1] = c.bool("deltification/enable-dir-deltification", true)
	s.propDeltas, errs[2] = c.bool("deltification/enable-props-deltification", true)
	s.maxWalk, errs[3] = c.int("deltification/max-deltification-walk", defaultWalk, 0, 1<<31-1)
	s.maxLinear, errs[4] = c.int("deltification/max-linear-deltification", defaultLinear, 0, highestLinear)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	if f.number < 4 {
		s.share, s.dirDeltas, s.propDeltas = false, false, false
	}
	version, reason := compression(c, f)
	if reason != "" {
		return &FormatError{Dir: r.dir, Reason: "db/fsfs.conf: " + reason}
	}
	s.version = version
	return nil
}

// compression returns the encoding of deltas that the options ask for, or what is wrong with them. Levels of
// zlib make no difference here.
func compression(c conf, f format) (v svndiff.Version, reason string) {
	name, level := c.values["deltification/compression"], c.values["deltification/compression-level"]
	switch {
	case name != "" && level != "":
		return 0, "compression and compression-level exclude each other"
	case name == "" && level == "":
		return f.deltas(), ""
	case level == "0" || name == "none":
		return svndiff.V0, ""
	case level != "":
		if n, err := strconv.Atoi(level); err != nil || n < -1 || n > 9 {
			return 0, fmt.Sprintf("compression-level is %.40q instead of a number from 0 to 9", level)
		}
		return svndiff.V1, ""
	case name == "lz4" && f.number < 8:
		return 0, fmt.Sprintf("compression is lz4, which format %d does not have", f.number)
	case name == "lz4":
		return svndiff.V2, ""
	case name == "zlib" || strings.HasPrefix(name, "zlib-") && len(name) == 6 && name[5] >= '1' && name[5] <= '9':
		return svndiff.V1, ""
	}
	return 0, fmt.Sprintf("compression is %.40q instead of none, lz4, zlib or zlib-1 to zlib-9", name)
}

// maxChain is how many representations a delta base may need at most, itself included.
func (s *settings) maxChain() int { return int(2*s.maxLinear) + 2 }
