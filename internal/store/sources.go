package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// SourceID names a source.
type SourceID string

// Source is a document that is backed up, as it is stored. Sealed is encrypted by the hub.
type Source struct {
	ID     SourceID
	Folder havre.FolderID
	Path   svn.Path // the directory of its files

	Kind, Instance, Document, Collection, URL string // see source.Address

	Name   string   // base of the names of its files, empty before the first copy
	Parent SourceID // the collection that added it, or empty

	User  havre.UserID // in whose name it is committed; empty if the account was deleted
	Added time.Time

	Live, Paused               bool
	Since                      time.Time // when the outcome of its runs, or Paused, last changed
	LastRun, LastVersion, Next time.Time // zero: never

	Item    string // JSON: source.Item
	Authors string // JSON
	Suspect string // JSON, or empty

	Sealed      string // secrets
	SecretKinds string // which there are, with spaces between

	HeldUntil time.Time // a process works on it until then; past: none does
}

const sourceColumns = `id, folder_id, path, kind, instance, document, collection, url, name, COALESCE(parent_id, ''),
	COALESCE(added_by, ''), added_at, live, paused, since, last_run, last_version, next_run, item, authors, suspect, sealed,
	secret_kinds, held_until`

func scanSource(row func(...any) error) (Source, error) {
	var s Source
	var added, since, run, version, next, held int64
	err := row(&s.ID, &s.Folder, &s.Path, &s.Kind, &s.Instance, &s.Document, &s.Collection, &s.URL, &s.Name, &s.Parent,
		&s.User, &added, &s.Live, &s.Paused, &since, &run, &version, &next, &s.Item, &s.Authors, &s.Suspect, &s.Sealed,
		&s.SecretKinds, &held)
	s.Added, s.Since = fromStamp(added), fromStamp(since)
	s.LastRun, s.LastVersion, s.Next, s.HeldUntil = fromZero(run), fromZero(version), fromZero(next), fromZero(held)
	return s, err
}

// fromZero and toZero store the zero time as 0.
func fromZero(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return fromStamp(ms)
}

func toZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// SourceFilter chooses sources; its zero value chooses all.
type SourceFilter struct {
	ID     SourceID
	Folder havre.FolderID
	Parent SourceID
	Kind   string
}

func (f *SourceFilter) where(prefix string) (string, []any) {
	where, args := []string{"1 = 1"}, []any{}
	for _, c := range []struct{ column, value string }{
		{"id", string(f.ID)}, {"folder_id", string(f.Folder)}, {"parent_id", string(f.Parent)}, {"kind", f.Kind},
	} {
		if c.value != "" {
			where, args = append(where, prefix+c.column+" = ?"), append(args, c.value)
		}
	}
	return strings.Join(where, " AND "), args
}

// Sources returns those that the filter chooses, in the order in which they were added.
func (s *Store) Sources(ctx context.Context, f SourceFilter) ([]Source, error) {
	where, args := f.where("")
	return query(ctx, s.read, scanSource, `SELECT `+sourceColumns+` FROM sources WHERE `+where+
		` ORDER BY added_at, id`, args...)
}

func noSource() error {
	return notFound("there is no such backup, or it is not open to you")
}

// Source returns one.
func (s *Store) Source(ctx context.Context, id SourceID) (Source, error) {
	return queryOne(ctx, s.read, scanSource, noSource, `SELECT `+sourceColumns+` FROM sources WHERE id = ?`, id)
}

// SourceOf returns the source of a document in a directory, CodeNotFound if there is none.
func (s *Store) SourceOf(ctx context.Context, n *Source) (Source, error) {
	return queryOne(ctx, s.read, scanSource, noSource, `SELECT `+sourceColumns+` FROM sources
		WHERE kind = ? AND instance = ? AND document = ? AND collection = ? AND folder_id = ? AND path = ?`,
		n.Kind, n.Instance, n.Document, n.Collection, n.Folder, string(n.Path))
}

// SourcesOf returns the sources of a document, wherever their files are.
func (s *Store) SourcesOf(ctx context.Context, kind, instance, document, collection string) ([]Source, error) {
	return query(ctx, s.read, scanSource, `SELECT `+sourceColumns+` FROM sources
		WHERE kind = ? AND instance = ? AND document = ? AND collection = ? ORDER BY added_at`, kind, instance, document, collection)
}

// CountLive returns how many sources are followed live.
func (s *Store) CountLive(ctx context.Context) (int, error) {
	var n int
	err := s.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM sources WHERE live`).Scan(&n)
	return n, err
}

// SourceVersion returns a number that grows with every change of a source, whichever process made it.
func (s *Store) SourceVersion(ctx context.Context) (int64, error) {
	var v int64
	err := s.read.QueryRowContext(ctx, `SELECT version FROM source_version`).Scan(&v)
	return v, err
}

// changeSources is change for what WaitSources tells.
func (s *Store) changeSources(ctx context.Context, fn func(*sql.Tx) error) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE source_version SET version = version + 1`)
		return err
	})
}

