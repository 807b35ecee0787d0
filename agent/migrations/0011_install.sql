-- The word that install() returned, when it is none of the known ones.
ALTER TABLE packages ADD COLUMN script_status TEXT NOT NULL DEFAULT '';

-- Script processes that run now: what is still here at the next start was left by an agent that was killed.
CREATE TABLE scripts (
    -- Stands in the environment of the script and of all that it starts.
    mark       TEXT PRIMARY KEY,
    package    TEXT NOT NULL,
    hook       TEXT NOT NULL,
    -- With its birth (boot and time of start) this names one process; a number alone may belong to another.
    pid        INTEGER NOT NULL,
    birth      TEXT NOT NULL,
    started_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
