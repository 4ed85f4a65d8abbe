package fsfs

import (
	"bytes"
	"encoding/hex"
	"strconv"

	"github.com/havre-cloud/havre/svn"
)

// rep refers to a representation: where it is and what it expands to.
type rep struct {
	at itemID
	// size is the number of bytes between the header line and ENDREP, expanded that of the
	// contents.
	size, expanded int64
	md5            [16]byte
	hasMD5         bool // some old repositories have only zeros
	sha1           []byte
	// uniq tells node-revs apart that share one representation; empty when absent.
	uniq string
}

// nodeRev is a committed node-revision. It is immutable.
type nodeRev struct {
	id        nodeRevID
	kind      svn.Kind
	pred      *nodeRevID
	predCount int64
	// text and props are nil when the node never had contents or properties.
	text, props *rep
	// path is where this node-revision was made (the field cpath).
	path svn.Path
	// from is the source of the copy that this node-revision is; nil when it is none.
	from *svn.CopySource
	// root is where the copy was made that this node is, or lies in (the field copyroot).
	root svn.CopySource
	// mergeinfo counts the nodes with svn:mergeinfo in the subtree, this one included.
	mergeinfo    int64
	hasMergeinfo bool
}

// Hashes of empty contents, by which an expanded size of 0 that is meant is told from the 0 that
// old releases wrote for "as long as stored".
const (
	emptyMD5  = "\xd4\x1d\x8c\xd9\x8f\x00\xb2\x04\xe9\x80\x09\x98\xec\xf8\x42\x7e"
	emptySHA1 = "\xda\x39\xa3\xee\x5e\x6b\x4b\x0d\x32\x55\xbf\xef\x95\x60\x18\x90\xaf\xd8\x07\x09"
)

// parseNodeRev reads a node-revision: lines "name: value" up to an empty line, which is not part
// of text. reason is what was expected when text is none.
func parseNodeRev(text []byte) (n *nodeRev, reason string) {
	n = &nodeRev{}
	n.root.Rev = svn.InvalidRevnum
	var seen struct{ id, kind, path bool }
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte{'\n'})
		text = rest
		name, value, ok := bytes.Cut(line, []byte(": "))
		if !ok {
			return nil, "a node-revision of lines \"name: value\""
		}
		switch string(name) {
		case "id":
			n.id, ok = parseID(value)
			seen.id = true
		case "type":
			n.kind, ok = parseKind(value)
			seen.kind = true
		case "pred":
			n.pred = new(nodeRevID)
			*n.pred, ok = parseID(value)
		case "count":
			n.predCount, ok = parseInt(value)
		case "text":
			n.text, ok = parseRep(value)
		case "props":
			n.props, ok = parseRep(value)
		case "cpath":
			n.path, ok = parsePath(value)
			seen.path = true
		case "copyfrom":
			n.from, ok = parseCopySource(value)
		case "copyroot":
			var root *svn.CopySource
			if root, ok = parseCopySource(value); ok {
				n.root = *root
			}
		case "minfo-cnt":
			n.mergeinfo, ok = parseInt(value)
		case "minfo-here":
			n.hasMergeinfo = true
		}
		if !ok {
			return nil, "a valid field \"" + string(name) + "\" of a node-revision"
		}
	}
	switch {
	case !seen.id:
		return nil, "a node-revision with an id"
	case !seen.kind:
		return nil, "a node-revision with a type"
	case !seen.path:
		return nil, "a node-revision with a cpath"
	}
	if n.root.Rev == svn.InvalidRevnum {
		n.root = svn.CopySource{Path: n.path, Rev: n.id.at.rev}
	}
	return n, ""
}

func parseKind(text []byte) (svn.Kind, bool) {
	switch string(text) {
	case "file":
		return svn.KindFile, true
	case "dir":
		return svn.KindDir, true
	}
	return svn.KindNone, false
}

// parsePath reads a path as FSFS writes it, with a slash in front.
func parsePath(text []byte) (svn.Path, bool) {
	if len(text) == 0 || text[0] != '/' {
		return "", false
	}
	return svn.Path(text[1:]), true
}

func parseCopySource(text []byte) (*svn.CopySource, bool) {
	rev, path, _ := bytes.Cut(text, []byte{' '})
	r, ok1 := parseRev(rev)
	p, ok2 := parsePath(path)
	return &svn.CopySource{Path: p, Rev: r}, ok1 && ok2
}

// parseRep reads the value of a text or props field.
func parseRep(value []byte) (*rep, bool) {
	var fields [8][]byte
	n := 0
	for field := range bytes.FieldsSeq(value) {
		if n == len(fields) {
			return nil, false
		}
		fields[n] = field
		n++
	}
	if n != 5 && n != 7 {
		return nil, false
	}
	var r rep
	var ok [4]bool
	r.at.rev, ok[0] = parseRev(fields[0])
	r.at.item, ok[1] = parseInt(fields[1])
	r.size, ok[2] = parseInt(fields[2])
	r.expanded, ok[3] = parseInt(fields[3])
	if ok != [4]bool{true, true, true, true} || !decodeSum(r.md5[:], fields[4]) {
		return nil, false
	}
	r.hasMD5 = r.md5 != [16]byte{}
	if n == 7 {
		if string(fields[5]) != "-" {
			var sum [20]byte
			if !decodeSum(sum[:], fields[5]) {
				return nil, false
			}
			if sum != [20]byte{} {
				r.sha1 = sum[:]
			}
		}
		if string(fields[6]) != "-" {
			r.uniq = string(fields[6])
		}
	}
	if r.expanded == 0 {
		empty := string(r.md5[:]) == emptyMD5 && (r.sha1 == nil || string(r.sha1) == emptySHA1)
		if !empty || r.size != 4 {
			r.expanded = r.size
		}
	}
	return &r, true
}

