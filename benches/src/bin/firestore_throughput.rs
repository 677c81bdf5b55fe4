//! How fast is the store beside bare batched commits of the same writes, on the same emulator? Prints events a second and
//! their ratio, for new issues and for repeats; no limit is checked, and the ratio alone means anything on a busy machine.
//!
//! Run with: `cargo xtask bench-server firestore [streams] [events]`

use std::{
    io::{Read, Write},
    sync::Arc,
    time::Instant,
};

use anyhow::Context;
use issuetracker_server::{
    domain::{Details, Effect, Fingerprint, IssueType, Occurrence, Priority, Severity, Source},
    store::{
        Batch, IssueStore, Watermark,
        firestore::{FirestoreStore, bare::Bare},
    },
};
use jiff::Timestamp;
use tokio::task::JoinSet;
use tracing_issues::{
    event::{Breadcrumb, ErrorLink},
    fingerprint::Identity,
};
use uuid::Uuid;

/// Occurrences in one batch, as the consumer gathers them.
const BATCH: usize = 500;
/// Issues of one stream whose repeats are measured.
const KNOWN: usize = 100;
/// Each way is measured so often, in turns; the median counts.
const ROUNDS: usize = 5;

#[derive(Clone, Copy, PartialEq)]
enum Load {
    New,
    Repeats,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Store,
    Bare,
}

#[expect(clippy::print_stdout, reason = "it answers a person")]
fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let (streams, events) = (arguments.next().unwrap_or(6), arguments.next().unwrap_or(6_000));
    let emulator = std::env::var("TEST_FIRESTORE_EMULATOR").context("TEST_FIRESTORE_EMULATOR names no emulator")?;
    let runtime = tokio::runtime::Runtime::new()?;
    println!("{events} events in {streams} streams, batches of {BATCH}, median of {ROUNDS} rounds (events/s)\n");
    println!("| load | bare commits | the store | ratio |\n|---|---:|---:|---:|");
    // Not counted: the emulator's first thousands of writes compile its code.
    runtime.block_on(measure(&emulator, Load::New, Way::Bare, streams, events))?;
    for (load, name) in [(Load::New, "new issues"), (Load::Repeats, "repeats")] {
        let (mut bare, mut store) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let ways = if round % 2 == 0 { [Way::Bare, Way::Store] } else { [Way::Store, Way::Bare] };
            for way in ways {
                let rate = runtime.block_on(measure(&emulator, load, way, streams, events))?;
                if way == Way::Bare { bare.push(rate) } else { store.push(rate) }
            }
        }
        let (bare, store) = (median(bare), median(store));
        println!("| {name} | {bare:.0} | {store:.0} | {:.2} |", store / bare);
    }
    Ok(())
}

/// Events a second, in a project of its own that is dropped afterwards.
async fn measure(emulator: &str, load: Load, way: Way, streams: usize, events: usize) -> anyhow::Result<f64> {
    let project = format!("bench-{}", Uuid::now_v7().simple());
    let store = Arc::new(FirestoreStore::connect_emulator(&project, emulator).await?);
    // As a server that has started: its copy of all issues is complete.
    store.reconcile();
    store.progress().wait_for(|progress| progress.is_complete).await?;
    let mut prepared = Vec::new();
    for stream in 0..streams {
        let known = batch(stream, 0, (0..KNOWN).collect());
        let batches: Vec<Batch> = (0..events / streams)
            .collect::<Vec<_>>()
            .chunks(BATCH)
            .map(|chunk| match load {
                Load::New => batch(stream, 1 + chunk[0], chunk.to_vec()),
                Load::Repeats => batch(stream, 1 + chunk[0], chunk.iter().map(|index| index % KNOWN).collect()),
            })
            .collect();
        let mut bare = Bare::default();
        let mut commits = Vec::new();
        if load == Load::Repeats {
            match way {
                Way::Store => drop(store.ingest(&known).await?),
                Way::Bare => {
                    for commit in bare.plan(&store, std::slice::from_ref(&known))? {
                        store.commit_bare(commit).await?;
                    }
                }
            }
        }
        match way {
            Way::Store => (),
            Way::Bare => commits = bare.plan(&store, &batches)?,
        }
        prepared.push((batches, commits));
    }
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for (batches, commits) in prepared {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            match way {
                Way::Store => {
                    for batch in &batches {
                        store.ingest(batch).await?;
                    }
                }
                Way::Bare => {
                    for commit in commits {
                        store.commit_bare(commit).await?;
                    }
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let rate = events as f64 / start.elapsed().as_secs_f64();
    forget(emulator, &project)?;
    Ok(rate)
}

fn batch(stream: usize, offset: usize, issues: Vec<usize>) -> Batch {
    let occurrences: Vec<Occurrence> = issues.into_iter().map(|issue| occurrence(stream, issue)).collect();
    let next_offset = i64::try_from(offset + occurrences.len()).unwrap_or(i64::MAX);
    let partition = i32::try_from(stream).unwrap_or(0);
    let watermark = Watermark { topic: "bench".to_owned(), partition, next_offset, timestamp_ms: 1 };
    Batch { occurrences, watermark: Some(watermark) }
}

/// About as large as what the library sends: some 1.5 KB of JSON.
fn occurrence(stream: usize, issue: usize) -> Occurrence {
    let title = format!("order {issue} of stream {stream} was refused");
    let fingerprint = Fingerprint::custom(&title, &Identity::default());
    let now = Timestamp::now();
    let breadcrumb = |index: usize| Breadcrumb {
        at: now,
        level: "info".to_owned(),
        message: format!("request {index} was sent to the venue and is waiting for its answer"),
    };
    let details = Details {
        error: vec![
            ErrorLink { kind: "orders::Error".to_owned(), message: title.clone() },
            ErrorLink { kind: "std::io::Error".to_owned(), message: "connection reset by peer".to_owned() },
        ],
        breadcrumbs: (0..5).map(breadcrumb).collect(),
        host: "orders-7f9c".to_owned(),
        pid: Some(7),
        thread: "tokio-worker-3".to_owned(),
        ..Details::default()
    };
    Occurrence {
        event_id: Uuid::now_v7(),
        issue_id: fingerprint.issue_id(),
        former_issue_ids: Vec::new(),
        effect: Effect::Occurred,
        count: 1,
        first_at: now,
        last_at: now,
        description: format!("{title}\n\nThe venue closed the connection while the order was on its way."),
        title,
        issue_type: IssueType::Bug,
        priority: Priority::Medium,
        severity: Severity::Error,
        reporter_id: "orders-service".to_owned(),
        assignee_id: None,
        tags: vec!["venue:xetra".to_owned(), "desk:equities".to_owned()],
        component: "orders::gateway".to_owned(),
        source: Source::Service,
        project: "alphafusion".to_owned(),
        service: "orders".to_owned(),
        environment: "production".to_owned(),
        release: "1.4.2".to_owned(),
        fingerprint: Some(fingerprint),
        details,
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The emulator keeps all documents in memory, and slows down when there are many.
fn forget(emulator: &str, project: &str) -> anyhow::Result<()> {
    let mut stream = std::net::TcpStream::connect(emulator)?;
    let path = format!("/emulator/v1/projects/{project}/databases/(default)/documents");
    write!(stream, "DELETE {path} HTTP/1.1\r\nHost: {emulator}\r\nConnection: close\r\n\r\n")?;
    let _ = stream.read(&mut [0; 512])?;
    Ok(())
}
