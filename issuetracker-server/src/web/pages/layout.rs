//! What all pages share: head, navigation, notices; and the small shapes that templates use everywhere.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    auth::{People, Person, Principal},
    dead_letters::DeadLetters,
    domain::{Issue, Permission, Role, filter::Term},
    web::WebState,
};

/// `page` in every template.
#[derive(Serialize)]
pub(crate) struct PageView<'a> {
    title: &'a str,
    nav: &'static str,
    css_url: &'a str,
    js_url: &'a str,
    version: &'static str,
    /// None for whoever is not logged in.
    principal: Option<PrincipalView>,
    /// For the first minutes of somebody new: what they are and what that means.
    welcome: &'static str,
    /// What forms must bring; empty without a session.
    csrf: String,
    local_admin: bool,
    can_log_in: bool,
    /// Whether dead letters are the reader's business, and how many wait.
    manages_letters: bool,
    letters_waiting: String,
    manages_users: bool,
    manages_keys: bool,
    manages_rules: bool,
    reads_audit: bool,
    ingest_url: String,
    degraded: Option<String>,
    gap: Option<String>,
    may_operate: bool,
}

#[derive(Serialize)]
struct PrincipalView {
    name: String,
    role: &'static str,
}

impl<'a> PageView<'a> {
    pub(crate) fn new<'p>(
        state: &'a WebState,
        principal: impl Into<Option<&'p Principal>>,
        title: &'a str,
        nav: &'static str,
    ) -> Self {
        let principal = principal.into();
        let may = |permission| principal.is_some_and(|principal| principal.may(permission));
        let manages_letters = may(Permission::ManageDeadLetters);
        let letters = state.dead_letters.as_ref().filter(|_| manages_letters);
        Self {
            title,
            nav,
            css_url: &state.assets.css_url,
            js_url: &state.assets.js_url,
            version: env!("CARGO_PKG_VERSION"),
            principal: principal
                .map(|principal| PrincipalView { name: principal.display_name.clone(), role: principal.role.as_str() }),
            welcome: match principal.filter(|principal| principal.is_newcomer).map(|principal| principal.role) {
                Some(Role::Viewer) => {
                    "You are VIEWER: everything here is yours to read. To work on issues, ask an administrator to make you DEVELOPER."
                }
                Some(Role::Developer) => "You are DEVELOPER: work on issues as you like. Press ? for the keyboard.",
                Some(Role::Admin) => {
                    "You are ADMIN: whoever logs in begins as VIEWER, and on Users you say what they may do."
                }
                Some(Role::Service) | None => "",
            },
            csrf: principal.and_then(|principal| principal.csrf.clone()).unwrap_or_default(),
            local_admin: state.login.is_none(),
            can_log_in: state.login.is_some(),
            manages_letters,
            letters_waiting: letters.and_then(DeadLetters::waiting).filter(|n| *n > 0).map(compact).unwrap_or_default(),
            manages_users: state.login.is_some() && may(Permission::ManageUsers),
            manages_keys: state.login.is_some() && may(Permission::ManageKeys),
            manages_rules: may(Permission::ManageRules),
            reads_audit: may(Permission::ReadAudit),
            ingest_url: match &state.login {
                Some(login) => login.config.public_url.clone(),
                None => format!("http://{}", state.address),
            },
            // What does not work is nobody else's business.
            degraded: principal.and_then(|_| state.health.notice()),
            gap: principal.and_then(|_| state.health.gap()),
            may_operate: may(Permission::Operate),
        }
    }
}

/// A moment: exact for programs and hovering, relative for reading.
#[derive(Serialize)]
pub(crate) struct TimeView {
    iso: String,
    relative: String,
}

impl TimeView {
    pub(crate) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { iso: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), relative: relative(at, now) }
    }
}

/// `just now`, `5 min ago`, `3 h ago`, `2 d ago`, `4 mo ago`, `1 y ago`: rounded down, as `app.js` goes on to count.
fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - at.as_second();
    match seconds {
        ..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        86_400..2_592_000 => format!("{} d ago", seconds / 86_400),
        2_592_000..31_536_000 => format!("{} mo ago", seconds / 2_592_000),
        _ => format!("{} y ago", seconds / 31_536_000),
    }
}

/// Somebody who can be chosen.
#[derive(Serialize)]
pub(crate) struct PersonView {
    handle: String,
    name: String,
}

impl PersonView {
    pub(crate) fn new(person: &Person) -> Self {
        Self { handle: person.email.clone(), name: person.name.clone() }
    }
}

/// One choice of a `<select>`.
#[derive(Serialize)]
pub(crate) struct OptionView {
    value: String,
    label: String,
    selected: bool,
}

impl OptionView {
    pub(crate) fn new(value: &str, label: &str, selected: bool) -> Self {
        Self { value: value.to_owned(), label: label.to_owned(), selected }
    }
}

/// Choices of which `selected` is the current one; a word such as `in-progress` is shown as `In progress`.
pub(crate) fn options<'a>(values: impl IntoIterator<Item = &'a str>, selected: &str) -> Vec<OptionView> {
    values.into_iter().map(|value| OptionView::new(value, value, value == selected)).collect()
}

/// As [`options`], for the fixed words of enums, with labels for people.
pub(crate) fn word_options<'a>(values: impl IntoIterator<Item = &'a str>, selected: &str) -> Vec<OptionView> {
    let label = |option: OptionView| OptionView { label: label(&option.value), ..option };
    options(values, selected).into_iter().map(label).collect()
}

