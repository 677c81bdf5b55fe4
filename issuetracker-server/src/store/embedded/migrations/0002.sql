-- Version 2. Times in `mute` and `regression` are microseconds, `hours` is [[hour since 1970, errors], …].
ALTER TABLE issues ADD COLUMN mute TEXT;
ALTER TABLE issues ADD COLUMN regression TEXT;
ALTER TABLE issues ADD COLUMN hours TEXT NOT NULL DEFAULT '[]';
-- A mute of version 1 was never set by anybody; `muted_until` is written for those who look into the file.

-- When it was stored, in seconds: what is forgotten after some time is forgotten by this, not by foreign clocks.
ALTER TABLE activities ADD COLUMN stored_at INTEGER NOT NULL DEFAULT 0;
UPDATE activities SET stored_at = unixepoch();

-- Other ids of issues: of what was merged into them, and of other rules of grouping.
CREATE TABLE aliases (
    id       TEXT PRIMARY KEY,
    issue_id TEXT NOT NULL REFERENCES issues (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX aliases_by_issue ON aliases (issue_id);

CREATE TABLE service_hours (
    hour        INTEGER NOT NULL,
    service     TEXT NOT NULL,
    occurrences INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    PRIMARY KEY (hour, service)
) STRICT, WITHOUT ROWID;

-- What the server has to remember beside issues: gaps, records in flight, replayed letters. Values are JSON.
CREATE TABLE notes (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
