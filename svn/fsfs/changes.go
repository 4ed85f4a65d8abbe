package fsfs

import (
	"bytes"
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
