package rasvn

import (
	"context"
	"iter"
	"slices"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/internal/remote"
)

// RevProps implements svn.Repository.
func (r *Repository) RevProps(ctx context.Context, rev svn.Revnum) (svn.Props, error) {
	var props svn.Props
	err := r.do(ctx, func(s *session) error {
		answer, err := s.call(ctx, "rev-proplist", appendNumber(nil, rev))
		if err != nil {
			return err
		}
		f, err := answer.fields(1)
		if err == nil {
			props, err = readProps(&f[0])
		}
		return s.lost(ctx, err)
	})
	return props, r.named(ctx, err, "", rev)
}

// Log implements svn.Repository. While it is ranged over it has a connection of its own.
func (r *Repository) Log(ctx context.Context, first, last svn.Revnum) iter.Seq2[*svn.Revision, error] {
	return r.log(ctx, first, last, true)
}

// LogProps is Log without the changed paths, which costs the server less.
func (r *Repository) LogProps(ctx context.Context, first, last svn.Revnum) iter.Seq2[*svn.Revision, error] {
	return r.log(ctx, first, last, false)
}

func (r *Repository) log(ctx context.Context, first, last svn.Revnum, paths bool) iter.Seq2[*svn.Revision, error] {
	return func(yield func(*svn.Revision, error) bool) {
		stopped := false
		order := remote.Order{First: first, Last: last}
		err := r.do(ctx, func(s *session) error {
			b := append(appendString(openList(nil), ""), ") ( "...)
			b = append(appendNumber(b, first), ") ( "...)
			b = append(appendNumber(b, last), ") "...)
			b = appendBool(b, paths)
			b = appendBool(b, false)                    // across copies
			b = appendNumber(b, 0)                      // without a limit
			b = append(b, "false all-revprops ( ) "...) // no merged revisions
			if err := s.start(ctx, "log", b); err != nil {
				return err
			}
			if err := s.permitted(ctx); err != nil {
				return err
			}
			for {
				it, err := s.next(ctx)
				if err != nil {
					return err
				}
				if it.kind == kindWord && it.text == "done" {
					_, err := s.result(ctx)
					return err
				}
				if it.kind == kindList && len(it.list) > 0 && it.list[0].kind == kindWord {
					_, err := s.outcome(ctx, it) // it broke off
					return err
				}
				rev, err := readRevision(it)
				if err == nil && !order.Next(rev.Rev) {
					err = malformed("r%d in the log from r%d to r%d, out of order", rev.Rev, first, last)
				}
				if err != nil {
					return s.lost(ctx, err)
				}
				if !yield(rev, nil) {
					stopped = true
					s.broken = true // the rest is still on its way
					return nil
				}
			}
		})
		if err != nil && !stopped {
			yield(nil, r.named(ctx, err, "", max(first, last)))
		}
	}
}

// readRevision reads an entry of the log.
func readRevision(it *item) (*svn.Revision, error) {
	f, err := it.fields(5)
	if err != nil {
		return nil, err
	}
	rev := &svn.Revision{}
	if rev.Rev, err = readRev(&f[1]); err != nil {
		return nil, err
	}
	if len(f) > 8 {
		if rev.Props, err = readProps(&f[8]); err != nil {
			return nil, err
		}
	}
	for i, name := range []string{svn.PropAuthor, svn.PropDate, svn.PropLog} {
		value, ok, err := f[2+i].optionalString()
		if err != nil {
			return nil, err
		}
		if ok {
			if rev.Props == nil {
				rev.Props = svn.Props{}
			}
			rev.Props[name] = value
		}
	}
	if err := f[0].need(kindList); err != nil {
		return nil, err
	}
	for i := range f[0].list {
		c, err := readChange(&f[0].list[i])
		if err != nil {
			return nil, err
		}
		rev.Changes = append(rev.Changes, c)
	}
	slices.SortFunc(rev.Changes, func(a, b svn.PathChange) int { return a.Path.Compare(b.Path) })
	return rev, nil
}

// readChange reads a changed path. Servers before 1.6 do not tell the kind, those before 1.7 not what was modified.
func readChange(it *item) (svn.PathChange, error) {
	var c svn.PathChange
	f, err := it.fields(3)
	if err != nil {
		return c, err
	}
	if c.Path, err = readPath(&f[0]); err != nil {
		return c, err
	}
	action, err := f[1].word()
	if err != nil {
		return c, err
	}
	switch c.Action = svn.Action(action[0]); c.Action {
	case svn.ActionAdd, svn.ActionDelete, svn.ActionReplace, svn.ActionModify:
	default:
		return c, malformed("the action %q", action)
	}
	if err := f[2].need(kindList); err != nil {
		return c, err
	}
	if from := f[2].list; len(from) >= 2 {
		c.CopyFrom = &svn.CopySource{}
		if c.CopyFrom.Path, err = readPath(&from[0]); err != nil {
			return c, err
		}
		if c.CopyFrom.Rev, err = readRev(&from[1]); err != nil {
			return c, err
		}
	}
	if len(f) < 4 || f[3].kind != kindList {
		return c, nil
	}
	flags := f[3].list
	if len(flags) > 0 {
		switch flags[0].text {
		case "file":
			c.Kind = svn.KindFile
		case "dir":
			c.Kind = svn.KindDir
		}
	}
	if len(flags) > 2 {
		if c.TextModified, err = flags[1].bool(); err != nil {
			return c, err
		}
		c.PropsModified, err = flags[2].bool()
	}
	return c, err
}

// readPath reads a path from the root of the repository, with its slash.
func readPath(it *item) (svn.Path, error) {
	text, err := it.str()
	if err != nil {
		return "", err
	}
	if len(text) > 0 && text[0] == '/' {
		text = text[1:]
	}
	p, err := svn.CheckPath(text)
	if err != nil {
		return "", malformed("%v", err)
	}
	return p, nil
}

// Wait implements svn.Repository: others' commits are asked for every Options.Poll, those through this
// Repository are known at once. An error of the server's ends it.
func (r *Repository) Wait(ctx context.Context, rev svn.Revnum) (svn.Revnum, error) {
	return r.poller.Wait(ctx, rev)
}