// auditSource is what the audit log says of a source. It names neither the document nor its address: who reads
// the log need not be one who may read the document.
func auditSource(ctx context.Context, tx *sql.Tx, by Actor, action string, n *Source) (AuditEntry, error) {
	var folder string
	err := tx.QueryRowContext(ctx, `SELECT name FROM folders WHERE id = ?`, n.Folder).Scan(&folder)
	if n.Path != "" {
		folder += "/" + string(n.Path)
	}
	what := n.Kind
	if n.Collection != "" {
		what += " collection"
	}
	return by.entry(action, folder, what+" at "+n.Instance), err
}

// NewSourceID returns an ID that no source has.
func NewSourceID() SourceID { return SourceID(newID()) }

// AddSource stores a new source under its ID. Added, Since and Next are set by it. If the document has one in the
// directory it is havre.CodeExists.
func (s *Store) AddSource(ctx context.Context, by Actor, n Source) (*Source, error) {
	err := s.changeSources(ctx, func(tx *sql.Tx) error {
		at := s.stamp()
		n.Added, n.Since, n.Next = fromStamp(at), fromStamp(at), fromStamp(at)
		var there int
		err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM sources WHERE kind = ? AND instance = ? AND document = ?
			AND collection = ? AND folder_id = ? AND path = ?`, n.Kind, n.Instance, n.Document, n.Collection, n.Folder, string(n.Path)).Scan(&there)
		if err != nil {
			return err
		}
		if there > 0 {
			return havre.Errorf(havre.CodeExists, "this document is backed up into this directory already")
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO sources (id, folder_id, path, kind, instance, document, collection, url, name, name_key,
			parent_id, added_by, added_at, live, since, next_run, item, sealed, secret_kinds)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			n.ID, n.Folder, string(n.Path), n.Kind, n.Instance, n.Document, n.Collection, n.URL, n.Name, nameKey(n.Name),
			orNull(string(n.Parent)), n.User, at, n.Live, at, at, n.Item, n.Sealed, n.SecretKinds)
		if err != nil {
			return taken(err, "another backup in this directory has files called %s already: choose another name", n.Name)
		}
		if n.Parent != "" {
			return nil // the collection is in the log
		}
		entry, err := auditSource(ctx, tx, by, "source.add", &n)
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, entry)
	})
	if err != nil {
		return nil, err
	}
	return &n, nil
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func nameKey(name string) any {
	if name == "" {
		return nil
	}
	return foldName(name)
}

// EditSource reads a source, lets edit change it, and stores Live, Paused, Since, Next, User, Item, Authors, Suspect
// and the secrets. With an action the audit log gets a line.
func (s *Store) EditSource(ctx context.Context, by Actor, id SourceID, action string, edit func(*Source) error) error {
	return s.changeSources(ctx, func(tx *sql.Tx) error {
		n, err := scanSource(tx.QueryRowContext(ctx, `SELECT `+sourceColumns+` FROM sources WHERE id = ?`, id).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return noSource()
		}
		if err != nil {
			return err
		}
		paused := n.Paused
		if err := edit(&n); err != nil {
			return err
		}
		if paused != n.Paused {
			n.Since = fromStamp(s.stamp())
		}
		_, err = tx.ExecContext(ctx, `UPDATE sources SET live = ?, paused = ?, next_run = ?, added_by = ?, suspect = ?, item = ?,
			authors = ?, since = ?, sealed = ?, secret_kinds = ? WHERE id = ?`,
			n.Live, n.Paused, toZero(n.Next), orNull(string(n.User)), n.Suspect, n.Item, n.Authors, toZero(n.Since), n.Sealed, n.SecretKinds, id)
		if err != nil || action == "" {
			return err
		}
		entry, err := auditSource(ctx, tx, by, action, &n)
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, entry)
	})
}

// NameSource gives the source the base of the names of its files, once. A name that another source in the
// directory has is havre.CodeExists.
func (s *Store) NameSource(ctx context.Context, id SourceID, name string) error {
	return s.changeSources(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE sources SET name = ?, name_key = ? WHERE id = ?`, name, nameKey(name), id)
		return taken(err, "another backup in this directory has files called %s already", name)
	})
}

