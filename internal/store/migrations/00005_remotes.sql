-- Repositories on other Subversion servers: what is needed to reach them.

-- +goose Up

CREATE TABLE remotes (
    location   TEXT PRIMARY KEY, -- of folders, see store.Remote
    repository TEXT NOT NULL,    -- UUID
    login      TEXT NOT NULL,    -- hub.RemoteLogin, encrypted
    changed_at INTEGER NOT NULL
);
