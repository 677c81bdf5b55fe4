//! One occurrence among its neighbours, and what else happened in its trace.

use std::collections::BTreeSet;

use super::{FirestoreStore, document, query};
use crate::{
    domain::{Activity, IssueId},
    store::{Cursor, Neighbourhood, StoreError, Which},
};

/// Occurrences of one trace that an issue is thought to have.
const OCCURRENCES_OF_ISSUE: usize = 10;

impl FirestoreStore {
    pub(super) async fn read_occurrence(
        &self,
        id: &IssueId,
        which: Which<'_>,
    ) -> Result<Option<Neighbourhood>, StoreError> {
        let id = &self.resolved(id).await?;
        let found = match which {
            Which::First => self.next_occurrence(id, query::Towards::Newer, None).await?,
            Which::Latest => self.next_occurrence(id, query::Towards::Older, None).await?,
            Which::Event(event) => self.one(self.paths().activity(id, event), document::activity).await?,
        };
        let Some(activity) = found else { return Ok(None) };
        let place = Cursor { key: activity.timestamp.as_microsecond(), id: activity.id.clone() };
        let older = self.next_occurrence(id, query::Towards::Older, Some(&place)).await?.map(|older| older.id);
        let newer = self.next_occurrence(id, query::Towards::Newer, Some(&place)).await?.map(|newer| newer.id);
        Ok(Some(Neighbourhood { activity, older, newer }))
    }

    async fn next_occurrence(
        &self,
        id: &IssueId,
        towards: query::Towards,
        after: Option<&Cursor>,
    ) -> Result<Option<Activity>, StoreError> {
        let query = query::next_occurrence(towards, after, |activity| self.paths().activity(id, activity));
        let documents = self.client.query(&self.paths().issue(id.as_str()), query).await?;
        documents.first().map(|document| document::read(document, document::activity)).transpose()
    }

    pub(super) async fn list_issues_of_trace(&self, trace_id: &str, limit: usize) -> Result<Vec<IssueId>, StoreError> {
        let query = query::occurrences_of_trace(trace_id, limit * OCCURRENCES_OF_ISSUE);
        let documents = self.client.query(self.client.documents_path(), query).await?;
        let mut ids = BTreeSet::new();
        // What is left beneath an issue that was merged is found beneath the other, too.
        for id in documents.iter().filter_map(|document| self.paths().issue_of(&document.name)) {
            ids.insert(self.resolved(&id).await?);
        }
        Ok(ids.into_iter().take(limit).collect())
    }
}
