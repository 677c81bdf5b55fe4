//! Rows of the tables to domain types and back. The column names here and in `schema.sql` are the stored shape.

use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::{
    Connection, Row, named_params,
    types::{FromSqlError, Type},
};

use super::unavailable;
use crate::{
    domain::{Activity, Comment, Issue, IssueId, issue::Decided},
    store::StoreError,
};

/// The columns of an issue, in the order of [`save_issue`].
pub(super) const ISSUE_COLUMNS: &str = "id, title, description, type, priority, severity, status, reporter_id, \
     assignee_id, tags, component, source, project, service, environment, release, error_kind, location, fingerprint, \
     grouping_version, occurrences, first_seen, last_seen, created_at, updated_at, resolved_at, muted_until, comments, \
     head_event, decided, version";

pub(super) fn issue(row: &Row<'_>) -> rusqlite::Result<Issue> {
    let decided: u8 = row.get("decided")?;
    Ok(Issue {
        id: word(row, "id")?,
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
        muted_until: optional_time(row, "muted_until")?,
        comments: row.get("comments")?,
        head_event: word(row, "head_event")?,
        decided: Decided { priority: decided & 1 != 0, assignee: decided & 2 != 0, tags: decided & 4 != 0 },
        version: row.get("version")?,
    })
}

/// Writes an issue, new or known.
pub(super) fn save_issue(connection: &Connection, issue: &Issue) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO issues ({ISSUE_COLUMNS}) VALUES (:id, :title, :description, :type, :priority, :severity, :status, \
         :reporter_id, :assignee_id, :tags, :component, :source, :project, :service, :environment, :release, \
         :error_kind, :location, :fingerprint, :grouping_version, :occurrences, :first_seen, :last_seen, :created_at, \
         :updated_at, :resolved_at, :muted_until, :comments, :head_event, :decided, :version) \
         ON CONFLICT (id) DO UPDATE SET (title, description, type, priority, severity, status, reporter_id, \
         assignee_id, tags, component, source, project, service, environment, release, error_kind, location, \
         occurrences, first_seen, last_seen, created_at, updated_at, resolved_at, muted_until, comments, head_event, \
         decided, version) = (excluded.title, excluded.description, excluded.type, excluded.priority, \
         excluded.severity, excluded.status, excluded.reporter_id, excluded.assignee_id, excluded.tags, \
         excluded.component, excluded.source, excluded.project, excluded.service, excluded.environment, \
         excluded.release, excluded.error_kind, excluded.location, excluded.occurrences, excluded.first_seen, \
         excluded.last_seen, excluded.created_at, excluded.updated_at, excluded.resolved_at, excluded.muted_until, \
         excluded.comments, excluded.head_event, excluded.decided, excluded.version)"
    );
    let Decided { priority, assignee, tags } = issue.decided;
    let decided = u8::from(priority) | u8::from(assignee) << 1 | u8::from(tags) << 2;
    let values = named_params! {
        ":id": issue.id.as_str(),
        ":title": issue.title,
        ":description": issue.description,
        ":type": issue.issue_type.as_str(),
        ":priority": issue.priority.as_str(),
        ":severity": issue.severity.as_str(),
        ":status": issue.status.as_str(),
        ":reporter_id": issue.reporter_id,
        ":assignee_id": issue.assignee_id,
        ":tags": serde_json::Value::from(issue.tags.clone()).to_string(),
        ":component": issue.component,
        ":source": issue.source.as_str(),
        ":project": issue.project,
        ":service": issue.service,
        ":environment": issue.environment,
        ":release": issue.release,
        ":error_kind": issue.error_kind,
        ":location": issue.location,
        ":fingerprint": issue.fingerprint.map(|fingerprint| fingerprint.to_string()),
        ":grouping_version": issue.grouping_version,
        ":occurrences": issue.occurrences,
        ":first_seen": issue.first_seen.as_microsecond(),
        ":last_seen": issue.last_seen.as_microsecond(),
        ":created_at": issue.created_at.as_microsecond(),
        ":updated_at": issue.updated_at.as_microsecond(),
        ":resolved_at": issue.resolved_at.map(Timestamp::as_microsecond),
        ":muted_until": issue.muted_until.map(Timestamp::as_microsecond),
        ":comments": issue.comments,
        ":head_event": issue.head_event.to_string(),
        ":decided": decided,
        ":version": issue.version,
    };
    connection.prepare_cached(&sql).and_then(|mut statement| statement.execute(values)).map_err(unavailable)?;
    Ok(())
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
    let sql = "INSERT OR REPLACE INTO activities (issue_id, id, type, user_id, timestamp, details) \
               VALUES (:issue_id, :id, :type, :user_id, :timestamp, :details)";
    let values = named_params! {
        ":issue_id": id.as_str(),
        ":id": activity.id,
        ":type": activity.kind.as_str(),
        ":user_id": activity.user_id,
        ":timestamp": activity.timestamp.as_microsecond(),
        ":details": serde_json::Value::Object(activity.details.clone()).to_string(),
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

fn word<T: FromStr>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
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

fn unreadable(stored_as: Type, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, stored_as, Box::new(FromSqlError::other(error)))
}
