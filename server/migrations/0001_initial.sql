-- The first schema. Migrations are forward-only: never change a file that was released, add the next number.
-- Times are microseconds since 1970 in UTC; host keys are identifiers in ASCII lower case.

CREATE TABLE users (
    name          TEXT PRIMARY KEY NOT NULL,          -- lower case
    role          TEXT NOT NULL,
    password_hash TEXT NOT NULL,                       -- argon2id, PHC string
    created_at    INTEGER NOT NULL,
    changed_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    token_hash TEXT PRIMARY KEY NOT NULL,             -- SHA-256 of the token, hex; the token itself is never stored
    user_name  TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Failed sign-ins by name, whether such a user exists or not: names cannot be told apart by being locked.
CREATE TABLE sign_in_failures (
    name         TEXT PRIMARY KEY NOT NULL,
    failures     INTEGER NOT NULL,
    last_at      INTEGER NOT NULL,
    locked_until INTEGER NOT NULL
) STRICT;

CREATE TABLE enrolment_tokens (
    id          TEXT PRIMARY KEY NOT NULL,
    secret_hash TEXT NOT NULL,                         -- SHA-256 of the secret half, hex
    uses        INTEGER NOT NULL,
    uses_left   INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    created_by  TEXT NOT NULL,
    note        TEXT NOT NULL DEFAULT '',
    identifier  TEXT                                   -- for this very host only
) STRICT;

-- One row a host: its key, and every column of the fleet's table, kept ready so that the whole fleet lists fast.
CREATE TABLE hosts (
    host_key              TEXT PRIMARY KEY NOT NULL,
    identifier            TEXT NOT NULL,              -- as reported
    keyid                 TEXT NOT NULL UNIQUE,       -- SHA-256 of the SPKI, hex
    spki                  BLOB NOT NULL,              -- DER
    registered_by         TEXT NOT NULL,
    pending_keyid         TEXT UNIQUE,                -- a newcomer with this identifier waits for a decision
    pending_spki          BLOB,
    pending_hostname      TEXT,
    pending_by            TEXT,
    pending_at            INTEGER,
    name                  TEXT NOT NULL,
    description           TEXT NOT NULL DEFAULT '',
    status                TEXT NOT NULL DEFAULT 'OK',
    reachable             INTEGER NOT NULL DEFAULT 0,
    os                    TEXT NOT NULL DEFAULT '',
    os_version            TEXT NOT NULL DEFAULT '',
    architecture          TEXT NOT NULL DEFAULT '',
    address               TEXT NOT NULL DEFAULT '',
    mac                   TEXT NOT NULL DEFAULT '',
    ou                    TEXT NOT NULL DEFAULT '',
    groups_json           TEXT NOT NULL DEFAULT '[]',
    manufacturer          TEXT NOT NULL DEFAULT '',
    model                 TEXT NOT NULL DEFAULT '',
    serial                TEXT NOT NULL DEFAULT '',
    users_json            TEXT NOT NULL DEFAULT '[]',
    agent_version         TEXT NOT NULL DEFAULT '',
    packages_total        INTEGER NOT NULL DEFAULT 0,
    packages_failed       INTEGER NOT NULL DEFAULT 0,
    packages_pending      INTEGER NOT NULL DEFAULT 0,
    running               TEXT NOT NULL DEFAULT '',
    first_seen            INTEGER NOT NULL,
    last_seen             INTEGER NOT NULL
) STRICT;
CREATE INDEX hosts_by_name ON hosts (name COLLATE NOCASE, host_key);

-- Keys that an administrator refused for an identifier.
CREATE TABLE refused_keys (
    keyid      TEXT PRIMARY KEY NOT NULL,
    host_key   TEXT NOT NULL,
    refused_at INTEGER NOT NULL
) STRICT;

CREATE TABLE host_blocks (
    host_key    TEXT NOT NULL REFERENCES hosts (host_key) ON DELETE CASCADE,
    block       TEXT NOT NULL,
    hash        TEXT NOT NULL,
    body        TEXT NOT NULL,                         -- JSON as reported
    received_at INTEGER NOT NULL,
    PRIMARY KEY (host_key, block)
) STRICT, WITHOUT ROWID;

-- What is on which host, from the packages block: "hosts that have this very version".
CREATE TABLE installed_packages (
    host_key     TEXT NOT NULL REFERENCES hosts (host_key) ON DELETE CASCADE,
    package      TEXT NOT NULL,
    version      TEXT NOT NULL,
    status       TEXT NOT NULL,
    PRIMARY KEY (host_key, package)
) STRICT, WITHOUT ROWID;
CREATE INDEX installed_packages_by_version ON installed_packages (package, version, status);

-- Nonces of host requests, kept until the request's time can no longer be accepted.
CREATE TABLE nonces (
    keyid      TEXT NOT NULL,
    nonce      TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (keyid, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_by_expiry ON nonces (expires_at);

CREATE TABLE actions (
    number             INTEGER PRIMARY KEY AUTOINCREMENT, -- order of arrival
    batch              TEXT NOT NULL UNIQUE,
    action             TEXT NOT NULL,
    packages_json      TEXT NOT NULL,
    envelope_json      TEXT NOT NULL,
    signer             TEXT NOT NULL,
    signer_fingerprint TEXT NOT NULL,
    submitted_by       TEXT NOT NULL,
    submitted_at       INTEGER NOT NULL,
    issued_at          INTEGER NOT NULL,
    not_before         INTEGER NOT NULL,                  -- held back until then
    expires_at         INTEGER NOT NULL,
    target_count       INTEGER NOT NULL
) STRICT;

CREATE TABLE action_targets (
    number      INTEGER NOT NULL REFERENCES actions (number) ON DELETE CASCADE,
    host_key    TEXT NOT NULL,
    identifier  TEXT NOT NULL,
    state       TEXT NOT NULL,
    percent     INTEGER,
    text        TEXT NOT NULL DEFAULT '',
    changed_at  INTEGER NOT NULL,
    task        TEXT NOT NULL DEFAULT '',              -- the host's task that spoke last
    leaf_index  INTEGER NOT NULL,
    proof       BLOB NOT NULL,                         -- 32-byte nodes of the Merkle proof, one after the other
    PRIMARY KEY (number, host_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX action_targets_by_host ON action_targets (host_key, number);
CREATE INDEX action_targets_waiting ON action_targets (number) WHERE state IN ('queued', 'sent');

-- The repository's packages; the files are the truth and this table is rebuilt from them when it is lost.
CREATE TABLE packages (
    filename           TEXT PRIMARY KEY NOT NULL,
    package            TEXT NOT NULL,
    version            TEXT NOT NULL,
    section            TEXT NOT NULL,
    architecture       TEXT NOT NULL,
    maturity           TEXT NOT NULL DEFAULT '',
    locale             TEXT NOT NULL DEFAULT '',
    package_uuid       TEXT NOT NULL DEFAULT '',
    signer             TEXT NOT NULL DEFAULT '',
    signer_fingerprint TEXT NOT NULL DEFAULT '',
    signature_date     TEXT NOT NULL DEFAULT '',
    size               INTEGER NOT NULL,
    sha256             TEXT NOT NULL,
    md5                TEXT NOT NULL,
    modified_at        INTEGER NOT NULL,               -- of the file; with the size it tells whether the file was touched
    has_icon           INTEGER NOT NULL DEFAULT 0,
    chain              TEXT NOT NULL DEFAULT '',       -- fingerprints of the signer's certificates, comma between
    uploaded_at        INTEGER NOT NULL,
    uploaded_by        TEXT NOT NULL DEFAULT '',
    control_json       TEXT NOT NULL                   -- every field of the control file, in its order
) STRICT;
CREATE INDEX packages_by_name ON packages (package, version);

-- Certificates that came with packages: the index carries them so that its readers can check its rows.
CREATE TABLE package_certificates (
    fingerprint TEXT PRIMARY KEY NOT NULL,
    pem         TEXT NOT NULL
) STRICT;

CREATE TABLE host_packages (
    identifier         TEXT PRIMARY KEY NOT NULL,      -- lower case
    filename           TEXT NOT NULL,                  -- with the identifier as the package spells it
    version            TEXT NOT NULL,
    size               INTEGER NOT NULL,
    sha256             TEXT NOT NULL,                  -- the entity tag, too
    modified_at        INTEGER NOT NULL,
    depends            TEXT NOT NULL DEFAULT '',
    conflicts          TEXT NOT NULL DEFAULT '',
    groups_json        TEXT NOT NULL DEFAULT '[]',    -- names of the direct dependencies, as hosts.groups_json
    signer_fingerprint TEXT NOT NULL DEFAULT '',
    uploaded_at        INTEGER NOT NULL,
    uploaded_by        TEXT NOT NULL DEFAULT ''
) STRICT;

-- A host that registers after its package was uploaded gets its groups at once.
CREATE TRIGGER hosts_take_groups AFTER INSERT ON hosts
WHEN EXISTS (SELECT 1 FROM host_packages WHERE identifier = NEW.host_key)
BEGIN
    UPDATE hosts
    SET groups_json = (SELECT groups_json FROM host_packages WHERE identifier = NEW.host_key)
    WHERE host_key = NEW.host_key;
END;
