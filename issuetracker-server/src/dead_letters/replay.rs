//! Sending a letter's original again: read it first, ask whether it was counted meanwhile, publish it under the identity
//! that it had, and note what came of it. Repeating any of this counts nothing twice.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    DeadLetters, DeadLettersError, LetterId,
    letter::{Reading, Record},
};
use crate::{
    domain::{ActivityKind, Effect, Occurrence},
    intake::decode::Invalid,
    store::Cursor,
};

/// What came of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is in the topic, and counts when it is consumed.
    Published,
    /// It was published, and is in its issue.
    Counted,
    /// It was in its issue before, so nothing was published.
    AlreadyCounted,
}

/// The note on a letter that was replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub at: String,
    /// By whom.
    pub by: String,
    /// What came of it.
    pub outcome: Outcome,
    /// The event.
    pub event_id: String,
    /// The issue that it belongs to.
    pub issue_id: String,
    /// When the letter was written: in a topic that was created again, another letter may stand at its place.
    pub dead_at_ms: Option<i64>,
}

/// The answer for one letter.
#[derive(Debug, Clone, PartialEq)]
pub enum Replayed {
    /// It was replayed.
    Done(Mark),
    /// It still cannot be read; nothing was published.
    Invalid(Invalid),
    /// Only its head was kept; nothing was published.
    Cut,
    /// There is no such letter.
    NotFound,
}

impl Replayed {
    /// The word for it, as in `POST /api/v1/dead-letters/replay`.
    pub const fn status(&self) -> &'static str {
        match self {
            Self::Done(Mark { outcome: Outcome::Published, .. }) => "published",
            Self::Done(Mark { outcome: Outcome::Counted, .. }) => "counted",
            Self::Done(Mark { outcome: Outcome::AlreadyCounted, .. }) => "already_counted",
            Self::Invalid(_) => "invalid",
            Self::Cut => "cut",
            Self::NotFound => "not_found",
        }
    }

    /// The same in a sentence.
    pub fn message(&self) -> String {
        match self {
            Self::Done(Mark { outcome, .. }) => match outcome {
                Outcome::Published => "It was published and counts once it is consumed.".to_owned(),
                Outcome::Counted => "It was published and is counted.".to_owned(),
                Outcome::AlreadyCounted => "It had been counted before, so nothing was published.".to_owned(),
            },
            Self::Invalid(invalid) => {
                let why = super::text::shown(invalid.to_string().as_bytes(), 300).0;
                format!("It still cannot be read, so nothing was published: {why}.")
            }
            Self::Cut => "Only the head of it was kept, so it cannot be replayed.".to_owned(),
            Self::NotFound => "There is no such dead letter.".to_owned(),
        }
    }

    /// The result for programs.
    pub fn to_json(&self, id: LetterId) -> serde_json::Value {
        let mut result = json!({"id": id, "status": self.status()});
        match self {
            Self::Done(mark) => {
                result["event_id"] = mark.event_id.clone().into();
                result["issue_id"] = mark.issue_id.clone().into();
            }
            Self::Invalid(invalid) => {
                result["code"] = invalid.reason().into();
                result["reason"] = super::text::shown(invalid.to_string().as_bytes(), 300).0.into();
            }
            Self::Cut | Self::NotFound => (),
        }
        result
    }
}

impl DeadLetters {
    pub(super) async fn replay_record(
        &self,
        record: &Record,
        by: &str,
        now: Timestamp,
    ) -> Result<Replayed, DeadLettersError> {
        let occurrence = match record.read(now) {
            Reading::Event(occurrence) => occurrence,
            Reading::Invalid(invalid) => return Ok(Replayed::Invalid(invalid)),
            Reading::Cut | Reading::Untried => return Ok(Replayed::Cut),
        };
        if let Err(invalid) = self.has_issue(&occurrence).await? {
            return Ok(Replayed::Invalid(invalid));
        }
        let outcome = if self.is_counted(&occurrence).await? {
            if let Some(mark) = self.mark(record.id, record.written_at_ms).await? {
                // The first replay is the one to remember.
                let mark = self.note_counted(record.id, mark).await?;
                return Ok(Replayed::Done(Mark { outcome: Outcome::AlreadyCounted, ..mark }));
            }
            Outcome::AlreadyCounted
        } else {
            self.broker.send(&record.payload, &occurrence, record.arrived_at().unwrap_or(now)).await?;
            Outcome::Published
        };
        let mark = Mark {
            at: now.to_string(),
            by: by.to_owned(),
            outcome,
            event_id: occurrence.event_id.to_string(),
            issue_id: occurrence.issue_id.to_string(),
            dead_at_ms: record.written_at_ms,
        };
        // After publishing: a crash in between publishes it again at the next try, and it counts once.
        self.set_mark(record.id, &mark).await?;
        Ok(Replayed::Done(mark))
    }

    /// Whether the event has the issue that it needs: a comment makes none.
    pub(super) async fn has_issue(&self, occurrence: &Occurrence) -> Result<Result<(), Invalid>, DeadLettersError> {
        let is_missing =
            occurrence.effect == Effect::Commented && self.store.issue(&occurrence.issue_id).await?.is_none();
        Ok(if is_missing { Err(Invalid::NoIssue) } else { Ok(()) })
    }

    /// Whether the event is in the history of its issue.
    pub(super) async fn is_counted(&self, occurrence: &Occurrence) -> Result<bool, DeadLettersError> {
        let kind = match occurrence.effect {
            Effect::Occurred => ActivityKind::Occurrence,
            Effect::Created => ActivityKind::Created,
            Effect::Commented => ActivityKind::Commented,
        };
        let id = occurrence.event_id.to_string();
        // The place just before its own: ids are ordered backwards, and `~` is after all that they hold.
        let before = Cursor { key: occurrence.last_at.as_microsecond(), id: format!("{id}~") };
        // The issue may have got another id meanwhile.
        let Some(issue) = self.store.issue(&occurrence.issue_id).await? else { return Ok(false) };
        let found = self.store.activities(&issue.id, Some(kind), Some(&before), 1).await?;
        Ok(found.items.first().is_some_and(|activity| activity.id == id))
    }

    /// The mark of a letter whose event is counted by now.
    pub(super) async fn note_counted(&self, id: LetterId, mut mark: Mark) -> Result<Mark, DeadLettersError> {
        if mark.outcome == Outcome::Published {
            mark.outcome = Outcome::Counted;
            self.set_mark(id, &mark).await?;
        }
        Ok(mark)
    }

    /// What is noted on a letter, if the note is about this one.
    pub(super) async fn mark(&self, id: LetterId, dead_at_ms: Option<i64>) -> Result<Option<Mark>, DeadLettersError> {
        let note = self.store.note(&key(id)).await?;
        let mark: Option<Mark> = note.and_then(|note| serde_json::from_str(&note).ok());
        Ok(mark.filter(|mark| mark.dead_at_ms == dead_at_ms))
    }

    async fn set_mark(&self, id: LetterId, mark: &Mark) -> Result<(), DeadLettersError> {
        Ok(self.store.set_note(&key(id), Some(&json!(mark).to_string())).await?)
    }
}

/// Under which a letter's mark is noted.
fn key(id: LetterId) -> String {
    format!("{MARKS}{id}")
}

/// What the keys of all marks start with.
pub(super) const MARKS: &str = "replayed/";
