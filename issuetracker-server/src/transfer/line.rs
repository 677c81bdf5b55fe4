//! One line of an export: its shape, to and from domain types. Names are those of the API; times are RFC 3339.

use std::{collections::BTreeMap, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    domain::{Activity, Comment, Hours, Issue, Mute, MutedUntil, ServiceHour, issue::Decided, issue::Regression},
    store::{Item, Watermark},
};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How many there are of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Issues.
    pub issues: u64,
    /// Comments.
    pub comments: u64,
    /// Entries of histories.
    pub activities: u64,
    /// Everything else.
    pub others: u64,
}

impl Counts {
    pub(super) fn count(&mut self, item: &Item) {
        let counter = match item {
            Item::Issue(_) => &mut self.issues,
            Item::Comment(..) => &mut self.comments,
            Item::Activity(..) => &mut self.activities,
            Item::Alias { .. } | Item::ServiceHour(_) | Item::Watermark(_) | Item::Note(..) => &mut self.others,
        };
        *counter += 1;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { issues, comments, activities, others } = self;
        write!(f, "{issues} issues, {comments} comments, {activities} entries of histories, {others} other lines")
    }
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Export(Header),
    Issue(Box<IssueLine>),
    Comment(CommentLine),
    Activity(ActivityLine),
    Alias { id: String, issue_id: String, via: Vec<String> },
    ServiceHour { service: String, hour: i64, occurrences: u64, created: u64 },
    Watermark { topic: String, partition: i32, next_offset: i64, timestamp_ms: i64 },
    Note { key: String, value: String },
    End(Counts),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) server: String,
    pub(super) at: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct IssueLine {
    id: String,
    #[serde(default)]
    short_id: Option<String>,
    title: String,
    description: String,
    #[serde(rename = "type")]
    issue_type: String,
    priority: String,
    severity: String,
    status: String,
    reporter_id: String,
    assignee_id: Option<String>,
    tags: Vec<String>,
    component: String,
    source: String,
    project: String,
    service: String,
    environment: String,
    release: String,
    error_kind: String,
    location: String,
    fingerprint: Option<String>,
    grouping_version: u8,
    occurrences: u64,
    first_seen: String,
    last_seen: String,
    created_at: String,
    updated_at: String,
    resolved_at: Option<String>,
    mute: Option<MuteLine>,
    regression: Option<RegressionLine>,
    hours: Vec<(i64, u64)>,
    comments: u64,
    head_event: String,
    decided: BTreeMap<String, bool>,
    version: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct MuteLine {
    since: String,
    until: Option<String>,
    rate: Option<(u64, String, u64)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RegressionLine {
    resolved_at: String,
    from: String,
    at: String,
    event: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CommentLine {
    issue_id: String,
    id: String,
    content: String,
    author_id: String,
    created_at: String,
    edited_at: Option<String>,
    recurrences: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ActivityLine {
    issue_id: String,
    id: String,
    #[serde(rename = "type")]
    kind: String,
    user_id: String,
    timestamp: String,
    details: Map<String, Value>,
}

impl From<&Item> for Line {
    fn from(item: &Item) -> Self {
        match item {
            Item::Issue(issue) => Self::Issue(Box::new(issue_line(issue))),
            Item::Comment(issue_id, comment) => Self::Comment(CommentLine {
                issue_id: issue_id.to_string(),
                id: comment.id.clone(),
                content: comment.content.clone(),
                author_id: comment.author_id.clone(),
                created_at: comment.created_at.to_string(),
                edited_at: comment.edited_at.map(|time| time.to_string()),
                recurrences: comment.recurrences,
            }),
            Item::Activity(issue_id, activity) => Self::Activity(ActivityLine {
                issue_id: issue_id.to_string(),
                id: activity.id.clone(),
                kind: activity.kind.as_str().to_owned(),
                user_id: activity.user_id.clone(),
                timestamp: activity.timestamp.to_string(),
                details: activity.details.clone(),
            }),
            Item::Alias { id, issue_id, via } => Self::Alias {
                id: id.to_string(),
                issue_id: issue_id.to_string(),
                via: via.iter().map(ToString::to_string).collect(),
            },
            Item::ServiceHour(ServiceHour { service, hour, occurrences, created }) => Self::ServiceHour {
                service: service.clone(),
                hour: *hour,
                occurrences: *occurrences,
                created: *created,
            },
            Item::Watermark(Watermark { topic, partition, next_offset, timestamp_ms }) => Self::Watermark {
                topic: topic.clone(),
                partition: *partition,
                next_offset: *next_offset,
                timestamp_ms: *timestamp_ms,
            },
            Item::Note(key, value) => Self::Note { key: key.clone(), value: value.clone() },
        }
    }
}

fn issue_line(issue: &Issue) -> IssueLine {
    let Decided { priority, assignee, tags } = issue.decided;
    let decided = [("priority", priority), ("assignee", assignee), ("tags", tags)];
    IssueLine {
        id: issue.id.to_string(),
        short_id: issue.short_id.as_ref().map(ToString::to_string),
        title: issue.title.clone(),
        description: issue.description.clone(),
        issue_type: issue.issue_type.as_str().to_owned(),
        priority: issue.priority.as_str().to_owned(),
        severity: issue.severity.as_str().to_owned(),
        status: issue.status.as_str().to_owned(),
        reporter_id: issue.reporter_id.clone(),
        assignee_id: issue.assignee_id.clone(),
        tags: issue.tags.clone(),
        component: issue.component.clone(),
        source: issue.source.as_str().to_owned(),
        project: issue.project.clone(),
        service: issue.service.clone(),
        environment: issue.environment.clone(),
        release: issue.release.clone(),
        error_kind: issue.error_kind.clone(),
        location: issue.location.clone(),
        fingerprint: issue.fingerprint.map(|fingerprint| fingerprint.to_string()),
        grouping_version: issue.grouping_version,
        occurrences: issue.occurrences,
        first_seen: issue.first_seen.to_string(),
        last_seen: issue.last_seen.to_string(),
        created_at: issue.created_at.to_string(),
        updated_at: issue.updated_at.to_string(),
        resolved_at: issue.resolved_at.map(|time| time.to_string()),
        mute: issue.mute.as_ref().map(mute_line),
        regression: issue.regression.as_ref().map(|regression| RegressionLine {
            resolved_at: regression.resolved_at.to_string(),
            from: regression.from.as_str().to_owned(),
            at: regression.at.to_string(),
            event: regression.event.to_string(),
        }),
        hours: issue.hours.iter().collect(),
        comments: issue.comments,
        head_event: issue.head_event.to_string(),
        decided: decided.into_iter().map(|(field, is_decided)| (field.to_owned(), is_decided)).collect(),
        version: issue.version,
    }
}

fn mute_line(mute: &Mute) -> MuteLine {
    let rate = match mute.until {
        MutedUntil::Rate { count, per, before } => Some((count, per.as_str().to_owned(), before)),
        MutedUntil::Time(_) | MutedUntil::Unmuted => None,
    };
    MuteLine { since: mute.since.to_string(), until: mute.ends_at().map(|time| time.to_string()), rate }
}

impl Line {
    /// What it holds; `None` for the first line and the last.
    pub(super) fn into_item(self) -> Result<Option<Item>, Error> {
        Ok(Some(match self {
            Self::Export(_) | Self::End(_) => return Ok(None),
            Self::Issue(line) => Item::Issue(Box::new(issue(*line)?)),
            Self::Comment(line) => {
                let comment = Comment {
                    id: line.id,
                    content: line.content,
                    author_id: line.author_id,
                    created_at: line.created_at.parse()?,
                    edited_at: optional(line.edited_at)?,
                    recurrences: line.recurrences,
                };
                Item::Comment(line.issue_id.parse()?, comment)
            }
            Self::Activity(line) => {
                let activity = Activity {
                    id: line.id,
                    kind: line.kind.parse()?,
                    user_id: line.user_id,
                    timestamp: line.timestamp.parse()?,
                    details: line.details,
                };
                Item::Activity(line.issue_id.parse()?, activity)
            }
            Self::Alias { id, issue_id, via } => Item::Alias {
                id: id.parse()?,
                issue_id: issue_id.parse()?,
                via: via.iter().map(|id| id.parse()).collect::<Result<_, _>>()?,
            },
            Self::ServiceHour { service, hour, occurrences, created } => {
                Item::ServiceHour(ServiceHour { service, hour, occurrences, created })
            }
            Self::Watermark { topic, partition, next_offset, timestamp_ms } => {
                Item::Watermark(Watermark { topic, partition, next_offset, timestamp_ms })
            }
            Self::Note { key, value } => Item::Note(key, value),
        }))
    }
}

fn issue(line: IssueLine) -> Result<Issue, Error> {
    let is_decided = |field: &str| line.decided.get(field).copied().unwrap_or(false);
    Ok(Issue {
        decided: Decided {
            priority: is_decided("priority"),
            assignee: is_decided("assignee"),
            tags: is_decided("tags"),
        },
        id: line.id.parse()?,
        short_id: line.short_id.map(|id| id.parse()).transpose()?,
        title: line.title,
        description: line.description,
        issue_type: line.issue_type.parse()?,
        priority: line.priority.parse()?,
        severity: line.severity.parse()?,
        status: line.status.parse()?,
        reporter_id: line.reporter_id,
        assignee_id: line.assignee_id,
        tags: line.tags,
        component: line.component,
        source: line.source.parse()?,
        project: line.project,
        service: line.service,
        environment: line.environment,
        release: line.release,
        error_kind: line.error_kind,
        location: line.location,
        fingerprint: optional(line.fingerprint)?,
        grouping_version: line.grouping_version,
        occurrences: line.occurrences,
        first_seen: line.first_seen.parse()?,
        last_seen: line.last_seen.parse()?,
        created_at: line.created_at.parse()?,
        updated_at: line.updated_at.parse()?,
        resolved_at: optional(line.resolved_at)?,
        mute: line.mute.map(mute).transpose()?,
        regression: line.regression.as_ref().map(regression).transpose()?,
        hours: line.hours.into_iter().collect::<Hours>(),
        comments: line.comments,
        head_event: line.head_event.parse()?,
        version: line.version,
    })
}

fn mute(line: MuteLine) -> Result<Mute, Error> {
    let until = match (line.until, line.rate) {
        (Some(until), _) => MutedUntil::Time(until.parse()?),
        (None, Some((count, per, before))) => MutedUntil::Rate { count, per: per.parse()?, before },
        (None, None) => MutedUntil::Unmuted,
    };
    Ok(Mute { since: line.since.parse::<Timestamp>()?, until })
}

fn regression(line: &RegressionLine) -> Result<Regression, Error> {
    Ok(Regression {
        resolved_at: line.resolved_at.parse()?,
        from: line.from.parse()?,
        at: line.at.parse()?,
        event: line.event.parse()?,
    })
}

fn optional<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    text: Option<String>,
) -> Result<Option<T>, Error> {
    Ok(text.map(|text| text.parse()).transpose()?)
}
