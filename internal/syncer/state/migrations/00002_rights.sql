-- +goose Up
-- 1 for what the person may read no longer and is still on disk, and for what is in it: it is not the
-- server's affair any more.
ALTER TABLE nodes ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0;
CREATE INDEX nodes_withdrawn ON nodes (id) WHERE withdrawn = 1;
-- What was set aside because it could not be sent: where it was and where it is, and when.
CREATE TABLE kept (place TEXT PRIMARY KEY, path TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
