package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// keptRuns is how many runs of one source are remembered.
const keptRuns = 200

// keptDays is for how many days it is remembered what happened on them.
const keptDays = 31

// liveRun is for how long versions of a followed document are one run.
const liveRun = 15 * time.Minute

// SourceRun is one look at a source.
type SourceRun struct {
	ID      int64
	Start   time.Time
	Took    time.Duration
	Outcome string // source.Outcome
	Reason  string // source.Reason
	Said    string
	Rev     svn.Revnum // of a new version
	Live    bool
}

// SourceResult is what becomes of a source by a run.
type SourceResult struct {
	Run  SourceRun
	Day  byte // hub.SourceDay
	Item string
	Next time.Time
	// News says that the outcome is of another kind than the one before.
	News bool
	// Pause: nobody asks any more until a person says so.
	Pause bool
	// Index: what the directory's index says has changed.
	Index         bool
	URL, Document string  // the canonical ones
	Suspect       *string // nil: as it is
	// Keep goes on to hold the source: it is being followed.
	Keep bool
}

// DueInstances returns the instances that have sources which are due and which nobody holds, the one that waits
// longest first.
func (s *Store) DueInstances(ctx context.Context, now time.Time) ([]string, error) {
	return query(ctx, s.read, func(row func(...any) error) (instance string, err error) {
		var next int64
		err = row(&instance, &next)
		return instance, err
	}, `SELECT instance, MIN(next_run) FROM sources WHERE NOT paused AND next_run <= ?1 AND held_until < ?1 GROUP BY instance ORDER BY 2, 1`, now.UnixMilli())
}

// ClaimSources takes at most limit sources of an instance that are due and that nobody holds, those that wait
// longest first, for holder until until.
func (s *Store) ClaimSources(ctx context.Context, holder, instance string, now, until time.Time, limit int) ([]SourceID, error) {
	var ids []SourceID
	err := s.change(ctx, func(tx *sql.Tx) error {
		var err error
		ids, err = queryIn(ctx, tx, func(row func(...any) error) (id SourceID, err error) { return id, row(&id) },
			`SELECT id FROM sources WHERE instance = ?1 AND NOT paused AND next_run <= ?2 AND held_until < ?2
			ORDER BY next_run, id LIMIT ?3`, instance, now.UnixMilli(), limit)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, `UPDATE sources SET held_by = ?, held_until = ? WHERE id = ?`, holder, until.UnixMilli(), id); err != nil {
				return err
			}
		}
		return nil
	})
	return ids, err
}

