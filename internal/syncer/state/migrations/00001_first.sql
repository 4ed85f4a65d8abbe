-- +goose Up
-- +goose StatementBegin
-- A node in the three trees: b_ is base, l_ local, r_ remote; a kind that is NULL says that the tree does
-- not have it. Times are nanoseconds since 1970 UTC, 0 for unknown. Node 1 is the root.
CREATE TABLE nodes (
    id INTEGER PRIMARY KEY,
    differs INTEGER NOT NULL, -- 1 if there is something to do; the program computes it
    b_parent INTEGER, b_name TEXT, b_kind INTEGER, b_size INTEGER, b_hash BLOB, b_mtime INTEGER, b_exec INTEGER, b_rev INTEGER,
    l_parent INTEGER, l_name TEXT, l_kind INTEGER, l_size INTEGER, l_hash BLOB, l_mtime INTEGER, l_exec INTEGER,
    l_inode INTEGER, l_device INTEGER, l_ctime INTEGER, l_looked INTEGER,
    r_parent INTEGER, r_name TEXT, r_kind INTEGER, r_size INTEGER, r_hash BLOB, r_mtime INTEGER, r_exec INTEGER, r_rev INTEGER
) STRICT;
-- +goose StatementEnd
CREATE UNIQUE INDEX nodes_local ON nodes (l_parent, l_name) WHERE l_kind IS NOT NULL;
CREATE UNIQUE INDEX nodes_remote ON nodes (r_parent, r_name) WHERE r_kind IS NOT NULL;
CREATE INDEX nodes_inode ON nodes (l_inode) WHERE l_inode <> 0;
CREATE INDEX nodes_hash ON nodes (l_hash) WHERE l_hash IS NOT NULL;
CREATE INDEX nodes_differ ON nodes (id) WHERE differs = 1;
INSERT INTO nodes (id, differs, b_parent, b_name, b_kind, b_size, b_mtime, b_exec, b_rev,
    l_parent, l_name, l_kind, l_size, l_mtime, l_exec, l_inode, l_device, l_ctime, l_looked,
    r_parent, r_name, r_kind, r_size, r_mtime, r_exec, r_rev)
VALUES (1, 0, 0, '', 2, 0, 0, 0, 0, 0, '', 2, 0, 0, 0, 0, 0, 0, 0, 0, '', 2, 0, 0, 0, 0);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
