-- Version 8. Two more orders of the list. An issue of before has its trend with its next occurrence.
ALTER TABLE issues ADD COLUMN trend INTEGER NOT NULL DEFAULT 0;
ALTER TABLE issues ADD COLUMN urgency INTEGER GENERATED ALWAYS AS (
    CASE priority WHEN 'critical' THEN 3 WHEN 'high' THEN 2 WHEN 'medium' THEN 1 ELSE 0 END * 1000000000000000000 + last_seen
) VIRTUAL;
CREATE INDEX issues_by_trend ON issues (trend DESC, id DESC);
CREATE INDEX issues_by_urgency ON issues (urgency DESC, id DESC);
