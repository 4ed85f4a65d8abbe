package rasvn

import (
	"context"
	"encoding/hex"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/internal/edit"
	"github.com/havre-cloud/havre/svn/internal/remote"
)

// pipelined is how many commands are sent before their answers are read. The answers have to fit into
// the buffers between the two sides, or both would wait for each other.
const pipelined = 32

// Youngest implements svn.Repository.
func (r *Repository) Youngest(ctx context.Context) (svn.Revnum, error) {
	rev := svn.InvalidRevnum
	err := r.do(ctx, func(s *session) error {
		answer, err := s.call(ctx, "get-latest-rev", nil)
		if err != nil {
			return err
		}
		rev, err = s.revnum(ctx, answer)
		return err
	})
	return rev, translate(err, "", svn.InvalidRevnum)
}

// revnum reads a revision number as the first of an answer.
func (s *session) revnum(ctx context.Context, answer *item) (svn.Revnum, error) {
	f, err := answer.fields(1)
	if err == nil {
		var rev svn.Revnum
		if rev, err = readRev(&f[0]); err == nil {
			return rev, nil
		}
	}
	return svn.InvalidRevnum, s.lost(ctx, err)
}

func readRev(it *item) (svn.Revnum, error) {
	if err := it.need(kindNumber); err != nil {
		return svn.InvalidRevnum, err
	}
	if it.number > 1<<62 {
		return svn.InvalidRevnum, malformed("revision %d", it.number)
	}
	return svn.Revnum(it.number), nil
}

// named makes an error tell the youngest revision where it lacks that.
func (r *Repository) named(ctx context.Context, err error, path svn.Path, rev svn.Revnum) error {
	return remote.TellYoungest(ctx, translate(err, path, rev), r.Youngest)
}

// appendRev writes an optional revision: none for svn.InvalidRevnum, which the server takes for the youngest.
func appendRev(b []byte, rev svn.Revnum) []byte {
	b = openList(b)
	if rev >= 0 {
		b = appendNumber(b, rev)
	}
	return closeList(b)
}

// Stat implements svn.Repository.
func (r *Repository) Stat(ctx context.Context, path svn.Path, rev svn.Revnum) (*svn.Node, error) {
	if _, err := svn.CheckPath(string(path)); err != nil {
		return nil, err
	}
	n, err := r.nodes.Stat(ctx, path, rev, r.askAll)
	return n, r.named(ctx, err, path, rev)
}

// LookAhead asks for the nodes at the paths in a revision, many at a time: Stat knows them for some seconds then.
func (r *Repository) LookAhead(ctx context.Context, paths []svn.Path, rev svn.Revnum) error {
	return r.named(ctx, r.nodes.LookAhead(ctx, paths, rev, r.askAll), "", rev)
}

// statAll returns the nodes at the places, nil where nothing is, with their properties and checksums.
func (r *Repository) statAll(ctx context.Context, places []edit.Place) ([]*svn.Node, error) {
	return r.nodes.All(ctx, places, r.askAll)
}

// askAll is statAll for what is not known.
func (r *Repository) askAll(ctx context.Context, places []edit.Place) ([]*svn.Node, error) {
	nodes := make([]*svn.Node, len(places))
	err := r.do(ctx, func(s *session) error {
		if err := s.stats(ctx, places, nodes); err != nil {
			return err
		}
		return s.details(ctx, nodes, func(i int) svn.Revnum { return places[i].Rev })
	})
	return nodes, err
}

// stats asks for what is at the places.
func (s *session) stats(ctx context.Context, places []edit.Place, nodes []*svn.Node) error {
	return s.pipeline(ctx, len(places), func(b []byte, i int) []byte {
		return appendCommand(b, "stat", appendRev(appendString(nil, string(places[i].Path)), places[i].Rev))
	}, func(i int, answer *item, err error) error {
		if f, ok := errors.AsType[*failure](err); ok && f.is(codeNotFound, codeNotDirectory) {
			return nil
		}
		if err != nil {
			return translate(err, places[i].Path, places[i].Rev)
		}
		f, err := answer.fields(1)
		if err != nil {
			return err
		}
		entry, err := f[0].optional()
		if err != nil || entry == nil {
			return err
		}
		nodes[i], err = readDirent(entry.list)
		if err == nil {
			nodes[i].Path = places[i].Path
		}
		return err
	})
}