// decodeSum fills sum from exactly as many hexadecimal digits as it needs.
func decodeSum(sum, text []byte) bool {
	if len(text) != 2*len(sum) {
		return false
	}
	_, err := hex.Decode(sum, text)
	return err == nil
}

// append writes the node-revision in the form of the format, the empty line included.
func (n *nodeRev) append(dst []byte, f format) []byte {
	dst = append(dst, "id: "...)
	dst = n.id.append(dst)
	dst = append(dst, "\ntype: "...)
	dst = append(dst, n.kind.String()...)
	if n.pred != nil {
		dst = append(dst, "\npred: "...)
		dst = n.pred.append(dst)
	}
	dst = append(dst, "\ncount: "...)
	dst = strconv.AppendInt(dst, n.predCount, 10)
	if n.text != nil {
		dst = append(dst, "\ntext: "...)
		dst = n.text.append(dst, f)
	}
	if n.props != nil {
		dst = append(dst, "\nprops: "...)
		dst = n.props.append(dst, f)
	}
	dst = append(dst, "\ncpath: /"...)
	dst = append(dst, n.path...)
	if n.from != nil {
		dst = append(dst, "\ncopyfrom: "...)
		dst = appendCopySource(dst, *n.from)
	}
	if (n.root != svn.CopySource{Path: n.path, Rev: n.id.at.rev}) {
		dst = append(dst, "\ncopyroot: "...)
		dst = appendCopySource(dst, n.root)
	}
	if n.mergeinfo > 0 && f.number >= 3 {
		dst = append(dst, "\nminfo-cnt: "...)
		dst = strconv.AppendInt(dst, n.mergeinfo, 10)
	}
	if n.hasMergeinfo && f.number >= 3 {
		dst = append(dst, "\nminfo-here: y"...)
	}
	return append(dst, "\n\n"...)
}

func appendCopySource(dst []byte, s svn.CopySource) []byte {
	dst = strconv.AppendInt(dst, int64(s.Rev), 10)
	dst = append(dst, " /"...)
	return append(dst, s.Path...)
}

func (r *rep) append(dst []byte, f format) []byte {
	dst = strconv.AppendInt(dst, int64(r.at.rev), 10)
	for _, n := range [...]int64{r.at.item, r.size, r.expanded} {
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, n, 10)
	}
	dst = append(dst, ' ')
	dst = hex.AppendEncode(dst, r.md5[:])
	both := r.sha1 != nil && r.uniq != ""
	if f.number < 4 || f.number < 8 && !both {
		return dst
	}
	dst = append(dst, ' ')
	if r.sha1 != nil {
		dst = hex.AppendEncode(dst, r.sha1)
	} else {
		dst = append(dst, '-')
	}
	dst = append(dst, ' ')
	if r.uniq != "" {
		return append(dst, r.uniq...)
	}
	return append(dst, '-')
}

// sameRep says whether two references mean the same contents, as libsvn compares them: same
// place and same uniquifier.
func sameRep(a, b *rep) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.at == b.at && a.uniq == b.uniq
}

// repHeader is the first line of a representation.
type repHeader struct {
	plain bool
	// base is what the delta is against; nil when it is against nothing.
	base *itemID
	// baseSize is the size of the base, as in its rep.
	baseSize int64
}

// maxRepHeader is the longest header line, in bytes.
const maxRepHeader = 80

func parseRepHeader(line []byte) (h repHeader, ok bool) {
	switch string(line) {
	case "PLAIN":
		return repHeader{plain: true}, true
	case "DELTA":
		return repHeader{}, true
	}
	fields := bytes.Split(line, []byte{' '})
	if len(fields) != 4 || string(fields[0]) != "DELTA" {
		return h, false
	}
	h.base = new(itemID)
	var oks [3]bool
	h.base.rev, oks[0] = parseRev(fields[1])
	h.base.item, oks[1] = parseInt(fields[2])
	h.baseSize, oks[2] = parseInt(fields[3])
	return h, oks == [3]bool{true, true, true}
}

// append writes the header line.
func (h repHeader) append(dst []byte) []byte {
	if h.plain {
		return append(dst, "PLAIN\n"...)
	}
	dst = append(dst, "DELTA"...)
	if h.base != nil {
		for _, n := range [...]int64{int64(h.base.rev), h.base.item, h.baseSize} {
			dst = append(dst, ' ')
			dst = strconv.AppendInt(dst, n, 10)
		}
	}
	return append(dst, '\n')
}
