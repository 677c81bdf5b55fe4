-- Version 12. Hosts, of issues of before from their next occurrence on.
ALTER TABLE issues ADD COLUMN hosts TEXT NOT NULL DEFAULT '[]';

CREATE TABLE issue_hosts (
    host     TEXT NOT NULL,
    issue_id TEXT NOT NULL,
    PRIMARY KEY (host, issue_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER issue_hosts_insert AFTER INSERT ON issues WHEN new.hosts <> '[]' BEGIN
    INSERT OR IGNORE INTO issue_hosts (host, issue_id) SELECT value, new.id FROM json_each(new.hosts);
END;

CREATE TRIGGER issue_hosts_update AFTER UPDATE OF hosts ON issues WHEN old.hosts <> new.hosts BEGIN
    DELETE FROM issue_hosts WHERE issue_id = old.id AND host IN (SELECT value FROM json_each(old.hosts));
    INSERT OR IGNORE INTO issue_hosts (host, issue_id) SELECT value, new.id FROM json_each(new.hosts);
END;

CREATE TRIGGER issue_hosts_delete AFTER DELETE ON issues WHEN old.hosts <> '[]' BEGIN
    DELETE FROM issue_hosts WHERE issue_id = old.id AND host IN (SELECT value FROM json_each(old.hosts));
END;
