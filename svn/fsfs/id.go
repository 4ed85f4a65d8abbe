package fsfs

import (
	"bytes"
	"strconv"

	"github.com/havre-cloud/havre/svn"
)

// itemID names an item: a number within its revision with logical addressing, the offset there
// with physical addressing.
type itemID struct {
	rev  svn.Revnum
	item int64
}

// idPart is the node or the copy part of an ID: a number that is unique in the revision in which
// it was given out. Repositories of formats 1 and 2 have no such revision; it is 0 then.
type idPart struct {
	rev svn.Revnum
	num uint64
}

func (p idPart) append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, p.num, 36)
	if p.rev > 0 {
		dst = append(dst, '-')
		dst = strconv.AppendInt(dst, int64(p.rev), 10)
	}
	return dst
}

// nodeRevID identifies a committed node-revision: node is the line of history, copy the branch,
// and at where it is stored.
type nodeRevID struct {
	node, copy idPart
	at         itemID
}

func (id nodeRevID) append(dst []byte) []byte {
	dst = id.node.append(dst)
	dst = append(dst, '.')
	dst = id.copy.append(dst)
	dst = append(dst, '.', 'r')
	dst = strconv.AppendInt(dst, int64(id.at.rev), 10)
	dst = append(dst, '/')
	return strconv.AppendInt(dst, id.at.item, 10)
}

func (id nodeRevID) String() string { return string(id.append(make([]byte, 0, 40))) }

// parseID reads the ID of a committed node-revision.
func parseID(text []byte) (nodeRevID, bool) {
	var id nodeRevID
	node, rest, ok1 := bytes.Cut(text, []byte{'.'})
	branch, tail, ok2 := bytes.Cut(rest, []byte{'.'})
	if !ok1 || !ok2 || len(tail) < 4 || tail[0] != 'r' {
		return id, false
	}
	rev, item, ok3 := bytes.Cut(tail[1:], []byte{'/'})
	var ok [4]bool
	id.node, ok[0] = parseIDPart(node)
	id.copy, ok[1] = parseIDPart(branch)
	id.at.rev, ok[2] = parseRev(rev)
	id.at.item, ok[3] = parseInt(item)
	return id, ok3 && ok == [4]bool{true, true, true, true}
}

func parseIDPart(text []byte) (idPart, bool) {
	num, rev, has := bytes.Cut(text, []byte{'-'})
	var p idPart
	if len(num) == 0 || len(num) > 13 || len(num) > 1 && num[0] == '0' {
		return p, false
	}
	for _, c := range num {
		var d uint64
		switch {
		case c >= '0' && c <= '9':
			d = uint64(c - '0')
		case c >= 'a' && c <= 'z':
			d = uint64(c-'a') + 10
		default:
			return p, false
		}
		if p.num > (1<<64-1-d)/36 {
			return p, false
		}
		p.num = p.num*36 + d
	}
	if !has {
		return p, true
	}
	var ok bool
	p.rev, ok = parseRev(rev)
	return p, ok && p.rev > 0
}

// parseInt reads a non-negative decimal number without leading zeros or signs.
func parseInt(text []byte) (int64, bool) {
	if len(text) == 0 || len(text) > 19 || len(text) > 1 && text[0] == '0' {
		return 0, false
	}
	var n uint64
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return int64(n), n < 1<<63
}

func parseRev(text []byte) (svn.Revnum, bool) {
	n, ok := parseInt(text)
	return svn.Revnum(n), ok && n < 1<<31
}
