package store

import (
	"context"
	"fmt"
)

// Version returns something that is another when people, rights, folders, devices, what these reported or
// the audit log have changed. It reads one row of each.
func (s *Store) Version(ctx context.Context) (string, error) {
	var access, reported, audit int64
	err := s.read.QueryRowContext(ctx, `SELECT (SELECT version FROM access_version),
		(SELECT COALESCE(MAX(reported_at), 0) FROM replicas), (SELECT COALESCE(MAX(id), 0) FROM audit)`).Scan(&access, &reported, &audit)
	return fmt.Sprintf("%d.%d.%d", access, reported, audit), err
}
