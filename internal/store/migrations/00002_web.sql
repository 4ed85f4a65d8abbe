-- What the web pages need: passwords and sessions, second factors, roles, quotas, nested groups.

-- +goose Up

ALTER TABLE users ADD COLUMN role INTEGER NOT NULL DEFAULT 1; -- store.Role
UPDATE users SET role = 3 WHERE admin;
ALTER TABLE users DROP COLUMN admin;
ALTER TABLE users ADD COLUMN email TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN preferences TEXT NOT NULL DEFAULT '{}'; -- JSON: language, theme, density, ...
ALTER TABLE users ADD COLUMN password_hash TEXT NOT NULL DEFAULT ''; -- argon2id in PHC form; empty: none yet
ALTER TABLE users ADD COLUMN password_at INTEGER;
ALTER TABLE users ADD COLUMN quota INTEGER; -- bytes of the files whose latest version the person wrote; none if null
ALTER TABLE users ADD COLUMN expires_at INTEGER; -- the account is closed from then on
ALTER TABLE users ADD COLUMN last_seen_at INTEGER; -- in the browser; devices have their own
ALTER TABLE users ADD COLUMN totp_secret TEXT NOT NULL DEFAULT ''; -- base32; empty: no second factor
ALTER TABLE users ADD COLUMN totp_step INTEGER NOT NULL DEFAULT 0; -- the last time step used: a code is good once

CREATE TABLE recovery_codes (
    user_id   TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash TEXT NOT NULL, -- SHA-256, hexadecimal
    used_at   INTEGER,
    PRIMARY KEY (user_id, code_hash)
);

-- Browsers that are signed in.
CREATE TABLE sessions (
    id           TEXT PRIMARY KEY,     -- may be shown
    token_hash   TEXT NOT NULL UNIQUE, -- SHA-256, hexadecimal
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    address      TEXT NOT NULL,
    agent        TEXT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

-- Failed sign-ins by "user NAME_KEY net PREFIX", "user NAME_KEY" and "net PREFIX", so that delays
-- survive a restart.
CREATE TABLE sign_in_failures (
    key     TEXT PRIMARY KEY,
    count   INTEGER NOT NULL,
    last_at INTEGER NOT NULL
);

-- Groups in groups. The store refuses circles.
CREATE TABLE group_members (
    group_id  TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    member_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, member_id)
);
CREATE INDEX group_members_member ON group_members (member_id);

-- An invitation pairs one device, and lets its person choose a password once.
ALTER TABLE invitations ADD COLUMN password_used_at INTEGER;
ALTER TABLE invitations ADD COLUMN purpose TEXT NOT NULL DEFAULT 'join'; -- or "password": a reset, pairs nothing

ALTER TABLE folders ADD COLUMN quota INTEGER; -- bytes of the latest revision; none if null
ALTER TABLE folders ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN created_by TEXT NOT NULL DEFAULT '';

ALTER TABLE devices ADD COLUMN address TEXT NOT NULL DEFAULT ''; -- of the last contact
ALTER TABLE replicas ADD COLUMN place TEXT NOT NULL DEFAULT '';  -- the directory on the device
ALTER TABLE replicas ADD COLUMN held INTEGER NOT NULL DEFAULT 0; -- deletions that wait for a person
ALTER TABLE replicas ADD COLUMN held_down INTEGER NOT NULL DEFAULT 0; -- of others, on this device; held are its own
ALTER TABLE replicas ADD COLUMN decision INTEGER NOT NULL DEFAULT 0; -- havre.Decision about them
ALTER TABLE replicas ADD COLUMN decision_by TEXT NOT NULL DEFAULT '';
ALTER TABLE replicas ADD COLUMN since INTEGER NOT NULL DEFAULT 0; -- when it fell behind; 0 when up to date

ALTER TABLE audit ADD COLUMN address TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_at ON audit (at);
