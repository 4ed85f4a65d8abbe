-- Online documents that are backed up into folders. What is secret in them is in the columns called sealed,
-- encrypted with a key that is not in this database.

-- +goose Up

CREATE TABLE sources (
    id           TEXT PRIMARY KEY,
    folder_id    TEXT NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
    path         TEXT NOT NULL,             -- the directory of the files, in the folder
    kind         TEXT NOT NULL,
    instance     TEXT NOT NULL,
    document     TEXT NOT NULL,             -- its name on the instance
    collection   TEXT NOT NULL,
    url          TEXT NOT NULL,
    name         TEXT NOT NULL DEFAULT '',  -- base of the names of its files
    name_key     TEXT,                      -- the name case-folded; null while there is none
    parent_id    TEXT REFERENCES sources (id) ON DELETE CASCADE,
    added_by     TEXT REFERENCES users (id) ON DELETE SET NULL, -- in whose name it is committed
    added_at     INTEGER NOT NULL,
    live         INTEGER NOT NULL DEFAULT 0,
    paused       INTEGER NOT NULL DEFAULT 0,
    since        INTEGER NOT NULL,           -- when the outcome of the runs, or paused, last changed
    last_run     INTEGER NOT NULL DEFAULT 0,
    last_version INTEGER NOT NULL DEFAULT 0,
    next_run     INTEGER NOT NULL,
    item         TEXT NOT NULL,              -- JSON: source.Item
    authors      TEXT NOT NULL DEFAULT '{}', -- JSON: names that people gave
    suspect      TEXT NOT NULL DEFAULT '',   -- JSON: what is kept apart
    sealed       TEXT NOT NULL DEFAULT '',   -- secrets
    secret_kinds TEXT NOT NULL DEFAULT '',   -- which there are, with spaces between
    held_by      TEXT NOT NULL DEFAULT '',   -- the process that works on it
    held_until   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX sources_next ON sources (instance, next_run) WHERE NOT paused;
CREATE INDEX sources_document ON sources (kind, instance, document, collection);
CREATE INDEX sources_parent ON sources (parent_id);
CREATE INDEX sources_user ON sources (added_by);
CREATE UNIQUE INDEX sources_name ON sources (folder_id, path, name_key) WHERE name_key IS NOT NULL;

-- The files that sources wrote, where they are now.
CREATE TABLE source_files (
    source_id TEXT NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    ext       TEXT NOT NULL,
    place     INTEGER NOT NULL, -- in the provider's order
    path      TEXT NOT NULL,    -- in the folder
    revision  INTEGER NOT NULL,
    hash      TEXT NOT NULL,    -- havre.Hash in hexadecimal
    PRIMARY KEY (source_id, ext)
);

CREATE TABLE source_runs (
    id        INTEGER PRIMARY KEY,
    source_id TEXT NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    at        INTEGER NOT NULL,
    took      INTEGER NOT NULL, -- milliseconds
    outcome   TEXT NOT NULL,
    reason    TEXT NOT NULL,
    said      TEXT NOT NULL,
    revision  INTEGER NOT NULL,
    live      INTEGER NOT NULL
);
CREATE INDEX source_runs_source ON source_runs (source_id, id);

-- What happened on a day (of UTC, days since 1970), for the last month.
CREATE TABLE source_days (
    source_id TEXT NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    day       INTEGER NOT NULL,
    outcome   INTEGER NOT NULL, -- hub.SourceDay
    PRIMARY KEY (source_id, day)
);

-- Texts with addresses that people gave, and what became of each.
CREATE TABLE source_lists (
    id      TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    at      INTEGER NOT NULL
);
CREATE TABLE source_found (
    list_id   TEXT NOT NULL REFERENCES source_lists (id) ON DELETE CASCADE,
    place     INTEGER NOT NULL,
    given     TEXT NOT NULL, -- as it may be shown
    title     TEXT NOT NULL DEFAULT '', -- what the text called it
    address   TEXT NOT NULL, -- JSON: source.Address
    state     TEXT NOT NULL, -- hub.FoundState
    reason    TEXT NOT NULL DEFAULT '',
    said      TEXT NOT NULL DEFAULT '',
    source_id TEXT REFERENCES sources (id) ON DELETE SET NULL,
    wish      TEXT NOT NULL DEFAULT '', -- JSON: where it is to go; empty until somebody said so
    dropped   INTEGER NOT NULL DEFAULT 0,
    ask       INTEGER NOT NULL,         -- the instance has to be asked what it is
    sealed    TEXT NOT NULL,            -- the address as it was given, and the candidates
    PRIMARY KEY (list_id, place)
);
CREATE INDEX source_found_state ON source_found (state);

-- Directories whose index has to be written again.
CREATE TABLE source_indexes (
    folder_id TEXT NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
    path      TEXT NOT NULL,
    stale     INTEGER NOT NULL DEFAULT 0, -- since when; 0: it is as it should be
    files     TEXT NOT NULL DEFAULT '{}', -- JSON: what was last written, hashes by name
    PRIMARY KEY (folder_id, path)
);

-- Secrets that belong to an instance: the author with which its pads are followed.
CREATE TABLE source_instances (
    kind     TEXT NOT NULL,
    instance TEXT NOT NULL,
    sealed   TEXT NOT NULL,
    PRIMARY KEY (kind, instance)
);

-- Raised with every change of a source.
CREATE TABLE source_version (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
);
INSERT INTO source_version (one, version) VALUES (1, 1);
