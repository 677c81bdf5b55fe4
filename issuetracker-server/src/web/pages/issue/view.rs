//! The shape of an issue's page: what it is, and the parts that other files here take from it.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    grouping::GroupingView,
    occurrence::{OccurrenceRow, OccurrenceView},
    spread::{self, SpreadView},
    timeline::{TimelineView, timeline},
    trend::TrendView,
};
use crate::{
    auth::{People, Principal},
    domain::{Activity, Comment, Issue, Mute, MutedUntil, Permission, Priority, Status, part::Part},
    store::Neighbourhood,
    web::{
        markdown,
        pages::layout::{OptionView, PersonView, RowView, TimeView, compact, word_options},
        views,
    },
};

/// Occurrences in the table; the distributions are of all that were read.
const ROWS: usize = 25;

/// What the page is made of.
pub(super) struct Content<'a> {
    pub(super) people: &'a People,
    /// Whether whoever reports has proved who that is: over Kafka nobody does.
    pub(super) is_verified: bool,
    pub(super) issue: &'a Issue,
    /// The occurrence that is shown; `None` if it never happened.
    pub(super) shown: Option<&'a Neighbourhood>,
    /// The newest occurrences.
    pub(super) occurrences: &'a [Activity],
    /// Other issues of the trace of the shown occurrence.
    pub(super) related: &'a [Issue],
    pub(super) comments: &'a [Comment],
    pub(super) history: &'a [Activity],
    /// How many events are kept with their details.
    pub(super) kept: usize,
}

#[derive(Serialize)]
pub(super) struct IssuePageView {
    issue: HeaderView,
    can_change: bool,
    /// Who reads it.
    me: String,
    /// Whether it can be resolved in the next release.
    has_release: bool,
    statuses: Vec<OptionView>,
    priorities: Vec<OptionView>,
    /// The occurrence that is shown.
    shown: Option<OccurrenceView>,
    occurrences: Vec<OccurrenceRow>,
    trend: Option<TrendView>,
    spreads: Vec<SpreadView>,
    /// Of how many events.
    spread_of: usize,
    grouping: Option<GroupingView>,
    related: Vec<RowView>,
    timeline: Vec<TimelineView>,
    /// To whom it can be assigned.
    people: Vec<PersonView>,
    back_url: &'static str,
    /// How many events are kept with their details, if more have happened.
    kept: Option<usize>,
}

#[derive(Serialize)]
struct HeaderView {
    #[serde(flatten)]
    row: RowView,
    description_html: String,
    fingerprint: String,
    project: String,
    /// What is called in forms.
    assignee_handle: String,
    reporter: String,
    /// Whether anybody could have written that name.
    is_unverified: bool,
    source: &'static str,
    created_at: TimeView,
    updated_at: TimeView,
    etag: String,
    muted: Option<MuteView>,
    /// The releases that do not reopen it.
    old_releases: String,
    parts: Vec<PartView>,
}

/// What a merged issue was made of; the first is the issue itself.
#[derive(Serialize)]
struct PartView {
    id: String,
    short_id: String,
    title: String,
    occurrences: u64,
    occurrences_text: String,
    last_seen: TimeView,
}

impl PartView {
    fn new(part: &Part, now: Timestamp) -> Self {
        let issue = &part.issue;
        Self {
            id: issue.id.to_string(),
            short_id: issue.short_id.as_ref().unwrap_or(&issue.id).to_string(),
            title: issue.title.clone(),
            occurrences: issue.occurrences,
            occurrences_text: compact(issue.occurrences),
            last_seen: TimeView::new(issue.last_seen, now),
        }
    }
}

/// How long it is silent.
#[derive(Serialize)]
struct MuteView {
    until: Option<TimeView>,
    rate: Option<String>,
}

impl MuteView {
    fn new(mute: &Mute, now: Timestamp) -> Self {
        let rate = match mute.until {
            MutedUntil::Rate { count, per, .. } => Some(format!("{count} in one {}", per.as_str())),
            MutedUntil::Time(_) | MutedUntil::Unmuted => None,
        };
        Self { until: mute.ends_at().map(|until| TimeView::new(until, now)), rate }
    }
}

impl IssuePageView {
    pub(super) fn new(content: &Content<'_>, principal: &Principal, now: Timestamp) -> Self {
        let Content { people, is_verified, issue, shown, occurrences, related, kept, .. } = *content;
        let event = shown.map_or("", |shown| shown.activity.id.as_str());
        Self {
            issue: HeaderView {
                row: RowView::new(issue, now).with_names(people),
                assignee_handle: issue
                    .assignee_id
                    .as_deref()
                    .map(|id| people.handle(id).to_owned())
                    .unwrap_or_default(),
                // The description of an error repeats what stands below in better form.
                description_html: if issue.fingerprint.is_some() && shown.is_some_and(is_ours) {
                    String::new()
                } else {
                    markdown::to_html(&issue.description)
                },
                fingerprint: issue.fingerprint.map(|fingerprint| fingerprint.to_string()).unwrap_or_default(),
                project: issue.project.clone(),
                reporter: if is_verified { people.name(&issue.reporter_id) } else { &issue.reporter_id }.to_owned(),
                is_unverified: !is_verified,
                source: issue.source.as_str(),
                created_at: TimeView::new(issue.created_at, now),
                updated_at: TimeView::new(issue.updated_at, now),
                etag: views::etag(issue),
                old_releases: issue.old_releases.join(", "),
                parts: issue.parts.iter().map(|part| PartView::new(part, now)).collect(),
                muted: issue.mute.filter(|mute| mute.is_silent(now)).map(|mute| MuteView::new(&mute, now)),
            },
            can_change: principal.may(Permission::ChangeIssue),
            me: principal.user_id.clone(),
            has_release: !issue.release.is_empty() || occurrences.iter().any(|one| one.details.contains_key("release")),
            kept: Some(kept).filter(|kept| issue.occurrences > *kept as u64),
            statuses: word_options(Status::ALL.map(Status::as_str), issue.status.as_str()),
            priorities: word_options(Priority::ALL.iter().map(|word| word.as_str()), issue.priority.as_str()),
            shown: shown.map(|shown| OccurrenceView::new(issue, shown, now)),
            occurrences: occurrences.iter().take(ROWS).map(|one| OccurrenceRow::new(issue, one, event, now)).collect(),
            trend: TrendView::new(issue, occurrences, now),
            spreads: spread::spreads(issue, occurrences),
            spread_of: occurrences.len(),
            grouping: shown.map(|shown| GroupingView::new(issue, &shown.activity)),
            related: related.iter().map(|issue| RowView::new(issue, now)).collect(),
            timeline: timeline(content, principal, now),
            people: people.workers().into_iter().map(PersonView::new).collect(),
            back_url: "/issues",
        }
    }
}

/// Whether the details say where in the source it was: then our own library wrote them.
fn is_ours(shown: &Neighbourhood) -> bool {
    shown.activity.details.contains_key("location")
}
