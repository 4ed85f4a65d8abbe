package remote

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/svn"
)

// Committer is with what commits are made.
type Committer struct {
	// User is the name that signs in, "" for none.
	User string
	// Unattributed makes the log message of a commit whose author the server does not let us set; nil for the function of
	// that name.
	Unattributed func(message, author string) string
	// MayAttribute asks the server whether svn:author may be set afterwards.
	MayAttribute func(ctx context.Context) (bool, error)
	// KeepsAuthor: the server does not know who we are, and keeps the author that we name.
	KeepsAuthor bool

	authorship Authorship
}

// RevProps returns the properties to commit with, and the author to set afterwards, "" if that is done.
func (c *Committer) RevProps(ctx context.Context, given svn.Props) (props svn.Props, author string, err error) {
	props = maps.Clone(given)
	if props == nil {
		props = svn.Props{}
	}
	delete(props, svn.PropDate)
	if _, ok := props[svn.PropLog]; !ok {
		props[svn.PropLog] = ""
	}
	author = props[svn.PropAuthor]
	if c.KeepsAuthor {
		return props, author, nil
	}
	delete(props, svn.PropAuthor)
	if author == "" || author == c.User {
		return props, "", nil
	}
	allowed, err := c.authorship.Allowed(func() (bool, error) { return c.MayAttribute(ctx) })
	if err != nil {
		return nil, "", err
	}
	if allowed {
		return props, author, nil
	}
	unattributed := c.Unattributed
	if unattributed == nil {
		unattributed = Unattributed
	}
	props[svn.PropLog] = unattributed(props[svn.PropLog], author)
	return props, "", nil
}

// MayNotAttribute notes that the server let no author be set after all.
func (c *Committer) MayNotAttribute() { c.authorship.Refused() }

// Recover looks for a revision of which it is not known whether it came about, for its answer was lost: the one after
// the given revision with the properties of the commit. It returns err if it is not there.
func Recover(ctx context.Context, repo svn.Repository, err error, props svn.Props, after svn.Revnum) (svn.Revnum, error) {
	if e, ok := errors.AsType[*svn.UnreachableError](err); ok {
		e.Sent = true
	}
	youngest, yerr := repo.Youngest(ctx)
	if yerr == nil && youngest > after {
		own := maps.Clone(props)
		maps.DeleteFunc(own, func(name, _ string) bool { return strings.HasPrefix(name, "svn:") })
		if rev, ok := find(ctx, repo, own, after+1, youngest); ok {
			return rev, nil
		}
	}
	return svn.InvalidRevnum, err
}

// find returns the first of the revisions that has all of the properties, of which there has to be one.
func find(ctx context.Context, repo svn.Repository, own svn.Props, first, last svn.Revnum) (svn.Revnum, bool) {
	if len(own) == 0 {
		return svn.InvalidRevnum, false
	}
	for rev, err := range repo.Log(ctx, first, last) {
		if err != nil {
			break
		}
		if !slices.ContainsFunc(slices.Collect(maps.Keys(own)), func(name string) bool {
			got, ok := rev.Props[name]
			return !ok || got != own[name]
		}) {
			return rev.Rev, true
		}
	}
	return svn.InvalidRevnum, false
}
