-- What the directory said of this computer, and whether it answered the last time. One row at most.
CREATE TABLE directory (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    -- The last answer, as JSON; kept while the directory does not answer.
    answer      TEXT NOT NULL,
    answered_at INTEGER,
    asked_at    INTEGER NOT NULL,
    -- Why it did not answer the last time, empty when it did.
    error       TEXT NOT NULL
) STRICT;

-- The highest unit and profile packages that were ever in force here: an older one never comes back.
CREATE TABLE highest_implicit (
    -- As agents look for it.
    name           TEXT PRIMARY KEY,
    version        TEXT NOT NULL,
    signature_date TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Tries to install a version that did not get there, and packages that were left alone.
CREATE TABLE attempts (
    package   TEXT PRIMARY KEY,
    version   TEXT NOT NULL,
    -- Consecutive failures of this version.
    tries     INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    -- Why it was left alone the last time, empty when it was tried.
    postponed TEXT NOT NULL
) STRICT, WITHOUT ROWID;
