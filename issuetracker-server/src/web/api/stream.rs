//! Live updates: server-sent events that carry ids only. They end at shutdown, and when whoever listens may not look any
//! more. A browser comes back by itself, says what it heard last, and misses nothing.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt as _, stream};
use jiff::Timestamp;
use serde_json::json;
use tokio::{
    sync::{broadcast, watch},
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    auth::Principal,
    notify::{Change, Numbered},
    web::{
        WebState,
        require::{Require, permission},
    },
};

/// How often it is asked whether a listener may still look. What this server decides about that is known at once.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// `GET /api/v1/stream`: events named `issues` with `{"ids": [...], "created": [...]}`, and `missed` when this listener
/// was too slow, or away for too long, and has to read the list again.
pub(crate) async fn stream(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Read>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let (changes, earlier) = state.notifier.resume(last);
    let earlier = match earlier {
        Some(earlier) => earlier.iter().map(event).collect(),
        None => vec![missed()],
    };
    let listener = Listener::new(state, principal, changes);
    let live = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((event, listener))
    });
    Sse::new(stream::iter(earlier).chain(live).map(Ok)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

struct Listener {
    state: WebState,
    principal: Principal,
    changes: broadcast::Receiver<Numbered>,
    /// That sessions have ended or users have changed.
    access: Option<watch::Receiver<u64>>,
    ask: Interval,
}

impl Listener {
    fn new(state: WebState, principal: Principal, changes: broadcast::Receiver<Numbered>) -> Self {
        let access = state.login.as_ref().map(|login| login.access());
        let mut ask = interval(ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { state, principal, changes, access, ask }
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            let has_changed = async {
                match &mut self.access {
                    Some(access) => _ = access.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.state.shutdown.cancelled() => return None,
                () = has_changed => (),
                _ = self.ask.tick() => (),
                received = self.changes.recv() => return match received {
                    Ok(change) => Some(event(&change)),
                    Err(broadcast::error::RecvError::Lagged(_)) => Some(missed()),
                    Err(broadcast::error::RecvError::Closed) => None,
                },
            }
            if !self.may_look().await {
                return None;
            }
        }
    }

    async fn may_look(&self) -> bool {
        match &self.state.login {
            // A store that is away decides nothing about anybody.
            Some(login) => login.may_still_read(&self.principal, Timestamp::now()).await.unwrap_or(true),
            None => true,
        }
    }
}

fn missed() -> Event {
    Event::default().event("missed").data("{}")
}

fn event(numbered: &Numbered) -> Event {
    Event::default().event("issues").data(data(&numbered.change)).id(&numbered.id)
}

fn data(change: &Change) -> String {
    let ids = |ids: &[crate::domain::IssueId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({"ids": ids(&change.ids), "created": ids(&change.created)}).to_string()
}
