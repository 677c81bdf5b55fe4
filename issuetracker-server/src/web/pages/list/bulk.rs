//! What the list's form does to the issues that are ticked, and how it is undone. The page after it says what was done; all
//! that undoing needs is in its address, so it works on any server, and changes nothing that somebody else has decided since.

use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    response::Redirect,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Filter, Sort, address};
use crate::{
    domain::{Issue, IssueChange, IssueId, MutedUntil, short_id},
    triage::{
        bulk::{Changed, MAX_AT_ONCE, Wanted},
        invalid,
    },
    web::{
        WebState,
        pages::layout::{label, query_string},
        problem::Problem,
        require::{Require, permission},
    },
};

/// What was done, as it stands in the address of the page after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    /// `status`, `priority`, `assignee` or `mute`.
    key: String,
    /// The new value; of an undoing, nothing.
    value: Option<String>,
    /// What was changed: id, version after it, value before it.
    changed: Vec<(String, u64, String)>,
    /// What was not.
    failed: Vec<(String, String)>,
}

/// What the page says of it.
#[derive(Serialize)]
pub(super) struct DoneView {
    text: String,
    failed: Vec<String>,
    /// What the button to undo it sends; empty if it cannot be undone.
    undo: String,
}

/// `POST /issues/bulk`
pub(crate) async fn change_many(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ChangeIssue>,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(pairs) = form?;
    let all = |name: &'static str| {
        pairs
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    };
    let filter: Filter = all("q").next().unwrap_or_default().parse().unwrap_or_default();
    let sort = Sort::ALL.into_iter().find(|sort| all("sort").next() == Some(sort.as_str())).unwrap_or_default();
    let back = |done: &str| {
        let address = address(&filter, sort, "");
        let done = query_string(&[("done", done)]);
        Redirect::to(&if done.is_empty() { address } else { format!("{address}&{done}") })
    };
    let wrong = |what: &str| Problem::invalid(vec![invalid("act", what)]);
    let (key, value, wanted) = if let Some(undo) = all("undo").next() {
        let done = Done::read(undo).ok_or_else(|| wrong("this cannot be undone any more"))?;
        let wanted = done.undoing().ok_or_else(|| wrong("this cannot be undone any more"))?;
        (done.key, None, wanted)
    } else {
        let act = all("act").next().ok_or_else(|| wrong("choose what to do"))?;
        let (key, value) = act.split_once(':').unwrap_or((act, ""));
        // What is typed beside a button.
        let value = if value == "?" {
            all(if key == "assignee" { "person" } else { "priority" }).next().unwrap_or_default()
        } else {
            value
        };
        let value = if (key, value) == ("assignee", "me") { principal.user_id.as_str() } else { value };
        let person = if key == "assignee" { state.people().await.resolve(value) } else { String::new() };
        let value = if key == "assignee" { person.as_str() } else { value };
        let change = change_of(key, value).ok_or_else(|| wrong("this cannot be done to issues"))?;
        let ids = all("id").filter_map(short_id::read_id).take(MAX_AT_ONCE);
        let wanted = ids.map(|id| Wanted { id, change: change.clone(), if_version: None }).collect();
        (key.to_owned(), Some(value.to_owned()), wanted)
    };
    if wanted.is_empty() {
        return Ok(back(""));
    }
    let results = state.triage.change_many(&wanted, &principal, Timestamp::now()).await?;
    let mut done = Done { key, value, changed: Vec::new(), failed: Vec::new() };
    for (wanted, result) in wanted.iter().zip(results) {
        match result.map_err(Problem::from) {
            Ok(changed) => done.note(&changed),
            Err(problem) => {
                problem.log_one_of_many(&wanted.id);
                done.failed.push((wanted.id.to_string(), problem.message));
            }
        }
    }
    Ok(back(&done.to_text()))
}

impl Done {
    fn note(&mut self, Changed { before, after }: &Changed) {
        // What was so before stays so when it is undone.
        if before.version != after.version {
            self.changed.push((after.id.to_string(), after.version, value_of(before, &self.key)));
        }
    }

    fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }

    fn undoing(&self) -> Option<Vec<Wanted>> {
        let undo = |(id, version, value): &(String, u64, String)| {
            let id: IssueId = id.parse().ok()?;
            Some(Wanted { id, change: change_of(&self.key, value)?, if_version: Some(*version) })
        };
        self.changed.iter().take(MAX_AT_ONCE).map(undo).collect()
    }

    pub(super) fn view(&self) -> DoneView {
        let issues = |count: usize| if count == 1 { "1 issue".to_owned() } else { format!("{count} issues") };
        let what = match (self.key.as_str(), self.value.as_deref()) {
            (_, None) => "as before".to_owned(),
            ("status", Some("open")) => "opened".to_owned(),
            ("status", Some(status)) => status.replace('-', " "),
            ("assignee", Some("")) => "unassigned".to_owned(),
            ("assignee", Some(person)) => format!("assigned to {person}"),
            ("mute", Some("")) => "unmuted".to_owned(),
            ("mute", Some(_)) => "muted".to_owned(),
            (key, Some(value)) => format!("with {} {value}", label(key).to_lowercase()),
        };
        let failed = self.failed.iter().map(|(id, why)| format!("{id}: {why}"));
        DoneView {
            text: match (self.changed.len(), self.failed.len()) {
                (0, 0) => "Nothing had to be changed".to_owned(),
                (changed, 0) => format!("{} {what}", issues(changed)),
                (changed, failed) => format!("{} {what}, {failed} not changed", issues(changed)),
            },
            failed: failed.collect(),
            undo: if self.value.is_some() && !self.changed.is_empty() { self.to_text() } else { String::new() },
        }
    }
}

/// A value of a key as a change; `None` if there is no such key or value.
fn change_of(key: &str, value: &str) -> Option<IssueChange> {
    let some = || Some(value.trim().to_owned()).filter(|value| !value.is_empty());
    let change = IssueChange::default();
    Some(match key {
        "status" => IssueChange { status: Some(value.parse().ok()?), ..change },
        "priority" => IssueChange { priority: Some(value.parse().ok()?), ..change },
        "assignee" => IssueChange { assignee_id: Some(some()), ..change },
        "mute" => IssueChange { mute: Some(mute_of(value)?), ..change },
        _ => return None,
    })
}

/// The value that [`change_of`] makes the same of.
fn value_of(issue: &Issue, key: &str) -> String {
    match key {
        "status" => issue.status.as_str().to_owned(),
        "priority" => issue.priority.as_str().to_owned(),
        "assignee" => issue.assignee_id.clone().unwrap_or_default(),
        _ => match issue.mute.map(|mute| mute.until) {
            None => String::new(),
            Some(MutedUntil::Unmuted) => "forever".to_owned(),
            Some(MutedUntil::Time(until)) => until.to_string(),
            Some(MutedUntil::Rate { count, per, .. }) => format!("{count} per {}", per.as_str()),
        },
    }
}

/// Nothing, `forever`, a time or `100 per hour`.
fn mute_of(value: &str) -> Option<Option<MutedUntil>> {
    match value {
        "" => Some(None),
        "forever" => Some(Some(MutedUntil::Unmuted)),
        value => match value.split_once(" per ") {
            Some((count, per)) => {
                let (count, per) = (count.parse().ok().filter(|count| *count > 0)?, per.parse().ok()?);
                Some(Some(MutedUntil::Rate { count, per, before: 0 }))
            }
            None => Some(Some(MutedUntil::Time(value.parse().ok()?))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done() -> Done {
        let changed = vec![("ha7xvgqdq1geeaa6".to_owned(), 3, "open".to_owned())];
        Done { key: "status".into(), value: Some("resolved".into()), changed, failed: Vec::new() }
    }

    #[test]
    fn what_was_done_comes_back_and_can_be_undone() {
        assert_eq!(Done::read(&done().to_text()), Some(done()));
        let undoing = done().undoing().unwrap();
        assert_eq!((undoing[0].if_version, undoing[0].change.status), (Some(3), "open".parse().ok()));
        assert_eq!((Done::read(""), Done::read("e30"), Done::read("%")), (None, None, None));
        let hostile = Done { key: "title".into(), ..done() };
        assert!(hostile.undoing().is_none());
    }

    #[test]
    fn it_is_said_with_what_failed() {
        assert_eq!(done().view().text, "1 issue resolved");
        let failed = vec![("a".to_owned(), "gone".to_owned())];
        assert_eq!(Done { failed, ..done() }.view().text, "1 issue resolved, 1 not changed");
        let undone = Done { value: None, ..done() }.view();
        assert_eq!((undone.text.as_str(), undone.undo.as_str()), ("1 issue as before", ""));
    }

    #[test]
    fn mutes_are_read_as_they_are_written() {
        for value in ["", "forever", "2027-01-31T12:00:00Z", "100 per hour"] {
            assert!(change_of("mute", value).is_some(), "{value}");
        }
        assert!(change_of("mute", "0 per hour").is_none() && change_of("status", "done").is_none());
    }
}
