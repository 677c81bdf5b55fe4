//! What people do with issues: the one service behind pages and API. It checks what they ask, does it, and tells who
//! listens; who may ask is decided before.

pub mod bulk;
mod comments;
mod once;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tracing_issues::event::{IssueEvent, MAX_TITLE_CHARS, Op, truncate_chars};
use uuid::Uuid;

pub use self::{
    comments::may_change,
    once::{Once, sweep},
};
use crate::{
    auth::Principal,
    domain::{
        Activity, ActivityKind, Comment, Filter, Issue, IssueChange, IssueId, IssueType, Priority, Severity, Source,
        Status, clean,
        filter::{Term, Test},
        short_id, to_micros,
    },
    intake::{Intake, IntakeError, Receipt},
    notify::{Change, Notifier},
    store::{Breakdown, Cursor, IssueQuery, IssueStore, Neighbourhood, Overview, Page, StoreError, Trend, Which},
};

/// The longest description and comment, in characters.
pub const MAX_TEXT_CHARS: usize = 64 * 1024;

/// The longest name of a person or label, in characters.
pub const MAX_NAME_CHARS: usize = 200;

/// The most issues that are shown for one trace, itself included.
const MAX_RELATED: usize = 20;

/// The newest events whose releases are looked at.
const RELEASES_OF: usize = 500;

/// A field that a person filled in wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct InvalidField {
    /// Its name in JSON and in forms.
    pub field: &'static str,
    /// What to do.
    pub message: String,
}

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum TriageError {
    /// Fields are wrong; nothing was done.
    #[error("{} fields cannot be used", .0.len())]
    Invalid(Vec<InvalidField>),
    /// There is no such comment.
    #[error("there is no such comment")]
    NoComment,
    /// The name of a request was used for another one.
    #[error("this key was used for another request")]
    KeyReused,
    /// It is somebody else's, or a service counts in it.
    #[error("only who wrote a comment, or an ADMIN, may change it")]
    NotYours,
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A new issue could not be made durable.
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

/// A new issue as a person writes it; fields may be missing or wrong.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewIssue {
    /// Required.
    pub title: String,
    /// Markdown.
    pub description: String,
    /// Default `task`, since people report work more than bugs; the API's default is the contract's `bug`.
    pub issue_type: Option<IssueType>,
    /// Default from severity.
    pub priority: Option<Priority>,
    /// How bad it is.
    pub severity: Option<Severity>,
    /// Who reports; the principal unless it is a service that reports for another.
    pub reporter_id: Option<String>,
    /// Who should work on it.
    pub assignee_id: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// The part concerned.
    pub component: String,
    /// The service concerned.
    pub service: String,
    /// Anything else.
    pub context: serde_json::Map<String, Value>,
    /// The road.
    pub source: Option<Source>,
}

/// Reads and changes issues for people.
#[derive(Clone)]
pub struct Triage {
    store: Arc<dyn IssueStore>,
    intake: Intake,
    notifier: Notifier,
}

impl Triage {
    /// Works on `store`; new issues go through `intake`, like every event.
    pub fn new(store: Arc<dyn IssueStore>, intake: Intake, notifier: Notifier) -> Self {
        Self { store, intake, notifier }
    }

    /// Publishes a new issue. The id is final at once, also while the event is still on its way to the store. A request that
    /// has a name makes one issue, however often it is sent.
    ///
    /// # Errors
    /// If fields are wrong, [`TriageError::KeyReused`], or the event could not be made durable.
    pub async fn create(
        &self,
        new: NewIssue,
        once: Option<Once<'_>>,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<IssueId, TriageError> {
        let mut wrong = Vec::new();
        let title = new.title.trim();
        if title.is_empty() {
            wrong.push(invalid("title", "say in one line what this is about"));
        } else if title.chars().count() > MAX_TITLE_CHARS {
            wrong.push(invalid(
                "title",
                &format!("at most {MAX_TITLE_CHARS} characters; the rest fits the description"),
            ));
        }
        if new.description.chars().count() > MAX_TEXT_CHARS {
            wrong.push(invalid("description", &format!("at most {MAX_TEXT_CHARS} characters")));
        }
        let service = match &principal.service {
            Some(own) if new.service.is_empty() => own.clone(),
            Some(own) if *own != new.service => {
                wrong.push(invalid("service", &format!("must be {own}, or nothing: the key is for no other")));
                new.service
            }
            _ => new.service,
        };
        if !wrong.is_empty() {
            return Err(TriageError::Invalid(wrong));
        }
        let severity = new.severity.unwrap_or(Severity::Error);
        let event_id = match once {
            Some(once) => once.id(&*self.store, &principal.user_id, "issues", now).await?,
            None => Uuid::now_v7(),
        };
        let event = IssueEvent {
            op: Op::Create,
            event_id,
            issue_id: Some(event_id.into()),
            description: new.description,
            issue_type: new.issue_type.unwrap_or(IssueType::Bug),
            severity,
            priority: new.priority.unwrap_or(severity.default_priority()),
            reporter_id: new.reporter_id.unwrap_or_else(|| principal.user_id.clone()),
            assignee_id: new.assignee_id,
            tags: new.tags,
            component: new.component,
            service,
            context: new.context,
            source: new.source.unwrap_or(Source::Api),
            ..IssueEvent::new(&title.lines().collect::<Vec<_>>().join(" "), now)
        };
        let bytes = event.to_json().map_err(|error| IntakeError::Store(StoreError::Unavailable(error.into())))?;
        match self.intake.accept(&[&bytes], None, now).await?.as_slice() {
            [Receipt::Accepted(occurrence) | Receipt::Duplicate(occurrence)] => Ok(occurrence.issue_id.clone()),
            [Receipt::Invalid(reason)] => Err(TriageError::Invalid(vec![invalid("title", &reason.to_string())])),
            _ => Err(TriageError::Invalid(Vec::new())),
        }
    }

