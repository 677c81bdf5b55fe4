-- Version 9. Issues are found by the trace of an occurrence; what is stored already is not.
ALTER TABLE activities ADD COLUMN trace_id TEXT;
CREATE INDEX activities_by_trace ON activities (trace_id, issue_id) WHERE trace_id IS NOT NULL;
