//! Every metric of the server: nobody else types a metric name. `docs/operations.md` has the table for operators, and
//! `every_metric_is_documented` keeps it true.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

const RECORDS: &str = "issuetracker_ingest_records_total";
const BATCH_SIZE: &str = "issuetracker_ingest_batch_records";
const DEAD_LETTERS: &str = "issuetracker_dead_letters_total";
const REPAIRS: &str = "issuetracker_ingest_repairs_total";
const COMMIT_SECONDS: &str = "issuetracker_store_commit_seconds";
const COMMIT_ERRORS: &str = "issuetracker_store_errors_total";
const ISSUES_CREATED: &str = "issuetracker_issues_created_total";
const OCCURRENCES: &str = "issuetracker_occurrences_total";
const REGRESSIONS: &str = "issuetracker_regressions_total";
/// Reports that publishers have lost.
pub(crate) const PUBLISHER_DROPS: &str = "issuetracker_publisher_dropped_total";
const CONSUMER_LAG: &str = "issuetracker_consumer_lag_records";
const CONSUMER_OLDEST: &str = "issuetracker_consumer_oldest_seconds";
const PARTITIONS: &str = "issuetracker_consumer_partitions";
const GAP_RECORDS: &str = "issuetracker_consumer_gap_records_total";
const KAFKA_UP: &str = "issuetracker_kafka_up";
const PROJECTED: &str = "issuetracker_projection_issues";
const UNREADABLE: &str = "issuetracker_unreadable_documents_total";
const CHANGES: &str = "issuetracker_changes_total";
const NOTIFICATIONS: &str = "issuetracker_notifications_total";
const HTTP_SECONDS: &str = "issuetracker_http_request_seconds";

/// Counters without labels: there from the start, so that their first increase can be seen.
const PLAIN: [&str; 6] = [COMMIT_ERRORS, ISSUES_CREATED, OCCURRENCES, REGRESSIONS, GAP_RECORDS, UNREADABLE];
const HISTOGRAMS: [&str; 3] = [COMMIT_SECONDS, HTTP_SECONDS, BATCH_SIZE];

/// Name, and help text.
const HELP: [(&str, &str); 20] = [
    (RECORDS, "Events that arrived, by road and result (stored, duplicate, invalid)."),
    (BATCH_SIZE, "Records in one commit."),
    (DEAD_LETTERS, "Records sent to the dead letters, by reason."),
    (REPAIRS, "Fields of events that were replaced by a default, by field."),
    (COMMIT_SECONDS, "Duration of one commit to the store."),
    (COMMIT_ERRORS, "Commits that failed and are tried again."),
    (ISSUES_CREATED, "New issues."),
    (OCCURRENCES, "Errors that the stored events stand for."),
    (REGRESSIONS, "Issues that came back after they were resolved."),
    (PUBLISHER_DROPS, "Reports that services lost before they could send them, by service and reason."),
    (CONSUMER_LAG, "Records in a partition that are not consumed yet."),
    (CONSUMER_OLDEST, "Age of the record that a partition is at."),
    (PARTITIONS, "Partitions that this server owns, and those of them that wait."),
    (GAP_RECORDS, "Records that Kafka deleted before they were consumed."),
    (KAFKA_UP, "1 while the broker answers."),
    (PROJECTED, "Issues in the local copy that lists and search are answered from, when all were read last."),
    (UNREADABLE, "Stored documents that could not be read and were left out of a list."),
    (CHANGES, "Messages between servers about issues that one has changed, by direction (told, heard)."),
    (NOTIFICATIONS, "Messages to people, by channel (slack, webhook, mail) and result (sent, failed)."),
    (HTTP_SECONDS, "Duration of HTTP requests, by route, method and status."),
];

/// Installs the recorder of the process.
///
/// # Errors
/// If another recorder is installed.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Suffix("_seconds".to_owned()),
            &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
        )?
        .set_buckets_for_metric(Matcher::Full(BATCH_SIZE.to_owned()), &[1.0, 5.0, 10.0, 50.0, 100.0, 250.0, 500.0])?
        .install_recorder()?;
    for (name, help) in HELP {
        match name {
            _ if HISTOGRAMS.contains(&name) => describe_histogram!(name, help),
            CONSUMER_LAG | CONSUMER_OLDEST | PARTITIONS | KAFKA_UP | PROJECTED => describe_gauge!(name, help),
            _ => describe_counter!(name, help),
        }
    }
    PLAIN.into_iter().for_each(|name| counter!(name).increment(0));
    Ok(handle)
}

/// The road that an event came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Road {
    /// A record of the topic.
    Kafka,
    /// A request.
    Http,
}

impl Road {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Http => "http",
        }
    }
}

/// Counts events by what became of them.
pub fn records(road: Road, result: &'static str, count: u64) {
    counter!(RECORDS, "road" => road.as_str(), "result" => result).increment(count);
}

/// Counts a record sent to the dead letters.
pub fn dead_letter(reason: &'static str) {
    counter!(DEAD_LETTERS, "reason" => reason).increment(1);
}

/// Counts a field that was replaced by its default.
pub fn repaired(field: &'static str) {
    counter!(REPAIRS, "field" => field).increment(1);
}

/// Runs what would count, without counting: who only looks at an event has repaired nothing.
pub fn uncounted<T>(look: impl FnOnce() -> T) -> T {
    metrics::with_local_recorder(&metrics::NoopRecorder, look)
}

