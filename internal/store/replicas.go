package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Replica is what a device last said about one of its replicas.
type Replica struct {
	Device   havre.DeviceID
	Report   havre.ReplicaReport
	Reported time.Time
	// Since is when it had something to do that is not done yet; zero when nothing is.
	Since time.Time
	// Decision is what a person decided about the deletions that wait, as long as the device has not
	// acted on it.
	Decision   havre.Decision
	DecisionBy string
}

const replicaColumns = `device_id, folder_id, root, revision, pending, error, place, held, held_down, since, decision, decision_by, reported_at`

func scanReplica(row func(...any) error) (Replica, error) {
	var r Replica
	var rev, since, at int64
	p := &r.Report
	err := row(&r.Device, &p.Scope.Folder, &p.Scope.Root, &rev, &p.Pending, &p.Error, &p.Place, &p.HeldUp, &p.HeldDown,
		&since, &r.Decision, &r.DecisionBy, &at)
	p.Revision, r.Reported = svn.Revnum(rev), fromStamp(at)
	if since != 0 {
		r.Since = fromStamp(since)
	}
	return r, err
}

// SaveReplicas records what a device reports: all of its replicas. Those that it does not name any
// more are forgotten, folders that are gone are left out. It returns what people decided meanwhile.
func (s *Store) SaveReplicas(ctx context.Context, device havre.DeviceID, reports []havre.ReplicaReport) ([]havre.HeldDecision, error) {
	var decided []havre.HeldDecision
	err := s.change(ctx, func(tx *sql.Tx) error {
		for _, r := range reports {
			if err := s.saveReplica(ctx, tx, device, &r); err != nil {
				return err
			}
		}
		known, err := s.replicasIn(ctx, tx, device)
		if err != nil {
			return err
		}
		for _, k := range known {
			named := false
			for _, r := range reports {
				named = named || r.Scope.Folder == k.Report.Scope.Folder && r.Scope.Root == k.Report.Scope.Root
			}
			switch {
			case !named:
				_, err = tx.ExecContext(ctx, `DELETE FROM replicas WHERE device_id = ? AND folder_id = ? AND root = ?`,
					device, k.Report.Scope.Folder, k.Report.Scope.Root)
			case k.Decision != havre.DecisionNone:
				decided = append(decided, havre.HeldDecision{
					Scope: k.Report.Scope, Decision: k.Decision, Count: k.Report.HeldUp + k.Report.HeldDown,
				})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return decided, err
}

// saveReplica records one report. A decision is about as many deletions as waited then: when there are
// more or fewer it is void.
func (s *Store) saveReplica(ctx context.Context, tx *sql.Tx, device havre.DeviceID, r *havre.ReplicaReport) error {
	since := int64(0)
	if r.Pending+r.HeldUp+r.HeldDown > 0 || r.Error != "" {
		since = s.stamp()
	}
	files := sql.NullString{Valid: !r.HeldKnown || r.HeldUp+r.HeldDown == 0, String: heldJSON(r.HeldFiles)}
	_, err := tx.ExecContext(ctx, `INSERT INTO replicas (device_id, folder_id, root, revision, pending, error, place, held, held_down, since, reported_at, held_files)
		SELECT ?1, id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, coalesce(?12, '[]') FROM folders WHERE id = ?11
		ON CONFLICT (device_id, folder_id, root) DO UPDATE SET revision = excluded.revision,
			pending = excluded.pending, error = excluded.error, place = excluded.place,
			decision = CASE WHEN held + held_down = excluded.held + excluded.held_down THEN decision ELSE 0 END,
			held_files = coalesce(?12, held_files), held = excluded.held, held_down = excluded.held_down, reported_at = excluded.reported_at,
			since = CASE WHEN since = 0 OR excluded.since = 0 THEN excluded.since ELSE since END`,
		device, r.Scope.Root, r.Revision, r.Pending, clipText(r.Error), clipText(r.Place), r.HeldUp, r.HeldDown, since, s.stamp(), r.Scope.Folder, files)
	return err
}

func (s *Store) replicasIn(ctx context.Context, tx *sql.Tx, device havre.DeviceID) ([]Replica, error) {
	rows, err := tx.QueryContext(ctx, `SELECT `+replicaColumns+` FROM replicas WHERE device_id = ?`, device)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Replica
	for rows.Next() {
		r, err := scanReplica(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// Replicas returns what all devices last reported about a folder, about all folders if it is empty.
func (s *Store) Replicas(ctx context.Context, folder havre.FolderID) ([]Replica, error) {
	return query(ctx, s.read, scanReplica, `SELECT `+replicaColumns+` FROM replicas
		WHERE ? = '' OR folder_id = ? ORDER BY device_id, folder_id, root`, folder, folder)
}

// DecideHeld records what a person decided about the count deletions that wait in a replica. When it
// is another number by now it is havre.CodeInvalid: the person has seen something else.
func (s *Store) DecideHeld(ctx context.Context, by Actor, device havre.DeviceID, scope havre.Scope, d havre.Decision, count int64) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		var deviceName, folder string
		err := tx.QueryRowContext(ctx, `SELECT devices.name, folders.name FROM replicas
			JOIN devices ON devices.id = replicas.device_id JOIN folders ON folders.id = replicas.folder_id
			WHERE device_id = ? AND folder_id = ? AND root = ? AND held + held_down = ? AND held + held_down > 0`,
			device, scope.Folder, scope.Root, count).Scan(&deviceName, &folder)
		if err != nil {
			return orMissing(err, "these deletions do not wait any more: look again")
		}
		_, err = tx.ExecContext(ctx, `UPDATE replicas SET decision = ?, decision_by = ? WHERE device_id = ? AND folder_id = ? AND root = ?`,
			d, by.Name, device, scope.Folder, scope.Root)
		if err != nil {
			return err
		}
		e := by.entry("held."+d.String(), folder, fmt.Sprintf(detailHeld, deviceName, count))
		return s.audit(ctx, tx, e)
	})
}

// heldJSON writes the files as pairs of path and size.
func heldJSON(files []havre.HeldFile) string {
	pairs := make([][2]any, len(files))
	for i, f := range files {
		pairs[i] = [2]any{f.Path, f.Size}
	}
	b, err := json.Marshal(pairs)
	if err != nil {
		return "[]" // texts and numbers: it cannot fail
	}
	return string(b)
}

// HeldFiles returns the files whose deletion waits in a replica, as the device listed them.
func (s *Store) HeldFiles(ctx context.Context, device havre.DeviceID, scope havre.Scope) ([]havre.HeldFile, error) {
	return query(ctx, s.read, func(row func(...any) error) (havre.HeldFile, error) {
		var f havre.HeldFile
		return f, row(&f.Path, &f.Size)
	}, `SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM replicas, json_each(replicas.held_files)
		WHERE device_id = ? AND folder_id = ? AND replicas.root = ? ORDER BY key`, device, scope.Folder, scope.Root)
}

// maxText is how many bytes of a sentence or a place of a device are kept.
const maxText = 1024

func clipText(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxText)], "") }
