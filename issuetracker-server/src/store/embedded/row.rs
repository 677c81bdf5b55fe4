//! Rows of the tables to domain types and back. The column names here and in `migrations` are the stored
//! shape.

use std::{str::FromStr, sync::LazyLock};

use jiff::Timestamp;
use rusqlite::{
    Connection, Row, ToSql, named_params, params, params_from_iter,
    types::{FromSqlError, Type},
};

use super::unavailable;
use crate::{
    domain::{Activity, Comment, Hours, Issue, IssueId, issue::Decided},
    store::{BoxError, StoreError, issue_shape, shape},
};

/// The columns of an issue, in the order in which [`save_issue`] has its values.
pub(super) const ISSUE_COLUMNS: &str = "id, short_id, title, description, type, priority, severity, status, reporter_id, \
     assignee_id, tags, component, source, project, service, environment, release, error_kind, location, keywords, hosts, fingerprint, \
     grouping_version, occurrences, first_seen, last_seen, created_at, updated_at, resolved_at, muted_until, mute, \
     regression, hours, comments, head_event, decided, parts, old_releases, version, trend";

/// Writes an issue, new or known.
static SAVE_ISSUE: LazyLock<String> = LazyLock::new(|| {
    let columns: Vec<&str> = ISSUE_COLUMNS.split(", ").collect();
    let values = vec!["?"; columns.len()].join(", ");
    let changed: Vec<String> = columns[1..].iter().map(|column| format!("{column} = excluded.{column}")).collect();
    format!(
        "INSERT INTO issues ({ISSUE_COLUMNS}) VALUES ({values}) ON CONFLICT (id) DO UPDATE SET {}",
        changed.join(", ")
    )
});

pub(super) fn issue(row: &Row<'_>) -> rusqlite::Result<Issue> {
    let decided: u8 = row.get("decided")?;
    Ok(Issue {
        id: word(row, "id")?,
        short_id: match row.get::<_, Option<String>>("short_id")? {
            Some(_) => Some(word(row, "short_id")?),
            None => None,
        },
        title: row.get("title")?,
        description: row.get("description")?,
        issue_type: word(row, "type")?,
        priority: word(row, "priority")?,
        severity: word(row, "severity")?,
        status: word(row, "status")?,
        reporter_id: row.get("reporter_id")?,
        assignee_id: row.get("assignee_id")?,
        tags: json(row, "tags")?,
        component: row.get("component")?,
        source: word(row, "source")?,
        project: row.get("project")?,
        service: row.get("service")?,
        environment: row.get("environment")?,
        release: row.get("release")?,
        error_kind: row.get("error_kind")?,
        location: row.get("location")?,
        keywords: row.get("keywords")?,
        hosts: json(row, "hosts")?,
        fingerprint: match row.get::<_, Option<String>>("fingerprint")? {
            Some(_) => Some(word(row, "fingerprint")?),
            None => None,
        },
        grouping_version: row.get("grouping_version")?,
        occurrences: row.get("occurrences")?,
        first_seen: time(row, "first_seen")?,
        last_seen: time(row, "last_seen")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
        resolved_at: optional_time(row, "resolved_at")?,
        mute: optional(row, "mute", shape::read_mute)?,
        regression: optional(row, "regression", shape::read_regression)?,
        hours: hours(row)?,
        comments: row.get("comments")?,
        head_event: word(row, "head_event")?,
        decided: Decided { priority: decided & 1 != 0, assignee: decided & 2 != 0, tags: decided & 4 != 0 },
        parts: optional(row, "parts", issue_shape::read_parts)?.unwrap_or_default(),
        old_releases: json(row, "old_releases")?,
        version: row.get("version")?,
    })
}

/// What occurrences change of an issue that is known, most of the time.
const COUNTED: &str =
    "UPDATE issues SET occurrences = ?, first_seen = ?, last_seen = ?, hours = ?, trend = ? WHERE id = ?";

/// Writes an issue of which `before` is stored: only what is counted if nothing else is another, since every column that is
/// named costs its indexes, also if it stays as it is.
pub(super) fn save_counted(connection: &Connection, before: &Issue, issue: &Issue) -> Result<(), StoreError> {
    let Issue { occurrences, first_seen, last_seen, ref hours, .. } = *issue;
    let as_counted = Issue { occurrences, first_seen, last_seen, hours: hours.clone(), ..before.clone() };
    if as_counted != *issue {
        return save_issue(connection, issue);
    }
    let values = params![
        occurrences,
        first_seen.as_microsecond(),
        last_seen.as_microsecond(),
        shape::hours(hours),
        hours.trend(),
        issue.id.as_str()
    ];
    connection
        .prepare_cached(COUNTED)
        .and_then(|mut statement| statement.execute(values))
        .map(|_| ())
        .map_err(unavailable)
}