/// `in-progress` -> `In progress`.
pub(crate) fn label(word: &str) -> String {
    let mut text = word.replace(['-', '_'], " ");
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// A label of an issue, and the list of issues that have it.
#[derive(Serialize)]
pub(crate) struct TagView {
    text: String,
    url: String,
}

/// An issue as rows and headers show it.
#[derive(Serialize)]
pub(crate) struct RowView {
    id: String,
    /// As people say it.
    short_id: String,
    url: String,
    title: String,
    kind: String,
    severity: &'static str,
    priority: &'static str,
    status: &'static str,
    #[serde(rename = "type")]
    issue_type: &'static str,
    service: String,
    component: String,
    location: String,
    environment: String,
    release: String,
    tags: Vec<TagView>,
    occurrences: u64,
    occurrences_text: String,
    first_seen: TimeView,
    last_seen: TimeView,
    assignee_id: String,
    /// What they are called.
    assignee: String,
    comments: u64,
    /// How many hosts are affected, and which.
    hosts: usize,
    hosts_text: String,
}

impl RowView {
    pub(crate) fn new(issue: &Issue, now: Timestamp) -> Self {
        // Component and kind have their own place.
        let is_shown = |tag: &&String| !tag.starts_with("component:") && !tag.starts_with("error:");
        let tag = |tag: &String| TagView { text: tag.clone(), url: filter_url("tag", tag) };
        Self {
            id: issue.id.to_string(),
            short_id: issue.short_id.as_ref().unwrap_or(&issue.id).to_string(),
            url: format!("/issues/{}", issue.id),
            title: issue.title.clone(),
            kind: issue.error_kind.clone(),
            severity: issue.severity.as_str(),
            priority: issue.priority.as_str(),
            status: issue.status.as_str(),
            issue_type: issue.issue_type.as_str(),
            service: issue.service.clone(),
            component: issue.component.clone(),
            location: short_path(&issue.location),
            environment: issue.environment.clone(),
            release: issue.release.clone(),
            tags: issue.tags.iter().filter(is_shown).map(tag).collect(),
            occurrences: issue.occurrences,
            occurrences_text: compact(issue.occurrences),
            first_seen: TimeView::new(issue.first_seen, now),
            last_seen: TimeView::new(issue.last_seen, now),
            assignee_id: issue.assignee_id.clone().unwrap_or_default(),
            assignee: issue.assignee_id.clone().unwrap_or_default(),
            comments: issue.comments,
            hosts: issue.hosts.len(),
            hosts_text: issue.hosts.join(", "),
        }
    }
}

impl RowView {
    /// The same, with the names of people.
    pub(crate) fn with_names(mut self, people: &People) -> Self {
        self.assignee = people.name(&self.assignee_id).to_owned();
        self
    }
}

/// The file and the folder it is in: the end of a path tells more than its beginning.
fn short_path(location: &str) -> String {
    match location.rmatch_indices('/').nth(1) {
        Some((start, _)) => location[start + 1..].to_owned(),
        None => location.to_owned(),
    }
}

/// `999`, `12.4k`, `1.2M`.
pub(crate) fn compact(count: u64) -> String {
    let (tenths, unit) = match count {
        ..1_000 => return count.to_string(),
        1_000..1_000_000 => (count / 100, "k"),
        1_000_000..1_000_000_000 => (count / 100_000, "M"),
        _ => (count / 100_000_000, "G"),
    };
    match tenths % 10 {
        0 => format!("{}{unit}", tenths / 10),
        tenth => format!("{}.{tenth}{unit}", tenths / 10),
    }
}

/// The list of open issues with this value.
pub(crate) fn filter_url(key: &str, value: &str) -> String {
    let term = Term::of(key, vec![value.to_owned()]).ok().flatten();
    let text = term.map(|term| format!("is:open {term}")).unwrap_or_default();
    format!("/issues?{}", query_string(&[("q", &text)]))
}

/// Pairs as the query of an address; empty values are left out.
pub(crate) fn query_string(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    pairs.map(|(key, value)| format!("{key}={}", encode(value))).collect::<Vec<_>>().join("&")
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':' | b',' | b'/' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short() {
        let texts = [0, 999, 1_000, 12_449, 999_999, 1_000_000, 1_250_000, 3_000_000_000].map(compact);
        assert_eq!(texts, ["0", "999", "1k", "12.4k", "999.9k", "1M", "1.2M", "3G"]);
    }

    #[test]
    fn paths_keep_their_end() {
        assert_eq!(short_path("examples/src/bin/cli.rs:7"), "bin/cli.rs:7");
        assert_eq!(["src/feed.rs:42", "feed.rs", ""].map(short_path), ["src/feed.rs:42", "feed.rs", ""]);
    }

    #[test]
    fn times_are_relative() {
        let now = Timestamp::from_second(100_000_000).unwrap();
        let text = |seconds: i64| relative(Timestamp::from_second(100_000_000 - seconds).unwrap(), now);
        assert_eq!([-5, 59, 60, 7_200].map(text), ["just now", "just now", "1 min ago", "2 h ago"]);
        assert_eq!([200_000, 5_300_000, 70_000_000].map(text), ["2 d ago", "2 mo ago", "2 y ago"]);
    }

    #[test]
    fn values_cannot_break_out_of_an_address() {
        assert_eq!(filter_url("tag", "a&b=c#d é+"), "/issues?q=is:open+tag:%22a%26b%3Dc%23d+%C3%A9%2B%22");
    }
}