// RemoveSource forgets a source and those that it has added as a collection.
func (s *Store) RemoveSource(ctx context.Context, by Actor, id SourceID) error {
	return s.changeSources(ctx, func(tx *sql.Tx) error {
		n, err := scanSource(tx.QueryRowContext(ctx, `SELECT `+sourceColumns+` FROM sources WHERE id = ?`, id).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return noSource()
		}
		if err != nil {
			return err
		}
		entry, err := auditSource(ctx, tx, by, "source.remove", &n)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM sources WHERE id = ?`, id); err != nil {
			return err
		}
		if err := staleIndex(ctx, tx, s.stamp(), n.Folder, n.Path); err != nil {
			return err
		}
		return s.audit(ctx, tx, entry)
	})
}

// MoveSources lets sources, their files and indexes follow what was moved in a folder. It says whether there was
// anything to follow.
func (s *Store) MoveSources(ctx context.Context, folder havre.FolderID, moves []havre.Move) (bool, error) {
	var there int
	err := s.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM sources WHERE folder_id = ?`, folder).Scan(&there)
	if err != nil || there == 0 {
		return false, err
	}
	err = s.changeSources(ctx, func(tx *sql.Tx) error {
		for _, m := range moves {
			if err := s.moveOne(ctx, tx, folder, m.From, m.To); err != nil {
				return err
			}
		}
		return s.followFiles(ctx, tx, folder)
	})
	return err == nil, err
}

// moveOne changes all paths at and below from.
func (s *Store) moveOne(ctx context.Context, tx *sql.Tx, folder havre.FolderID, from, to svn.Path) error {
	if from == "" || from == to {
		return nil
	}
	// A path at or below from is from, and then nothing or a slash.
	const below = ` AND (path = ?4 OR substr(path, 1, length(?4) + 1) = ?4 || '/')`
	for _, text := range []string{
		`UPDATE sources SET path = ?3 || substr(path, length(?4) + 1) WHERE folder_id = ?1` + below,
		`UPDATE source_files SET path = ?3 || substr(path, length(?4) + 1)
			WHERE source_id IN (SELECT id FROM sources WHERE folder_id = ?1)` + below,
		`DELETE FROM source_indexes WHERE folder_id = ?1` + strings.ReplaceAll(below, "?4", "?3"),
		`UPDATE source_indexes SET path = ?3 || substr(path, length(?4) + 1), stale = max(stale, ?2) WHERE folder_id = ?1` + below,
	} {
		if _, err := tx.ExecContext(ctx, text, folder, s.stamp(), string(to), string(from)); err != nil {
			return taken(err, "another backup in %q has files of the same name", string(to))
		}
	}
	return nil
}

// followFiles moves a source whose files were all moved to one other directory to that directory.
func (s *Store) followFiles(ctx context.Context, tx *sql.Tx, folder havre.FolderID) error {
	type place struct {
		id        SourceID
		file, dir svn.Path
	}
	all, err := queryIn(ctx, tx, func(row func(...any) error) (p place, err error) { return p, row(&p.id, &p.file, &p.dir) },
		`SELECT source_id, f.path, s.path FROM source_files f JOIN sources s ON s.id = f.source_id
		WHERE s.folder_id = ? ORDER BY source_id`, folder)
	if err != nil {
		return err
	}
	to := map[SourceID]*svn.Path{} // nil: more than one directory, or the right one
	for _, p := range all {
		at := p.file.Dir()
		first, seen := to[p.id]
		switch {
		case at == p.dir, seen && (first == nil || *first != at):
			to[p.id] = nil
		case !seen:
			to[p.id] = &at
		}
	}
	for id, dir := range to {
		if dir == nil {
			continue
		}
		// Where another source has the name, this one stays with the old directory; its files are followed all the same.
		_, err := tx.ExecContext(ctx, `UPDATE sources SET path = ?1 WHERE id = ?2 AND NOT EXISTS (SELECT 1 FROM sources other
			WHERE other.folder_id = sources.folder_id AND other.path = ?1 AND other.name_key = sources.name_key)`, string(*dir), id)
		if err != nil {
			return err
		}
		if err := staleIndex(ctx, tx, s.stamp(), folder, *dir); err != nil {
			return err
		}
	}
	return nil
}

// SourceFile is a file that a source wrote, where it is now.
type SourceFile struct {
	Source SourceID
	Ext    string
	Path   svn.Path
	Rev    svn.Revnum
	Hash   havre.Hash
}

// SourceFiles returns the files of the sources that the filter chooses, in the provider's order.
func (s *Store) SourceFiles(ctx context.Context, f SourceFilter) (map[SourceID][]SourceFile, error) {
	where, args := f.where("s.")
	all, err := query(ctx, s.read, func(row func(...any) error) (SourceFile, error) {
		var f SourceFile
		var hash []byte
		err := row(&f.Source, &f.Ext, &f.Path, &f.Rev, &hash)
		f.Hash = havre.Hash(hash)
		return f, err
	}, `SELECT f.source_id, f.ext, f.path, f.revision, f.hash FROM source_files f JOIN sources s ON s.id = f.source_id
		WHERE `+where+` ORDER BY f.source_id, f.place`, args...)
	files := map[SourceID][]SourceFile{}
	for _, f := range all {
		files[f.Source] = append(files[f.Source], f)
	}
	return files, err
}
