-- What schema 1 holds after a first user, folder, grant and device, as `sqlite3 FILE .dump` prints it.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE access_version (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
);
INSERT INTO "access_version" VALUES(1,6);
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL, -- name of the user, or "console"
    device  TEXT NOT NULL, -- identifier, or empty
    action  TEXT NOT NULL, -- as in "user.add"
    subject TEXT NOT NULL, -- what it was done to, by name
    detail  TEXT NOT NULL
);
INSERT INTO "audit" VALUES(1,1795269600000,'boss','','user.add','Ada','administrator');
INSERT INTO "audit" VALUES(2,1795269600000,'boss','','folder.add','Docs','docs');
INSERT INTO "audit" VALUES(3,1795269600000,'boss','','grant.set','Docs','/: Ada may write');
INSERT INTO "audit" VALUES(4,1795269600000,'boss','','user.invite','Ada','until 2026-11-21T15:00:00Z');
INSERT INTO "audit" VALUES(5,1795269600000,'Ada','v7y4letqydmjrk2smdu4jaegsi','device.join','laptop','linux/amd64');
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
INSERT INTO "devices" VALUES('v7y4letqydmjrk2smdu4jaegsi','5llcdnhngx3qiu3yr5q7ng6dwj','laptop','linux/amd64','0.1.0','token',1795269600000,1795269600000,NULL);
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
INSERT INTO "folders" VALUES('lkmdkw4cxcdprqow2jndydae2y','Docs','docs','docs','','f7c0a6de-3d0e-4a5f-8f6e-2a3ad4c0ab11',1795269600000,NULL);
CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO "goose_db_version" VALUES(1,0,1,'2026-11-21 22:23:15');
INSERT INTO "goose_db_version" VALUES(2,1,1,'2026-11-21 22:23:15');
CREATE TABLE grants (
    folder_id  TEXT NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
    path       TEXT NOT NULL DEFAULT '', -- in the folder
    user_id    TEXT REFERENCES users (id) ON DELETE CASCADE,
    group_id   TEXT REFERENCES user_groups (id) ON DELETE CASCADE,
    level      INTEGER NOT NULL, -- havre.Right
    created_at INTEGER NOT NULL,
    CHECK ((user_id IS NULL) <> (group_id IS NULL))
);
INSERT INTO "grants" VALUES('lkmdkw4cxcdprqow2jndydae2y','','5llcdnhngx3qiu3yr5q7ng6dwj',NULL,2,1795269600000);
CREATE TABLE invitations (
    secret_hash TEXT PRIMARY KEY, -- SHA-256, hexadecimal
    user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_by  TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    used_at     INTEGER,
    device_id   TEXT REFERENCES devices (id)
);
INSERT INTO "invitations" VALUES('secret','5llcdnhngx3qiu3yr5q7ng6dwj','boss',1795269600000,1795273200000,1795269600000,'v7y4letqydmjrk2smdu4jaegsi');
CREATE TABLE members (
    group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    user_id  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, user_id)
);
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
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE upgrades (
    version INTEGER PRIMARY KEY,
    program TEXT NOT NULL,
    at      INTEGER NOT NULL
);
INSERT INTO "upgrades" VALUES(1,'0.1.0',1795269600000);
CREATE TABLE user_groups (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    name_key   TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
);
CREATE TABLE users (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    name_key     TEXT NOT NULL UNIQUE, -- the name case-folded
    display_name TEXT NOT NULL,
    admin        INTEGER NOT NULL,
    disabled     INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL
);
INSERT INTO "users" VALUES('5llcdnhngx3qiu3yr5q7ng6dwj','Ada','ada','Ada',1,0,1795269600000);
CREATE INDEX members_user ON members (user_id);
CREATE INDEX devices_user ON devices (user_id);
CREATE UNIQUE INDEX grants_user ON grants (folder_id, path, user_id) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX grants_group ON grants (folder_id, path, group_id) WHERE group_id IS NOT NULL;
CREATE TRIGGER audit_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append only'); END;
CREATE TRIGGER audit_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append only'); END;
COMMIT;
