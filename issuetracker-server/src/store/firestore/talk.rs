//! Comments of people: read, apply, commit on the condition that nobody was faster.

use jiff::Timestamp;

use super::{
    FirestoreStore, document,
    write::{ATTEMPTS, create, delete, pause, put, update},
};
use crate::{
    domain::{Comment, CommentChange, IssueId, talk},
    store::StoreError,
};

impl FirestoreStore {
    pub(super) async fn read_comment(&self, id: &IssueId, comment_id: &str) -> Result<Option<Comment>, StoreError> {
        self.one(self.paths().comment(&self.resolved(id).await?, comment_id), document::comment).await
    }

    pub(super) async fn comment_on_issue(
        &self,
        id: &IssueId,
        comment_id: &str,
        content: &str,
        author_id: &str,
        now: Timestamp,
    ) -> Result<Comment, StoreError> {
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let id = &self.resolved(id).await?;
            let (issue_name, comment_name) = (self.paths().issue(id.as_str()), self.paths().comment(id, comment_id));
            let found = self.client.get(vec![issue_name.clone(), comment_name.clone()], None).await?;
            let before = found.get(&issue_name).ok_or(StoreError::NotFound)?;
            if let Some(comment) = found.get(&comment_name) {
                return document::read(comment, document::comment);
            }
            let mut issue = document::read(before, document::issue)?;
            let (comment, activity) = talk::comment(&mut issue, comment_id, content, author_id, now);
            let writes = vec![
                update(before, document::issue_fields(&issue)),
                create(comment_name, document::comment_fields(&comment)),
                self.put_activity(id, &activity),
            ];
            if self.commit_change(&issue, writes).await? {
                return Ok(comment);
            }
        }
        Err(StoreError::Conflict)
    }

    pub(super) async fn change_comment_of_issue(
        &self,
        id: &IssueId,
        comment_id: &str,
        change: &CommentChange,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Option<Comment>, StoreError> {
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let id = &self.resolved(id).await?;
            let (issue_name, comment_name) = (self.paths().issue(id.as_str()), self.paths().comment(id, comment_id));
            let found = self.client.get(vec![issue_name.clone(), comment_name.clone()], None).await?;
            let before = found.get(&issue_name).ok_or(StoreError::NotFound)?;
            let comment = found.get(&comment_name).ok_or(StoreError::NotFound)?;
            let mut issue = document::read(before, document::issue)?;
            let comment = document::read(comment, document::comment)?;
            let changed = talk::change_comment(&mut issue, comment, change, user_id, now);
            let mut writes = vec![update(before, document::issue_fields(&issue))];
            let answer = match changed {
                talk::ChangedComment::Edited(comment) => {
                    writes.push(put(comment_name, document::comment_fields(&comment)));
                    Some(comment)
                }
                talk::ChangedComment::Deleted(activity) => {
                    writes.extend([delete(comment_name), self.put_activity(id, &activity)]);
                    None
                }
            };
            if self.commit_change(&issue, writes).await? {
                return Ok(answer);
            }
        }
        Err(StoreError::Conflict)
    }
}
