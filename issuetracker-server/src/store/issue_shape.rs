//! An issue as one JSON object: a line of an export, and the parts of a merged issue in a store.

use std::{collections::BTreeMap, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    Hours, Issue, Mute, MutedUntil,
    fold::Recurrence,
    issue::{Decided, Regression},
    part::Part,
};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The parts of a merged issue, as JSON; `None` of an issue that was not merged.
pub(super) fn parts(parts: &[Part]) -> Option<String> {
    let shapes: Vec<PartShape> = parts.iter().map(PartShape::from).collect();
    // Numbers, texts and lists: it cannot fail.
    (!shapes.is_empty()).then(|| serde_json::to_string(&shapes).unwrap_or_default())
}

pub(super) fn read_parts(text: &str) -> Result<Vec<Part>, Error> {
    serde_json::from_str::<Vec<PartShape>>(text)?.into_iter().map(PartShape::into_part).collect()
}

/// An issue. Names are those of the API; times are RFC 3339.
#[derive(Debug, Serialize, Deserialize)]
pub struct IssueShape {
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
    #[serde(default)]
    keywords: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<String>,
    fingerprint: Option<String>,
    grouping_version: u8,
    occurrences: u64,
    first_seen: String,
    last_seen: String,
    created_at: String,
    updated_at: String,
    resolved_at: Option<String>,
    #[serde(default)]
    old_releases: Vec<String>,
    mute: Option<MuteShape>,
    regression: Option<RegressionShape>,
    hours: Vec<(i64, u64)>,
    comments: u64,
    head_event: String,
    decided: BTreeMap<String, bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<PartShape>,
    version: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct MuteShape {
    since: String,
    until: Option<String>,
    rate: Option<(u64, String, u64)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RegressionShape {
    resolved_at: String,
    from: String,
    at: String,
    event: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct PartShape {
    issue: IssueShape,
    aliases: Vec<String>,
    days: BTreeMap<String, DayShape>,
    written: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DayShape {
    author_id: String,
    day: String,
    count: u64,
    first_at: String,
    last_at: String,
}

impl From<&Issue> for IssueShape {
    fn from(issue: &Issue) -> Self {
        let Decided { priority, assignee, tags } = issue.decided;
        let decided = [("priority", priority), ("assignee", assignee), ("tags", tags)];
        Self {
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
            keywords: issue.keywords.clone(),
            hosts: issue.hosts.clone(),
            fingerprint: issue.fingerprint.map(|fingerprint| fingerprint.to_string()),
            grouping_version: issue.grouping_version,
            occurrences: issue.occurrences,
            first_seen: issue.first_seen.to_string(),
            last_seen: issue.last_seen.to_string(),
            created_at: issue.created_at.to_string(),
            updated_at: issue.updated_at.to_string(),
            resolved_at: issue.resolved_at.map(|time| time.to_string()),
            old_releases: issue.old_releases.clone(),
            mute: issue.mute.as_ref().map(mute_shape),
            regression: issue.regression.as_ref().map(|regression| RegressionShape {
                resolved_at: regression.resolved_at.to_string(),
                from: regression.from.as_str().to_owned(),
                at: regression.at.to_string(),
                event: regression.event.to_string(),
            }),
            hours: issue.hours.iter().collect(),
            comments: issue.comments,
            head_event: issue.head_event.to_string(),
            decided: decided.into_iter().map(|(field, is_decided)| (field.to_owned(), is_decided)).collect(),
            parts: issue.parts.iter().map(PartShape::from).collect(),
            version: issue.version,
        }
    }
}

fn mute_shape(mute: &Mute) -> MuteShape {
    let rate = match mute.until {
        MutedUntil::Rate { count, per, before } => Some((count, per.as_str().to_owned(), before)),
        MutedUntil::Time(_) | MutedUntil::Unmuted => None,
    };
    MuteShape { since: mute.since.to_string(), until: mute.ends_at().map(|time| time.to_string()), rate }
}

impl From<&Part> for PartShape {
    fn from(part: &Part) -> Self {
        let day = |(comment, day): (&String, &Recurrence)| {
            let shape = DayShape {
                author_id: day.author_id.clone(),
                day: day.day.clone(),
                count: day.count,
                first_at: day.first_at.to_string(),
                last_at: day.last_at.to_string(),
            };
            (comment.clone(), shape)
        };
        Self {
            issue: IssueShape::from(&part.issue),
            aliases: part.aliases.iter().map(ToString::to_string).collect(),
            days: part.days.iter().map(day).collect(),
            written: part.written.clone(),
        }
    }
}

impl IssueShape {
    /// The issue.
    ///
    /// # Errors
    /// If a field has a value that it cannot have.
    pub fn into_issue(self) -> Result<Issue, Error> {
        let line = self;
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
            keywords: line.keywords,
            hosts: line.hosts,
            fingerprint: optional(line.fingerprint)?,
            grouping_version: line.grouping_version,
            occurrences: line.occurrences,
            first_seen: line.first_seen.parse()?,
            last_seen: line.last_seen.parse()?,
            created_at: line.created_at.parse()?,
            updated_at: line.updated_at.parse()?,
            resolved_at: optional(line.resolved_at)?,
            old_releases: line.old_releases,
            mute: line.mute.map(mute).transpose()?,
            regression: line.regression.as_ref().map(regression).transpose()?,
            hours: line.hours.into_iter().collect::<Hours>(),
            comments: line.comments,
            head_event: line.head_event.parse()?,
            parts: line.parts.into_iter().map(PartShape::into_part).collect::<Result<_, _>>()?,
            version: line.version,
        })
    }
}

fn mute(line: MuteShape) -> Result<Mute, Error> {
    let until = match (line.until, line.rate) {
        (Some(until), _) => MutedUntil::Time(until.parse()?),
        (None, Some((count, per, before))) => MutedUntil::Rate { count, per: per.parse()?, before },
        (None, None) => MutedUntil::Unmuted,
    };
    Ok(Mute { since: line.since.parse::<Timestamp>()?, until })
}

fn regression(line: &RegressionShape) -> Result<Regression, Error> {
    Ok(Regression {
        resolved_at: line.resolved_at.parse()?,
        from: line.from.parse()?,
        at: line.at.parse()?,
        event: line.event.parse()?,
    })
}

impl PartShape {
    fn into_part(self) -> Result<Part, Error> {
        let day = |(comment, day): (String, DayShape)| {
            let DayShape { author_id, day, count, first_at, last_at } = day;
            let day = Recurrence { author_id, day, count, first_at: first_at.parse()?, last_at: last_at.parse()? };
            Ok::<_, Error>((comment, day))
        };
        Ok(Part {
            issue: self.issue.into_issue()?,
            aliases: self.aliases.iter().map(|id| id.parse()).collect::<Result<_, _>>()?,
            days: self.days.into_iter().map(day).collect::<Result<_, _>>()?,
            written: self.written,
        })
    }
}

fn optional<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    text: Option<String>,
) -> Result<Option<T>, Error> {
    Ok(text.map(|text| text.parse()).transpose()?)
}
