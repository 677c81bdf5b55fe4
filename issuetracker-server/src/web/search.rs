//! The filter as text and as parameters: `is:open service:newsfeed severity:critical "connection refused"`. One reading
//! of it serves pages and API.

use serde::Deserialize;
use tracing_issues::event::UnknownWord;

use super::cursor;
use crate::{
    auth::Principal,
    domain::Status,
    store::{IssueQuery, Sort},
    triage::{InvalidField, invalid},
};

/// Items of a page of a list, unless asked otherwise.
const DEFAULT_LIMIT: usize = 50;
/// The most items of a page.
const MAX_LIMIT: usize = 100;

/// The parameters of a list's address. Absent and empty mean the same.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListParams {
    pub(crate) q: String,
    pub(crate) status: String,
    pub(crate) service: String,
    #[serde(alias = "env")]
    pub(crate) environment: String,
    pub(crate) component: String,
    pub(crate) severity: String,
    pub(crate) priority: String,
    #[serde(rename = "type")]
    pub(crate) issue_type: String,
    pub(crate) assignee: String,
    pub(crate) tag: String,
    pub(crate) sort: String,
    pub(crate) cursor: String,
    pub(crate) limit: String,
}

impl ListParams {
    /// The query that they mean.
    pub(crate) fn query(&self, principal: &Principal) -> Result<IssueQuery, Vec<InvalidField>> {
        let mut reader = Reader {
            query: IssueQuery { limit: DEFAULT_LIMIT, ..IssueQuery::default() },
            principal,
            wrong: Vec::new(),
        };
        let pairs = [
            ("status", &self.status),
            ("service", &self.service),
            ("environment", &self.environment),
            ("component", &self.component),
            ("severity", &self.severity),
            ("priority", &self.priority),
            ("type", &self.issue_type),
            ("assignee", &self.assignee),
            ("tag", &self.tag),
            ("sort", &self.sort),
        ];
        for (key, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            reader.set(key, value, key);
        }
        for Term { text, is_quoted } in terms(&self.q) {
            match text.split_once(':') {
                // What is no key is text, and so is what begins with a quote: messages are full of colons.
                Some((key, value)) if !is_quoted && !value.is_empty() && reader.set(key, value, "q") => (),
                _ => reader.query.words.push(text),
            }
        }
        if !self.cursor.is_empty() {
            match cursor::decode(&self.cursor) {
                Some(cursor) => reader.query.after = Some(cursor),
                None => reader.wrong.push(invalid("cursor", "use `next_cursor` of the page before, unchanged")),
            }
        }
        match page_limit(&self.limit) {
            Ok(limit) => reader.query.limit = limit,
            Err(wrong) => reader.wrong.push(wrong),
        }
        if reader.wrong.is_empty() { Ok(reader.query) } else { Err(reader.wrong) }
    }
}

/// `limit` as a number from 1 to 100.
pub(crate) fn page_limit(limit: &str) -> Result<usize, InvalidField> {
    match limit {
        "" => Ok(DEFAULT_LIMIT),
        limit => match limit.parse() {
            Ok(limit @ 1..=MAX_LIMIT) => Ok(limit),
            _ => Err(invalid("limit", "a number from 1 to 100")),
        },
    }
}

struct Reader<'a> {
    query: IssueQuery,
    principal: &'a Principal,
    wrong: Vec<InvalidField>,
}

