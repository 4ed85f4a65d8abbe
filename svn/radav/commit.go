package radav

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/internal/edit"
	"github.com/havre-cloud/havre/svn/internal/remote"
)

// ChangeError says that a change cannot be committed whatever others do.
type ChangeError = edit.ChangeError

// Commit implements svn.Repository.
//
// What others have committed is looked at first, and the server is told the revision that it was looked at, so
// that what they commit meanwhile is noticed there; it begins anew then. A *ChangeError is returned for what cannot be committed
// whatever others do, a *svn.LockedError for what `svn lock` protects, a *svn.RefusedError for what the server refuses,
// and an *svn.UnreachableError when it is gone. If that happens after everything was sent, the revision is looked for by
// its properties other than Subversion's own, of which it should have a unique one.
//
// The requests of a commit are made one after the other: the server damages a transaction that gets two at once.
func (r *Repository) Commit(ctx context.Context, c *svn.Commit) (svn.Revnum, error) {
	return r.commit(ctx, c, false)
}

// Try does everything that Commit does but make the revision: it finds out what the server would refuse, but for
// hooks that look at the whole.
func (r *Repository) Try(ctx context.Context, c *svn.Commit) error {
	_, err := r.commit(ctx, c, true)
	return err
}

func (r *Repository) commit(ctx context.Context, c *svn.Commit, dry bool) (svn.Revnum, error) {
	props, author, err := r.author.RevProps(ctx, c.RevProps)
	if err != nil {
		return svn.InvalidRevnum, err
	}
	for again := 0; ; {
		youngest, err := r.Youngest(ctx)
		if err != nil {
			return svn.InvalidRevnum, err
		}
		root, err := edit.Plan(ctx, r.statAll, youngest, c.Changes)
		if err != nil {
			return svn.InvalidRevnum, r.named(ctx, err, "", youngest)
		}
		t := &transaction{repo: r, youngest: youngest, dry: dry}
		err = t.run(ctx, root, props)
		_, cut := errors.AsType[*svn.UnreachableError](err)
		switch f, failed := errors.AsType[*failure](err); {
		case err == nil && dry:
			return svn.InvalidRevnum, nil
		case err == nil:
			r.poller.Saw(t.made, nil)
			r.attribute(ctx, t.made, t.author, author)
			return t.made, nil
		case errors.Is(err, errSmaller):
			continue
		case cut && !t.sent && again < maxAgain && !errors.Is(err, errSilent):
			again++ // a server that restarts cuts connections, and is back at once: another transaction
			continue
		case failed && (f.is(codeOutOfDate, codeTxnOutOfDate, codeConflict, codeExists, codeNotFound) || stands(f.status)):
			// Somebody was faster: what there is now is another revision, or the failure is not of that kind.
			now, yerr := r.Youngest(ctx)
			if yerr != nil {
				return svn.InvalidRevnum, yerr
			}
			if now > youngest {
				continue
			}
		case failed && (f.status == http.StatusLocked || f.is(codeNoUser, codeNoLockToken, codeLockMismatch, codeBadLock)):
			if locked := r.findLock(ctx, root); locked != nil {
				return svn.InvalidRevnum, locked
			}
		case t.sent:
			rev, err := remote.Recover(ctx, r, err, props, youngest)
			if err != nil {
				r.litter.add(t.name, time.Now().Add(maxMerge))
			}
			return rev, translate(err, "", youngest)
		}
		return svn.InvalidRevnum, translate(err, t.at, youngest)
	}
}

// maxAgain is how often a commit is begun anew whose transaction was cut off.
const maxAgain = 2

// stands says whether a status can mean that something else is there than was thought.
func stands(status int) bool {
	switch status {
	case http.StatusConflict, http.StatusPreconditionFailed, http.StatusNotFound, http.StatusMethodNotAllowed:
		return true
	}
	return false
}

// update is the body of a PROPPATCH.
func update(set string, remove string) string {
	var b strings.Builder
	b.WriteString(`<D:propertyupdate xmlns:D="DAV:" xmlns:V="` + nsServer + `" xmlns:C="` + nsCustom + `" xmlns:S="` + nsSVN + `">`)
	if set != "" {
		b.WriteString("<D:set><D:prop>" + set + "</D:prop></D:set>")
	}
	if remove != "" {
		b.WriteString("<D:remove><D:prop>" + remove + "</D:prop></D:remove>")
	}
	b.WriteString("</D:propertyupdate>")
	return b.String()
}

