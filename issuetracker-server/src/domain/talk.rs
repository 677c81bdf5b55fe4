//! What people say about an issue: writing, editing and deleting comments. Who may is decided elsewhere; what services
//! count in their daily comments is `fold`'s.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Activity, ActivityKind, Comment, Issue};

/// What becomes of a comment that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommentChange {
    /// It says this from now on.
    Edit(String),
    /// It is gone. That somebody commented stays in the history, which is also how its event is known if it comes again.
    Delete,
}

/// A person's comment and the entry of the history that goes with it.
pub fn comment(issue: &mut Issue, id: &str, content: &str, author_id: &str, now: Timestamp) -> (Comment, Activity) {
    issue.comments += 1;
    touch(issue, now);
    let comment = Comment {
        id: id.to_owned(),
        content: content.to_owned(),
        author_id: author_id.to_owned(),
        created_at: now,
        edited_at: None,
        recurrences: None,
    };
    let activity = commented(&comment, Map::new());
    (comment, activity)
}

/// What a changed comment is to be stored as: the comment, unless it is deleted, and then the entry of the history that
/// says so.
#[derive(Debug, Clone, PartialEq)]
pub enum ChangedComment {
    /// The comment as it is now.
    Edited(Comment),
    /// Takes the place of the entry that says that somebody commented.
    Deleted(Activity),
}

/// Changes a comment that somebody wrote.
pub fn change_comment(
    issue: &mut Issue,
    comment: Comment,
    change: &CommentChange,
    user_id: &str,
    now: Timestamp,
) -> ChangedComment {
    touch(issue, now);
    match change {
        CommentChange::Edit(content) => {
            ChangedComment::Edited(Comment { content: content.clone(), edited_at: Some(now), ..comment })
        }
        CommentChange::Delete => {
            issue.comments = issue.comments.saturating_sub(1);
            let details = json!({"deleted_by": user_id, "deleted_at": now.to_string()});
            let details = if let Value::Object(details) = details { details } else { Map::new() };
            ChangedComment::Deleted(commented(&comment, details))
        }
    }
}

fn touch(issue: &mut Issue, now: Timestamp) {
    issue.updated_at = now;
    issue.version += 1;
}

fn commented(comment: &Comment, details: Map<String, Value>) -> Activity {
    Activity {
        id: comment.id.clone(),
        kind: ActivityKind::Commented,
        user_id: comment.author_id.clone(),
        timestamp: comment.created_at,
        details,
    }
}
