//! The audit log as a page.

use axum::{extract::State, http::Uri};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Shown,
    layout::{OptionView, TimeView, query_string},
};
use crate::{
    auth::{Action, Entry},
    store::Cursor,
    web::{
        WebState,
        api::{audit::AuditParams, page_of},
        cursor,
        require::{Require, permission},
    },
};

#[derive(Serialize)]
struct AuditView {
    entries: Vec<EntryView>,
    actions: Vec<OptionView>,
    /// Whose entries these are, if they are of one user.
    actor: String,
    is_filtered: bool,
    next_url: String,
}

#[derive(Serialize)]
struct EntryView {
    at: Option<TimeView>,
    actor: String,
    actor_url: String,
    label: String,
    subject: String,
    detail: String,
    address: String,
}

/// `GET /audit`
pub(crate) async fn show(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ReadAudit>,
    uri: Uri,
) -> Shown {
    let (after, limit) = page_of(&uri)?;
    let params = AuditParams::of(&uri)?;
    let now = Timestamp::now();
    let mut entries =
        state.audit.list(params.only()?, after.as_ref().map(|after| after.id.as_str()), limit + 1).await?;
    let is_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| is_more).map(|last| {
        let cursor = cursor::encode(&Cursor { key: 0, id: last.id.clone() });
        let pairs = [("action", params.action.as_str()), ("actor", &params.actor), ("cursor", &cursor)];
        format!("/audit?{}", query_string(&pairs))
    });
    let any = OptionView::new("", "Everything", params.action.is_empty());
    let actions = Action::ALL
        .iter()
        .map(|action| OptionView::new(action.as_str(), action.label(), action.as_str() == params.action));
    let view = AuditView {
        actions: std::iter::once(any).chain(actions).collect(),
        is_filtered: !(params.action.is_empty() && params.actor.is_empty()),
        actor: params.actor,
        entries: entries.into_iter().map(|entry| entry_view(entry, now)).collect(),
        next_url: next.unwrap_or_default(),
    };
    super::show(&state, &principal, "audit.html", "Audit log", "audit", &view)
}

fn entry_view(entry: Entry, now: Timestamp) -> EntryView {
    let label = Action::of_word(&entry.action).map_or(entry.action, |action| action.label().to_owned());
    let actor_url = match entry.actor_id.as_str() {
        "" => String::new(),
        actor => format!("/audit?{}", query_string(&[("actor", actor)])),
    };
    EntryView {
        at: entry.at.map(|at| TimeView::new(at, now)),
        actor: if entry.actor.is_empty() { "Somebody".to_owned() } else { entry.actor },
        actor_url,
        label,
        subject: entry.subject,
        detail: entry.detail,
        address: entry.address,
    }
}
