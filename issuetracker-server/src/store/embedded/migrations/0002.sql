-- Version 2. Times in `mute` and `regression` are microseconds, `hours` is [[hour since 1970, errors], …].
ALTER TABLE issues ADD COLUMN mute TEXT;
ALTER TABLE issues ADD COLUMN regression TEXT;
ALTER TABLE issues ADD COLUMN hours TEXT NOT NULL DEFAULT '[]';
-- A mute of version 1 was never set by anybody; `muted_until` is written for those who look into the file.

-- Each filter finds its issues, and counts them by status, without looking at the others.
DROP INDEX issues_by_environment;
CREATE INDEX issues_by_environment ON issues (environment, status);
CREATE INDEX issues_by_component ON issues (component, status);
CREATE INDEX issues_by_assignee ON issues (assignee_id, status);
CREATE INDEX issues_by_severity ON issues (severity, status);
CREATE INDEX issues_by_priority ON issues (priority, status);
CREATE INDEX issues_by_type ON issues (type, status);

CREATE TABLE issue_tags (
    tag      TEXT NOT NULL,
    issue_id TEXT NOT NULL,
    PRIMARY KEY (tag, issue_id)
) STRICT, WITHOUT ROWID;

INSERT INTO issue_tags (tag, issue_id) SELECT DISTINCT value, issues.id FROM issues, json_each(issues.tags);

CREATE TRIGGER issue_tags_insert AFTER INSERT ON issues WHEN new.tags <> '[]' BEGIN
    INSERT OR IGNORE INTO issue_tags (tag, issue_id) SELECT value, new.id FROM json_each(new.tags);
END;

CREATE TRIGGER issue_tags_update AFTER UPDATE OF tags ON issues WHEN old.tags <> new.tags BEGIN
    DELETE FROM issue_tags WHERE issue_id = old.id AND tag IN (SELECT value FROM json_each(old.tags));
    INSERT OR IGNORE INTO issue_tags (tag, issue_id) SELECT value, new.id FROM json_each(new.tags);
END;

-- Issues can be deleted now, and their rowids are used again.
CREATE TRIGGER issue_delete AFTER DELETE ON issues BEGIN
    DELETE FROM issue_tags WHERE issue_id = old.id AND tag IN (SELECT value FROM json_each(old.tags));
    INSERT INTO issues_text (issues_text, rowid, title, description, error_kind, service, component, tags)
    VALUES ('delete', old.rowid, old.title, old.description, old.error_kind, old.service, old.component, old.tags);
END;

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
