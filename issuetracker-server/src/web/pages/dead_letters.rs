//! The dead letters: their list, the page of one, and what their forms do.

use std::time::{Duration, Instant};

use axum::{
    Form,
    extract::{Query, State, rejection::FormRejection},
    http::{StatusCode, Uri},
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Shown,
    layout::{TimeView, compact, query_string},
};
use crate::{
    auth::Principal,
    dead_letters::{Bounds, Letter, Outcome, Reading, Replayed},
    intake::decode::Invalid,
    web::{
        WebState,
        api::dead_letters::{LetterParams, LetterPath, bounds, letters, no_such_letter, note_replays},
        problem::Problem,
        require::{Require, permission},
    },
};

/// How long one request goes on replaying: it has 30 s in all.
const REPLAY_TIME: Duration = Duration::from_secs(15);

#[derive(Serialize)]
struct ListView {
    reason: String,
    rows: Vec<RowView>,
    next_url: Option<String>,
    /// `no_kafka`, `none_yet`, `no_match`, or empty.
    empty: &'static str,
    waiting: String,
    done: Option<DoneView>,
}

#[derive(Serialize)]
struct RowView {
    id: String,
    url: String,
    reason: String,
    reason_url: String,
    producer: String,
    text: String,
    dead_at: Option<TimeView>,
    size: String,
    /// `replayed`, `ready`, or empty.
    state: &'static str,
}

/// What came of replaying many.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct DoneView {
    replayed: u64,
    counted_before: u64,
    refused: u64,
    /// Where the rest begins, if there is one.
    rest: String,
}

#[derive(Serialize)]
struct LetterView {
    row: RowView,
    error: String,
    topic: String,
    place: String,
    written_at: Option<TimeView>,
    size: String,
    original_sha256: String,
    key: String,
    headers: Vec<(String, String)>,
    text: String,
    text_cut: bool,
    reading: ReadingView,
    mark: Option<MarkView>,
    /// Why the replay that was asked for did nothing.
    refused: String,
    can_replay: bool,
}

#[derive(Serialize)]
struct ReadingView {
    is_accepted: bool,
    /// A sentence, empty if it is accepted.
    why_not: String,
    is_still_so: bool,
    advice: &'static str,
    event_id: String,
    issue_id: String,
    title: String,
}

#[derive(Serialize)]
struct MarkView {
    at: Option<TimeView>,
    by: String,
    is_counted: bool,
    message: String,
    issue_id: String,
    event_id: String,
}

/// `GET /dead-letters`
pub(crate) async fn list(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageDeadLetters>,
    uri: Uri,
) -> Shown {
    let params = LetterParams::of(&uri)?;
    let query = params.query()?;
    let done = Query::<DoneView>::try_from_uri(&uri).ok().map(|Query(done)| done);
    let done = done.filter(|done| done.replayed + done.counted_before + done.refused > 0);
    let mut view = ListView {
        reason: params.reason.clone(),
        rows: Vec::new(),
        next_url: None,
        empty: "no_kafka",
        waiting: String::new(),
        done,
    };
    if let Some(letters) = &state.dead_letters {
        let now = Timestamp::now();
        let (found, waiting) = tokio::try_join!(letters.list(&query, now), letters.count())?;
        view.rows = found.items.iter().map(|letter| RowView::new(letter, now)).collect();
        view.waiting = compact(waiting);
        view.next_url = found.next.map(|next| address(&[("reason", &params.reason), ("cursor", &next.to_string())]));
        view.empty = match (view.rows.is_empty(), params.reason.is_empty() && params.cursor.is_empty()) {
            (false, _) => "",
            (true, true) => "none_yet",
            (true, false) => "no_match",
        };
    }
    super::show(&state, &principal, "dead_letters.html", "Dead letters", "letters", &view)
}

fn address(pairs: &[(&str, &str)]) -> String {
    format!("/dead-letters?{}", query_string(pairs))
}

impl RowView {
    fn new(letter: &Letter, now: Timestamp) -> Self {
        let state = match (&letter.replayed, &letter.reading) {
            (Some(_), _) => "replayed",
            (None, Reading::Event(_)) => "ready",
            (None, _) => "",
        };
        Self {
            id: letter.id.to_string(),
            url: format!("/dead-letters/{}", letter.id),
            reason: letter.reason.clone(),
            reason_url: address(&[("reason", &letter.reason)]),
            producer: letter.producer.clone(),
            text: letter.one_line(),
            dead_at: letter.dead_at.map(|at| TimeView::new(at, now)),
            size: letter.size_text(),
            state,
        }
    }
}

/// `GET /dead-letters/{id}`
pub(crate) async fn show(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageDeadLetters>,
    LetterPath(id): LetterPath,
) -> Shown {
    let now = Timestamp::now();
    let letter = letters(&state)?.letter(id, now).await?.ok_or_else(no_such_letter)?;
    render(&state, &principal, letter, String::new(), now)
}

