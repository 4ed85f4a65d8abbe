package fsfs

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/havre-cloud/havre/svn"
)

// change is one entry of a revision's list of changed paths.
type change struct {
	svn.PathChange
	// id is of the node-revision that was made or, for a deletion, removed. Foreign entries have
	// the transaction's ID there: it is not read.
	id nodeRevID
	// mergeinfoModified says that svn:mergeinfo changed.
	mergeinfoModified bool
	// removedID and removedKind are of the node that a replacement took the place of.
	removedID   nodeRevID
	removedKind svn.Kind
}

// parseChange reads the two lines of a changed path. ok is false when they are none.
func parseChange(line, copyFrom []byte) (c change, ok bool) {
	fields := bytes.SplitN(line, []byte{' '}, 5)
	if len(fields) != 5 {
		return c, false
	}
	action, kind, _ := strings.Cut(string(fields[1]), "-")
	switch action {
	case "add":
		c.Action = svn.ActionAdd
	case "delete":
		c.Action = svn.ActionDelete
	case "replace":
		c.Action = svn.ActionReplace
	case "modify":
		c.Action = svn.ActionModify
	default:
		return c, false
	}
	if kind != "" {
		if c.Kind, ok = parseKind([]byte(kind)); !ok {
			return c, false
		}
	}
	var ok1, ok2, ok3 bool
	c.TextModified, ok1 = parseFlag(fields[2])
	c.PropsModified, ok2 = parseFlag(fields[3])
	path := fields[4]
	if len(path) > 0 && path[0] != '/' {
		flag, rest, _ := bytes.Cut(path, []byte{' '})
		if c.mergeinfoModified, ok3 = parseFlag(flag); !ok3 {
			return c, false
		}
		path = rest
	}
	c.Path, ok3 = parsePath(path)
	if len(copyFrom) > 0 {
		if c.CopyFrom, ok = parseCopySource(copyFrom); !ok {
			return c, false
		}
	}
	return c, ok1 && ok2 && ok3
}

func parseFlag(text []byte) (flag, ok bool) {
	switch string(text) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// append writes the two lines of the changed path.
func (c *change) append(dst []byte, f format) []byte {
	dst = c.id.append(dst)
	switch c.Action {
	case svn.ActionAdd:
		dst = append(dst, " add"...)
	case svn.ActionDelete:
		dst = append(dst, " delete"...)
	case svn.ActionReplace:
		dst = append(dst, " replace"...)
	default:
		dst = append(dst, " modify"...)
	}
	if f.number >= 4 {
		dst = append(dst, '-')
		dst = append(dst, c.Kind.String()...)
	}
	flags := []bool{c.TextModified, c.PropsModified, c.mergeinfoModified}
	if f.number < 7 {
		flags = flags[:2]
	}
	for _, flag := range flags {
		dst = append(dst, ' ')
		dst = strconv.AppendBool(dst, flag)
	}
	dst = append(dst, " /"...)
	dst = append(dst, c.Path...)
	dst = append(dst, '\n')
	if c.CopyFrom != nil {
		dst = appendCopySource(dst, *c.CopyFrom)
	}
	return append(dst, '\n')
}

// changes reads the changed paths of a revision, sorted.
func (r *Repository) changes(rev svn.Revnum) ([]svn.PathChange, error) {
	f, err := r.acquire(rev)
	if err != nil {
		return nil, err
	}
	defer f.release()
	id := f.changesID(rev)
	at, err := r.offset(f, id)
	if err != nil {
		return nil, err
	}
	lines := lineReader{file: f, at: at}
	if f.index != nil {
		lines.whole = true
		if lines.buf, err = r.readItem(f, id, at, maxChanges); err != nil {
			return nil, err
		}
	}
	changes, err := lines.changes()
	if err != nil {
		return nil, err
	}
	for i := range changes {
		c := &changes[i]
		if c.Kind != svn.KindNone {
			continue
		}
		// Formats 1 to 3 do not say.
		path, at := c.Path, rev
		if c.Action == svn.ActionDelete {
			path, at = deletedFrom(changes, c.Path, rev)
		}
		n, err := r.lookup(path, at)
		if err != nil {
			return nil, err
		}
		c.Kind = n.kind
	}
	slices.SortFunc(changes, func(a, b svn.PathChange) int { return a.Path.Compare(b.Path) })
	return changes, nil
}

// deletedFrom returns where a path is that the revision deletes: in the revision before, or, if the revision copied a
// directory above it, in the source of that.
func deletedFrom(changes []svn.PathChange, path svn.Path, rev svn.Revnum) (svn.Path, svn.Revnum) {
	from, at, nearest := path, rev-1, -1
	for i := range changes {
		c := &changes[i]
		if rest, below := path.Rel(c.Path); below && c.CopyFrom != nil && c.Path != path && len(c.Path) > nearest {
			from, at, nearest = c.CopyFrom.Path.Join(string(rest)), c.CopyFrom.Rev, len(c.Path)
		}
	}
	return from, at
}

// maxChanges bounds the list of changed paths, in bytes: some millions of paths.
const maxChanges = 1 << 30

// changes reads pairs of lines up to an empty one.
func (l *lineReader) changes() ([]svn.PathChange, error) {
	var changes []svn.PathChange
	for {
		start := l.at + int64(l.pos)
		line, err := l.next()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			return changes, nil
		}
		line = bytes.Clone(line)
		from, err := l.next()
		if err != nil {
			return nil, err
		}
		c, ok := parseChange(line, from)
		if !ok {
			return nil, l.file.corrupt(start, "a changed path", fmt.Sprintf("%.80q", line))
		}
		changes = append(changes, c.PathChange)
	}
}

// lineReader reads lines of a file.
type lineReader struct {
	file  *revFile
	at    int64 // of buf in the file
	buf   []byte
	pos   int
	whole bool // there is no more than buf
}

// next returns the next line without its end, valid until the following call.
func (l *lineReader) next() ([]byte, error) {
	for {
		if i := bytes.IndexByte(l.buf[l.pos:], '\n'); i >= 0 {
			line := l.buf[l.pos : l.pos+i]
			l.pos += i + 1
			return line, nil
		}
		rest := len(l.buf) - l.pos
		at := l.at + int64(len(l.buf))
		more := min(64<<10, l.file.end-at)
		if l.whole || more <= 0 || rest > maxNodeRev {
			return nil, l.file.corrupt(at, "the end of a line", "the end of the data")
		}
		buf := make([]byte, rest+int(more))
		copy(buf, l.buf[l.pos:])
		if _, err := l.file.file.ReadAt(buf[rest:], at); err != nil {
			return nil, l.file.readError(at, err)
		}
		l.at, l.buf, l.pos = at-int64(rest), buf, 0
	}
}
