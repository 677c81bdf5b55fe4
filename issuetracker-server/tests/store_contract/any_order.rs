//! Any order and any batching of the same events gives the same state, also with redeliveries in between.

use issuetracker_server::{
    domain::{
        Activity, ActivityKind, Comment, Effect, Issue, IssueChange, IssueId, MutedUntil, Occurrence, Period, Priority,
        Status,
    },
    store::{IssueStore, Stored},
};
use uuid::Uuid;

use crate::{at, ingest, occurrence};

/// Titles differ by words: numbers in them group.
const SEEDS: [&str; 4] = ["red", "green", "blue", "white"];
/// See [`SEEDS`].
const ROUNDS: [&str; 4] = ["north", "east", "south", "west"];

const DAY: u64 = 86_400;

/// A generator of numbers, so that a failure can be repeated: the test says its seed.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, usize::try_from(self.roll(last as u64 + 1)).unwrap());
        }
    }
}

/// Facts in many combinations: counts, spans of time, reporters, releases, comments.
fn facts(dice: &mut Dice, title: &str) -> Vec<Occurrence> {
    let fact = |number: u128, dice: &mut Dice| {
        let first = dice.roll(20 * DAY).cast_signed();
        let last = first + dice.roll(3_600).cast_signed();
        let is_comment = number > 0 && dice.roll(6) == 0;
        Occurrence {
            event_id: Uuid::from_u128(u128::from(dice.roll(1_000_000)) << 64 | (number + 1)),
            effect: if is_comment { Effect::Commented } else { Effect::Occurred },
            count: 1 + dice.roll(50),
            first_at: at(first),
            last_at: at(last),
            priority: Priority::ALL[usize::try_from(dice.roll(4)).unwrap()],
            release: format!("1.{}", dice.roll(5)),
            reporter_id: format!("service-{}", dice.roll(3)),
            assignee_id: (dice.roll(2) == 0).then(|| format!("person-{}", dice.roll(3))),
            tags: (0..dice.roll(4)).map(|_| format!("tag:{}", dice.roll(60))).collect(),
            ..occurrence(title, first)
        }
    };
    (0..12).map(|number| fact(number, dice)).collect()
}

/// All that is stored of an issue.
type State = (Issue, Vec<Comment>, Vec<Activity>, Vec<Activity>);

async fn state(store: &dyn IssueStore, id: &IssueId) -> State {
    let issue = store.issue(id).await.unwrap().unwrap();
    let comments = store.comments(id, None, 1_000).await.unwrap().items;
    let history = store.activities(id, None, None, 1_000).await.unwrap().items;
    let occurrences = store.activities(id, Some(ActivityKind::Occurrence), None, 1_000).await.unwrap().items;
    (issue, comments, history, occurrences)
}

/// The same facts under the title of another issue.
fn retitled(facts: &[Occurrence], title: &str) -> Vec<Occurrence> {
    let other = occurrence(title, 0);
    let retitle = |fact: &Occurrence| Occurrence {
        issue_id: other.issue_id.clone(),
        fingerprint: other.fingerprint,
        ..fact.clone()
    };
    facts.iter().map(retitle).collect()
}

/// Sends the facts in some order, in batches of some size, some of them again.
async fn send(store: &dyn IssueStore, dice: &mut Dice, mut facts: Vec<Occurrence>) {
    // The issue is there before anybody comments on it: both are on one partition, in this order.
    let first = facts.iter().position(|fact| fact.effect == Effect::Occurred).unwrap();
    facts.swap(0, first);
    dice.shuffle(&mut facts[1..]);
    let mut sent = 0;
    while sent < facts.len() {
        let end = (sent + 1 + usize::try_from(dice.roll(5)).unwrap()).min(facts.len());
        let again = facts[usize::try_from(dice.roll(end as u64)).unwrap()].clone();
        let stored = ingest(store, &[&facts[sent..end], &[again]].concat()).await;
        assert_eq!(stored.last(), Some(&Stored::Duplicate));
        sent = end;
    }
}

