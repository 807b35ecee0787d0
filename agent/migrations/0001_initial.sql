-- Times are microseconds since 1970 UTC.

-- Single values: what was last fetched, the highest order seen.
CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Packages that Muster put on this machine, or tried to.
CREATE TABLE packages (
    package            TEXT PRIMARY KEY,
    version            TEXT NOT NULL,
    section            TEXT NOT NULL,
    package_uuid       TEXT NOT NULL,
    status             TEXT NOT NULL,
    -- The version of this row is on the machine, whatever became of a later try.
    in_place           INTEGER NOT NULL,
    failed_step        TEXT NOT NULL,
    log                TEXT NOT NULL,
    changed_at         INTEGER NOT NULL,
    explicit_by        TEXT NOT NULL,
    signer             TEXT NOT NULL,
    signer_fingerprint TEXT NOT NULL,
    tries              INTEGER NOT NULL,
    audit_status       TEXT NOT NULL DEFAULT '',
    audit_output       TEXT NOT NULL DEFAULT '',
    audited_at         INTEGER,
    next_audit_at      INTEGER,
    -- The signed control, as JSON.
    control            TEXT NOT NULL,
    -- The signed script, for uninstall, audit and session setup.
    setup_py           BLOB,
    params             TEXT NOT NULL,
    uninstall_keys     TEXT NOT NULL
) STRICT;

CREATE INDEX packages_next_audit ON packages (next_audit_at) WHERE next_audit_at IS NOT NULL;

CREATE TABLE tasks (
    sequence    INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL,
    packages    TEXT NOT NULL,
    options     TEXT NOT NULL,
    priority    INTEGER NOT NULL,
    state       TEXT NOT NULL,
    batch       TEXT,
    ordered_by  TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    started_at  INTEGER,
    finished_at INTEGER,
    percent     INTEGER,
    text        TEXT NOT NULL,
    -- How often it was begun; a task that keeps being interrupted is given up.
    attempts    INTEGER NOT NULL DEFAULT 0,
    -- The server knows how it ended, or there is no server to tell.
    announced   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX tasks_waiting ON tasks (priority, sequence) WHERE state = 'pending';

-- Accepted orders: none is accepted twice.
CREATE TABLE orders (
    batch              TEXT PRIMARY KEY,
    action             TEXT NOT NULL,
    signer             TEXT NOT NULL,
    signer_fingerprint TEXT NOT NULL,
    issued_at          INTEGER NOT NULL,
    expires_at         INTEGER NOT NULL,
    accepted_at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX orders_expiry ON orders (expires_at);

-- What is being done to a package right now, written before each step.
CREATE TABLE journal (
    package    TEXT PRIMARY KEY,
    operation  TEXT NOT NULL,
    version    TEXT NOT NULL,
    step       TEXT NOT NULL,
    task       TEXT,
    started_at INTEGER NOT NULL,
    detail     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Session set-ups done, per user and package.
CREATE TABLE sessions (
    user         TEXT NOT NULL,
    package      TEXT NOT NULL,
    package_uuid TEXT NOT NULL,
    version      TEXT NOT NULL,
    status       TEXT NOT NULL,
    output       TEXT NOT NULL,
    run_at       INTEGER NOT NULL,
    PRIMARY KEY (user, package)
) STRICT, WITHOUT ROWID;
