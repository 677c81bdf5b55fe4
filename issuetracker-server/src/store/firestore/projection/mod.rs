//! A local copy of all issues, which answers lists, search, counts and overview with the embedded store's own code, so
//! that both stores mean the same. It is never the truth: one issue, its history and its comments are read from Firestore,
//! and what is committed rests on what Firestore says.
//!
//! Three things feed it: this server's commits, what other servers tell of theirs (`refresh`), and reading all issues, at
//! the start and now and then ([`upkeep`]). They overlap in any order: each brings the time at which Firestore says the
//! document changed last, and the later time stands.

pub(super) mod upkeep;

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use firestore::gcloud_sdk::{google::firestore::v1::Document, prost_types::Timestamp};
use tokio::sync::{Notify, watch};

use super::{client::Look, document, path::id_of, query::is_beyond_firestore};
use crate::{
    domain::{Issue, IssueId},
    metrics,
    store::{
        Breakdown, Facet, IssueQuery, Overview, Page, StoreError, Trend,
        embedded::mirror::{Mirror, Seen, Sighting},
    },
};

/// The most unreadable documents that are named.
const NAMED: usize = 10;

/// Beyond so many doubtful issues, reading all of them is simpler.
const MAX_DOUBTS: usize = 10_000;

/// How far the copy is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether it answers for all issues. Once it does, reading them again does not change that.
    pub is_complete: bool,
    /// Issues that the first reading has brought so far.
    pub read: u64,
    /// Issues that there were when it began.
    pub about: u64,
    /// Documents that are no issues and are left out of lists; at most a few of them.
    pub unreadable: Vec<String>,
    /// Why it does not get on.
    pub problem: Option<String>,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_complete {
            write!(f, "search is being built: {} of about {} issues", Grouped(self.read), Grouped(self.about))?;
            if let Some(problem) = &self.problem {
                write!(f, "; it waits: {problem}")?;
            }
        }
        if !self.unreadable.is_empty() {
            let separator = if self.is_complete { "" } else { "; " };
            let more = if self.unreadable.len() < NAMED { "" } else { " and maybe more" };
            write!(f, "{separator}documents that cannot be read are left out: {}{more}", self.unreadable.join(", "))?;
        }
        Ok(())
    }
}

/// A number with its thousands apart, as people read it.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let grouped = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect::<Vec<_>>();
        f.write_str(&grouped.join(","))
    }
}

/// The copy, and what is to be done about it.
pub(super) struct Projection {
    mirror: Mirror,
    progress: watch::Sender<Progress>,
    work: Mutex<Work>,
    woken: Notify,
    /// The reading of all issues that is going on or was the last one.
    round: AtomicU64,
    /// How often something could not be taken: what is read while this changes is not complete.
    losses: AtomicU64,
}

/// What upkeep has to do.
#[derive(Default)]
struct Work {
    /// Read all issues.
    everything: bool,
    /// Read these: the names of documents that a commit without an answer may have changed.
    doubts: BTreeSet<String>,
}

