-- Version 11. Values of fields are searched, too; of issues of before from the next earlier occurrence on.
ALTER TABLE issues ADD COLUMN keywords TEXT NOT NULL DEFAULT '';

DROP TRIGGER issues_text_insert;
DROP TRIGGER issues_text_update;
DROP TRIGGER issue_delete;
DROP TABLE issues_text;

CREATE VIRTUAL TABLE issues_text USING fts5 (
    title, description, error_kind, service, component, tags, keywords,
    content = 'issues', tokenize = "unicode61 tokenchars '_'"
);

INSERT INTO issues_text (issues_text) VALUES ('rebuild');

CREATE TRIGGER issues_text_insert AFTER INSERT ON issues BEGIN
    INSERT INTO issues_text (rowid, title, description, error_kind, service, component, tags, keywords)
    VALUES (new.rowid, new.title, new.description, new.error_kind, new.service, new.component, new.tags, new.keywords);
END;

CREATE TRIGGER issues_text_update AFTER UPDATE ON issues
WHEN (old.title, old.description, old.error_kind, old.service, old.component, old.tags, old.keywords)
    IS NOT (new.title, new.description, new.error_kind, new.service, new.component, new.tags, new.keywords)
BEGIN
    INSERT INTO issues_text (issues_text, rowid, title, description, error_kind, service, component, tags, keywords)
    VALUES ('delete', old.rowid, old.title, old.description, old.error_kind, old.service, old.component, old.tags, old.keywords);
    INSERT INTO issues_text (rowid, title, description, error_kind, service, component, tags, keywords)
    VALUES (new.rowid, new.title, new.description, new.error_kind, new.service, new.component, new.tags, new.keywords);
END;

CREATE TRIGGER issue_delete AFTER DELETE ON issues BEGIN
    DELETE FROM issue_tags WHERE issue_id = old.id AND tag IN (SELECT value FROM json_each(old.tags));
    INSERT INTO issues_text (issues_text, rowid, title, description, error_kind, service, component, tags, keywords)
    VALUES ('delete', old.rowid, old.title, old.description, old.error_kind, old.service, old.component, old.tags, old.keywords);
END;
