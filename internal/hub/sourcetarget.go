package hub

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// folderTarget keeps the copies of one source in a folder, in the name of the person who added it. It is for one
// goroutine.
type folderTarget struct {
	hub    *Hub
	id     SourceID
	caller *havre.Caller
	told   atomic.Pointer[source.Copy] // what following brought last

	// The following tell what the last call did.
	rev     svn.Revnum   // that it made; 0 for none
	message string       // of that revision
	apart   []SourceFile // files of a suspect copy
	denied  bool         // the person may not write there any more
	partial bool         // it was of what following brought, which is not all of the document
}

// maxRaces is how often files are looked at anew because others change them at the same moment.
const maxRaces = 5

// Complete says that the files need not be fetched again: what a person has deleted stays deleted.
func (t *folderTarget) Complete(*source.Item) bool { return true }

// Save makes one revision of the files that differ from what is there.
func (t *folderTarget) Save(ctx context.Context, item *source.Item, c *source.Copy) (source.Saved, error) {
	return t.write(ctx, item, c, "")
}

// Keep puts the files of a suspect copy beside the good ones.
func (t *folderTarget) Keep(ctx context.Context, item *source.Item, c *source.Copy) (source.Saved, error) {
	return t.write(ctx, item, c, c.Suspect)
}

// incoming is one file of a copy on its way into the folder.
type incoming struct {
	file   source.File
	change havre.Change // without path and base
	sha256 string
}

func (t *folderTarget) write(ctx context.Context, item *source.Item, c *source.Copy, suspect string) (saved source.Saved, err error) {
	t.rev, t.message, t.apart, t.partial = 0, "", nil, t.told.Load() == c
	files, held, err := t.receive(ctx, c)
	defer func() {
		if errDrop := t.hub.uploads.remove(t.caller.Device, held); errDrop != nil {
			t.hub.log.LogAttrs(ctx, slog.LevelWarn, "contents of a backup not removed", slog.Any("error", errDrop))
		}
	}()
	if err != nil {
		return source.Saved{}, oursOf(err)
	}
	for range maxRaces {
		w := &folderWrite{folderTarget: t, item: item, copy: c, suspect: suspect, files: files}
		done, err := w.try(ctx)
		if err != nil {
			return source.Saved{}, oursOf(err)
		}
		if done {
			return w.saved, nil
		}
	}
	return source.Saved{}, source.Errorf(source.ReasonOurs, "others change the files of this backup all the time: it is tried again")
}

// oursOf says in the words of package source why a copy could not be kept.
func oursOf(err error) error {
	if e, ok := errors.AsType[*havre.Error](err); ok && e.Code != havre.CodeInternal {
		return &source.Error{Reason: source.ReasonOurs, Text: e.Text, Err: e.Cause}
	}
	return err
}

// receive reads the files of a copy: small ones into memory, large ones into uploads, which are returned also with
// an error.
func (t *folderTarget) receive(ctx context.Context, c *source.Copy) (files []incoming, held []havre.UploadID, err error) {
	for _, f := range c.Files {
		in := incoming{file: f}
		in.change = havre.Change{Kind: havre.ChangePut, Entry: havre.Entry{Kind: havre.KindFile, ModTime: c.Changed.UTC()}}
		r, err := f.Open()
		if err != nil {
			return nil, held, err
		}
		sum := sha256.New()
		upload, err := t.content(ctx, &in.change, io.TeeReader(r, sum))
		if upload != "" {
			held = append(held, upload)
		}
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, held, err
		}
		in.sha256 = hex.EncodeToString(sum.Sum(nil))
		files = append(files, in)
	}
	return files, held, nil
}

// content reads the contents of one file into the change; an upload is returned if they are large.
func (t *folderTarget) content(ctx context.Context, c *havre.Change, r io.Reader) (havre.UploadID, error) {
	head := make([]byte, havre.InlineLimit+1)
	n, err := io.ReadFull(r, head)
	head = head[:n]
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		c.Content, c.Entry.Size, c.Entry.Hash = slices.Clip(slices.Clone(head)), int64(n), havre.HashBytes(head)
		return "", nil
	}
	if err != nil {
		return "", err
	}
	id, size, hash, err := t.hub.uploads.receive(t.caller.Device, io.MultiReader(strings.NewReader(string(head)), cancelled{ctx, r}))
	c.Upload, c.Entry.Size, c.Entry.Hash = id, size, hash
	return id, full(err)
}

// folderWrite is one attempt to write a copy.
type folderWrite struct {
	*folderTarget
	item    *source.Item
	copy    *source.Copy
	suspect string
	files   []incoming

	row     store.Source
	v       *view
	head    svn.Revnum
	tracked []store.SourceFile
	changes []havre.Change
	base    string // of the names
	next    []store.SourceFile
	saved   source.Saved
}

