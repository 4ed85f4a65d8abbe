-- Times are milliseconds since 1970 UTC. Identifiers are random, so that rows of two servers
-- can be brought together. Only what every SQL database has is used outside of the triggers.

-- +goose Up
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Which program brought the database to which version.
CREATE TABLE upgrades (
    version INTEGER PRIMARY KEY,
    program TEXT NOT NULL,
    at      INTEGER NOT NULL
);

-- Raised with every change that decides who may do what, so that a process can keep what it knows
-- as long as the value stays.
CREATE TABLE access_version (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
);
INSERT INTO access_version (one, version) VALUES (1, 1);

CREATE TABLE users (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    name_key     TEXT NOT NULL UNIQUE, -- the name case-folded
    display_name TEXT NOT NULL,
    admin        INTEGER NOT NULL,
    disabled     INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL
);

CREATE TABLE user_groups (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    name_key   TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
);

CREATE TABLE members (
    group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    user_id  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX members_user ON members (user_id);

CREATE TABLE devices (
    id           TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    platform     TEXT NOT NULL,
    version      TEXT NOT NULL,
    token_hash   TEXT NOT NULL UNIQUE, -- SHA-256, hexadecimal
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    revoked_at   INTEGER
);
CREATE INDEX devices_user ON devices (user_id);

CREATE TABLE folders (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL UNIQUE,
    location    TEXT NOT NULL,            -- a directory in repositories/
    prefix      TEXT NOT NULL DEFAULT '', -- of the folder inside the repository
    repository  TEXT NOT NULL,            -- UUID
    created_at  INTEGER NOT NULL,
    archived_at INTEGER
);

CREATE TABLE grants (
    folder_id  TEXT NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
    path       TEXT NOT NULL DEFAULT '', -- in the folder
    user_id    TEXT REFERENCES users (id) ON DELETE CASCADE,
    group_id   TEXT REFERENCES user_groups (id) ON DELETE CASCADE,
    level      INTEGER NOT NULL, -- havre.Right
    created_at INTEGER NOT NULL,
    CHECK ((user_id IS NULL) <> (group_id IS NULL))
);
CREATE UNIQUE INDEX grants_user ON grants (folder_id, path, user_id) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX grants_group ON grants (folder_id, path, group_id) WHERE group_id IS NOT NULL;

CREATE TABLE invitations (
    secret_hash TEXT PRIMARY KEY, -- SHA-256, hexadecimal
    user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_by  TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    used_at     INTEGER,
    device_id   TEXT REFERENCES devices (id)
);

-- What each device last reported about each of its replicas.
CREATE TABLE replicas (
    device_id   TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    folder_id   TEXT NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
    root        TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    pending     INTEGER NOT NULL,
    error       TEXT NOT NULL,
    reported_at INTEGER NOT NULL,
    PRIMARY KEY (device_id, folder_id, root)
);

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL, -- name of the user, or "console"
    device  TEXT NOT NULL, -- identifier, or empty
    action  TEXT NOT NULL, -- as in "user.add"
    subject TEXT NOT NULL, -- what it was done to, by name
    detail  TEXT NOT NULL
);

-- +goose StatementBegin
CREATE TRIGGER audit_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append only'); END;
-- +goose StatementEnd