pub(crate) async fn any_order_and_any_batching_gives_the_same_state(store: &dyn IssueStore) {
    for (number, seed) in (1..).zip(SEEDS) {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ number);
        let facts = facts(&mut dice, "order refused");
        let mut expected: Option<State> = None;
        for round in ROUNDS {
            let facts = retitled(&facts, &format!("the {seed} order of the {round}"));
            let id = facts[0].issue_id.clone();
            send(store, &mut dice, facts).await;
            let (mut issue, comments, history, occurrences) = state(store, &id).await;
            let in_hours: u64 = issue.hours.iter().map(|(_, count)| count).sum();
            assert_eq!(issue.occurrences, in_hours + of_forgotten_hours(&issue, &occurrences));
            // What names the issue itself differs on purpose.
            let first = expected.as_ref().map_or(&issue, |expected| &expected.0);
            let named = (first.id.clone(), first.fingerprint, first.short_id.clone());
            (issue.id, issue.fingerprint, issue.short_id) = named;
            let found = (issue, comments, history, occurrences);
            assert_eq!(*expected.get_or_insert(found.clone()), found, "seed {seed}, round {round}");
        }
    }
}

fn of_forgotten_hours(issue: &Issue, occurrences: &[Activity]) -> u64 {
    let hour = |second: i64| second.div_euclid(3_600);
    let oldest = hour(issue.last_seen.as_second()) - 14 * 24 + 1;
    let old = occurrences.iter().filter(|activity| hour(activity.timestamp.as_second()) < oldest);
    old.map(|activity| activity.details["occurrences"].as_u64().unwrap()).sum()
}

/// The same after somebody's decision: what comes back, and what ends a mute.
pub(crate) async fn any_order_comes_back_and_is_unmuted_alike(store: &dyn IssueStore) {
    let mut dice = Dice(77);
    let rate = MutedUntil::Rate { count: 60, per: Period::Hour, before: 0 };
    let decide = |status, mute| IssueChange { status: Some(status), mute, ..IssueChange::default() };
    let decisions = [
        (decide(Status::Resolved, None), Status::Open),
        (decide(Status::Closed, Some(Some(rate))), Status::Open),
        (decide(Status::Resolved, Some(Some(MutedUntil::Time(at(450))))), Status::Open),
        (decide(Status::Closed, Some(Some(MutedUntil::Unmuted))), Status::Closed),
    ];
    for ((decision, status), name) in decisions.iter().zip(SEEDS) {
        let mut expected = None;
        for round in ROUNDS {
            let title = format!("the {name} feed of the {round}");
            let first = occurrence(&title, 10);
            ingest(store, std::slice::from_ref(&first)).await;
            store.change(&first.issue_id, decision, "ada", at(100), None).await.unwrap();
            let later = |number: u8| Occurrence {
                count: 10,
                release: format!("2.{number}"),
                ..occurrence(&title, 50 + 60 * i64::from(number))
            };
            let mut facts: Vec<Occurrence> = (0..8).map(later).collect();
            dice.shuffle(&mut facts);
            let (some, others) = facts.split_at(usize::try_from(dice.roll(8)).unwrap());
            ingest(store, some).await;
            ingest(store, others).await;

            let (issue, _, history, _) = state(store, &first.issue_id).await;
            let came_back = history.into_iter().filter(|activity| activity.kind == ActivityKind::Regressed);
            let mut came_back: Vec<_> =
                came_back.map(|activity| (activity.timestamp, activity.details["release"].clone())).collect();
            assert_eq!(
                (issue.status, came_back.len()),
                (*status, usize::from(*status == Status::Open)),
                "{decision:?}"
            );
            if decision.mute == Some(Some(rate)) {
                // Which one was too many depends on the order, but not that there was one.
                came_back.clear();
            }
            let found = (issue.resolved_at, issue.mute, issue.occurrences, came_back);
            assert_eq!(*expected.get_or_insert(found.clone()), found, "{decision:?}");
        }
    }
}
