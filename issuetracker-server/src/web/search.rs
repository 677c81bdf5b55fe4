//! The parameters of a list's address. The filter is the text in `q`; parameters of its keys add to it. One reading of
//! them serves pages and API.

use jiff::Timestamp;
use serde::Deserialize;

use super::cursor;
use crate::{
    auth::Principal,
    domain::{
        Filter,
        filter::{FilterError, Term},
    },
    store::{IssueQuery, Sort},
    triage::{InvalidField, invalid},
};

/// Items of a page of a list, unless asked otherwise.
const DEFAULT_LIMIT: usize = 50;
/// The most items of a page.
const MAX_LIMIT: usize = 100;

/// The parameters of a list's address. Absent and empty mean the same, but for `q`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListParams {
    pub(crate) q: Option<String>,
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
    pub(crate) seen: String,
    /// The filter that a form was made for.
    pub(crate) was: Option<String>,
    /// What was just done to many issues, for the page that says so.
    pub(crate) done: String,
    pub(crate) sort: String,
    pub(crate) cursor: String,
    pub(crate) limit: String,
}

impl ListParams {
    /// The parameters that filter beside `q`, by the names of their keys.
    fn keys(&self) -> [(&'static str, &str); 10] {
        [
            ("status", &self.status),
            ("service", &self.service),
            ("environment", &self.environment),
            ("component", &self.component),
            ("severity", &self.severity),
            ("priority", &self.priority),
            ("type", &self.issue_type),
            ("assignee", &self.assignee),
            ("tag", &self.tag),
            ("seen", &self.seen),
        ]
    }

    /// Whether anything but `q` filters.
    pub(crate) fn has_keys(&self) -> bool {
        self.keys().iter().any(|(_, value)| !value.is_empty())
    }

    /// Everything that filters, as one filter.
    pub(crate) fn filter(&self) -> Result<Filter, Vec<InvalidField>> {
        let mut wrong = Vec::new();
        let mut filter = Filter::default();
        match self.q.as_deref().unwrap_or_default().parse() {
            Ok(of_q) => filter = of_q,
            Err(error) => wrong.push(invalid("q", &error.to_string())),
        }
        for (key, value) in self.keys().into_iter().filter(|(_, value)| !value.is_empty()) {
            let values = match key {
                "status" => value.split(',').map(str::to_owned).collect(),
                _ => vec![value.to_owned()],
            };
            match Term::of(key, values) {
                Ok(term) => filter.terms.extend(term),
                Err(error) => wrong.push(invalid(key, &error.to_string())),
            }
        }
        if wrong.is_empty() { Ok(filter) } else { Err(wrong) }
    }

    /// The filter of a form: its text, and its choices where they are others than before. So what is chosen counts as
    /// much as what is typed, whichever was done last.
    pub(crate) fn chosen(&self) -> Result<Filter, Vec<InvalidField>> {
        let wrong = |field| move |error: FilterError| vec![invalid(field, &error.to_string())];
        let mut filter: Filter = self.q.as_deref().unwrap_or_default().parse().map_err(wrong("q"))?;
        let was: Filter = self.was.as_deref().unwrap_or_default().parse().unwrap_or_default();
        for (key, value) in self.choices() {
            if was.value(key).unwrap_or_default() != value {
                filter.set(key, value).map_err(wrong(key))?;
            }
        }
        Ok(filter)
    }

    /// What a form lets people choose, by key.
    fn choices(&self) -> [(&'static str, &str); 5] {
        [
            ("service", &self.service),
            ("env", &self.environment),
            ("severity", &self.severity),
            ("type", &self.issue_type),
            ("seen", &self.seen),
        ]
    }

    /// The order of the list.
    pub(crate) fn order(&self) -> Result<Sort, InvalidField> {
        let words = || Sort::ALL.map(Sort::as_str).join(", ");
        match self.sort.as_str() {
            "" => Ok(Sort::default()),
            word => Sort::ALL
                .into_iter()
                .find(|sort| sort.as_str() == word)
                .ok_or_else(|| invalid("sort", &format!("one of {}", words()))),
        }
    }

    /// The query that they mean.
    pub(crate) fn query(&self, principal: &Principal, now: Timestamp) -> Result<IssueQuery, Vec<InvalidField>> {
        let (filter, mut wrong) = match self.filter() {
            Ok(filter) => (filter, Vec::new()),
            Err(wrong) => (Filter::default(), wrong),
        };
        let mut query = IssueQuery { filter, user_id: principal.user_id.clone(), now, ..IssueQuery::default() };
        match self.order() {
            Ok(sort) => query.sort = sort,
            Err(error) => wrong.push(error),
        }
        if !self.cursor.is_empty() {
            match cursor::decode(&self.cursor) {
                Some(cursor) => query.after = Some(cursor),
                None => wrong.push(invalid("cursor", "use `next_cursor` of the page before, unchanged")),
            }
        }
        match page_limit(&self.limit) {
            Ok(limit) => query.limit = limit,
            Err(error) => wrong.push(error),
        }
        if wrong.is_empty() { Ok(query) } else { Err(wrong) }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn query(params: &ListParams) -> Result<IssueQuery, Vec<InvalidField>> {
        params.query(&Principal::local_admin(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn parameters_add_to_the_text() {
        let params = ListParams {
            q: Some("timeout".into()),
            status: "open,closed".into(),
            service: "my, book".into(),
            ..ListParams::default()
        };
        let query = query(&params).unwrap();
        assert_eq!(query.filter.to_string(), r#"timeout is:open,closed service:"my, book""#);
        assert_eq!(query.user_id, "local-admin");
    }

    #[track_caller]
    fn check_chosen(q: &str, was: &str, service: &str, expected: &str) {
        let params = ListParams {
            q: Some(q.to_owned()),
            was: Some(was.to_owned()),
            service: service.to_owned(),
            ..ListParams::default()
        };
        assert_eq!(params.chosen().unwrap().to_string(), expected);
    }

    #[test]
    fn the_text_and_the_choices_of_a_form_agree_on_what_was_changed() {
        check_chosen("is:open", "is:open", "feed", "is:open service:feed");
        check_chosen("is:open service:feed x", "is:open service:feed x", "book", "is:open service:book x");
        check_chosen("is:open service:feed", "is:open service:feed", "", "is:open");
        check_chosen("is:open", "is:open service:feed", "feed", "is:open");
        check_chosen("service:book", "service:feed", "feed", "service:book");
        check_chosen("service:a,b -service:c", "service:a,b -service:c", "", "service:a,b -service:c");
    }

    #[test]
    fn a_wrong_value_names_its_field() {
        let params = ListParams {
            q: Some("is:done".into()),
            severity: "huge".into(),
            limit: "101".into(),
            cursor: "%".into(),
            sort: "name".into(),
            ..ListParams::default()
        };
        let wrong = query(&params).unwrap_err();
        assert_eq!(
            wrong.iter().map(|wrong| wrong.field).collect::<Vec<_>>(),
            ["q", "severity", "sort", "cursor", "limit"]
        );
    }
}
