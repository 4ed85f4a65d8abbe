package fsfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/havre-cloud/havre/svn/svndiff"
)

const (
	// newestFormat is what Subversion 1.10 and later make, and the highest that is understood.
	newestFormat = 8
	// defaultShard is how many revisions svnadmin puts into a directory.
	defaultShard = 1000
	// maxShard bounds what db/format may claim.
	maxShard = 1 << 30
)

// format is the contents of db/format: number and options.
type format struct {
	number int
	// shard is the number of revisions in a directory; 0 for the linear layout.
	shard int64
	// logical addressing: items are found by number through an index.
	logical bool
}

func (f format) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", f.number)
	if f.number >= 3 {
		if f.shard > 0 {
			fmt.Fprintf(&b, "layout sharded %d\n", f.shard)
		} else {
			b.WriteString("layout linear\n")
		}
	}
	if f.number >= 7 {
		if f.logical {
			b.WriteString("addressing logical\n")
		} else {
			b.WriteString("addressing physical\n")
		}
	}
	return b.String()
}

// deltas is the version of svndiff that the oldest release able to read the format understands.
func (f format) deltas() svndiff.Version {
	switch {
	case f.number >= 8:
		return svndiff.V2
	case f.number >= 2:
		return svndiff.V1
	default:
		return svndiff.V0
	}
}

// readFormat reads db/format of the repository dir.
func readFormat(dir string) (format, error) {
	data, err := readSmall(filepath.Join(dir, "db", "format"))
	if err != nil {
		return format{}, err
	}
	f, reason := parseFormat(string(data))
	if reason != "" {
		return format{}, &FormatError{Dir: dir, Reason: reason}
	}
	return f, nil
}

// parseFormat returns what db/format says, or why it is not supported.
func parseFormat(text string) (f format, reason string) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	n, err := strconv.Atoi(lines[0])
	switch {
	case err != nil:
		return f, fmt.Sprintf("db/format begins with %.40q instead of a number", lines[0])
	case n < 1 || n > newestFormat || n == 5:
		return f, fmt.Sprintf("db/format is %d; understood are 1 to 4 and 6 to %d", n, newestFormat)
	}
	f.number = n
	for _, line := range lines[1:] {
		words := strings.Split(line, " ")
		switch {
		case n >= 3 && line == "layout linear":
			f.shard = 0
		case n >= 3 && len(words) == 3 && words[0] == "layout" && words[1] == "sharded":
			f.shard, err = strconv.ParseInt(words[2], 10, 64)
			if err != nil || f.shard < 1 || f.shard > maxShard {
				return f, fmt.Sprintf("db/format has shards of %.40q revisions", words[2])
			}
		case n >= 7 && line == "addressing logical":
			f.logical = true
		case n >= 7 && line == "addressing physical":
			f.logical = false
		default:
			return f, fmt.Sprintf("db/format has the option %.40q, which is not known in format %d", line, n)
		}
	}
	if f.logical && f.shard == 0 {
		return f, "db/format combines logical addressing with a linear layout"
	}
	return f, ""
}

// maxSmall bounds the files that are read whole, like db/current and db/format.
const maxSmall = 4096

// readSmall reads a file of a few lines.
func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, maxSmall)
	n := 0
	for n < len(buf) {
		k, err := f.Read(buf[n:])
		n += k
		if k == 0 || err != nil {
			break
		}
	}
	return buf[:n], nil
}
