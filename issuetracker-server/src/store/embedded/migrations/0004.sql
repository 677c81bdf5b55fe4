-- Version 4. Short ids of issues, `NEWS-42`; each is an alias too. Issues of before have none.
ALTER TABLE issues ADD COLUMN short_id TEXT;

CREATE TABLE numbers (
    prefix TEXT PRIMARY KEY,
    last   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
