//! Documents to domain types and back. The field names here are the stored shape; `firestore.indexes.json` at the root of
//! the repository goes with them.

use firestore::gcloud_sdk::google::firestore::v1::{Document, Value};

use super::{
    path::id_of,
    value::{Fields, Reader, Unreadable, count, integer, or_null, text, texts, time, unreadable},
};
use crate::{
    domain::{Activity, Comment, Issue, IssueId, issue::Decided, part::PART},
    store::{StoreError, Watermark, issue_shape, resolve::Alias, shape},
};

/// Reads a document; one that cannot be read is an error that names it, never skipped.
pub(super) fn read<T>(
    document: &Document,
    read: impl FnOnce(&str, Reader<'_>) -> Result<T, Unreadable>,
) -> Result<T, StoreError> {
    read(&id_of(&document.name), Reader(document)).map_err(|error| {
        // What follows the database: `issues/…/comments/…` tells more than the last id.
        let path = document.name.split_once("/documents/").map_or(document.name.as_str(), |(_, path)| path);
        StoreError::Corrupt { id: path.to_owned(), source: error.into() }
    })
}

pub(super) fn issue_fields(issue: &Issue) -> Fields {
    let Decided { priority, assignee, tags } = issue.decided;
    let decided = [("priority", priority), ("assignee", assignee), ("tags", tags)];
    fields([
        ("short_id", or_null(issue.short_id.as_ref().map(|id| text(id.as_str())))),
        ("title", text(&issue.title)),
        ("description", text(&issue.description)),
        ("type", text(issue.issue_type.as_str())),
        ("priority", text(issue.priority.as_str())),
        ("severity", text(issue.severity.as_str())),
        ("status", text(issue.status.as_str())),
        ("reporter_id", text(&issue.reporter_id)),
        ("assignee_id", or_null(issue.assignee_id.as_deref().map(text))),
        ("tags", texts(issue.tags.iter().map(String::as_str))),
        ("component", text(&issue.component)),
        ("source", text(issue.source.as_str())),
        ("project", text(&issue.project)),
        ("service", text(&issue.service)),
        ("environment", text(&issue.environment)),
        ("release", text(&issue.release)),
        ("error_kind", text(&issue.error_kind)),
        ("location", text(&issue.location)),
        ("keywords", text(&issue.keywords)),
        ("hosts", texts(issue.hosts.iter().map(String::as_str))),
        ("fingerprint", or_null(issue.fingerprint.map(|fingerprint| text(&fingerprint.to_string())))),
        ("grouping_version", integer(issue.grouping_version.into())),
        ("occurrences", count(issue.occurrences)),
        ("first_seen", time(issue.first_seen)),
        ("last_seen", time(issue.last_seen)),
        ("created_at", time(issue.created_at)),
        ("updated_at", time(issue.updated_at)),
        ("resolved_at", or_null(issue.resolved_at.map(time))),
        ("old_releases", texts(issue.old_releases.iter().map(String::as_str))),
        ("muted_until", or_null(issue.mute.and_then(|mute| mute.ends_at()).map(time))),
        ("mute", or_null(issue.mute.map(|mute| text(&shape::mute(&mute))))),
        ("regression", or_null(issue.regression.as_ref().map(|regression| text(&shape::regression(regression))))),
        ("hours", text(&shape::hours(&issue.hours))),
        ("comments", count(issue.comments)),
        ("head_event", text(&issue.head_event.to_string())),
        ("decided", texts(decided.into_iter().filter_map(|(field, is_decided)| is_decided.then_some(field)))),
        ("parts", or_null(issue_shape::parts(&issue.parts).map(|parts| text(&parts)))),
        ("version", count(issue.version)),
    ])
}

pub(super) fn issue(id: &str, fields: Reader<'_>) -> Result<Issue, Unreadable> {
    let decided = fields.texts("decided")?;
    let is_decided = |field: &str| decided.iter().any(|decided| decided == field);
    Ok(Issue {
        id: self::id(id)?,
        short_id: fields.optional("short_id", Reader::word)?,
        title: fields.text("title")?.to_owned(),
        description: fields.text("description")?.to_owned(),
        issue_type: fields.word("type")?,
        priority: fields.word("priority")?,
        severity: fields.word("severity")?,
        status: fields.word("status")?,
        reporter_id: fields.text("reporter_id")?.to_owned(),
        assignee_id: fields.optional("assignee_id", Reader::text)?.map(str::to_owned),
        tags: fields.texts("tags")?,
        component: fields.text("component")?.to_owned(),
        source: fields.word("source")?,
        project: fields.text("project")?.to_owned(),
        service: fields.text("service")?.to_owned(),
        environment: fields.text("environment")?.to_owned(),
        release: fields.text("release")?.to_owned(),
        error_kind: fields.text("error_kind")?.to_owned(),
        location: fields.text("location")?.to_owned(),
        keywords: fields.optional("keywords", Reader::text)?.unwrap_or_default().to_owned(),
        hosts: fields.optional("hosts", Reader::texts)?.unwrap_or_default(),
        fingerprint: fields.optional("fingerprint", Reader::word)?,
        grouping_version: fields.number("grouping_version")?,
        occurrences: fields.number("occurrences")?,
        first_seen: fields.time("first_seen")?,
        last_seen: fields.time("last_seen")?,
        created_at: fields.time("created_at")?,
        updated_at: fields.time("updated_at")?,
        resolved_at: fields.optional("resolved_at", Reader::time)?,
        old_releases: fields.optional("old_releases", Reader::texts)?.unwrap_or_default(),
        mute: fields.shape("mute", shape::read_mute)?,
        regression: fields.shape("regression", shape::read_regression)?,
        hours: fields.shape("hours", shape::read_hours)?.unwrap_or_default(),
        comments: fields.number("comments")?,
        head_event: fields.word("head_event")?,
        decided: Decided {
            priority: is_decided("priority"),
            assignee: is_decided("assignee"),
            tags: is_decided("tags"),
        },
        parts: fields.shape("parts", issue_shape::read_parts)?.unwrap_or_default(),
        version: fields.number("version")?,
    })
}

/// The id of an issue, as a document's name ends with it.
pub(super) fn id(id: &str) -> Result<IssueId, Unreadable> {
    id.parse().map_err(|error| unreadable("__name__", error))
}

pub(super) fn alias_fields(alias: &Alias) -> Fields {
    fields([("issue_id", text(alias.issue_id.as_str())), ("via", texts(alias.via.iter().map(IssueId::as_str)))])
}

pub(super) fn alias(_id: &str, fields: Reader<'_>) -> Result<Alias, Unreadable> {
    let via = fields.texts("via")?.into_iter().map(|id| id.parse().map_err(|error| unreadable("via", error)));
    Ok(Alias { issue_id: fields.word("issue_id")?, via: via.collect::<Result<_, _>>()? })
}

pub(super) fn activity_fields(activity: &Activity) -> Fields {
    let part = activity.details.get(PART).and_then(serde_json::Value::as_str);
    let part = part.map(|part| (PART.to_owned(), text(part)));
    let trace_id = activity.details.get("trace_id").and_then(serde_json::Value::as_str);
    let trace_id = trace_id.map(|trace_id| ("trace_id".to_owned(), text(trace_id)));
    let fields = fields([
        ("type", text(activity.kind.as_str())),
        ("user_id", text(&activity.user_id)),
        ("timestamp", time(activity.timestamp)),
        // JSON as text: a map would lose integers beyond 63 bits, and refuse arrays in arrays and keys like `__x__`.
        ("details", text(&serde_json::Value::Object(activity.details.clone()).to_string())),
    ]);
    // Fields of their own, so that entries are found by them.
    fields.into_iter().chain(part).chain(trace_id).collect()
}

pub(super) fn activity(id: &str, fields: Reader<'_>) -> Result<Activity, Unreadable> {
    Ok(Activity {
        id: id.to_owned(),
        kind: fields.word("type")?,
        user_id: fields.text("user_id")?.to_owned(),
        timestamp: fields.time("timestamp")?,
        details: serde_json::from_str(fields.text("details")?).map_err(|error| unreadable("details", error))?,
    })
}

pub(super) fn comment_fields(comment: &Comment) -> Fields {
    fields([
        ("content", text(&comment.content)),
        ("author_id", text(&comment.author_id)),
        ("created_at", time(comment.created_at)),
        ("edited_at", or_null(comment.edited_at.map(time))),
        ("recurrences", or_null(comment.recurrences.map(count))),
    ])
}

pub(super) fn comment(id: &str, fields: Reader<'_>) -> Result<Comment, Unreadable> {
    Ok(Comment {
        id: id.to_owned(),
        content: fields.text("content")?.to_owned(),
        author_id: fields.text("author_id")?.to_owned(),
        created_at: fields.time("created_at")?,
        edited_at: fields.optional("edited_at", Reader::time)?,
        recurrences: fields.optional("recurrences", Reader::number)?,
    })
}

pub(super) fn watermark_fields(watermark: &Watermark) -> Fields {
    fields([
        ("topic", text(&watermark.topic)),
        ("partition", integer(watermark.partition.into())),
        ("next_offset", integer(watermark.next_offset)),
        // An integer, not a timestamp: it is Kafka's own number, to be compared with Kafka's own number.
        ("timestamp_ms", integer(watermark.timestamp_ms)),
    ])
}

pub(super) fn watermark(_id: &str, fields: Reader<'_>) -> Result<Watermark, Unreadable> {
    Ok(Watermark {
        topic: fields.text("topic")?.to_owned(),
        partition: fields.number("partition")?,
        next_offset: fields.integer("next_offset")?,
        timestamp_ms: fields.integer("timestamp_ms")?,
    })
}

pub(super) fn note_fields(key: &str, value: &str) -> Fields {
    fields([("key", text(key)), ("value", text(value))])
}

pub(super) fn note(_id: &str, fields: Reader<'_>) -> Result<(String, String), Unreadable> {
    Ok((fields.text("key")?.to_owned(), fields.text("value")?.to_owned()))
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> Fields {
    fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect()
}
