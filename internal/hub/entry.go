package hub

import (
	"context"
	"errors"
	"io"
	"maps"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// The properties of ours.
const (
	propModTime = "havre:mtime"  // versioned: RFC 3339 with nanoseconds, UTC
	propCommit  = "havre:commit" // of a revision: the ID of the havre.Commit
	propDevice  = "havre:device" // of a revision: who sent it
	// propConfirmed is set on a revision whose deletions a person has agreed to.
	propConfirmed = "havre:confirmed"
	propRefused   = "havre:refused" // of a revision: what it left out, see formatRefused
)

// linkPrefix begins the contents of a symbolic link in a repository; the target follows.
const linkPrefix = "link "

// maxLink is the length in bytes that the contents of a symbolic link may have.
const maxLink = 4096 + len(linkPrefix)

// entry returns what the node is to a person, as the version in rev. It reads the contents of what
// claims to be a link, and of files whose SHA-1 the repository does not know.
func (v *view) entry(ctx context.Context, n *svn.Node, rev svn.Revnum) (havre.Entry, error) {
	e := havre.Entry{Kind: havre.KindDir, Rev: rev}
	if n.Kind == svn.KindDir {
		return e, nil
	}
	e.Kind, e.Size = havre.KindFile, n.Size
	_, e.Executable = n.Props[svn.PropExecutable]
	if _, special := n.Props[svn.PropSpecial]; special && n.Size <= int64(maxLink) {
		content, err := v.read(ctx, n.Path, rev, maxLink)
		if err != nil {
			return e, err
		}
		if isLink(content) {
			e.Kind, e.Executable = havre.KindSymlink, false
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, n.Props[propModTime]); err == nil {
		e.ModTime = t.UTC()
	}
	if n.SHA1 != nil {
		e.Hash = havre.SHA1Hash(n.SHA1)
		return e, nil
	}
	f, err := v.repo.Open(ctx, n.Path, rev)
	if err != nil {
		return e, err
	}
	e.Hash, _, err = havre.HashReader(f)
	if err = errors.Join(err, f.Close()); err == nil {
		v.repo.learn(n, e.Hash.SHA1())
	}
	return e, err
}

func isLink(content []byte) bool {
	return len(content) > len(linkPrefix) && string(content[:len(linkPrefix)]) == linkPrefix
}

// read returns the contents of a file of at most limit bytes; the path is the repository's.
func (v *view) read(ctx context.Context, abs svn.Path, rev svn.Revnum, limit int) ([]byte, error) {
	f, err := v.repo.Open(ctx, abs, rev)
	if err != nil {
		return nil, err
	}
	content := make([]byte, 0, min(f.Size(), int64(limit))+1)
	content, err = appendAll(content, io.LimitReader(f, int64(limit)+1))
	if err == nil && len(content) > limit {
		err = errors.New("contents are longer than the node says")
	}
	return content, errors.Join(err, f.Close())
}

// appendAll is io.ReadAll into a slice that has the right capacity already.
func appendAll(b []byte, r io.Reader) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// withEntry returns the properties of a file that had old and becomes e. What others set stays. A
// modification time that the client does not know leaves the old one only with the old contents.
func withEntry(old svn.Props, e *havre.Entry, sameContent bool) svn.Props {
	props := maps.Clone(old)
	if props == nil {
		props = svn.Props{}
	}
	set := func(name, value string, on bool) {
		if !on {
			delete(props, name)
		} else if _, has := props[name]; !has {
			props[name] = value
		}
	}
	set(svn.PropSpecial, "*", e.Kind == havre.KindSymlink)
	set(svn.PropExecutable, "*", e.Kind == havre.KindFile && e.Executable)
	if !e.ModTime.IsZero() {
		props[propModTime] = e.ModTime.UTC().Format(time.RFC3339Nano)
	} else if !sameContent {
		delete(props, propModTime)
	}
	return props
}
