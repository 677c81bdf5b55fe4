-- Version 6. What a list can ask for beyond version 2.
CREATE INDEX issues_by_release ON issues (release, status);
CREATE INDEX issues_muted ON issues (muted_until) WHERE mute IS NOT NULL;
CREATE INDEX issues_regressed ON issues (status) WHERE regression IS NOT NULL;
