-- The files whose deletion waits in a replica, as the device listed them: JSON, pairs of path and bytes.

-- +goose Up

ALTER TABLE replicas ADD COLUMN held_files TEXT NOT NULL DEFAULT '[]';
