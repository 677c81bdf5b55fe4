//! A data set for trying things out and for measuring: so many issues, with so many occurrences over the last two weeks. The
//! same numbers make the same set, but for its times. It goes into an empty store only.

use anyhow::bail;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    domain::{IssueChange, Occurrence, Status},
    intake::decode::{Place, decode},
    store::{Batch, IssueStore},
};

/// Events of an issue, at most; each stands for its share of the issue's occurrences.
const EVENTS: u64 = 5;

/// Events of a commit.
const BATCH: usize = 500;

/// The time that the occurrences lie in.
const MINUTES: u64 = 13 * 24 * 60;

const SERVICES: [&str; 12] = [
    "newsfeed",
    "order-gateway",
    "pricing",
    "auth",
    "search",
    "mailer",
    "ledger",
    "quotes",
    "reports",
    "uploads",
    "billing",
    "scheduler",
];
const KINDS: [&str; 5] = ["reqwest::Error", "sqlx::Error", "std::io::Error", "serde_json::Error", "tonic::Status"];
const VERBS: [&str; 6] = ["connecting to", "reading from", "writing to", "parsing", "waiting for", "closing"];
const NOUNS: [&str; 8] =
    ["the order book", "the quote stream", "a session", "the ledger", "a report", "the index", "a mail", "the cache"];
const ENDS: [&str; 5] = ["timed out", "was refused", "failed unexpectedly", "hit a limit", "gave nothing"];

/// Makes the set, telling `progress` how many issues there are.
///
/// # Errors
/// If there are issues already, or the store does not answer; what was made then stays.
pub async fn seed(
    store: &dyn IssueStore,
    issues: u64,
    occurrences: u64,
    now: Timestamp,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<()> {
    if !store.issue_ids(None, 1).await?.is_empty() {
        bail!("the store has issues; a data set goes into an empty one");
    }
    if issues == 0 || occurrences < issues {
        bail!("each issue needs an occurrence: at least 1 issue, and as many occurrences as issues");
    }
    let mut batch = Vec::with_capacity(BATCH + 5);
    for number in 0..issues {
        batch.extend(events(number, issues, occurrences, now)?);
        if batch.len() >= BATCH || number + 1 == issues {
            store.ingest(&Batch { occurrences: batch.clone(), watermark: None }).await?;
            for occurrence in batch.drain(..) {
                decide(store, &occurrence, now).await?;
            }
            progress(number + 1);
        }
    }
    Ok(())
}

/// How often the `number`th of so many issues happened: some of them very often, most of them rarely; all of them together
/// so often as was asked for.
fn count(number: u64, issues: u64, occurrences: u64) -> u64 {
    // What is left is halved again and again; what remains after that is for all alike.
    let spare = occurrences - issues;
    let halves: u64 = (0..10.min(issues)).map(|nth| spare >> (nth + 2)).sum();
    let alike = (spare - halves) / issues;
    let rest = if number == 0 { (spare - halves) % issues } else { 0 };
    let half = if number < 10 { spare >> (number + 2) } else { 0 };
    1 + half + alike + rest
}

fn events(number: u64, issues: u64, occurrences: u64, now: Timestamp) -> anyhow::Result<Vec<Occurrence>> {
    let of = |words: &[&'static str], step: u64| {
        let length = words.len() as u64;
        words[usize::try_from(number / step % length).unwrap_or_default()]
    };
    let count = count(number, issues, occurrences);
    let (events, last) = (count.min(EVENTS), number.wrapping_mul(7_919) % MINUTES);
    let severity = match number % 20 {
        0 => "critical",
        1..7 => "warning",
        _ => "error",
    };
    let event = |nth: u64| {
        let minutes = (last + nth * 997).min(MINUTES);
        let at = now - SignedDuration::from_mins(i64::try_from(minutes).unwrap_or_default());
        let share = count / events + if nth == 0 { count % events } else { 0 };
        let event = json!({
            "title": format!("{} {} {}", of(&VERBS, 1), of(&NOUNS, 6), of(&ENDS, 48)),
            "fingerprint": format!("seed {number}"),
            "service": of(&SERVICES, 1),
            "environment": if number.is_multiple_of(5) { "staging" } else { "production" },
            "component": format!("part-{}", number % 40),
            "release": format!("2.{}.0", number % 9),
            "host": format!("node-{}", (number + nth) % 16),
            "severity": severity,
            "tags": [format!("region:{}", if number.is_multiple_of(3) { "us" } else { "eu" }), format!("shard:{}", number % 200)],
            "error": [{"kind": of(&KINDS, 1), "message": of(&ENDS, 1)}],
            "location": {"module": "seed", "file": format!("src/part_{}.rs", number % 40), "line": number % 500},
            "occurrences": share,
            "created_at": at.to_string(),
        });
        decode(event.to_string().as_bytes(), Place::Request, now).map_err(|error| anyhow::anyhow!("{error}"))
    };
    (0..events).map(event).collect()
}

/// Some issues are somebody's, some are solved.
async fn decide(store: &dyn IssueStore, occurrence: &Occurrence, now: Timestamp) -> anyhow::Result<()> {
    let number = occurrence.issue_id.as_str().bytes().fold(0_u32, |sum, byte| sum * 31 % 10_007 + u32::from(byte));
    let change = IssueChange {
        status: number.is_multiple_of(9).then_some(Status::Resolved),
        assignee_id: number.is_multiple_of(8).then(|| Some("ada".to_owned())),
        ..IssueChange::default()
    };
    if change != IssueChange::default() {
        store.change(&occurrence.issue_id, &change, "seed", now, None).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{IssueQuery, embedded::EmbeddedStore};

    #[test]
    fn counts_add_up_to_what_was_asked_for() {
        for (issues, occurrences) in [(1, 1), (1, 9), (7, 7), (7, 100), (1_000, 54_321)] {
            let counts: Vec<u64> = (0..issues).map(|number| count(number, issues, occurrences)).collect();
            assert_eq!(counts.iter().sum::<u64>(), occurrences, "{issues} {occurrences}");
        }
    }

    #[tokio::test]
    async fn a_set_has_so_many_issues_and_occurrences() {
        let directory = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(&directory.path().join("issues.sqlite")).unwrap();
        let now = "2026-11-25T12:00:00Z".parse().unwrap();
        seed(&store, 60, 2_000, now, |_| ()).await.unwrap();
        let all = store.issues(&IssueQuery { limit: 100, ..IssueQuery::default() }).await.unwrap().items;
        assert_eq!((all.len(), all.iter().map(|issue| issue.occurrences).sum::<u64>()), (60, 2_000));
        assert!(all.iter().all(|issue| issue.last_seen <= now));
        assert!(seed(&store, 1, 1, now, |_| ()).await.is_err(), "it has issues");
    }
}