/// Counts a message to people that was sent, or could not be.
pub fn notification(channel: &'static str, is_sent: bool) {
    let result = if is_sent { "sent" } else { "failed" };
    counter!(NOTIFICATIONS, "channel" => channel, "result" => result).increment(1);
}

/// Notes a commit.
pub fn committed(took: Duration, records: usize) {
    histogram!(COMMIT_SECONDS).record(took.as_secs_f64());
    histogram!(BATCH_SIZE).record(u32::try_from(records).unwrap_or(u32::MAX));
}

/// Counts a commit that failed.
pub fn commit_failed() {
    counter!(COMMIT_ERRORS).increment(1);
}

/// Counts a new issue.
pub fn issue_created() {
    counter!(ISSUES_CREATED).increment(1);
}

/// Counts errors.
pub fn occurrences(count: u64) {
    counter!(OCCURRENCES).increment(count);
}

/// Counts an issue that came back.
pub fn regression() {
    counter!(REGRESSIONS).increment(1);
}

/// Counts what a service says it lost.
pub fn publisher_dropped(service: &str, reason: &str, count: u64) {
    // Both are foreign text: labels must not grow without bound.
    let reason = KNOWN_REASONS.into_iter().find(|known| *known == reason).unwrap_or("other");
    let mut services = SERVICES.lock().unwrap_or_else(PoisonError::into_inner);
    let is_known = services.contains(service) || (services.len() < MAX_SERVICES && services.insert(service.to_owned()));
    let service = if is_known { service.to_owned() } else { "other".to_owned() };
    counter!(PUBLISHER_DROPS, "service" => service, "reason" => reason).increment(count);
}

/// The reasons that our library gives.
const KNOWN_REASONS: [&str; 5] = ["queue_full", "reentrant", "too_many_issues", "rejected", "shutdown"];
/// The most services with a label of their own.
const MAX_SERVICES: usize = 500;
static SERVICES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Sets how far a partition is behind, and how old the record is that it is at.
#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 records or milliseconds nobody counts")]
pub fn consumer_lag(partition: i32, records: i64, oldest_ms: i64) {
    gauge!(CONSUMER_LAG, "partition" => partition.to_string()).set(records as f64);
    gauge!(CONSUMER_OLDEST, "partition" => partition.to_string()).set(oldest_ms as f64 / 1e3);
}

/// Sets how many partitions this server owns, and how many of them wait for something.
pub fn partitions(owned: usize, waiting: usize) {
    for (state, count) in [("owned", owned), ("waiting", waiting)] {
        gauge!(PARTITIONS, "state" => state).set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    }
}

/// Counts records that are gone.
pub fn gap(records: u64) {
    counter!(GAP_RECORDS).increment(records);
}

/// Sets whether the broker answers.
pub fn kafka_up(is_up: bool) {
    gauge!(KAFKA_UP).set(f64::from(u8::from(is_up)));
}

/// Sets how many issues the local copy has.
pub fn projected(issues: u64) {
    #[expect(clippy::cast_precision_loss, reason = "more than 2^53 issues do not happen")]
    gauge!(PROJECTED).set(issues as f64);
}

/// Counts a stored document that was left out of a list.
pub fn unreadable_document() {
    counter!(UNREADABLE).increment(1);
}

/// Counts a message to other servers (`told`) or from them (`heard`).
pub fn changes(direction: &'static str) {
    counter!(CHANGES, "direction" => direction).increment(1);
}

/// Notes a request.
pub fn request(route: &str, method: &str, status: u16, took: Duration) {
    let method = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"].into_iter().find(|known| *known == method);
    let labels =
        [("route", route.to_owned()), ("method", method.unwrap_or("other").to_owned()), ("status", status.to_string())];
    histogram!(HTTP_SECONDS, &labels).record(took.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_documented() {
        let docs = include_str!("../../docs/operations.md");
        for (name, _) in HELP {
            assert!(docs.contains(&format!("`{name}`")), "docs/operations.md does not name {name}");
        }
    }
    /// What of this text is the name of a metric, and is none that is declared here.
    fn unknown(text: &str) -> Vec<&str> {
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let words = text.split(|character| !is_word(character)).filter(|word| word.starts_with("issuetracker_"));
        let is_histogram = |word: &str| HISTOGRAMS.into_iter().any(|name| name == word);
        let is_known = |word: &&str| {
            let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| word.strip_suffix(suffix));
            histogram.is_some_and(is_histogram) || !is_histogram(word) && HELP.iter().any(|(name, _)| name == word)
        };
        words.filter(|word| !is_known(word)).collect()
    }

    #[test]
    fn alerts_and_dashboard_name_only_metrics_that_are_there() {
        for (file, text) in [
            ("alerts.yaml", include_str!("../../deploy/alerts.yaml")),
            ("grafana.json", include_str!("../../deploy/grafana.json")),
        ] {
            assert_eq!(unknown(text), <[&str; 0]>::default(), "deploy/{file}");
            assert!(text.contains(CONSUMER_LAG), "deploy/{file} says nothing");
        }
        // The check itself can see.
        let wrong = "sum(rate(issuetracker_errors_total{road=\"http\"}[5m])) / issuetracker_store_commit_seconds";
        assert_eq!(unknown(wrong), ["issuetracker_errors_total", "issuetracker_store_commit_seconds"]);
    }
}
