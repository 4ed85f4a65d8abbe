package radav

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/internal/edit"
	"github.com/havre-cloud/havre/svn/internal/remote"
)

const (
	allProps = `<D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>`
	// someProps are those of a node itself, without the versioned ones.
	someProps = `<D:propfind xmlns:D="DAV:" xmlns:V="` + nsServer + `"><D:prop><D:resourcetype/><D:getcontentlength/><D:version-name/>` +
		`<V:md5-checksum/><V:sha1-checksum/></D:prop></D:propfind>`
)

// resource is what a PROPFIND tells of one address.
type resource struct {
	href       string // decoded
	collection bool
	props      svn.Props
	server     map[string]string // of nsDAV and nsServer
}

// propfind asks for properties.
func (r *Repository) propfind(ctx context.Context, address, depth, body string, each func(*resource) error) error {
	return r.conn.query(ctx, xmlRequest("PROPFIND", address, body, "Depth", depth), "multistatus", func(e *element) error {
		if e.name != "response" || e.space != nsDAV {
			return nil
		}
		res, err := readResource(e)
		if err != nil {
			return err
		}
		return each(res)
	})
}

func readResource(e *element) (*resource, error) {
	href := e.kid(nsDAV, "href")
	if href == nil {
		return nil, malformed("a response without an address")
	}
	u, err := url.Parse(strings.TrimSpace(href.text))
	if err != nil {
		return nil, malformed("the address %q", href.text)
	}
	res := &resource{href: u.Path, server: map[string]string{}}
	for _, stat := range e.kids {
		if stat.name != "propstat" || stat.space != nsDAV {
			continue
		}
		// What the resource lacks comes as well, empty.
		if s := stat.kid(nsDAV, "status"); s == nil || !strings.Contains(s.text, " 200 ") {
			continue
		}
		prop := stat.kid(nsDAV, "prop")
		if prop == nil {
			continue
		}
		for _, p := range prop.kids {
			if err := res.add(p); err != nil {
				return nil, err
			}
		}
	}
	return res, nil
}

// add takes a property of the resource.
func (res *resource) add(p *element) error {
	name := p.name
	switch p.space {
	case nsSVN:
		name = "svn:" + name
	case nsCustom:
	case nsDAV, nsServer:
		if name == "resourcetype" {
			res.collection = p.kid(nsDAV, "collection") != nil
		}
		res.server[name] = strings.TrimSpace(p.text)
		return nil
	default:
		return nil
	}
	value, err := p.value()
	if err != nil {
		return err
	}
	if res.props == nil {
		res.props = svn.Props{}
	}
	res.props[name] = value
	return nil
}

// node makes a node of a resource.
func (res *resource) node(path svn.Path) (*svn.Node, error) {
	n := &svn.Node{Path: path, Kind: svn.KindFile, Props: res.props}
	rev, err := strconv.ParseInt(res.server["version-name"], 10, 64)
	if err != nil || rev < 0 {
		return nil, malformed("/%s was last changed in %q", path, res.server["version-name"])
	}
	n.CreatedRev = svn.Revnum(rev)
	if res.collection {
		n.Kind = svn.KindDir
		return n, nil
	}
	if n.Size, err = strconv.ParseInt(res.server["getcontentlength"], 10, 64); err != nil || n.Size < 0 {
		return nil, malformed("/%s has %q bytes", path, res.server["getcontentlength"])
	}
	if n.MD5, err = checksum(res.server["md5-checksum"], 16); err != nil {
		return nil, err
	}
	n.SHA1, err = checksum(res.server["sha1-checksum"], 20)
	return n, err
}

// checksum reads a checksum, nil for none. One of zeros is none: Subversion takes it for right whatever the contents.
func checksum(text string, size int) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	sum, err := hex.DecodeString(text)
	if err != nil || len(sum) != size {
		return nil, malformed("the checksum %q", text)
	}
	if !slices.ContainsFunc(sum, func(b byte) bool { return b != 0 }) {
		return nil, nil
	}
	return sum, nil
}

// named makes an error tell the youngest revision where it lacks that.
func (r *Repository) named(ctx context.Context, err error, path svn.Path, rev svn.Revnum) error {
	return remote.TellYoungest(ctx, translate(err, path, rev), r.Youngest)
}

// Stat implements svn.Repository.
func (r *Repository) Stat(ctx context.Context, path svn.Path, rev svn.Revnum) (*svn.Node, error) {
	if _, err := svn.CheckPath(string(path)); err != nil {
		return nil, err
	}
	if rev < 0 {
		var err error
		if rev, err = r.Youngest(ctx); err != nil {
			return nil, err
		}
	}
	return r.nodes.Stat(ctx, path, rev, r.askAll) // which names errors
}

// LookAhead asks for the nodes at the paths in a revision, many at a time: Stat knows them for some seconds then.
func (r *Repository) LookAhead(ctx context.Context, paths []svn.Path, rev svn.Revnum) error {
	return r.named(ctx, r.nodes.LookAhead(ctx, paths, rev, r.askAll), "", rev)
}

// statAll returns the nodes at the places, nil where nothing is.
func (r *Repository) statAll(ctx context.Context, places []edit.Place) ([]*svn.Node, error) {
	return r.nodes.All(ctx, places, r.askAll)
}

