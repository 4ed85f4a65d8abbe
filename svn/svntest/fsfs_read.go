package svntest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/havre-cloud/havre/svn/svndiff"
)

// This file reads FSFS of formats 7 and 8, not packed and with logical addressing, in the plainest way
// there is, and shares nothing with svn/fsfs. Where the items of a revision are, svnfsfs tells.

// itemID names an item: a revision, and a number in it.
type itemID struct{ rev, item int }

// fsItem is where an item lies in its revision's file.
type fsItem struct {
	start, length int64
	kind          string // svnfsfs's word: frep, drep, fprop, dprop, node, chgs, none
}

// fsNodeID is NODE.COPY.rREV/ITEM.
type fsNodeID struct {
	node, copy string
	itemID
}

// fsRep is a reference to a representation.
type fsRep struct {
	itemID
	size, expanded  int64
	md5, sha1, uniq string
}

// fsNode is a node-revision.
type fsNode struct {
	id          fsNodeID
	dir         bool
	pred        *fsNodeID
	count       int
	text, props *fsRep
	cpath       string
	copyFrom    *fsPlace
	copyRoot    fsPlace
}

// fsPlace is a path, with its leading slash, in a revision.
type fsPlace struct {
	rev  int
	path string
}

// fsChange is a changed path as it is listed.
type fsChange struct {
	action, kind string
	text, props  bool
	copyFrom     *fsPlace
}

// fsRevision is what is known of a revision's file.
type fsRevision struct {
	file    string
	items   map[int]fsItem
	nodes   map[int]*fsNode
	changes map[string]fsChange
	root    *fsNode
}

func parseNodeID(s string) (id fsNodeID, err error) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return id, fmt.Errorf("bad id %q", s)
	}
	id.node, id.copy = parts[0], parts[1]
	_, err = fmt.Sscanf(parts[2], "r%d/%d", &id.rev, &id.item)
	return id, err
}

func parseRep(s string) (*fsRep, error) {
	fields := strings.Fields(s)
	if len(fields) != 5 && len(fields) != 7 {
		return nil, fmt.Errorf("representation %q has %d fields", s, len(fields))
	}
	r := &fsRep{md5: fields[4], sha1: "-", uniq: "-"}
	if len(fields) == 7 {
		r.sha1, r.uniq = fields[5], fields[6]
	}
	_, err := fmt.Sscan(s, &r.rev, &r.item, &r.size, &r.expanded)
	return r, err
}

func parsePlace(s string) (*fsPlace, error) {
	rev, path, _ := strings.Cut(s, " ")
	n, err := strconv.Atoi(rev)
	if err != nil || !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("bad revision and path %q", s)
	}
	return &fsPlace{n, path}, nil
}

func parseNode(text string) (*fsNode, error) {
	fields := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			return nil, fmt.Errorf("node-revision has the line %q", line)
		}
		fields[name] = value
	}
	id, err := parseNodeID(fields["id"])
	n := &fsNode{id: id, dir: fields["type"] == "dir", cpath: fields["cpath"]}
	n.copyRoot = fsPlace{id.rev, n.cpath}
	collect := func(e error) { err = errors.Join(err, e) }
	if s, ok := fields["pred"]; ok {
		pred, e := parseNodeID(s)
		collect(e)
		n.pred = &pred
	}
	if n.count, _ = strconv.Atoi(fields["count"]); fields["count"] == "" {
		collect(errors.New("no count"))
	}
	for name, rep := range map[string]**fsRep{"text": &n.text, "props": &n.props} {
		if s, ok := fields[name]; ok {
			r, e := parseRep(s)
			collect(e)
			*rep = r
		}
	}
	if s, ok := fields["copyfrom"]; ok {
		p, e := parsePlace(s)
		collect(e)
		n.copyFrom = p
	}
	if s, ok := fields["copyroot"]; ok {
		p, e := parsePlace(s)
		collect(e)
		if p != nil {
			n.copyRoot = *p
		}
	}
	return n, err
}

