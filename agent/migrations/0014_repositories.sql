-- What is known of each repository.
CREATE TABLE repositories (
    name       TEXT PRIMARY KEY,
    -- Where the index in the cache came from; empty when there is none.
    url        TEXT NOT NULL DEFAULT '',
    -- What that address called the index, as JSON.
    validators TEXT NOT NULL DEFAULT '{}',
    fetched_at INTEGER,
    -- Why the last try to fetch the index failed; empty when it did not.
    problem    TEXT NOT NULL DEFAULT '',
    -- The signed rule by which another address serves it, as JSON; empty when none does.
    rule       TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

-- The repository that a package came from; empty for a file that somebody gave.
ALTER TABLE packages ADD COLUMN repository TEXT NOT NULL DEFAULT '';