/// Writes an issue, new or known.
pub(super) fn save_issue(connection: &Connection, issue: &Issue) -> Result<(), StoreError> {
    let Decided { priority, assignee, tags } = issue.decided;
    let decided = u8::from(priority) | u8::from(assignee) << 1 | u8::from(tags) << 2;
    let values: [&dyn ToSql; 40] = [
        &issue.id.as_str(),
        &issue.short_id.as_ref().map(IssueId::as_str),
        &issue.title,
        &issue.description,
        &issue.issue_type.as_str(),
        &issue.priority.as_str(),
        &issue.severity.as_str(),
        &issue.status.as_str(),
        &issue.reporter_id,
        &issue.assignee_id,
        &serde_json::Value::from(issue.tags.clone()).to_string(),
        &issue.component,
        &issue.source.as_str(),
        &issue.project,
        &issue.service,
        &issue.environment,
        &issue.release,
        &issue.error_kind,
        &issue.location,
        &issue.keywords,
        &serde_json::Value::from(issue.hosts.clone()).to_string(),
        &issue.fingerprint.map(|fingerprint| fingerprint.to_string()),
        &issue.grouping_version,
        &issue.occurrences,
        &issue.first_seen.as_microsecond(),
        &issue.last_seen.as_microsecond(),
        &issue.created_at.as_microsecond(),
        &issue.updated_at.as_microsecond(),
        &issue.resolved_at.map(Timestamp::as_microsecond),
        &issue.mute.and_then(|mute| mute.ends_at()).map(Timestamp::as_microsecond),
        &issue.mute.as_ref().map(shape::mute),
        &issue.regression.as_ref().map(shape::regression),
        &shape::hours(&issue.hours),
        &issue.comments,
        &issue.head_event.to_string(),
        &decided,
        &issue_shape::parts(&issue.parts),
        &serde_json::Value::from(issue.old_releases.clone()).to_string(),
        &issue.version,
        &issue.hours.trend(),
    ];
    connection
        .prepare_cached(&SAVE_ISSUE)
        .and_then(|mut statement| statement.execute(params_from_iter(values)))
        .map_err(unavailable)?;
    Ok(())
}

pub(super) fn hours(row: &Row<'_>) -> rusqlite::Result<Hours> {
    shape::read_hours(&row.get::<_, String>("hours")?).map_err(foreign)
}

pub(super) fn activity(row: &Row<'_>) -> rusqlite::Result<Activity> {
    Ok(Activity {
        id: row.get("id")?,
        kind: word(row, "type")?,
        user_id: row.get("user_id")?,
        timestamp: time(row, "timestamp")?,
        details: json(row, "details")?,
    })
}

pub(super) fn save_activity(connection: &Connection, id: &IssueId, activity: &Activity) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO activities (issue_id, id, type, user_id, timestamp, details, trace_id, stored_at) \
               VALUES (:issue_id, :id, :type, :user_id, :timestamp, :details, :trace_id, unixepoch())";
    let values = named_params! {
        ":issue_id": id.as_str(),
        ":id": activity.id,
        ":type": activity.kind.as_str(),
        ":user_id": activity.user_id,
        ":timestamp": activity.timestamp.as_microsecond(),
        ":details": serde_json::Value::Object(activity.details.clone()).to_string(),
        ":trace_id": activity.details.get("trace_id").and_then(serde_json::Value::as_str),
    };
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(unavailable)?;
    Ok(())
}

pub(super) fn comment(row: &Row<'_>) -> rusqlite::Result<Comment> {
    Ok(Comment {
        id: row.get("id")?,
        content: row.get("content")?,
        author_id: row.get("author_id")?,
        created_at: time(row, "created_at")?,
        edited_at: optional_time(row, "edited_at")?,
        recurrences: row.get("recurrences")?,
    })
}

pub(super) fn save_comment(connection: &Connection, id: &IssueId, comment: &Comment) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO comments (issue_id, id, content, author_id, created_at, edited_at, recurrences) \
               VALUES (:issue_id, :id, :content, :author_id, :created_at, :edited_at, :recurrences)";
    let values = named_params! {
        ":issue_id": id.as_str(),
        ":id": comment.id,
        ":content": comment.content,
        ":author_id": comment.author_id,
        ":created_at": comment.created_at.as_microsecond(),
        ":edited_at": comment.edited_at.map(Timestamp::as_microsecond),
        ":recurrences": comment.recurrences,
    };
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(unavailable)?;
    Ok(())
}

pub(super) fn word<T: FromStr>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error| unreadable(Type::Text, error))
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(Type::Text, error))
}

fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(row.get(column)?).map_err(|error| unreadable(Type::Integer, error))
}

fn optional_time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column)?
        .map(|micros| Timestamp::from_microsecond(micros).map_err(|error| unreadable(Type::Integer, error)))
        .transpose()
}

fn optional<T>(
    row: &Row<'_>,
    column: &str,
    read: impl FnOnce(&str) -> Result<T, BoxError>,
) -> rusqlite::Result<Option<T>> {
    row.get::<_, Option<String>>(column)?.map(|text| read(&text).map_err(foreign)).transpose()
}

fn foreign(error: BoxError) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error)
}

fn unreadable(stored_as: Type, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, stored_as, Box::new(FromSqlError::other(error)))
}