impl Projection {
    pub(super) fn create() -> Result<Self, StoreError> {
        Ok(Self {
            mirror: Mirror::create()?,
            progress: watch::Sender::default(),
            work: Mutex::default(),
            woken: Notify::new(),
            round: AtomicU64::new(0),
            losses: AtomicU64::new(0),
        })
    }

    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.progress.borrow().is_complete
    }

    /// Has all issues read, soon.
    pub(super) fn want_everything(&self) {
        self.work().everything = true;
        self.woken.notify_one();
    }

    /// Has documents read, soon, of which nobody knows whether they were changed.
    pub(super) fn doubt(&self, names: impl IntoIterator<Item = String>) {
        let mut work = self.work();
        work.doubts.extend(names);
        if work.doubts.len() > MAX_DOUBTS {
            *work = Work { everything: true, doubts: BTreeSet::new() };
        }
        drop(work);
        self.woken.notify_one();
    }

    /// Takes issues and aliases that this server has committed.
    pub(super) async fn take_committed(
        &self,
        issues: impl IntoIterator<Item = (Issue, Timestamp)>,
        gone: impl IntoIterator<Item = (IssueId, Timestamp)>,
    ) {
        let gone = gone.into_iter().map(|(id, at)| Sighting { id: id.to_string(), as_of: nanos(at), seen: Seen::Gone });
        let issues = issues.into_iter().map(|(issue, at)| Sighting {
            id: issue.id.to_string(),
            as_of: nanos(at),
            seen: Seen::Issue(Box::new(issue)),
        });
        self.take(issues.chain(gone).collect()).await;
    }

    /// Takes aliases that were read.
    pub(super) async fn take_aliases<'a>(&self, aliases: impl IntoIterator<Item = &'a Document>) {
        self.take(aliases.into_iter().map(of_alias).collect()).await;
    }

    /// Takes what was read from Firestore.
    pub(super) async fn take_looks(&self, looks: impl IntoIterator<Item = Look>) {
        self.take(looks.into_iter().map(of_look).collect()).await;
    }

    /// A copy that has missed something is not complete: lists come from Firestore until all was read again.
    async fn take(&self, sightings: Vec<Sighting>) {
        if let Err(error) = self.mirror.take(sightings, self.round.load(Ordering::Relaxed)).await {
            self.lose(&error);
        }
    }

    fn lose(&self, error: &StoreError) {
        self.losses.fetch_add(1, Ordering::Relaxed);
        let problem = super::cause(error);
        self.progress.send_if_modified(|progress| {
            let is_news = progress.problem.is_none();
            if is_news {
                tracing::error!(problem, "the local copy of the issues cannot be written; it is built again");
            }
            *progress = Progress { problem: Some(problem), ..Progress::default() };
            is_news
        });
        self.want_everything();
    }

    /// Those of `ids` that are neither issues nor aliases, nor were; none of them if that is not known.
    pub(super) async fn impossible(&self, mut ids: HashSet<String>) -> HashSet<String> {
        if !self.is_complete() {
            return HashSet::new();
        }
        match self.mirror.known(ids.iter().cloned().collect()).await {
            Ok(known) => {
                ids.retain(|id| !known.contains(id));
                ids
            }
            Err(_) => HashSet::new(),
        }
    }

    /// As the embedded store; `None` if Firestore has to be asked.
    pub(super) async fn issues(&self, query: &IssueQuery) -> Result<Option<Page<Issue>>, StoreError> {
        self.answer(query, self.mirror.issues(query).await)
    }

    /// As the embedded store; `None` if Firestore has to be asked.
    pub(super) async fn overview(&self, query: &IssueQuery) -> Result<Option<Overview>, StoreError> {
        self.answer(query, self.mirror.overview(query).await)
    }

    /// As the embedded store, of what was read so far.
    pub(super) async fn values(&self, of: Facet, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        self.mirror.values(of, prefix, limit).await
    }

    /// As the embedded store, of what was read so far: Firestore itself knows none.
    pub(super) async fn trend(&self, query: &IssueQuery, from: i64) -> Result<Trend, StoreError> {
        let trend = self.mirror.trend(query, from).await?;
        Ok(Trend { is_partial: trend.is_partial || !self.is_complete(), ..trend })
    }

    /// Likewise.
    pub(super) async fn breakdown(&self, query: &IssueQuery, from: i64) -> Result<Breakdown, StoreError> {
        let mut breakdown = self.mirror.breakdown(query, from).await?;
        breakdown.trend.is_partial |= !self.is_complete();
        Ok(breakdown)
    }

    fn answer<T>(&self, query: &IssueQuery, answer: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            // Firestore cannot do this.
            Err(error) if is_beyond_firestore(query) => Err(error),
            Err(error) => {
                self.lose(&error);
                Ok(None)
            }
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was found at the name of an issue.
fn of_look(look: Look) -> Sighting {
    match look.document {
        Some(document) => sighting(&document),
        None => Sighting { id: id_of(&look.name), as_of: nanos(look.at), seen: Seen::Gone },
    }
}

/// What an alias says: that this id is no issue any more.
fn of_alias(alias: &Document) -> Sighting {
    Sighting { id: id_of(&alias.name), as_of: nanos(alias.update_time.unwrap_or_default()), seen: Seen::Gone }
}

/// What a document of the collection is.
fn sighting(document: &Document) -> Sighting {
    let seen = match document::read(document, document::issue) {
        Ok(issue) => Seen::Issue(Box::new(issue)),
        Err(error) => {
            skipped(&error);
            Seen::Unreadable
        }
    };
    Sighting { id: id_of(&document.name), as_of: nanos(document.update_time.unwrap_or_default()), seen }
}

/// A document that cannot be read does not take a whole list with it, and is not passed over in silence.
pub(super) fn skipped(error: &StoreError) {
    metrics::unreadable_document();
    tracing::error!(error = error as &dyn std::error::Error, "a document cannot be read and is left out");
}

/// Firestore's times are exact to the microsecond and end long after this type does.
fn nanos(at: Timestamp) -> i64 {
    at.seconds.saturating_mul(1_000_000_000).saturating_add(at.nanos.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_said(progress: &Progress, expected: &str) {
        assert_eq!(progress.to_string(), expected);
    }

    #[test]
    fn progress_is_said_as_people_read_it() {
        let building = Progress { read: 41_200, about: 1_100_000, ..Progress::default() };
        check_said(&building, "search is being built: 41,200 of about 1,100,000 issues");
        check_said(
            &Progress { problem: Some("the disk is full".to_owned()), ..building },
            "search is being built: 41,200 of about 1,100,000 issues; it waits: the disk is full",
        );
        check_said(&Progress { is_complete: true, ..Progress::default() }, "");
        check_said(
            &Progress { is_complete: true, unreadable: vec!["a".to_owned()], ..Progress::default() },
            "documents that cannot be read are left out: a",
        );
    }
}
