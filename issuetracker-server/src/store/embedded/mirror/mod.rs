//! A copy of issues that live elsewhere, in this store's own tables, so that lists, search and counts mean the same
//! wherever issues are stored. It is never the truth: its file is new at each start and gone at the end.

mod file;

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Transaction, params};

use self::file::PrivateFile;
use super::{EmbeddedStore, connection, row, unavailable};
use crate::{
    domain::Issue,
    store::{Breakdown, Facet, IssueQuery, IssueStore, Overview, Page, StoreError, Trend},
};

/// What the copy knows beside the issues: of which moment each is, and what cannot be read where it comes from.
const SCHEMA: &str = "
    CREATE TABLE sightings (
        id    TEXT PRIMARY KEY,
        as_of INTEGER NOT NULL,
        found INTEGER NOT NULL,
        round INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    PRAGMA synchronous = OFF;
    PRAGMA journal_size_limit = 16777216;
";

/// The values of `sightings.found`.
const GONE: u8 = 0;
const READABLE: u8 = 1;
const UNREADABLE: u8 = 2;

/// What was seen of an issue at a moment.
#[derive(Debug)]
pub(in crate::store) struct Sighting {
    /// Of which.
    pub(in crate::store) id: String,
    /// When it was changed last, or when it was found missing, in the clock of where it lives. A later one wins.
    pub(in crate::store) as_of: i64,
    /// What was there.
    pub(in crate::store) seen: Seen,
}

/// See [`Sighting`].
#[derive(Debug)]
pub(in crate::store) enum Seen {
    /// The issue.
    Issue(Box<Issue>),
    /// Something that is no issue.
    Unreadable,
    /// Nothing.
    Gone,
}

/// The copy.
pub(in crate::store) struct Mirror {
    // Before the file, which is removed when everybody has left it.
    store: EmbeddedStore,
    _file: PrivateFile,
}

impl Mirror {
    /// An empty copy in the directory for temporary files. Blocks for some milliseconds.
    pub(in crate::store) fn create() -> Result<Self, StoreError> {
        let file = PrivateFile::create(&std::env::temp_dir()).map_err(unavailable)?;
        let writer = connection::open_for_writing(file.path())?;
        writer.execute_batch(SCHEMA).map_err(unavailable)?;
        Ok(Self { store: EmbeddedStore::on(writer, file.path())?, _file: file })
    }

    /// Takes what was seen, unless it was known already, or something later is. `round` is noted with it.
    pub(in crate::store) async fn take(&self, sightings: Vec<Sighting>, round: u64) -> Result<(), StoreError> {
        if sightings.is_empty() {
            return Ok(());
        }
        self.store.write(move |transaction| sightings.iter().try_for_each(|seen| take(transaction, seen, round))).await
    }

    /// Some ids that were not seen since before `round`.
    pub(in crate::store) async fn unseen(&self, round: u64, limit: usize) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT id FROM sightings WHERE round < ? AND found <> 0 LIMIT ?";
        self.store
            .read(move |connection| {
                let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
                let ids = statement.query_map(params![round, limit], |row| row.get(0));
                ids.and_then(Iterator::collect).map_err(unavailable)
            })
            .await
    }

    /// Those of `ids` that something is known of, be it that they are gone.
    pub(in crate::store) async fn known(&self, ids: Vec<String>) -> Result<HashSet<String>, StoreError> {
        self.store
            .read(move |connection| {
                let sql = "SELECT 1 FROM sightings WHERE id = ?";
                let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
                let mut known = HashSet::new();
                for id in ids {
                    if statement.exists([&id]).map_err(unavailable)? {
                        known.insert(id);
                    }
                }
                Ok(known)
            })
            .await
    }

    /// How many issues are in it, and the ids of what cannot be read, at most `limit`.
    pub(in crate::store) async fn content(&self, limit: usize) -> Result<(u64, Vec<String>), StoreError> {
        self.store
            .read(move |connection| {
                let count = connection.query_row("SELECT count(*) FROM issues", [], |row| row.get(0));
                let mut unreadable = connection
                    .prepare_cached("SELECT id FROM sightings WHERE found = ? ORDER BY id LIMIT ?")
                    .map_err(unavailable)?;
                let unreadable = unreadable.query_map(params![UNREADABLE, limit], |row| row.get(0));
                let unreadable = unreadable.and_then(Iterator::collect).map_err(unavailable)?;
                Ok((count.map_err(unavailable)?, unreadable))
            })
            .await
    }

    /// As the embedded store.
    pub(in crate::store) async fn issues(&self, query: &IssueQuery) -> Result<Page<Issue>, StoreError> {
        self.store.issues(query).await
    }

    /// As the embedded store.
    pub(in crate::store) async fn overview(&self, query: &IssueQuery) -> Result<Overview, StoreError> {
        self.store.overview(query).await
    }

    /// As the embedded store.
    pub(in crate::store) async fn values(
        &self,
        of: Facet,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.store.values(of, prefix, limit).await
    }

    /// As the embedded store.
    pub(in crate::store) async fn trend(&self, query: &IssueQuery, from: i64) -> Result<Trend, StoreError> {
        self.store.trend(query, from).await
    }

    /// Likewise.
    pub(in crate::store) async fn breakdown(&self, query: &IssueQuery, from: i64) -> Result<Breakdown, StoreError> {
        self.store.breakdown(query, from).await
    }
}

