package store

import (
	"context"
	"fmt"

	"github.com/havre-cloud/havre/internal/havre"
)

// Version returns something that is another when people, rights, folders, devices, what these reported or
// the audit log have changed. It reads one row of each.
func (s *Store) Version(ctx context.Context) (string, error) {
	var access, reported, audit int64
	err := s.read.QueryRowContext(ctx, `SELECT (SELECT version FROM access_version),
		(SELECT COALESCE(MAX(reported_at), 0) FROM replicas), (SELECT COALESCE(MAX(id), 0) FROM audit)`).Scan(&access, &reported, &audit)
	return fmt.Sprintf("%d.%d.%d", access, reported, audit), err
}

// DevicesVersion returns something that is another when the devices of a user have changed, or what they
// reported.
func (s *Store) DevicesVersion(ctx context.Context, user havre.UserID) (string, error) {
	var devices, revoked, reported, replicas int64
	err := s.read.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM devices WHERE user_id = ?1), (SELECT count(revoked_at) FROM devices WHERE user_id = ?1),
		(SELECT coalesce(max(reported_at), 0) FROM replicas JOIN devices ON devices.id = replicas.device_id WHERE user_id = ?1),
		(SELECT count(*) FROM replicas JOIN devices ON devices.id = replicas.device_id WHERE user_id = ?1)`, user).
		Scan(&devices, &revoked, &reported, &replicas)
	return fmt.Sprintf("%d.%d.%d.%d", devices, revoked, reported, replicas), err
}