    /// Sends an error that somebody wants to see arrive; like every event, it is counted in an issue of its own.
    ///
    /// # Errors
    /// If it could not be made durable.
    pub async fn send_test_error(&self, now: Timestamp) -> Result<(), TriageError> {
        let event = IssueEvent {
            event_id: Uuid::now_v7(),
            description: "Somebody pressed the button that sends it: events come through. Resolve it.".to_owned(),
            service: "test".to_owned(),
            reporter_id: "test-service".to_owned(),
            component: "dashboard".to_owned(),
            source: Source::Web,
            ..IssueEvent::new("This is a test error", now)
        };
        let bytes = event.to_json().map_err(|error| IntakeError::Store(StoreError::Unavailable(error.into())))?;
        self.intake.accept(&[&bytes], None, now).await?;
        Ok(())
    }

    /// One issue.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or that it cannot be read.
    pub async fn issue(&self, id: &IssueId) -> Result<Issue, StoreError> {
        self.store.issue(id).await?.ok_or(StoreError::NotFound)
    }

    /// A part of the list. A filter that is nothing but the short id of an issue finds this one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn issues(&self, query: &IssueQuery) -> Result<Page<Issue>, StoreError> {
        if let Some(id) = named(&query.filter)
            && let Some(issue) = self.store.issue(&id).await?
        {
            return Ok(Page { items: vec![issue], next: None });
        }
        self.store.issues(query).await
    }

    /// The numbers around a list.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn overview(&self, query: &IssueQuery) -> Result<Overview, StoreError> {
        self.store.overview(query).await
    }

    /// Occurrences over time, of the issues that a list is about.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn trend(&self, query: &IssueQuery, from: i64) -> Result<Trend, StoreError> {
        self.store.trend(query, from).await
    }

    /// What happened since an hour, taken apart, of the issues that a list is about.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn breakdown(&self, query: &IssueQuery, from: i64) -> Result<Breakdown, StoreError> {
        self.store.breakdown(query, from).await
    }

    /// Changes an issue for a person.
    ///
    /// # Errors
    /// If a text cannot be used, or those of the store; [`StoreError::Conflict`] if `if_version` is not its version any
    /// more.
    pub async fn change(
        &self,
        id: &IssueId,
        change: &IssueChange,
        principal: &Principal,
        now: Timestamp,
        if_version: Option<u64>,
    ) -> Result<Issue, TriageError> {
        check_change(change)?;
        let issue = self.store.change(id, change, &principal.user_id, to_micros(now), if_version).await?;
        self.notifier.publish(Change::of_one(id));
        Ok(issue)
    }

    /// The releases that an issue is known to have happened in, as far as the details of its events are kept.
    ///
    /// # Errors
    /// If none is known, or those of the store.
    pub async fn releases(&self, id: &IssueId) -> Result<Vec<String>, TriageError> {
        let issue = self.issue(id).await?;
        let occurrences = self.occurrences(id, None, RELEASES_OF).await?.items;
        let release = |occurrence: &Activity| occurrence.details.get("release")?.as_str().map(str::to_owned);
        let mut releases: Vec<String> = occurrences.iter().filter_map(release).chain([issue.release]).collect();
        releases.retain(|release| !release.is_empty());
        releases.sort_unstable();
        releases.dedup();
        if releases.is_empty() {
            let message = "its events name no release, so the next one would not be known";
            return Err(TriageError::Invalid(vec![invalid("in_next_release", message)]));
        }
        Ok(releases)
    }

    /// Merges an issue into another one, which is answered.
    ///
    /// # Errors
    /// If both are the same, or those of the store.
    pub async fn merge(
        &self,
        from: &IssueId,
        into: &IssueId,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Issue, TriageError> {
        if from == into {
            return Err(TriageError::Invalid(vec![invalid("into", "name another issue than this one")]));
        }
        let issue = self.store.merge(from, into, &principal.user_id, to_micros(now)).await?;
        self.notifier.publish(Change::of_some(vec![from.clone(), issue.id.clone()]));
        Ok(issue)
    }

    /// Takes parts out of a merged issue, which undoes their merges. Answers what is left, and those.
    ///
    /// # Errors
    /// If `parts` are not parts of it, or those of the store.
    pub async fn split(
        &self,
        id: &IssueId,
        parts: &[IssueId],
        principal: &Principal,
        now: Timestamp,
    ) -> Result<(Issue, Vec<Issue>), TriageError> {
        if parts.is_empty() {
            return Err(TriageError::Invalid(vec![invalid("parts", "name one part or more")]));
        }
        self.issue(id).await?;
        let (issue, issues) = match self.store.split(id, parts, &principal.user_id, to_micros(now)).await {
            Err(StoreError::NotFound) => {
                return Err(TriageError::Invalid(vec![invalid(
                    "parts",
                    "name only ids that `parts` of the issue lists",
                )]));
            }
            split => split?,
        };
        let ids = std::iter::once(&issue).chain(&issues).map(|issue| issue.id.clone());
        self.notifier.publish(Change::of_some(ids.collect()));
        Ok((issue, issues))
    }

    /// A part of the comments, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn comments(
        &self,
        id: &IssueId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Comment>, StoreError> {
        self.store.comments(id, after, limit).await
    }

    /// A part of the history without occurrences, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn history(
        &self,
        id: &IssueId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Activity>, StoreError> {
        self.store.activities(id, None, after, limit).await
    }

    /// One occurrence, with those around it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn occurrence(&self, id: &IssueId, which: Which<'_>) -> Result<Option<Neighbourhood>, StoreError> {
        self.store.occurrence(id, which).await
    }

    /// The other issues of a trace, the newest of them first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn related(&self, issue: &Issue, trace_id: &str) -> Result<Vec<Issue>, StoreError> {
        let mut related = Vec::new();
        for id in self.store.issues_of_trace(trace_id, MAX_RELATED).await? {
            related.extend(self.store.issue(&id).await?.filter(|other| other.id != issue.id));
        }
        related.sort_by_key(|issue| std::cmp::Reverse(issue.last_seen));
        Ok(related)
    }

    /// A part of the occurrences, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn occurrences(
        &self,
        id: &IssueId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Activity>, StoreError> {
        self.store.activities(id, Some(ActivityKind::Occurrence), after, limit).await
    }
}

