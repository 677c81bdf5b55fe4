//! One line of an export: its shape, to and from domain types. Names are those of the API; times are RFC 3339.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    domain::{Activity, Comment, ServiceHour},
    store::{IssueShape, Item, Watermark},
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
    Issue(Box<IssueShape>),
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
            Item::Issue(issue) => Self::Issue(Box::new(IssueShape::from(&**issue))),
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

impl Line {
    /// What it holds; `None` for the first line and the last.
    pub(super) fn into_item(self) -> Result<Option<Item>, Error> {
        Ok(Some(match self {
            Self::Export(_) | Self::End(_) => return Ok(None),
            Self::Issue(line) => Item::Issue(Box::new(line.into_issue()?)),
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

fn optional<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    text: Option<String>,
) -> Result<Option<T>, Error> {
    Ok(text.map(|text| text.parse()).transpose()?)
}
