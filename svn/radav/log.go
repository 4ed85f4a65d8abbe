package radav

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/internal/remote"
)

// errStop ends reading a log that nobody ranges over any more.
var errStop = errors.New("stopped")

// Log implements svn.Repository. While it is ranged over it has a connection of its own.
func (r *Repository) Log(ctx context.Context, first, last svn.Revnum) iter.Seq2[*svn.Revision, error] {
	return r.log(ctx, first, last, "<S:discover-changed-paths/>")
}

// LogProps is Log without the changed paths, which costs the server less.
func (r *Repository) LogProps(ctx context.Context, first, last svn.Revnum) iter.Seq2[*svn.Revision, error] {
	return r.log(ctx, first, last, "")
}

// log asks for the log with more elements in the request.
func (r *Repository) log(ctx context.Context, first, last svn.Revnum, more string) iter.Seq2[*svn.Revision, error] {
	return func(yield func(*svn.Revision, error) bool) {
		body := fmt.Sprintf(`<S:log-report xmlns:S="svn:"><S:start-revision>%d</S:start-revision><S:end-revision>%d</S:end-revision>%s`+
			`<S:all-revprops/><S:encode-binary-props/><S:path></S:path></S:log-report>`, first, last, more)
		order := remote.Order{First: first, Last: last}
		err := r.conn.query(ctx, xmlRequest("REPORT", r.at("", max(first, last)), body), "log-report", func(e *element) error {
			if e.name != "log-item" || e.space != nsReport {
				return nil
			}
			rev, err := readRevision(e)
			if err != nil {
				return err
			}
			if !order.Next(rev.Rev) {
				return malformed("r%d in the log from r%d to r%d, out of order", rev.Rev, first, last)
			}
			if !yield(rev, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, r.named(ctx, err, "", max(first, last)))
		}
	}
}

// actions are the elements of changed paths.
var actions = map[string]svn.Action{
	"added-path": svn.ActionAdd, "replaced-path": svn.ActionReplace, "modified-path": svn.ActionModify, "deleted-path": svn.ActionDelete,
}

// readRevision reads an entry of the log.
func readRevision(e *element) (*svn.Revision, error) {
	rev := &svn.Revision{Rev: svn.InvalidRevnum, Props: svn.Props{}}
	for _, k := range e.kids {
		name := ""
		switch {
		case k.space == nsDAV && k.name == "version-name":
			n, err := strconv.ParseInt(strings.TrimSpace(k.text), 10, 64)
			if err != nil || n < 0 {
				return nil, malformed("revision %q in the log", k.text)
			}
			rev.Rev = svn.Revnum(n)
		case k.space == nsDAV && k.name == "creator-displayname":
			name = svn.PropAuthor
		case k.space == nsDAV && k.name == "comment":
			name = svn.PropLog
		case k.space == nsReport && k.name == "date":
			name = svn.PropDate
		case k.space == nsReport && k.name == "revprop":
			name = k.attrs["name"]
		case k.space == nsReport && actions[k.name] != 0:
			c, err := readChange(k)
			if err != nil {
				return nil, err
			}
			rev.Changes = append(rev.Changes, c)
		}
		if name == "" {
			continue
		}
		value, err := k.value()
		if err != nil {
			return nil, err
		}
		rev.Props[name] = value
	}
	if rev.Rev < 0 {
		return nil, malformed("an entry of the log without a revision")
	}
	slices.SortFunc(rev.Changes, func(a, b svn.PathChange) int { return a.Path.Compare(b.Path) })
	return rev, nil
}

func readChange(e *element) (svn.PathChange, error) {
	c := svn.PathChange{
		Action: actions[e.name], TextModified: e.attrs["text-mods"] == "true", PropsModified: e.attrs["prop-mods"] == "true",
	}
	switch e.attrs["node-kind"] {
	case "file":
		c.Kind = svn.KindFile
	case "dir":
		c.Kind = svn.KindDir
	}
	text, err := e.value()
	if err != nil {
		return c, err
	}
	if c.Path, err = readPath(text); err != nil {
		return c, err
	}
	from, ok := e.attrs["copyfrom-path"]
	if !ok {
		return c, nil
	}
	rev, err := strconv.ParseInt(e.attrs["copyfrom-rev"], 10, 64)
	if err != nil || rev < 0 {
		return c, malformed("a copy of revision %q", e.attrs["copyfrom-rev"])
	}
	c.CopyFrom = &svn.CopySource{Rev: svn.Revnum(rev)}
	c.CopyFrom.Path, err = readPath(from)
	return c, err
}

// readPath reads a path from the root of the repository, with its slash.
func readPath(text string) (svn.Path, error) {
	p, err := svn.CheckPath(strings.TrimPrefix(text, "/"))
	if err != nil {
		return "", malformed("%v", err)
	}
	return p, nil
}