/// The short id that a filter is, if it says nothing else.
pub fn named(filter: &Filter) -> Option<IssueId> {
    let [Term { is_negated: false, test: Test::Text(text) }] = filter.terms.as_slice() else { return None };
    short_id::read_id(text).filter(|id| short_id::parts(id).is_some())
}

fn check_change(change: &IssueChange) -> Result<(), TriageError> {
    if change.status != Some(Status::Resolved) && !change.old_releases.is_empty() {
        let message = "only what is resolved is resolved in the next release";
        return Err(TriageError::Invalid(vec![invalid("in_next_release", message)]));
    }
    check_short("assignee_id", change.assignee_id.iter().flatten())?;
    check_short("tags", change.tags.iter().flatten())
}

/// Names are short and have no control characters.
fn check_short<'a>(field: &'static str, texts: impl Iterator<Item = &'a String>) -> Result<(), TriageError> {
    for text in texts {
        if text.trim().is_empty()
            || text.chars().count() > MAX_NAME_CHARS
            || clean(text) != *text
            || text.contains('\n')
        {
            let message = format!("1 to {MAX_NAME_CHARS} characters on one line, without control characters");
            return Err(TriageError::Invalid(vec![invalid(field, &message)]));
        }
    }
    Ok(())
}

/// A field that cannot be used, and what to do about it.
pub fn invalid(field: &'static str, message: &str) -> InvalidField {
    InvalidField { field, message: truncate_chars(message, 300) }
}