// try plans and commits. It says false if others were faster.
func (w *folderWrite) try(ctx context.Context) (bool, error) {
	h := w.hub
	var err error
	if w.row, err = h.store.Source(ctx, w.id); err != nil {
		return false, err
	}
	if w.v, err = h.view(ctx, w.caller, havre.Scope{Folder: w.row.Folder}); err != nil {
		return false, err
	}
	if w.v.right(w.row.Path) < havre.RightWrite {
		w.denied = true
		return false, denied("%s may not write in %s any more: someone who may has to resume the backup", w.caller.UserName, show(w.row.Path))
	}
	if w.head, err = w.v.repo.Youngest(ctx); err != nil {
		return false, err
	}
	all, err := h.store.SourceFiles(ctx, store.SourceFilter{ID: w.id})
	if err != nil {
		return false, err
	}
	w.tracked = all[w.id]
	if err := w.chooseName(ctx); err != nil {
		return false, err
	}
	if err := w.directories(ctx, w.row.Path); err != nil {
		return false, err
	}
	for i := range w.files {
		if err := w.plan(ctx, &w.files[i]); err != nil {
			return false, explain(err, w.row.Path)
		}
	}
	return w.commit(ctx)
}

// chooseName finds the base of the names, once and for all, such that neither another backup nor a file has it.
func (w *folderWrite) chooseName(ctx context.Context) error {
	if w.base = w.row.Name; w.base != "" {
		return nil
	}
	there := map[string]bool{}
	for n, err := range w.v.repo.List(ctx, w.v.abs(w.row.Path), w.head, false) {
		if has[*svn.NotFoundError](err) {
			break // the directory is made with the files
		}
		if err != nil {
			return explain(err, w.row.Path)
		}
		there[source.Folded(n.Path.Name())] = true
	}
	taken := func(name string) bool {
		return slices.ContainsFunc(w.files, func(f incoming) bool { return there[source.Folded(name+f.file.Ext)] }) || there[source.Folded(name)]
	}
	refused := map[string]bool{"index": true} // index.html lists what is in the directory
	for {
		name := source.UniqueName(source.WantedName(w.item.Address, w.copy.Title), func(name string) bool {
			return refused[source.Folded(name)] || taken(name)
		})
		err := w.hub.store.NameSource(ctx, w.id, name)
		if havre.CodeOf(err) == havre.CodeExists && err != nil {
			refused[source.Folded(name)] = true
			continue
		}
		w.base = name
		return err
	}
}

// directories plans the directories that are not there.
func (w *folderWrite) directories(ctx context.Context, dir svn.Path) error {
	if dir == "" {
		return nil
	}
	n, err := w.v.stat(ctx, dir, w.head)
	if err != nil {
		return explain(err, dir)
	}
	if n != nil && n.Kind == svn.KindDir {
		return nil
	}
	if n != nil {
		return havre.Errorf(havre.CodeExists, "%q is a file: the backup needs a directory there", dir.Name())
	}
	if err := w.directories(ctx, dir.Dir()); err != nil {
		return err
	}
	w.changes = append(w.changes, havre.Change{Kind: havre.ChangePut, Path: dir, Base: svn.InvalidRevnum, Entry: havre.Entry{Kind: havre.KindDir}})
	return nil
}

// plan decides what becomes of one file.
func (w *folderWrite) plan(ctx context.Context, f *incoming) error {
	w.saved.Files = append(w.saved.Files, source.SavedFile{Ext: f.file.Ext, Size: f.change.Entry.Size, SHA256: f.sha256})
	was := store.SourceFile{Source: w.id, Ext: f.file.Ext, Path: w.row.Path.Join(w.base + f.file.Ext), Rev: svn.InvalidRevnum}
	known := false
	if w.suspect != "" {
		was.Path = w.row.Path.Join(source.SuspectName(w.base, w.hub.now()) + f.file.Ext)
	} else if i := slices.IndexFunc(w.tracked, func(t store.SourceFile) bool { return t.Ext == f.file.Ext }); i >= 0 {
		was, known = w.tracked[i], true
	}
	n, err := w.v.stat(ctx, was.Path, w.head)
	if err != nil {
		return err
	}
	put := f.change
	put.Path, put.Base = was.Path, svn.InvalidRevnum
	switch {
	case n == nil && known:
		// A person has deleted this form of the document, and does not want it.
		w.next = append(w.next, was)
		return nil
	case n == nil:
	case n.Kind == svn.KindDir:
		return havre.Errorf(havre.CodeExists, "%q is a directory now: the backup cannot write its file", was.Path.Name())
	case n.SHA1 != nil && string(n.SHA1) == string(put.Entry.Hash.SHA1()):
		was.Hash = put.Entry.Hash
		w.next = append(w.next, was)
		return nil
	default:
		put.Base = w.head
		mine, err := w.isOurs(ctx, n, &was)
		if err != nil {
			return err
		}
		if !mine {
			if err := w.setAside(ctx, was.Path); err != nil {
				return err
			}
		}
	}
	was.Hash, was.Rev = put.Entry.Hash, svn.InvalidRevnum
	w.next = append(w.next, was)
	w.changes = append(w.changes, put)
	w.saved.Written = true
	return nil
}