// askAll is statAll for what is not known. Several are asked for side by side.
func (r *Repository) askAll(ctx context.Context, places []edit.Place) ([]*svn.Node, error) {
	nodes := make([]*svn.Node, len(places))
	err := each(ctx, len(places), func(ctx context.Context, i int) error {
		n, err := r.ask(ctx, places[i].Path, places[i].Rev)
		if _, missing := errors.AsType[*svn.NotFoundError](err); missing {
			return nil
		}
		nodes[i] = n
		return err
	})
	return nodes, err
}

// ask asks for one node.
func (r *Repository) ask(ctx context.Context, path svn.Path, rev svn.Revnum) (*svn.Node, error) {
	var n *svn.Node
	err := r.propfind(ctx, r.at(path, rev), "0", allProps, func(res *resource) (err error) {
		n, err = res.node(path)
		return err
	})
	if err == nil && n == nil {
		err = malformed("nothing is told about /%s", path)
	}
	if err != nil {
		return nil, r.named(ctx, err, path, rev)
	}
	return n, nil
}

// atOnce is how many questions are asked side by side.
const atOnce = 4

// each calls do for the numbers below n, some at a time, until one fails.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	errs := make(chan error, atOnce)
	for range min(atOnce, n) {
		go func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					cancel(err)
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for i := range n {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	var first error
	for range min(atOnce, n) {
		if err := <-errs; err != nil && (first == nil || errors.Is(first, context.Canceled)) {
			first = err
		}
	}
	if first == nil && ctx.Err() != nil {
		first = context.Cause(ctx)
	}
	return first
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
	body := someProps
	if props {
		body = allProps
	}
	address := r.at(path, rev)
	prefix, err := url.PathUnescape(address)
	if err != nil {
		return nil, err
	}
	var nodes []*svn.Node
	dir := false
	err = r.propfind(ctx, address, "1", body, func(res *resource) error {
		name, ok := strings.CutPrefix(strings.TrimRight(res.href, "/"), prefix)
		if !ok || name != "" && name[0] != '/' {
			return malformed("%q is told when %q was asked for", res.href, prefix)
		}
		if name == "" {
			dir = res.collection
			return nil
		}
		if p, err := svn.CheckPath(name[1:]); err != nil || p.Dir() != "" {
			return malformed("an entry with the name %q", name[1:])
		}
		if len(nodes) == remote.MaxEntries {
			return malformed("the directory has more than %d entries", remote.MaxEntries)
		}
		n, err := res.node(path.Join(name[1:]))
		nodes = append(nodes, n)
		return err
	})
	if err != nil {
		return nil, r.named(ctx, err, path, rev)
	}
	if !dir {
		return nil, &svn.NotDirError{Path: path, Rev: rev}
	}
	slices.SortFunc(nodes, func(a, b *svn.Node) int { return strings.Compare(string(a.Path), string(b.Path)) })
	return nodes, nil
}

// Walk implements svn.Repository. It costs a question for each directory.
func (r *Repository) Walk(ctx context.Context, path svn.Path, rev svn.Revnum, after svn.Path) iter.Seq2[*svn.Node, error] {
	return remote.Walk(path, after,
		func() (*svn.Node, error) { return r.Stat(ctx, path, rev) },
		func(dir svn.Path) ([]*svn.Node, error) { return r.entries(ctx, dir, rev, true) })
}

// Open implements svn.Repository.
func (r *Repository) Open(ctx context.Context, path svn.Path, rev svn.Revnum) (svn.File, error) {
	n, err := r.Stat(ctx, path, rev)
	if err != nil {
		return nil, err
	}
	if n.Kind != svn.KindFile {
		return nil, &svn.NotFileError{Path: path, Rev: rev}
	}
	if rev < 0 {
		rev = n.CreatedRev
	}
	resp, err := r.conn.do(ctx, &request{method: "GET", path: r.at(path, rev)}) //nolint:bodyclose // the file closes it
	if err != nil {
		return nil, r.named(ctx, err, path, rev)
	}
	return &file{body: resp.Body, md5: n.MD5, contents: remote.NewContents(path, n.Size, n.MD5)}, nil
}

// file is the contents of a file on their way.
type file struct {
	body     io.ReadCloser
	md5      []byte // nil if the server did not say
	contents *remote.Contents
	err      error
}

// Size implements svn.File.
func (f *file) Size() int64 { return f.contents.Size() }

func (f *file) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.body.Read(p)
	if long := f.contents.Add(p[:n]); long != nil {
		f.err = malformed("%v", long)
		return 0, f.err
	}
	f.err = err
	if err == io.EOF {
		if end := f.contents.End(); end != nil {
			f.err = end
		}
	}
	if _, short := errors.AsType[*remote.LengthError](f.err); short {
		f.err = malformed("%v", f.err)
	}
	return n, f.err
}

// SkipTo implements svn.File. The server sends everything in any case.
func (f *file) SkipTo(offset int64) error { return f.contents.SkipTo(f, offset) }

func (f *file) Close() error {
	if f.err == nil {
		f.err = errors.New("svn/radav: read from a file that is closed")
	}
	return f.body.Close()
}

// RevProps implements svn.Repository.
func (r *Repository) RevProps(ctx context.Context, rev svn.Revnum) (svn.Props, error) {
	var props svn.Props
	err := r.propfind(ctx, r.rev+"/"+strconv.FormatInt(int64(rev), 10), "0", allProps, func(res *resource) error {
		props = res.props
		return nil
	})
	if f, ok := errors.AsType[*failure](err); ok && f.status == 404 {
		f.code = codeNoRevision
	}
	return props, r.named(ctx, err, "", rev)
}
