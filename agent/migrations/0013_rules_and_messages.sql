-- The rules that packages of the sections selfservice, wsus and waptwua brought, one row a package.
CREATE TABLE rules (
    package TEXT PRIMARY KEY,
    kind    TEXT NOT NULL,
    -- The rules file, as the agent read and verified it.
    content TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- However a package goes, its rules go with it.
CREATE TRIGGER rules_go_with_their_package AFTER DELETE ON packages
BEGIN
    DELETE FROM rules WHERE package = old.package;
END;

-- Messages for the people of this machine that they have not closed yet.
CREATE TABLE messages (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL,
    title      TEXT NOT NULL,
    text       TEXT NOT NULL,
    -- Signer's name or local administrator.
    sent_by    TEXT NOT NULL,
    sent_at    INTEGER NOT NULL,
    due_at     INTEGER,
    expires_at INTEGER NOT NULL
) STRICT;
