//! The one task that reads for the projection: all issues when asked, and now and then, and those that are in doubt. It
//! changes nothing in Firestore.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout_at};

use super::{Progress, Projection, Work, sighting};
use crate::{
    metrics,
    store::{
        StoreError,
        firestore::{
            cause,
            client::Client,
            path::{ALIASES, ISSUES, Paths},
            query,
            write::jittered,
        },
    },
};

/// Documents of one request; together some 100 KB as a rule.
const PAGE: usize = 200;

/// All issues are read again so often, in case that others have changed some and nobody has heard of it. Each issue is a
/// read that is paid for.
const EVERY: Duration = Duration::from_secs(6 * 3_600);

/// The shortest and the longest pause while Firestore does not answer, or the copy cannot be written.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Runs for as long as the store lives.
pub(in crate::store::firestore) async fn keep(client: Arc<Client>, projection: Arc<Projection>) {
    let mut next = None;
    let mut backoff = BACKOFF.0;
    loop {
        let work = std::mem::take(&mut *projection.work());
        if !work.everything && work.doubts.is_empty() {
            match next {
                Some(next) if timeout_at(next, projection.woken.notified()).await.is_err() => {
                    projection.want_everything();
                }
                Some(_) => (),
                None => projection.woken.notified().await,
            }
            continue;
        }
        match projection.catch_up(&client, &work).await {
            Ok(()) => {
                backoff = BACKOFF.0;
                if work.everything {
                    next = Some(Instant::now() + EVERY);
                }
            }
            Err(error) => {
                projection.wait_for(work, &error);
                sleep(jittered(backoff)).await;
                backoff = (backoff * 2).min(BACKOFF.1);
            }
        }
    }
}

impl Projection {
    async fn catch_up(&self, client: &Client, work: &Work) -> Result<(), StoreError> {
        let doubts: Vec<String> = work.doubts.iter().cloned().collect();
        for names in doubts.chunks(PAGE) {
            self.take_looks(client.look(names.to_vec(), None).await?).await;
        }
        if work.everything {
            self.read_everything(client).await?;
        }
        Ok(())
    }

    /// Reads all issues by name, a page at a time, and then looks for those that were in the copy and not among them.
    async fn read_everything(&self, client: &Client) -> Result<(), StoreError> {
        let started = Instant::now();
        let losses = self.losses.load(Ordering::Relaxed);
        let round = self.round.fetch_add(1, Ordering::Relaxed) + 1;
        let about = client.count(client.documents_path(), query::all_issues()).await?;
        self.tell(|progress| *progress = Progress { about, read: 0, problem: None, ..progress.clone() });
        if !self.is_complete() {
            tracing::info!(about, "reading all issues for lists and search");
        }
        let (mut after, mut read) = (None, 0);
        loop {
            let page = client.query(client.documents_path(), query::by_name(ISSUES, after, PAGE, None)).await?;
            after = page.last().map(|document| document.name.clone());
            read += page.len();
            self.mirror.take(page.iter().map(sighting).collect(), round).await?;
            self.tell(|progress| progress.read = u64::try_from(read).unwrap_or(u64::MAX));
            if !self.is_complete() && read % 10_000 == 0 && read > 0 {
                tracing::info!(read, about, "reading all issues");
            }
            if page.len() < PAGE {
                break;
            }
        }
        self.look_for_missing(client, round).await?;
        self.read_aliases(client, round).await?;
        let (issues, unreadable) = self.mirror.content(super::NAMED).await?;
        metrics::projected(issues);
        // What could not be taken meanwhile is missing: it has asked for another reading.
        let is_complete = self.losses.load(Ordering::Relaxed) == losses;
        tracing::info!(issues, read, took = ?started.elapsed(), is_complete, "all issues were read");
        self.tell(|progress| {
            progress.is_complete |= is_complete;
            progress.unreadable = unreadable;
        });
        Ok(())
    }

    /// Ids that stand for issues under other ids: none of these is new, whoever asks.
    async fn read_aliases(&self, client: &Client, round: u64) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = client.query(client.documents_path(), query::by_name(ALIASES, after, PAGE, None)).await?;
            after = page.last().map(|document| document.name.clone());
            self.mirror.take(page.iter().map(super::of_alias).collect(), round).await?;
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    async fn look_for_missing(&self, client: &Client, round: u64) -> Result<(), StoreError> {
        loop {
            let ids = self.mirror.unseen(round, PAGE).await?;
            if ids.is_empty() {
                return Ok(());
            }
            let paths = Paths(client.documents_path());
            let looks = client.look(ids.iter().map(|id| paths.issue(id)).collect(), None).await?;
            let seen = looks.into_iter().map(super::of_look).collect();
            self.mirror.take(seen, round).await?;
        }
    }

    /// Puts back what is not done.
    fn wait_for(&self, work: Work, error: &StoreError) {
        let problem = cause(error);
        self.tell(|progress| {
            if progress.problem.is_none() {
                tracing::warn!(problem, "issues cannot be read for lists and search; trying on");
            }
            progress.problem = Some(problem);
        });
        let mut now = self.work();
        now.everything |= work.everything;
        now.doubts.extend(work.doubts);
    }

    fn tell(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }
}