// hasProps marks nodes whose properties are still to be asked for.
var hasProps = svn.Props{"\x00": ""}

// readDirent reads a node: kind, size, whether it has properties, the revision that made it.
func readDirent(f []item) (*svn.Node, error) {
	if len(f) < 4 {
		return nil, malformed("an entry of %d items", len(f))
	}
	kind, err := f[0].word()
	if err != nil {
		return nil, err
	}
	n := &svn.Node{}
	switch kind {
	case "file":
		n.Kind = svn.KindFile
		if f[1].number > 1<<62 {
			return nil, malformed("a file of %d bytes", f[1].number)
		}
		n.Size = int64(f[1].number)
	case "dir":
		n.Kind = svn.KindDir // of which the size may be 2^64-1
	default:
		return nil, malformed("an entry of the kind %q", kind)
	}
	props, err := f[2].bool()
	if err != nil {
		return nil, err
	}
	if props {
		n.Props = hasProps
	}
	n.CreatedRev, err = readRev(&f[3])
	return n, err
}

// details asks for the properties of the nodes that have some, and for the checksums of files.
func (s *session) details(ctx context.Context, nodes []*svn.Node, rev func(i int) svn.Revnum) error {
	var wanted []int
	for i, n := range nodes {
		if n != nil && (n.Kind == svn.KindFile || n.Props != nil) {
			wanted = append(wanted, i)
		}
	}
	return s.pipeline(ctx, len(wanted), func(b []byte, i int) []byte {
		n := nodes[wanted[i]]
		params := appendRev(appendString(nil, string(n.Path)), rev(wanted[i]))
		if n.Kind == svn.KindDir {
			return appendCommand(b, "get-dir", append(params, "true false ( ) false "...))
		}
		return appendCommand(b, "get-file", append(params, "true false false "...))
	}, func(i int, answer *item, err error) error {
		n := nodes[wanted[i]]
		if err != nil {
			return translate(err, n.Path, rev(wanted[i]))
		}
		f, err := answer.fields(3 - int(n.Kind-svn.KindFile))
		if err != nil {
			return err
		}
		if n.Kind == svn.KindFile {
			if n.MD5, err = readMD5(&f[0]); err != nil {
				return err
			}
			f = f[1:]
		}
		n.Props, err = readProps(&f[1])
		return err
	})
}

// pipeline sends commands, some at a time, and reads their answers in the same order.
func (s *session) pipeline(ctx context.Context, n int, command func(b []byte, i int) []byte, answer func(i int, answer *item, err error) error) error {
	for from := 0; from < n; from += pipelined {
		to := min(from+pipelined, n)
		b := s.buf[:0]
		for i := from; i < to; i++ {
			b = command(b, i)
		}
		if err := s.send(ctx, b); err != nil {
			return err
		}
		var first error
		for i := from; i < to; i++ {
			it, err := s.answer(ctx)
			if s.broken {
				return err
			}
			if err = answer(i, it, err); err != nil && first == nil {
				first = err
			}
		}
		if first != nil {
			if _, ok := errors.AsType[*ProtocolError](first); ok {
				return s.lost(ctx, first)
			}
			return first
		}
	}
	return nil
}

// readMD5 reads an optional checksum. One of zeros is none: Subversion takes it for right whatever the contents.
func readMD5(it *item) ([]byte, error) {
	text, ok, err := it.optionalString()
	if err != nil || !ok {
		return nil, err
	}
	sum, err := hex.DecodeString(text)
	if err != nil || len(sum) != 16 {
		return nil, malformed("the checksum %q", text)
	}
	if !slices.ContainsFunc(sum, func(b byte) bool { return b != 0 }) {
		return nil, nil
	}
	return sum, nil
}