impl Reader<'_> {
    /// Sets what `key` means; tells whether it is a key at all. `field` is what a complaint names.
    fn set(&mut self, key: &str, value: &str, field: &'static str) -> bool {
        let query = &mut self.query;
        let own = || value.to_owned();
        let result = match key {
            "is" | "status" => statuses(value).map(|statuses| query.statuses = statuses),
            "severity" => value.parse().map(|severity| query.severity = Some(severity)),
            "priority" => value.parse().map(|priority| query.priority = Some(priority)),
            "type" => value.parse().map(|issue_type| query.issue_type = Some(issue_type)),
            "sort" => match Sort::ALL.into_iter().find(|sort| sort.as_str() == value) {
                Some(sort) => {
                    query.sort = sort;
                    Ok(())
                }
                None => Err(UnknownWord { found: own(), expected: "last_seen first_seen occurrences" }),
            },
            "service" | "environment" | "env" | "component" | "tag" => {
                let field = match key {
                    "service" => &mut query.service,
                    "component" => &mut query.component,
                    "tag" => &mut query.tag,
                    _ => &mut query.environment,
                };
                *field = Some(own());
                Ok(())
            }
            "assignee" | "assigned" => {
                query.assignee_id = Some(match value {
                    "none" | "nobody" => None,
                    "me" => Some(self.principal.user_id.clone()),
                    person => Some(person.to_owned()),
                });
                Ok(())
            }
            _ => return false,
        };
        if let Err(error) = result {
            self.wrong.push(invalid(field, &error.to_string()));
        }
        true
    }
}

/// One status, several separated by commas, or `all`.
fn statuses(value: &str) -> Result<Vec<Status>, UnknownWord> {
    match value {
        "all" => Ok(Vec::new()),
        value => value.split(',').map(str::parse).collect(),
    }
}

/// A word, or what double quotes keep together.
#[derive(Default)]
struct Term {
    text: String,
    /// It begins with a quote, so it is text whatever it says.
    is_quoted: bool,
}

/// `a "b c"` are two terms, `service:"my service"` is one.
fn terms(text: &str) -> Vec<Term> {
    let (mut terms, mut term, mut is_open) = (Vec::new(), Term::default(), false);
    for c in text.chars() {
        match c {
            '"' => {
                is_open = !is_open;
                term.is_quoted |= term.text.is_empty();
            }
            // No stored text has control characters, and SQLite ends a text at NUL.
            c if c.is_control() || (c.is_whitespace() && !is_open) => terms.push(std::mem::take(&mut term)),
            c => term.text.push(c),
        }
    }
    terms.push(term);
    terms.retain(|term| !term.text.is_empty());
    terms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{IssueType, Severity};

    #[track_caller]
    fn read(q: &str) -> Result<IssueQuery, Vec<InvalidField>> {
        ListParams { q: q.to_owned(), ..ListParams::default() }.query(&Principal::local_admin())
    }

    #[test]
    fn keys_filter_and_everything_else_is_text() {
        let query = read(
            r#"is:open,in-progress service:"news feed" severity:critical type:bug timeout "connection refused" http://x"#,
        );
        let query = query.unwrap();
        assert_eq!(query.statuses, [Status::Open, Status::InProgress]);
        assert_eq!(query.service.as_deref(), Some("news feed"));
        assert_eq!((query.severity, query.issue_type), (Some(Severity::Critical), Some(IssueType::Bug)));
        assert_eq!(query.words, ["timeout", "connection refused", "http://x"]);
    }

    #[test]
    fn what_is_quoted_is_text() {
        let query = read(r#""status: 503 service" "is:done""#).unwrap();
        assert_eq!(query.words, ["status: 503 service", "is:done"]);
    }

    #[test]
    fn control_characters_separate_words() {
        assert_eq!(read("a\0b \"c\0d\" \0").unwrap().words, ["a", "b", "c", "d"]);
    }

    #[test]
    fn assigned_knows_me_and_nobody() {
        assert_eq!(read("assigned:me").unwrap().assignee_id, Some(Some("local-admin".to_owned())));
        assert_eq!(read("assigned:none").unwrap().assignee_id, Some(None));
    }

    #[test]
    fn a_wrong_value_names_its_field() {
        assert_eq!(read("is:done").unwrap_err()[0].field, "q");
        let params =
            ListParams { severity: "huge".into(), limit: "101".into(), cursor: "%".into(), ..ListParams::default() };
        let wrong = params.query(&Principal::local_admin()).unwrap_err();
        assert_eq!(wrong.iter().map(|wrong| wrong.field).collect::<Vec<_>>(), ["severity", "cursor", "limit"]);
    }
}
