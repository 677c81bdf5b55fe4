//! Everything in the database, in parts, and back: what `export` and `import` need beyond what servers do.

use firestore::gcloud_sdk::{google::firestore::v1::Write, prost::Message};

use super::{
    FirestoreStore, client::Refused, document, numbers, path::ALIASES, path::ISSUES, query, service_days, unavailable,
    write::put,
};
use crate::{
    domain::IssueId,
    store::{AliasEntry, Item, StoreError, Watermark, resolve::Alias},
};

/// The most bytes of one commit.
const MAX_BYTES: usize = 4 << 20;

impl FirestoreStore {
    pub(super) async fn list_issue_ids(
        &self,
        after: Option<&IssueId>,
        limit: usize,
    ) -> Result<Vec<IssueId>, StoreError> {
        let after = after.map(|id| self.paths().issue(id.as_str()));
        let query = query::by_name(ISSUES, after, limit, Some("title"));
        let documents = self.client.query(self.client.documents_path(), query).await?;
        documents.iter().map(|document| document::read(document, |id, _| document::id(id))).collect()
    }

    pub(super) async fn list_aliases(
        &self,
        after: Option<&IssueId>,
        limit: usize,
    ) -> Result<Vec<AliasEntry>, StoreError> {
        let after = after.map(|id| self.paths().alias(id.as_str()));
        let query = query::by_name(ALIASES, after, limit, None);
        let mut entries = Vec::new();
        for document in self.client.query(self.client.documents_path(), query).await? {
            entries.push(document::read(&document, |id, fields| {
                let Alias { issue_id, via } = document::alias(id, fields)?;
                Ok((document::id(id)?, issue_id, via))
            })?);
        }
        Ok(entries)
    }

    pub(super) async fn list_watermarks(&self) -> Result<Vec<Watermark>, StoreError> {
        // One for each partition: this is more than there are.
        let query = query::by_name("offsets", None, 10_000, None);
        let documents = self.client.query(self.client.documents_path(), query).await?;
        documents.iter().map(|document| document::read(document, document::watermark)).collect()
    }

    pub(super) async fn put_items(&self, items: &[Item]) -> Result<(), StoreError> {
        let (mut writes, mut bytes) = (Vec::new(), 0);
        for item in items {
            let write = self.write_of(item);
            if bytes + write.encoded_len() > MAX_BYTES {
                self.put_all(std::mem::take(&mut writes)).await?;
                bytes = 0;
            }
            bytes += write.encoded_len();
            writes.push(write);
        }
        writes.extend(numbers::skip_to(self.paths(), items.iter().filter_map(Item::short_id)));
        self.put_all(writes).await
    }

    fn write_of(&self, item: &Item) -> Write {
        let paths = self.paths();
        match item {
            Item::Issue(issue) => put(paths.issue(issue.id.as_str()), document::issue_fields(issue)),
            Item::Comment(issue_id, comment) => {
                put(paths.comment(issue_id, &comment.id), document::comment_fields(comment))
            }
            Item::Activity(issue_id, activity) => {
                put(paths.activity(issue_id, &activity.id), document::activity_fields(activity))
            }
            Item::Alias { id, issue_id, via } => {
                let alias = Alias { issue_id: issue_id.clone(), via: via.clone() };
                put(paths.alias(id.as_str()), document::alias_fields(&alias))
            }
            Item::ServiceHour(hour) => service_days::replacement(paths, hour),
            Item::Watermark(watermark) => {
                put(paths.watermark(&watermark.topic, watermark.partition), document::watermark_fields(watermark))
            }
            Item::Note(key, value) => put(paths.note(key), document::note_fields(key, value)),
        }
    }

    pub(super) async fn put_all(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        match self.client.commit(writes).await {
            Ok(_) => Ok(()),
            Err(Refused::Stale(_)) => Err(unavailable("somebody else was writing the same documents")),
            Err(Refused::Failed(error)) => Err(error),
        }
    }
}
