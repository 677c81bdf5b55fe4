-- Version 10. Types of errors are offered while somebody types.
CREATE INDEX issues_by_kind ON issues (error_kind);