// readProps reads properties; nil for none. Those that the server makes up, which no repository holds, are left out.
func readProps(it *item) (svn.Props, error) {
	if err := it.need(kindList); err != nil {
		return nil, err
	}
	var props svn.Props
	for i := range it.list {
		f, err := it.list[i].fields(2)
		if err != nil {
			return nil, err
		}
		name, err := f[0].str()
		if err != nil {
			return nil, err
		}
		value, err := f[1].str()
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(name, "svn:entry:") || strings.HasPrefix(name, "svn:wc:") {
			continue
		}
		if props == nil {
			props = svn.Props{}
		}
		props[name] = value
	}
	return props, nil
}

// List implements svn.Repository.
func (r *Repository) List(ctx context.Context, path svn.Path, rev svn.Revnum, props bool) iter.Seq2[*svn.Node, error] {
	return remote.List(func() ([]*svn.Node, error) { return r.entries(ctx, path, rev, props) })
}

// entries reads a directory, sorted by name.
func (r *Repository) entries(ctx context.Context, path svn.Path, rev svn.Revnum, props bool) ([]*svn.Node, error) {
	if _, err := svn.CheckPath(string(path)); err != nil {
		return nil, err
	}
	var nodes []*svn.Node
	err := r.do(ctx, func(s *session) error {
		params := appendRev(appendString(nil, string(path)), rev)
		answer, err := s.call(ctx, "get-dir", append(params, "false true ( kind size has-props created-rev ) false "...))
		if err != nil {
			return err
		}
		if nodes, err = readEntries(answer, path); err != nil {
			return s.lost(ctx, err)
		}
		if props {
			return s.details(ctx, nodes, func(int) svn.Revnum { return rev })
		}
		for _, n := range nodes {
			n.Props = nil
		}
		return nil
	})
	if err != nil {
		return nil, r.notDir(ctx, err, path, rev)
	}
	return nodes, nil
}

// notDir gives the right error for what was asked for as a directory: servers do not say whether it is a file or not
// there.
func (r *Repository) notDir(ctx context.Context, err error, path svn.Path, rev svn.Revnum) error {
	if f, ok := errors.AsType[*failure](err); ok && !f.is(codeNoRevision) {
		n, serr := r.Stat(ctx, path, rev)
		if _, missing := errors.AsType[*svn.NotFoundError](serr); missing {
			return serr
		}
		if serr == nil && n.Kind == svn.KindFile {
			return &svn.NotDirError{Path: path, Rev: rev}
		}
	}
	return r.named(ctx, err, path, rev)
}

func readEntries(answer *item, dir svn.Path) ([]*svn.Node, error) {
	f, err := answer.fields(3)
	if err != nil {
		return nil, err
	}
	if err := f[2].need(kindList); err != nil {
		return nil, err
	}
	nodes := make([]*svn.Node, 0, len(f[2].list))
	for i := range f[2].list {
		e, err := f[2].list[i].fields(5)
		if err != nil {
			return nil, err
		}
		name, err := e[0].str()
		if err != nil {
			return nil, err
		}
		n, err := readDirent(e[1:])
		if err != nil {
			return nil, err
		}
		if n.Path, err = svn.CheckPath(name); err != nil || n.Path == "" || n.Path.Dir() != "" {
			return nil, malformed("an entry with the name %q", name)
		}
		n.Path = dir.Join(name)
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b *svn.Node) int { return strings.Compare(string(a.Path), string(b.Path)) })
	return nodes, nil
}

// Walk implements svn.Repository. It costs a question for each directory, and some for the properties in it.
func (r *Repository) Walk(ctx context.Context, path svn.Path, rev svn.Revnum, after svn.Path) iter.Seq2[*svn.Node, error] {
	return remote.Walk(path, after,
		func() (*svn.Node, error) { return r.Stat(ctx, path, rev) },
		func(dir svn.Path) ([]*svn.Node, error) { return r.entries(ctx, dir, rev, true) })
}
