//! Comments that people write, edit and delete.

use jiff::Timestamp;
use uuid::Uuid;

use super::{MAX_TEXT_CHARS, Once, Triage, TriageError, invalid};
use crate::{
    auth::Principal,
    domain::{Comment, CommentChange, IssueId, Permission, Role, clean, to_micros},
    notify::Change,
    store::StoreError,
};

impl Triage {
    /// Adds a comment; a request that has a name adds one, however often it is sent.
    ///
    /// # Errors
    /// If the text is empty or too long, [`TriageError::KeyReused`], or those of the store.
    pub async fn comment(
        &self,
        id: &IssueId,
        content: &str,
        once: Option<Once<'_>>,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Comment, TriageError> {
        check_content(content)?;
        let comment_id = match once {
            Some(once) => once.id(&*self.store, &principal.user_id, id.as_str(), now).await?,
            None => Uuid::now_v7(),
        };
        let comment_id = comment_id.to_string();
        let comment =
            self.store.add_comment(id, &comment_id, &clean(content), &principal.user_id, to_micros(now)).await?;
        self.notifier.publish(Change::of_one(id));
        Ok(comment)
    }

    /// Edits a comment, for who wrote it and for ADMINs.
    ///
    /// # Errors
    /// If the text is empty or too long, [`TriageError::NoComment`], [`TriageError::NotYours`], or those of the store.
    pub async fn edit_comment(
        &self,
        id: &IssueId,
        comment_id: &str,
        content: &str,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Comment, TriageError> {
        check_content(content)?;
        let change = CommentChange::Edit(clean(content));
        self.change_comment(id, comment_id, &change, principal, now).await?.ok_or(TriageError::NoComment)
    }

    /// Deletes a comment, for who wrote it and for ADMINs.
    ///
    /// # Errors
    /// [`TriageError::NoComment`], [`TriageError::NotYours`], or those of the store.
    pub async fn delete_comment(
        &self,
        id: &IssueId,
        comment_id: &str,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<(), TriageError> {
        self.change_comment(id, comment_id, &CommentChange::Delete, principal, now).await.map(|_| ())
    }

    async fn change_comment(
        &self,
        id: &IssueId,
        comment_id: &str,
        change: &CommentChange,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Option<Comment>, TriageError> {
        let comment = self.store.comment(id, comment_id).await?.ok_or(TriageError::NoComment)?;
        // Its author never changes, so what holds now holds when it is written.
        if !may_change(principal, &comment) {
            return Err(TriageError::NotYours);
        }
        let changed = match self.store.change_comment(id, comment_id, change, &principal.user_id, to_micros(now)).await
        {
            Err(StoreError::NotFound) => return Err(TriageError::NoComment),
            changed => changed?,
        };
        self.notifier.publish(Change::of_one(id));
        Ok(changed)
    }
}

/// Whether somebody may edit and delete a comment: it is theirs, or they are ADMIN. What a service counts is nobody's.
pub fn may_change(principal: &Principal, comment: &Comment) -> bool {
    let is_theirs = principal.user_id == comment.author_id && principal.may(Permission::Comment);
    comment.recurrences.is_none() && (principal.role == Role::Admin || is_theirs)
}

fn check_content(content: &str) -> Result<(), TriageError> {
    if content.trim().is_empty() {
        return Err(TriageError::Invalid(vec![invalid("content", "write something")]));
    }
    if content.chars().count() > MAX_TEXT_CHARS {
        let message = format!("at most {MAX_TEXT_CHARS} characters");
        return Err(TriageError::Invalid(vec![invalid("content", &message)]));
    }
    Ok(())
}