// patchTxn changes properties in a transaction, and is not repeated: the server damages one that gets two requests at once.
func (r *Repository) patchTxn(ctx context.Context, address, body string, header ...string) error {
	req := xmlRequest("PROPPATCH", address, body, header...)
	req.once = true
	return r.proppatch(ctx, req)
}

// patchRev changes properties of a revision.
func (r *Repository) patchRev(ctx context.Context, rev svn.Revnum, body string) error {
	return r.proppatch(ctx, xmlRequest("PROPPATCH", r.rev+"/"+strconv.FormatInt(int64(rev), 10), body))
}

// proppatch makes a PROPPATCH. The answer is a success even if it was not done: that is inside.
func (r *Repository) proppatch(ctx context.Context, req *request) error {
	var inner *failure
	err := r.conn.query(ctx, req, "multistatus", func(e *element) error {
		if e.name != "response" || e.space != nsDAV {
			return nil
		}
		for _, stat := range append([]*element{e}, e.kids...) {
			s := stat.kid(nsDAV, "status")
			if s == nil || strings.Contains(s.text, " 200 ") {
				continue
			}
			inner = &failure{status: http.StatusInternalServerError}
			if f := strings.Fields(s.text); len(f) > 1 {
				if n, err := strconv.Atoi(f[1]); err == nil {
					inner.status = n
				}
			}
			if d := stat.kid(nsDAV, "responsedescription"); d != nil {
				inner.text = strings.ToValidUTF8(strings.TrimSpace(d.text), "\uFFFD")
			}
			if d := e.kid(nsDAV, "responsedescription"); d != nil && inner.text == "" {
				inner.text = strings.ToValidUTF8(strings.TrimSpace(d.text), "\uFFFD")
			}
		}
		return nil
	})
	if err == nil && inner != nil {
		return inner
	}
	return err
}

// mayAttribute asks the server whether svn:author may be changed: by changing it from a value that it does
// not have, which a hook that allows it lets through to fail.
func (r *Repository) mayAttribute(ctx context.Context) (bool, error) {
	rev, err := r.Youngest(ctx)
	if err != nil {
		return false, err
	}
	body := update("<S:author>havre<V:old-value>"+remote.Nobody+"</V:old-value></S:author>", "")
	err = r.patchRev(ctx, rev, body)
	f, failed := errors.AsType[*failure](err)
	if err != nil && !failed {
		return false, err
	}
	return failed && f.status == http.StatusPreconditionFailed, nil
}

// attribute sets the author of a revision that was just made. If it cannot be set the revision stays as it is.
func (r *Repository) attribute(ctx context.Context, rev svn.Revnum, have, want string) {
	if want == "" || want == have {
		return
	}
	set, _ := propertyElement(svn.PropAuthor, &want)
	err := r.patchRev(ctx, rev, update(set, ""))
	if _, failed := errors.AsType[*failure](err); failed {
		r.author.MayNotAttribute()
	}
}

// findLock returns an error that names a lock of somebody's on what the edit touches, nil if there is none.
func (r *Repository) findLock(ctx context.Context, root *edit.Node) error {
	for n := range root.Touched() {
		locks, err := r.locks(ctx, n.Path)
		if errors.Is(err, context.Canceled) {
			return err
		}
		for _, l := range locks { // without an answer the server's own words have to do
			if n.Removes || l.Path == n.Path {
				return l
			}
		}
	}
	return nil
}

// locks returns the locks at and below a path, as the errors that they lead to.
func (r *Repository) locks(ctx context.Context, path svn.Path) ([]*svn.LockedError, error) {
	var all []*svn.LockedError
	req := xmlRequest("REPORT", below(r.root, path), `<S:get-locks-report xmlns:S="svn:" depth="infinity"/>`)
	err := r.conn.query(ctx, req, "get-locks-report", func(e *element) error {
		at, owner := e.kid(nsReport, "path"), e.kid(nsReport, "owner")
		if e.name != "lock" || at == nil || owner == nil {
			return nil
		}
		p, err := readPath(at.text)
		if err != nil {
			return err
		}
		name, err := owner.value()
		all = append(all, &svn.LockedError{Path: p, Owner: name})
		return err
	})
	return all, err
}