// parseChanges reads the list of changed paths.
func parseChanges(text string) (map[string]fsChange, error) {
	changes := map[string]fsChange{}
	lines := strings.Split(text, "\n")
	for i := 0; i+1 < len(lines) && lines[i] != ""; i += 2 {
		fields := strings.SplitN(lines[i], " ", 6)
		if len(fields) < 6 {
			return nil, fmt.Errorf("changed path %q", lines[i])
		}
		action, kind, _ := strings.Cut(fields[1], "-")
		c := fsChange{action: action, kind: kind, text: fields[2] == "true", props: fields[3] == "true"}
		if lines[i+1] != "" {
			from, err := parsePlace(lines[i+1])
			if err != nil {
				return nil, err
			}
			c.copyFrom = from
		}
		if _, twice := changes[fields[5]]; twice {
			return nil, fmt.Errorf("%s is listed twice", fields[5])
		}
		changes[fields[5]] = c
	}
	return changes, nil
}

// parseIndex reads what svnfsfs dump-index prints: start and length in hexadecimal, kind,
// revision, item, checksum.
func parseIndex(out string) (map[int]fsItem, error) {
	items := map[int]fsItem{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) != 6 || fields[0] == "Start" {
			continue
		}
		start, err1 := strconv.ParseInt(fields[0], 16, 64)
		length, err2 := strconv.ParseInt(fields[1], 16, 64)
		number, err3 := strconv.Atoi(fields[4])
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, err
		}
		if fields[2] != "none" {
			items[number] = fsItem{start, length, fields[2]}
		}
	}
	return items, nil
}

// read returns the bytes of an item.
func (r *fsRevision) read(number int) ([]byte, error) {
	item, ok := r.items[number]
	if !ok {
		return nil, fmt.Errorf("%s: no item %d", r.file, number)
	}
	f, err := os.Open(r.file)
	if err != nil {
		return nil, err
	}
	p := make([]byte, item.length)
	_, err = f.ReadAt(p, item.start)
	return p, errors.Join(err, f.Close())
}

// parse fills in the node-revisions and changed paths.
func (r *fsRevision) parse() error {
	r.nodes = map[int]*fsNode{}
	for number, item := range r.items {
		if item.kind != "node" && item.kind != "chgs" {
			continue
		}
		p, err := r.read(number)
		if err != nil {
			return err
		}
		if item.kind == "chgs" {
			r.changes, err = parseChanges(string(p))
		} else {
			r.nodes[number], err = parseNode(string(p))
		}
		if err != nil {
			return fmt.Errorf("%s: item %d: %w", filepath.Base(r.file), number, err)
		}
	}
	if r.root = r.nodes[2]; r.root == nil || r.changes == nil {
		return fmt.Errorf("%s: no root or no changed paths", r.file)
	}
	return nil
}

// repHeader is the first line of a representation.
type repHeader struct {
	plain    bool
	base     *itemID
	baseSize int64
}

// parseRepItem splits the bytes of a representation.
func parseRepItem(p []byte) (h repHeader, body []byte, err error) {
	line, body, ok := bytes.Cut(p, []byte("\n"))
	body, ended := bytes.CutSuffix(body, []byte("ENDREP\n"))
	if !ok || !ended {
		return h, nil, errors.New("representation without header or ENDREP")
	}
	switch s := string(line); s {
	case "PLAIN":
		h.plain = true
	case "DELTA":
	default:
		h.base = new(itemID)
		if _, err := fmt.Sscanf(s, "DELTA %d %d %d", &h.base.rev, &h.base.item, &h.baseSize); err != nil {
			return h, nil, fmt.Errorf("representation begins with %q", s)
		}
	}
	return h, body, nil
}

// applyWindows makes the contents of a DELTA out of those of its base, and checks what libsvn
// silently relies on: where each window begins and ends, in the source and in the target.
func applyWindows(body, base []byte) ([]byte, error) {
	d := svndiff.NewDecoder(bytes.NewReader(body))
	content := []byte{}
	for k := 0; ; k++ {
		w, err := d.ReadWindow()
		if errors.Is(err, io.EOF) {
			return content, nil
		}
		if err != nil {
			return nil, err
		}
		if len(content) != k*svndiff.MaxView {
			return nil, fmt.Errorf("window %d begins at byte %d of the target", k, len(content))
		}
		offset := min(k*svndiff.MaxView, len(base))
		length := min(svndiff.MaxView, len(base)-offset)
		if w.SourceOffset != int64(offset) || w.SourceLen != length {
			return nil, fmt.Errorf("window %d says that its source view is %d bytes at %d, it is %d bytes at %d",
				k, w.SourceLen, w.SourceOffset, length, offset)
		}
		target, err := w.Apply(base[offset:offset+length], nil)
		if err != nil {
			return nil, fmt.Errorf("window %d: %w", k, err)
		}
		content = append(content, target...)
	}
}
