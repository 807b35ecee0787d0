-- Windows updates as the last search found them, and what this agent did to them.
CREATE TABLE windows_updates (
    update_id    TEXT PRIMARY KEY,
    -- What the search said of it, as JSON.
    found        TEXT NOT NULL,
    -- The last search still had it.
    present      INTEGER NOT NULL,
    installed_at INTEGER,
    error        TEXT NOT NULL,
    -- Its files could not be had from where they may be fetched.
    unobtainable INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE windows_update_history (
    sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
    update_id TEXT NOT NULL,
    title     TEXT NOT NULL,
    operation TEXT NOT NULL,
    result    TEXT NOT NULL,
    code      TEXT NOT NULL,
    at        INTEGER NOT NULL
) STRICT;