// transaction is a commit on the server that is being put together.
type transaction struct {
	repo     *Repository
	youngest svn.Revnum
	name     string
	at       svn.Path // where it is
	dry      bool     // to be given up when all of it was taken
	sent     bool     // it may be committed

	made   svn.Revnum
	author string
}

// run makes the commit.
func (t *transaction) run(ctx context.Context, root *edit.Node, props svn.Props) error {
	if err := t.begin(ctx, props); err != nil {
		return err
	}
	err := t.dir(ctx, root)
	if err == nil && !t.dry {
		t.at = ""
		err = t.merge(ctx)
	}
	if (err != nil || t.dry) && !t.sent {
		t.giveUp(ctx, err)
	}
	return err
}

// giveUp removes the transaction from the server, for nothing else clears it away.
func (t *transaction) giveUp(ctx context.Context, because error) {
	if !settled(ctx, because) {
		// The server may still be at work with it, and two at once are what it cannot do.
		t.repo.litter.add(t.name, time.Now().Add(settling))
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), givingUp)
	defer stop()
	if !t.repo.discard(ctx, t.name) {
		t.repo.litter.add(t.name, time.Now().Add(settling))
	}
}

// settled says whether the server is done with the request that ended so.
func settled(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if own, ok := errors.AsType[*bodyError](err); ok {
		return !own.cut
	}
	_, gone := errors.AsType[*svn.UnreachableError](err)
	_, bad := errors.AsType[*ProtocolError](err)
	return !gone && !bad
}

// begin makes the transaction with its properties.
func (t *transaction) begin(ctx context.Context, props svn.Props) error {
	r := t.repo
	skel := "( create-txn )"
	if r.txnProps {
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(props)) {
			if !validName(name) {
				return &svn.RefusedError{Refusal: svn.RefusedContent, Text: fmt.Sprintf("%q cannot be the name of a property", name)}
			}
			fmt.Fprintf(&b, "%s %d %s ", name, len(props[name]), props[name])
		}
		skel = "(create-txn-with-props (" + strings.TrimSuffix(b.String(), " ") + "))"
	}
	h, err := r.conn.exchange(ctx, &request{
		method: "POST", path: r.me, header: http.Header{"Content-Type": {"application/vnd.svn-skel"}},
		body: text(skel), size: int64(len(skel)), once: true, patient: true,
	})
	if err != nil {
		return err
	}
	if t.name = h.Get("SVN-Txn-Name"); t.name == "" || strings.ContainsAny(t.name, "/?#%") {
		return malformed("the transaction's name is %q", t.name)
	}
	if r.txnProps {
		return nil
	}
	var set strings.Builder
	for _, name := range slices.Sorted(maps.Keys(props)) {
		value := props[name]
		e, ok := propertyElement(name, &value)
		if !ok {
			return &svn.RefusedError{Refusal: svn.RefusedContent, Text: fmt.Sprintf("%q cannot be the name of a property", name)}
		}
		set.WriteString(e)
	}
	return r.patchTxn(ctx, r.txn+"/"+t.name, update(set.String(), ""))
}

// address returns that of a path in the transaction.
func (t *transaction) address(path svn.Path) string { return below(t.repo.txnRoot+"/"+t.name, path) }

// based is the header that tells the revision at which a node was looked at. What this commit made has none.
func (t *transaction) based(mine bool) []string {
	if mine {
		return nil
	}
	return []string{"X-SVN-Version-Name", strconv.FormatInt(int64(t.youngest), 10)}
}

// dir does what is to be done with a directory that is there, and in it.
func (t *transaction) dir(ctx context.Context, n *edit.Node) error {
	t.at = n.Path
	if err := t.properties(ctx, n); err != nil {
		return err
	}
	for _, kid := range n.Kids {
		if err := t.node(ctx, kid); err != nil {
			return err
		}
	}
	return nil
}

