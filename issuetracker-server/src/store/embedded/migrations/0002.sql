-- Version 2. What the server has to remember beside issues: gaps, records in flight, replayed letters. Values are JSON.
CREATE TABLE notes (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