fn take(transaction: &Transaction<'_>, sighting: &Sighting, round: u64) -> Result<(), StoreError> {
    let found = match &sighting.seen {
        Seen::Issue(_) => READABLE,
        Seen::Unreadable => UNREADABLE,
        Seen::Gone => GONE,
    };
    let known: Option<i64> = transaction
        .prepare_cached("SELECT as_of FROM sightings WHERE id = ?")
        .and_then(|mut statement| statement.query_row([&sighting.id], |row| row.get(0)).optional())
        .map_err(unavailable)?;
    if known.is_some_and(|known| known >= sighting.as_of) {
        return transaction
            .prepare_cached("UPDATE sightings SET round = max(round, ?) WHERE id = ?")
            .and_then(|mut statement| statement.execute(params![round, sighting.id]))
            .map(|_| ())
            .map_err(unavailable);
    }
    transaction
        .prepare_cached("INSERT OR REPLACE INTO sightings (id, as_of, found, round) VALUES (?, ?, ?, ?)")
        .and_then(|mut statement| statement.execute(params![sighting.id, sighting.as_of, found, round]))
        .map_err(unavailable)?;
    match &sighting.seen {
        Seen::Issue(issue) => row::save_issue(transaction, issue),
        Seen::Unreadable | Seen::Gone => transaction
            .prepare_cached("DELETE FROM issues WHERE id = ?")
            .and_then(|mut statement| statement.execute([&sighting.id]))
            .map(|_| ())
            .map_err(unavailable),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tracing_issues::fingerprint::Identity;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Filter, Fingerprint, Hours, IssueType, Priority, Severity, Source, Status, issue::Decided};

    fn issue(title: &str) -> Issue {
        let fingerprint = Fingerprint::custom("one", &Identity::default());
        Issue {
            id: fingerprint.issue_id(),
            short_id: None,
            title: title.to_owned(),
            description: String::new(),
            issue_type: IssueType::Bug,
            priority: Priority::Medium,
            severity: Severity::Error,
            status: Status::Open,
            reporter_id: "feed-service".to_owned(),
            assignee_id: None,
            tags: Vec::new(),
            component: String::new(),
            source: Source::Service,
            project: String::new(),
            service: String::new(),
            environment: String::new(),
            release: String::new(),
            error_kind: String::new(),
            location: String::new(),
            keywords: String::new(),
            hosts: Vec::new(),
            fingerprint: Some(fingerprint),
            grouping_version: 1,
            occurrences: 1,
            first_seen: Timestamp::UNIX_EPOCH,
            last_seen: Timestamp::UNIX_EPOCH,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            resolved_at: None,
            old_releases: Vec::new(),
            mute: None,
            regression: None,
            hours: Hours::default(),
            comments: 0,
            head_event: Uuid::nil(),
            decided: Decided::default(),
            parts: Vec::new(),
            version: 1,
        }
    }

    fn sighting(as_of: i64) -> Sighting {
        let seen = match as_of {
            3 => Seen::Gone,
            4 => Seen::Unreadable,
            as_of => Seen::Issue(Box::new(issue(&format!("title{as_of}")))),
        };
        Sighting { id: issue("").id.to_string(), as_of, seen }
    }

    /// Whatever order sightings arrive in, what the latest has seen is what is there, in the list and in the search.
    async fn check_latest_stands(order: &[i64]) {
        let mirror = Mirror::create().unwrap();
        let mut latest = 0;
        for as_of in order.iter().copied() {
            mirror.take(vec![sighting(as_of)], 1).await.unwrap();
            latest = latest.max(as_of);
            let expected: Vec<String> =
                [format!("title{latest}")].into_iter().filter(|_| latest != 3 && latest != 4).collect();
            for title in 1..=5 {
                let filter = Filter::of_words([format!("title{title}").as_str()]);
                let found = mirror.issues(&IssueQuery { filter, limit: 9, ..IssueQuery::default() }).await.unwrap();
                let is_it = !expected.is_empty() && title == latest;
                assert_eq!(found.items.len(), usize::from(is_it), "{order:?} up to {as_of}: title{title}");
            }
            let listed = mirror.issues(&IssueQuery { limit: 9, ..IssueQuery::default() }).await.unwrap().items;
            assert_eq!(listed.into_iter().map(|issue| issue.title).collect::<Vec<_>>(), expected, "{order:?}");
        }
    }

    #[tokio::test]
    async fn the_latest_sighting_stands_whatever_the_order() {
        for first in 1..=5 {
            for second in 1..=5 {
                for third in 1..=5 {
                    check_latest_stands(&[first, second, third]).await;
                }
            }
        }
    }

    #[tokio::test]
    async fn what_a_round_has_not_seen_is_asked_for() {
        let mirror = Mirror::create().unwrap();
        mirror.take(vec![sighting(1)], 1).await.unwrap();
        assert_eq!(mirror.unseen(1, 9).await.unwrap(), Vec::<String>::new());
        let id = issue("").id.to_string();
        assert_eq!(mirror.unseen(2, 9).await.unwrap(), std::slice::from_ref(&id));
        // Seen again as it was.
        mirror.take(vec![sighting(1)], 2).await.unwrap();
        assert_eq!(mirror.unseen(2, 9).await.unwrap(), Vec::<String>::new());
        assert_eq!(mirror.known(vec![id.clone(), "b".to_owned()]).await.unwrap(), HashSet::from([id]));
        mirror.take(vec![sighting(4)], 2).await.unwrap();
        assert_eq!(mirror.content(9).await.unwrap(), (0, vec![issue("").id.to_string()]));
    }
}
