-- Version 13. How long resolving takes is counted without looking at what is open.
CREATE INDEX issues_by_resolved ON issues (resolved_at) WHERE resolved_at IS NOT NULL;
