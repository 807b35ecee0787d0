-- Who cancelled a task while it ran, empty when nobody did: it must not go on after an interruption.
ALTER TABLE tasks ADD COLUMN cancelled_by TEXT NOT NULL DEFAULT '';
