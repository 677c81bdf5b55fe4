-- Version 3. Users, sessions, keys, logins under way, the audit log: fields are a JSON object of texts and, for times,
-- microseconds since 1970.
CREATE TABLE records (
    kind    TEXT NOT NULL,
    id      TEXT NOT NULL,
    fields  TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
