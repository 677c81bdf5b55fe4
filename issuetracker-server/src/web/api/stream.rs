//! Live updates: server-sent events that carry ids only. They end at shutdown; a browser comes back by itself.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, stream};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use crate::{
    notify::Change,
    web::{
        WebState,
        require::{Require, permission},
    },
};

/// `GET /api/v1/stream`: events named `issues` with `{"ids": [...], "created": [...]}`, and `missed` when this listener
/// was too slow and has to read the list again.
pub(crate) async fn stream(
    State(state): State<WebState>,
    _: Require<permission::Read>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (changes, shutdown) = (state.notifier.subscribe(), state.shutdown.clone());
    let events = stream::unfold((changes, shutdown), |(mut changes, shutdown)| async move {
        let received = shutdown.run_until_cancelled(changes.recv()).await?;
        let event = match received {
            Ok(change) => Event::default().event("issues").data(data(&change)),
            Err(RecvError::Lagged(_)) => Event::default().event("missed").data("{}"),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), (changes, shutdown)))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

fn data(change: &Change) -> String {
    let ids = |ids: &[crate::domain::IssueId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({"ids": ids(&change.ids), "created": ids(&change.created)}).to_string()
}
