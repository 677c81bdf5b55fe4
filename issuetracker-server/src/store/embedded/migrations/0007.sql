-- Version 7. The releases that do not reopen an issue which was resolved in the next one, as JSON.
ALTER TABLE issues ADD COLUMN old_releases TEXT NOT NULL DEFAULT '[]';
