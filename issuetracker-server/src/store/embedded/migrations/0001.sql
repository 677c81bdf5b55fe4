-- Version 1. Times are microseconds since 1970 UTC; tags and details are JSON.
CREATE TABLE issues (
    id               TEXT PRIMARY KEY,
    title            TEXT NOT NULL,
    description      TEXT NOT NULL,
    type             TEXT NOT NULL,
    priority         TEXT NOT NULL,
    severity         TEXT NOT NULL,
    status           TEXT NOT NULL,
    reporter_id      TEXT NOT NULL,
    assignee_id      TEXT,
    tags             TEXT NOT NULL,
    component        TEXT NOT NULL,
    source           TEXT NOT NULL,
    project          TEXT NOT NULL,
    service          TEXT NOT NULL,
    environment      TEXT NOT NULL,
    release          TEXT NOT NULL,
    error_kind       TEXT NOT NULL,
    location         TEXT NOT NULL,
    fingerprint      TEXT,
    grouping_version INTEGER NOT NULL,
    occurrences      INTEGER NOT NULL,
    first_seen       INTEGER NOT NULL,
    last_seen        INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    resolved_at      INTEGER,
    muted_until      INTEGER,
    comments         INTEGER NOT NULL,
    head_event       TEXT NOT NULL,
    decided          INTEGER NOT NULL,
    version          INTEGER NOT NULL
) STRICT;

CREATE INDEX issues_by_last_seen ON issues (last_seen DESC, id DESC);
CREATE INDEX issues_by_first_seen ON issues (first_seen DESC, id DESC);
CREATE INDEX issues_by_occurrences ON issues (occurrences DESC, id DESC);
CREATE INDEX issues_by_status ON issues (status, last_seen DESC, id DESC);
CREATE INDEX issues_by_service ON issues (service, status, last_seen DESC, id DESC);
CREATE INDEX issues_by_environment ON issues (environment);

-- An event's activity has the event's id: that is how a repeat is known.
CREATE TABLE activities (
    issue_id  TEXT NOT NULL REFERENCES issues (id),
    id        TEXT NOT NULL,
    type      TEXT NOT NULL,
    user_id   TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    details   TEXT NOT NULL,
    PRIMARY KEY (issue_id, id)
) STRICT;

CREATE INDEX activities_by_type ON activities (issue_id, type, timestamp DESC, id DESC);

CREATE TABLE comments (
    issue_id    TEXT NOT NULL REFERENCES issues (id),
    id          TEXT NOT NULL,
    content     TEXT NOT NULL,
    author_id   TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    edited_at   INTEGER,
    recurrences INTEGER,
    PRIMARY KEY (issue_id, id)
) STRICT;

CREATE TABLE watermarks (
    topic        TEXT NOT NULL,
    partition    INTEGER NOT NULL,
    next_offset  INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT;

-- Full-text search over what people search for; kept by triggers, and only when one of these texts changes.
CREATE VIRTUAL TABLE issues_text USING fts5 (
    title, description, error_kind, service, component, tags,
    content = 'issues', tokenize = "unicode61 tokenchars '_'"
);

CREATE TRIGGER issues_text_insert AFTER INSERT ON issues BEGIN
    INSERT INTO issues_text (rowid, title, description, error_kind, service, component, tags)
    VALUES (new.rowid, new.title, new.description, new.error_kind, new.service, new.component, new.tags);
END;

CREATE TRIGGER issues_text_update AFTER UPDATE ON issues
WHEN (old.title, old.description, old.error_kind, old.service, old.component, old.tags)
    IS NOT (new.title, new.description, new.error_kind, new.service, new.component, new.tags)
BEGIN
    INSERT INTO issues_text (issues_text, rowid, title, description, error_kind, service, component, tags)
    VALUES ('delete', old.rowid, old.title, old.description, old.error_kind, old.service, old.component, old.tags);
    INSERT INTO issues_text (rowid, title, description, error_kind, service, component, tags)
    VALUES (new.rowid, new.title, new.description, new.error_kind, new.service, new.component, new.tags);
END;
