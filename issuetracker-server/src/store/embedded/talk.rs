//! Comments of people, each change one transaction.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::{read, row, unavailable};
use crate::{
    domain::{Comment, CommentChange, IssueId, talk},
    store::StoreError,
};

pub(super) fn add(
    transaction: &Transaction<'_>,
    id: &IssueId,
    comment_id: &str,
    content: &str,
    author_id: &str,
    now: Timestamp,
) -> Result<Comment, StoreError> {
    let id = &read::resolved(transaction, id)?;
    let mut issue = read::issue(transaction, id)?.ok_or(StoreError::NotFound)?;
    if let Some(comment) = read::comment(transaction, id, comment_id)? {
        return Ok(comment);
    }
    let (comment, activity) = talk::comment(&mut issue, comment_id, content, author_id, now);
    row::save_issue(transaction, &issue)?;
    row::save_comment(transaction, id, &comment)?;
    row::save_activity(transaction, id, &activity)?;
    Ok(comment)
}

pub(super) fn change(
    transaction: &Transaction<'_>,
    id: &IssueId,
    comment_id: &str,
    change: &CommentChange,
    user_id: &str,
    now: Timestamp,
) -> Result<Option<Comment>, StoreError> {
    let id = &read::resolved(transaction, id)?;
    let mut issue = read::issue(transaction, id)?.ok_or(StoreError::NotFound)?;
    let comment = read::comment(transaction, id, comment_id)?.ok_or(StoreError::NotFound)?;
    let changed = talk::change_comment(&mut issue, comment, change, user_id, now);
    row::save_issue(transaction, &issue)?;
    match changed {
        talk::ChangedComment::Edited(comment) => {
            row::save_comment(transaction, id, &comment)?;
            Ok(Some(comment))
        }
        talk::ChangedComment::Deleted(activity) => {
            transaction
                .execute("DELETE FROM comments WHERE issue_id = ? AND id = ?", params![id.as_str(), comment_id])
                .map_err(unavailable)?;
            row::save_activity(transaction, id, &activity)?;
            Ok(None)
        }
    }
}