/// `POST /dead-letters/{id}/replay`
pub(crate) async fn replay(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageDeadLetters>,
    LetterPath(id): LetterPath,
) -> Result<Response, Problem> {
    let (letters, now) = (letters(&state)?, Timestamp::now());
    let replayed = letters.replay(id, &principal.user_id, now).await?;
    match replayed {
        // The mark on the letter tells what came of it.
        Replayed::Done(_) => {
            note_replays(&state, &principal, &[(id, replayed)], now).await;
            Ok(Redirect::to(&format!("/dead-letters/{id}")).into_response())
        }
        Replayed::NotFound => Err(no_such_letter()),
        Replayed::Invalid(_) | Replayed::Cut => {
            let letter = letters.letter(id, now).await?.ok_or_else(no_such_letter)?;
            Ok((StatusCode::CONFLICT, render(&state, &principal, letter, replayed.message(), now)?).into_response())
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ReplayForm {
    reason: String,
    before: String,
}

/// `POST /dead-letters/replay`: all of a reason, or all.
pub(crate) async fn replay_many(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageDeadLetters>,
    form: Result<Form<ReplayForm>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form?;
    let letters = letters(&state)?;
    let reason = Some(form.reason.clone()).filter(|reason| !reason.is_empty());
    let mut before = bounds(&form.before).map_err(|wrong| Problem::invalid(vec![wrong]))?;
    let mut done = DoneView::default();
    let end = Instant::now() + REPLAY_TIME;
    loop {
        let found = letters.replay_newest(reason.clone(), before, &principal.user_id, Timestamp::now()).await?;
        note_replays(&state, &principal, &found.items, Timestamp::now()).await;
        for (_, replayed) in found.items {
            match replayed {
                Replayed::Done(mark) if mark.outcome == Outcome::AlreadyCounted => done.counted_before += 1,
                Replayed::Done(_) => done.replayed += 1,
                _ => done.refused += 1,
            }
        }
        before = found.next;
        if before.is_none() || Instant::now() > end {
            break;
        }
    }
    Ok(Redirect::to(&address(&[
        ("reason", &form.reason),
        ("replayed", &done.replayed.to_string()),
        ("counted_before", &done.counted_before.to_string()),
        ("refused", &done.refused.to_string()),
        ("rest", &before.as_ref().map(Bounds::to_string).unwrap_or_default()),
    ])))
}

/// What a person can do about a letter that is no event.
const fn advice(reading: &Reading) -> &'static str {
    match reading {
        Reading::Event(_) | Reading::Untried => "",
        Reading::Invalid(Invalid::NoIssue) => "It can be replayed once its issue is there.",
        Reading::Invalid(_) | Reading::Cut => {
            "It cannot be replayed as it is. Mend its producer, and let that send the event again."
        }
    }
}

/// The text as a sentence of its own.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| format!("{}{}.", first.to_uppercase(), chars.as_str())).unwrap_or_default()
}

fn render(state: &WebState, principal: &Principal, letter: Letter, refused: String, now: Timestamp) -> Shown {
    let row = RowView::new(&letter, now);
    let title = letter.title();
    let mark = letter.replayed.map(|mark| MarkView {
        at: mark.at.parse().ok().map(|at| TimeView::new(at, now)),
        is_counted: mark.outcome != Outcome::Published,
        message: Replayed::Done(mark.clone()).message(),
        by: mark.by,
        issue_id: mark.issue_id,
        event_id: mark.event_id,
    });
    let mut reading = ReadingView {
        is_accepted: false,
        why_not: sentence(&letter.reading.why_not()),
        is_still_so: letter.reading.why_not() == letter.error,
        advice: advice(&letter.reading),
        event_id: String::new(),
        issue_id: String::new(),
        title,
    };
    if let Reading::Event(event) = &letter.reading {
        reading.is_accepted = true;
        (reading.event_id, reading.issue_id) = (event.event_id.to_string(), event.issue_id.to_string());
    }
    let number = |number: Option<i64>| number.map_or("?".to_owned(), |number| number.to_string());
    let place = format!("{}-{}", number(letter.partition.map(i64::from)), number(letter.offset));
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let view = LetterView {
        can_replay: matches!(letter.reading, Reading::Event(_) | Reading::Untried),
        error: sentence(&letter.error),
        topic: letter.topic,
        place,
        written_at: letter.timestamp.map(|at| TimeView::new(at, now)),
        size: row.size.clone(),
        original_sha256: letter.original_sha256.unwrap_or_default(),
        key: letter.key.unwrap_or_default(),
        headers: letter.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        text: letter.text,
        text_cut: letter.text_cut,
        reading,
        mark,
        refused,
        row,
    };
    let page_title = format!("Dead letter {}", view.row.id);
    super::show(state, principal, "dead_letter.html", &page_title, "letters", &view)
}