// step is a request without a body in a transaction. It is not repeated by itself, for the server may have done it: a
// transaction that was cut off is given up.
func step(method, path string, header ...string) *request {
	r := &request{method: method, path: path, header: http.Header{}, once: true}
	for i := 0; i+1 < len(header); i += 2 {
		r.header.Set(header[i], header[i+1])
	}
	return r
}

func (t *transaction) node(ctx context.Context, n *edit.Node) error {
	c := t.repo.conn
	t.at = n.Path
	if n.Removes {
		if _, err := c.exchange(ctx, step("DELETE", t.address(n.Path), t.based(n.Mine && !n.Added)...)); err != nil {
			return err
		}
	}
	switch {
	case n.Kind == svn.KindNone:
		return nil
	case n.From != nil:
		to := url.URL{Scheme: c.base.Scheme, Host: c.base.Host}
		_, err := c.exchange(ctx, step("COPY", t.repo.at(n.From.Path, n.From.Rev),
			"Destination", to.String()+t.address(n.Path), "Overwrite", "F", "Depth", "infinity"))
		if err != nil {
			return err
		}
	case n.Added && n.Kind == svn.KindDir:
		if _, err := c.exchange(ctx, step("MKCOL", t.address(n.Path))); err != nil {
			return err
		}
	}
	if n.Kind == svn.KindDir {
		return t.dir(ctx, n)
	}
	if n.Content != nil || n.Added && n.From == nil {
		if err := t.put(ctx, n); err != nil {
			return err
		}
	}
	return t.properties(ctx, n)
}

// properties changes those that are to be changed.
func (t *transaction) properties(ctx context.Context, n *edit.Node) error {
	if len(n.Set)+len(n.Unset) == 0 {
		return nil
	}
	var set, remove strings.Builder
	bad := func(name string) error {
		return &svn.RefusedError{Refusal: svn.RefusedContent, Path: n.Path, Text: fmt.Sprintf("%q cannot be the name of a property", name)}
	}
	for _, name := range slices.Sorted(maps.Keys(n.Set)) {
		value := n.Set[name]
		e, ok := propertyElement(name, &value)
		if !ok {
			return bad(name)
		}
		set.WriteString(e)
	}
	for _, name := range n.Unset {
		e, ok := propertyElement(name, nil)
		if !ok {
			return bad(name)
		}
		remove.WriteString(e)
	}
	return t.repo.patchTxn(ctx, t.address(n.Path), update(set.String(), remove.String()), t.based(n.Mine)...)
}

// merge turns the transaction into a revision.
func (t *transaction) merge(ctx context.Context) error {
	r := t.repo
	body := `<D:merge xmlns:D="DAV:"><D:source><D:href>` + escapeText(r.txn+"/"+t.name) + `</D:href></D:source><D:no-auto-merge/><D:no-checkout/>` +
		`<D:prop><D:checked-in/><D:version-name/><D:resourcetype/><D:creationdate/><D:creator-displayname/></D:prop></D:merge>`
	req := xmlRequest("MERGE", or(r.root, "/"), body, "X-SVN-Options", "release-locks no-merge-response")
	req.once, req.alone, req.patient = true, true, true
	t.sent, t.made = true, svn.InvalidRevnum
	err := r.conn.query(ctx, req, "merge-response", func(e *element) error { return t.answered(e) })
	if _, failed := errors.AsType[*failure](err); failed {
		t.sent = false
		return err
	}
	if err == nil && t.made < 0 {
		err = malformed("the server committed and does not tell the revision")
	}
	return err
}

// answered looks for the new revision in the answer.
func (t *transaction) answered(e *element) error {
	for _, response := range e.kids {
		for _, stat := range response.kids {
			prop := stat.kid(nsDAV, "prop")
			if prop == nil {
				continue
			}
			kind := prop.kid(nsDAV, "resourcetype")
			if kind == nil || kind.kid(nsDAV, "baseline") == nil {
				continue
			}
			if v := prop.kid(nsDAV, "version-name"); v != nil {
				n, err := strconv.ParseInt(strings.TrimSpace(v.text), 10, 64)
				if err != nil || n < 0 {
					return malformed("the new revision is %q", v.text)
				}
				t.made = svn.Revnum(n)
			}
			if a := prop.kid(nsDAV, "creator-displayname"); a != nil {
				t.author = a.text
			}
		}
	}
	return nil
}