// isOurs says whether the file that is there was written by a backup, and by no person since.
func (w *folderWrite) isOurs(ctx context.Context, n *svn.Node, was *store.SourceFile) (bool, error) {
	if n.SHA1 != nil && was.Hash != "" && string(n.SHA1) == string(was.Hash.SHA1()) {
		return true, nil
	}
	act, err := w.v.repo.ledger.act(ctx, n.CreatedRev)
	return act.Backup(), err
}

// setAside copies what a person has made of a file beside it.
func (w *folderWrite) setAside(ctx context.Context, p svn.Path) error {
	ext := path.Ext(p.Name())
	stem := strings.TrimSuffix(p.Name(), ext)
	var failed error
	aside := p.Dir().Join(source.UniqueName(source.AsideName(stem, w.hub.now()), func(name string) bool {
		n, err := w.v.stat(ctx, p.Dir().Join(name+ext), w.head)
		failed = errors.Join(failed, err)
		return n != nil && failed == nil
	}) + ext)
	w.changes = append(w.changes, havre.Change{Kind: havre.ChangeCopy, Path: aside, Base: svn.InvalidRevnum, CopyFrom: svn.CopySource{Path: p, Rev: w.head}})
	w.saved.Kept = append(w.saved.Kept, string(aside))
	return failed
}

// commit makes the revision and notes where the files are.
func (w *folderWrite) commit(ctx context.Context) (bool, error) {
	w.saved.Name = w.base
	if !w.saved.Written {
		return true, w.remember(ctx, svn.InvalidRevnum)
	}
	w.message = w.said()
	r, err := w.hub.Commit(ctx, w.caller, havre.Scope{Folder: w.row.Folder}, &havre.Commit{
		ID: "backup-" + strings.ToLower(rand.Text()), Message: w.message, Changes: w.changes, Confirmed: true,
	})
	if err != nil {
		return false, err
	}
	if len(r.Refused) > 0 {
		f := &r.Refused[0]
		switch f.Reason {
		case havre.RefusedOutOfDate, havre.RefusedParent, havre.RefusedUpload:
			return false, nil
		case havre.RefusedDenied:
			w.denied = true
		}
		return false, havre.Errorf(havre.CodeInvalid, "%s: %s", string(f.Path), f.Text)
	}
	w.rev = r.Rev
	return true, w.remember(ctx, r.Rev)
}

// remember stores which files are the source's.
func (w *folderWrite) remember(ctx context.Context, rev svn.Revnum) error {
	for i := range w.next {
		if f := &w.next[i]; f.Rev < 0 {
			f.Rev = max(rev, 0)
		}
	}
	if w.suspect != "" {
		for i := range w.next {
			w.apart = append(w.apart, SourceFile{Ext: w.next[i].Ext, Path: w.next[i].Path, Rev: w.next[i].Rev})
			w.saved.Kept = append(w.saved.Kept, string(w.next[i].Path))
		}
		return nil
	}
	// Forms that this copy does not have stay: a followed document comes as text alone.
	for i := range w.tracked {
		if !slices.ContainsFunc(w.next, func(f store.SourceFile) bool { return f.Ext == w.tracked[i].Ext }) {
			w.next = append(w.next, w.tracked[i])
		}
	}
	if slices.Equal(w.next, w.tracked) {
		return nil
	}
	return w.hub.store.SaveSourceFiles(ctx, w.id, w.next)
}

// said is the message of the revision.
func (w *folderWrite) said() string {
	title := w.copy.Title
	if strings.TrimSpace(title) == "" {
		title = w.base
	}
	text := fmt.Sprintf("backup of %s from %s", strings.Join(strings.Fields(title), " "), instanceName(w.item.Address.Instance))
	authors := w.copy.Authors
	switch {
	case w.suspect != "":
		return text + ", kept apart: " + w.suspect
	case len(authors) > 5:
		text += fmt.Sprintf(": changed by %s and %d others", strings.Join(authors[:4], ", "), len(authors)-4)
	case len(authors) > 0:
		text += ": changed by " + strings.Join(authors, ", ")
	case len(w.tracked) == 0:
		text += ": first copy"
	}
	if w.copy.Summary != "" {
		text += " (" + w.copy.Summary + ")"
	}
	return text
}

// instanceName returns what people know an instance by.
func instanceName(instance string) string {
	u, err := url.Parse(instance)
	if err != nil || u.Host == "" {
		return instance
	}
	return u.Host + strings.TrimSuffix(u.Path, "/")
}

// liveEvery is how often the text of a followed document becomes a version while somebody writes. What is typed is in the
// file of others within this time and the way there; each version costs a revision.
const liveEvery = time.Second
