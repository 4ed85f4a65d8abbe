-- The secret address of a person's feed: the SHA-256 of its secret; empty if there is none.

-- +goose Up

ALTER TABLE users ADD COLUMN feed_hash TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX users_feed ON users (feed_hash) WHERE feed_hash <> '';