// queryIn is query in a transaction.
func queryIn[T any](ctx context.Context, tx *sql.Tx, scan func(row func(...any) error) (T, error), text string, args ...any) ([]T, error) {
	rows, err := tx.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// HoldSources makes what the holder has last until until, and returns what it still has, and whether it is to be
// followed live.
func (s *Store) HoldSources(ctx context.Context, holder string, until time.Time) (map[SourceID]bool, error) {
	held := map[SourceID]bool{}
	err := s.change(ctx, func(tx *sql.Tx) error {
		const mine = ` held_by = ? AND held_until > 0 AND NOT paused`
		type mineRow struct {
			id   SourceID
			live bool
		}
		all, err := queryIn(ctx, tx, func(row func(...any) error) (h mineRow, err error) { return h, row(&h.id, &h.live) },
			`SELECT id, live FROM sources WHERE`+mine, holder)
		if err != nil || len(all) == 0 {
			return err
		}
		for _, h := range all {
			held[h.id] = h.live
		}
		_, err = tx.ExecContext(ctx, `UPDATE sources SET held_until = ? WHERE`+mine, until.UnixMilli(), holder)
		return err
	})
	return held, err
}

// ReleaseSources gives back what the holder has, undone; all of it if there are no IDs.
func (s *Store) ReleaseSources(ctx context.Context, holder string, ids ...SourceID) error {
	return s.changeSources(ctx, func(tx *sql.Tx) error {
		if len(ids) == 0 {
			_, err := tx.ExecContext(ctx, `UPDATE sources SET held_by = '', held_until = 0 WHERE held_by = ?`, holder)
			return err
		}
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, `UPDATE sources SET held_by = '', held_until = 0 WHERE held_by = ? AND id = ?`, holder, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// FreeSources gives back what is held by all holders whose names begin so.
func (s *Store) FreeSources(ctx context.Context, prefix string) error {
	return s.changeSources(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE sources SET held_by = '', held_until = 0 WHERE substr(held_by, 1, length(?1)) = ?1`, prefix)
		return err
	})
}

// FinishSource stores the result of a run of a source that the holder has, and gives it back. It says false
// if the holder had lost it, or it was removed: then nothing is stored.
func (s *Store) FinishSource(ctx context.Context, holder string, id SourceID, r *SourceResult) (bool, error) {
	mine := false
	err := s.changeSources(ctx, func(tx *sql.Tx) error {
		n, err := scanSource(tx.QueryRowContext(ctx, `SELECT `+sourceColumns+` FROM sources WHERE id = ? AND held_by = ?`, id, holder).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		mine = true
		if err := s.applyResult(ctx, tx, &n, r); err != nil {
			return err
		}
		return s.recordRun(ctx, tx, id, r)
	})
	return mine, err
}

// applyResult changes the row of the source. A pause that a person made meanwhile stays.
func (s *Store) applyResult(ctx context.Context, tx *sql.Tx, n *Source, r *SourceResult) error {
	n.LastRun = r.Run.Start.Add(r.Run.Took)
	if r.News || r.Pause && !n.Paused {
		n.Since = r.Run.Start
	}
	if r.Run.Rev > 0 {
		n.LastVersion = n.LastRun
	}
	if r.Suspect != nil {
		n.Suspect = *r.Suspect
	}
	_, err := tx.ExecContext(ctx, `UPDATE sources SET item = ?, since = ?, last_run = ?, last_version = ?, paused = ?, suspect = ?, url = ?, document = ?,
		next_run = ? WHERE id = ?`, r.Item, toZero(n.Since), toZero(n.LastRun), toZero(n.LastVersion), n.Paused || r.Pause, n.Suspect, r.URL, r.Document,
		toZero(r.Next), n.ID)
	if err != nil {
		return err
	}
	if !r.Keep {
		if _, err := tx.ExecContext(ctx, `UPDATE sources SET held_by = '', held_until = 0 WHERE id = ?`, n.ID); err != nil {
			return err
		}
	}
	if r.Index {
		return staleIndex(ctx, tx, s.stamp(), n.Folder, n.Path)
	}
	return nil
}

func replaceFiles(ctx context.Context, tx *sql.Tx, id SourceID, files []SourceFile) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM source_files WHERE source_id = ?`, id); err != nil {
		return err
	}
	for i := range files {
		f := &files[i]
		_, err := tx.ExecContext(ctx, `INSERT INTO source_files (source_id, ext, place, path, revision, hash) VALUES (?, ?, ?, ?, ?, ?)`,
			id, f.Ext, i, string(f.Path), f.Rev, []byte(f.Hash))
		if err != nil {
			return err
		}
	}
	return nil
}

// SaveSourceFiles stores where the files of a source are, without a run.
func (s *Store) SaveSourceFiles(ctx context.Context, id SourceID, files []SourceFile) error {
	return s.changeSources(ctx, func(tx *sql.Tx) error { return replaceFiles(ctx, tx, id, files) })
}

// recordRun adds a run to the history and the day, and forgets old ones.
func (s *Store) recordRun(ctx context.Context, tx *sql.Tx, id SourceID, r *SourceResult) error {
	// Versions of a document that is followed come every few seconds: those of a quarter of an hour are one run.
	if r.Run.Live {
		u, err := tx.ExecContext(ctx, `UPDATE source_runs SET took = ?1, said = ?2, revision = max(revision, ?3) WHERE id = (SELECT max(id) FROM source_runs
			WHERE source_id = ?4) AND live AND outcome = ?5 AND at > ?6`, r.Run.Took.Milliseconds(), r.Run.Said, r.Run.Rev, id, r.Run.Outcome, r.Run.Start.Add(-liveRun).UnixMilli())
		if err != nil {
			return err
		}
		if n, err := u.RowsAffected(); err != nil || n > 0 {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO source_runs (source_id, at, took, outcome, reason, said, revision, live) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		id, r.Run.Start.UnixMilli(), r.Run.Took.Milliseconds(), r.Run.Outcome, r.Run.Reason, r.Run.Said, r.Run.Rev, r.Run.Live)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM source_runs WHERE source_id = ?1 AND id <= (SELECT id FROM source_runs
		WHERE source_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`, id, keptRuns)
	if err != nil {
		return err
	}
	today := r.Run.Start.UnixMilli() / dayMillis
	_, err = tx.ExecContext(ctx, `INSERT INTO source_days (source_id, day, outcome) VALUES (?, ?, ?)
		ON CONFLICT (source_id, day) DO UPDATE SET outcome = CASE WHEN excluded.outcome > outcome THEN excluded.outcome ELSE outcome END`, id, today, r.Day)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM source_days WHERE source_id = ? AND day < ?`, id, today-keptDays)
	return err
}

const dayMillis = 24 * 60 * 60 * 1000

// SourceRuns returns at most limit runs of a source that are older than the one with ID before, or the newest
// ones if it is 0; the newest first.
func (s *Store) SourceRuns(ctx context.Context, id SourceID, before int64, limit int) ([]SourceRun, error) {
	return query(ctx, s.read, func(row func(...any) error) (SourceRun, error) {
		var r SourceRun
		var at, took int64
		err := row(&r.ID, &at, &took, &r.Outcome, &r.Reason, &r.Said, &r.Rev, &r.Live)
		r.Start, r.Took = fromStamp(at), time.Duration(took)*time.Millisecond
		return r, err
	}, `SELECT id, at, took, outcome, reason, said, revision, live FROM source_runs WHERE source_id = ?1 AND (?2 = 0 OR id < ?2)
		ORDER BY id DESC LIMIT ?3`, id, before, limit)
}

// SourceDays returns what happened on the days of the sources that the filter chooses, by their number since
// 1970.
func (s *Store) SourceDays(ctx context.Context, f SourceFilter) (map[SourceID]map[int64]byte, error) {
	where, args := f.where("s.")
	days := map[SourceID]map[int64]byte{}
	rows, err := s.read.QueryContext(ctx, `SELECT d.source_id, d.day, d.outcome FROM source_days d JOIN sources s ON s.id = d.source_id WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id SourceID
		var day int64
		var outcome byte
		if err := rows.Scan(&id, &day, &outcome); err != nil {
			return nil, err
		}
		if days[id] == nil {
			days[id] = map[int64]byte{}
		}
		days[id][day] = outcome
	}
	return days, rows.Err()
}

// Day returns the number of the day of UTC, counted from 1970.
func Day(t time.Time) int64 { return t.UnixMilli() / dayMillis }

// DueSource returns when the next source that nobody holds is due; the zero time if there is none.
func (s *Store) DueSource(ctx context.Context, now time.Time) (time.Time, error) {
	var next sql.NullInt64
	err := s.read.QueryRowContext(ctx, `SELECT MIN(next_run) FROM sources WHERE NOT paused AND held_until < ?`, now.UnixMilli()).Scan(&next)
	return fromNullStamp(next), err
}

// SourceNow makes sources due at once.
func (s *Store) SourceNow(ctx context.Context, ids []SourceID) error {
	return s.changeSources(ctx, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, `UPDATE sources SET next_run = ? WHERE id = ? AND NOT paused`, s.stamp(), id); err != nil {
				return err
			}
		}
		return nil
	})
}

// staleIndex says that the index of a directory has to be written again.
func staleIndex(ctx context.Context, tx *sql.Tx, now int64, folder havre.FolderID, dir svn.Path) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO source_indexes (folder_id, path, stale) VALUES (?, ?, ?)
		ON CONFLICT (folder_id, path) DO UPDATE SET stale = CASE stale WHEN 0 THEN excluded.stale ELSE stale END`, folder, string(dir), now)
	return err
}

// SourceIndex is the index of a directory with sources.
type SourceIndex struct {
	Folder havre.FolderID
	Path   svn.Path
	Stale  time.Time // since when it has to be written again
	Files  string    // JSON: hashes of what was last written, by name
}

// StaleIndexes returns the indexes that have to be written again since before the time, at most 100.
func (s *Store) StaleIndexes(ctx context.Context, before time.Time) ([]SourceIndex, error) {
	return query(ctx, s.read, func(row func(...any) error) (SourceIndex, error) {
		var x SourceIndex
		var stale int64
		err := row(&x.Folder, &x.Path, &stale, &x.Files)
		x.Stale = fromZero(stale)
		return x, err
	}, `SELECT folder_id, path, stale, files FROM source_indexes WHERE stale > 0 AND stale <= ? ORDER BY stale LIMIT 100`, before.UnixMilli())
}

// IndexWritten stores that an index is as it should be, unless it has become stale again since.
func (s *Store) IndexWritten(ctx context.Context, x *SourceIndex) error {
	_, err := s.write.ExecContext(ctx, `UPDATE source_indexes SET files = ?, stale = CASE stale WHEN ? THEN 0 ELSE stale END
		WHERE folder_id = ? AND path = ?`, x.Files, x.Stale.UnixMilli(), x.Folder, string(x.Path))
	return err
}

// InstanceSecret returns the sealed secret of an instance, which is set to fresh if there is none.
func (s *Store) InstanceSecret(ctx context.Context, kind, instance, fresh string) (string, error) {
	var sealed string
	err := s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO source_instances (kind, instance, sealed) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, kind, instance, fresh)
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT sealed FROM source_instances WHERE kind = ? AND instance = ?`, kind, instance).Scan(&sealed)
	})
	return sealed, err
}
