//! Text to a filter. What is no key is text, and so is what stands in quotes: messages are full of colons.

use std::str::FromStr;

use super::{Fact, Filter, MAX_TERMS, Moment, State, Term, Test, window};
use crate::domain::{IssueType, Priority, Severity};

/// Every key, as it is printed; `tag.` is followed by the label's own key.
pub const KEYS: [&str; 16] = [
    "is",
    "service",
    "env",
    "severity",
    "type",
    "priority",
    "component",
    "kind",
    "assigned",
    "host",
    "release",
    "tag",
    "tag.",
    "first",
    "last",
    "seen",
];

/// Why a text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No such key.
    #[error("there is no key `{key}`{}; as text it needs quotes: \"{key}:…\"", suggestion(.nearest))]
    UnknownKey {
        /// What was written.
        key: String,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// A key that does not know this value.
    #[error("`{key}:` does not know `{value}`; expected {expected}")]
    WrongValue {
        /// The key.
        key: &'static str,
        /// What was written.
        value: String,
        /// What it knows.
        expected: String,
    },
    /// A key and nothing else.
    #[error("`{0}:` needs a value right after the colon")]
    NoValue(String),
    /// More than [`MAX_TERMS`].
    #[error("at most {MAX_TERMS} terms")]
    TooManyTerms,
}

fn suggestion(nearest: &Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!(", did you mean `{nearest}:`?"),
        None => format!(" among {}", KEYS.join(", ")),
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let mut reader = Reader { rest: text };
        let mut filter = Self::default();
        while let Some(term) = reader.term()? {
            filter.terms.extend(term);
            if filter.terms.len() > MAX_TERMS {
                return Err(FilterError::TooManyTerms);
            }
        }
        Ok(filter)
    }
}

impl Term {
    /// The term that a key with these values is; `None` if it lets everything pass (`is:all`).
    ///
    /// # Errors
    /// If there is no such key, or it does not know a value.
    pub fn of(key: &str, values: Vec<String>) -> Result<Option<Self>, FilterError> {
        let Some(test) = test(key, values)? else { return Ok(None) };
        Ok(Some(Self { is_negated: false, test }))
    }
}

fn test(key: &str, values: Vec<String>) -> Result<Option<Test>, FilterError> {
    let lower = key.to_ascii_lowercase();
    let name =
        name_of(&lower).ok_or_else(|| FilterError::UnknownKey { key: key.to_owned(), nearest: nearest(&lower) })?;
    if let Some(fact) = Fact::ALL.into_iter().find(|fact| fact.key() == name) {
        check_words(fact, &values)?;
        return Ok(Some(Test::Fact(fact, values)));
    }
    let moment = match name {
        "is" => return states(&values),
        "assigned" => {
            let person = |value: String| Some(value).filter(|value| value != "none" && value != "nobody");
            return Ok(Some(Test::Assigned(values.into_iter().map(person).collect())));
        }
        "tag" => return Ok(Some(Test::Tag(values))),
        "host" => return Ok(Some(Test::Host(values))),
        // As the label is stored; its own key is as it was written.
        "tag." => {
            let own = &key["tag.".len()..];
            return Ok(Some(Test::Tag(values.into_iter().map(|value| format!("{own}:{value}")).collect())));
        }
        "first" => Moment::First,
        "last" => Moment::Last,
        _ => Moment::Any,
    };
    let wrong = |value: &str| wrong_value(moment.key(), value, window::EXPECTED);
    match values.as_slice() {
        [value] => value.parse().map(|window| Some(Test::Seen(moment, window))).map_err(|()| wrong(value)),
        values => Err(wrong(&values.join(","))),
    }
}

/// The printed name of a key, which may have others.
fn name_of(key: &str) -> Option<&'static str> {
    let name = match key {
        "status" => "is",
        "environment" => "env",
        "assignee" => "assigned",
        "error" => "kind",
        key if key.len() > "tag.".len() && key.starts_with("tag.") => "tag.",
        key => key,
    };
    KEYS.into_iter().find(|known| *known == name)
}

fn states(values: &[String]) -> Result<Option<Test>, FilterError> {
    if values == ["all"] {
        return Ok(None);
    }
    let state = |value: &String| {
        let words = || State::ALL.map(State::as_str).join(", ");
        let known = State::ALL.into_iter().find(|state| state.as_str() == value);
        known.ok_or_else(|| wrong_value("is", value, &format!("one of {}, all", words())))
    };
    Ok(Some(Test::Is(values.iter().map(state).collect::<Result<_, _>>()?)))
}

fn check_words(fact: Fact, values: &[String]) -> Result<(), FilterError> {
    fn check<T: FromStr>(fact: Fact, values: &[String], words: &[&str]) -> Result<(), FilterError> {
        match values.iter().find(|value| value.parse::<T>().is_err()) {
            Some(value) => Err(wrong_value(fact.key(), value, &format!("one of {}", words.join(", ")))),
            None => Ok(()),
        }
    }
    match fact {
        Fact::Severity => {
            check::<Severity>(fact, values, &Severity::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>())
        }
        Fact::Priority => {
            check::<Priority>(fact, values, &Priority::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>())
        }
        Fact::Type => {
            check::<IssueType>(fact, values, &IssueType::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>())
        }
        Fact::Service | Fact::Environment | Fact::Component | Fact::Kind | Fact::Release => Ok(()),
    }
}

fn wrong_value(key: &'static str, value: &str, expected: &str) -> FilterError {
    let value = tracing_issues::event::truncate_chars(value, 40);
    FilterError::WrongValue { key, value, expected: expected.to_owned() }
}

/// The key that differs least, if it does not differ much.
fn nearest(key: &str) -> Option<&'static str> {
    let distances = KEYS.into_iter().map(|known| (distance(key, known), known));
    let (distance, nearest) = distances.min()?;
    (distance <= key.len().div_ceil(3)).then_some(nearest)
}

/// How many letters have to be changed, added or taken away (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// What is still to be read.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// The next term; the inner `None` is one that lets everything pass.
    fn term(&mut self) -> Result<Option<Option<Term>>, FilterError> {
        self.rest = self.rest.trim_start_matches(is_space);
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let opposite = self.rest.strip_prefix('-').filter(|rest| !rest.starts_with('-') && !rest.starts_with(is_space));
        let is_negated = opposite.is_some_and(|rest| !rest.is_empty());
        if is_negated {
            self.rest = &self.rest[first.len_utf8()..];
        }
        let test = if self.rest.starts_with('"') {
            text(&self.quoted())
        } else {
            match self.key()? {
                Some(key) => {
                    let values = self.values();
                    if values.is_empty() {
                        return Err(FilterError::NoValue(key));
                    }
                    test(&key, values)?
                }
                None => text(&self.word(|c| is_space(c) || c == '"')),
            }
        };
        Ok(Some(test.map(|test| Term { is_negated, test })))
    }

    /// Takes a key and its colon, if they are next.
    fn key(&mut self) -> Result<Option<String>, FilterError> {
        let end = self.rest.find(|c| is_space(c) || c == '"').unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        let Some((key, value)) = word.split_once(':') else { return Ok(None) };
        let (lower, after) = (key.to_ascii_lowercase(), &self.rest[key.len() + 1..]);
        if name_of(&lower).is_none() {
            let is_like_a_key = key.len() > 1 && key.bytes().all(|byte| byte.is_ascii_lowercase());
            let is_like_text = after.is_empty()
                || after.starts_with(|c| is_space(c) || matches!(c, ':' | '/' | '\\'))
                || !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            if is_like_a_key && !is_like_text {
                return Err(FilterError::UnknownKey { key: key.to_owned(), nearest: nearest(&lower) });
            }
            return Ok(None);
        }
        // `type::Path` and `status://` are text as well, and so is the other name of a key without a value: `error: refused`.
        let has_value = !after.is_empty() && !after.starts_with(is_space);
        if after.starts_with([':', '/']) || !has_value && !KEYS.contains(&lower.as_str()) {
            return Ok(None);
        }
        let key = key.to_owned();
        self.rest = after;
        Ok(Some(key))
    }

    /// Values up to the next space: `a,"b c",d`.
    fn values(&mut self) -> Vec<String> {
        let mut values = Vec::new();
        loop {
            if self.rest.starts_with('"') {
                values.push(self.quoted());
            } else {
                let value = self.word(|c| is_space(c) || matches!(c, ',' | '"'));
                values.extend(Some(value).filter(|value| !value.is_empty()));
            }
            match self.rest.strip_prefix(',') {
                Some(rest) => self.rest = rest,
                None => return values,
            }
        }
    }

    fn word(&mut self, is_end: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(is_end).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    /// What is in quotes; a missing end is the end of the text. `\"` is a quote, `\\` a backslash.
    fn quoted(&mut self) -> String {
        let (mut text, mut is_escaped) = (String::new(), false);
        for (at, c) in self.rest.char_indices().skip(1) {
            match c {
                '"' if !is_escaped => {
                    self.rest = &self.rest[at + 1..];
                    return text;
                }
                '\\' if !is_escaped => {
                    is_escaped = true;
                    continue;
                }
                '"' | '\\' => (),
                _ if is_escaped => text.push('\\'),
                _ => (),
            }
            is_escaped = false;
            // No stored text has control characters, and SQLite ends a text at NUL.
            text.push(if c.is_control() { ' ' } else { c });
        }
        text.extend(is_escaped.then_some('\\'));
        self.rest = "";
        text
    }
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

fn text(text: &str) -> Option<Test> {
    let text = text.trim();
    (!text.is_empty()).then(|| Test::Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, canonical: &str) {
        let filter: Filter = text.parse().unwrap();
        assert_eq!(filter.to_string(), canonical);
        assert_eq!(canonical.parse::<Filter>().unwrap(), filter, "what is printed is read as the same");
    }

    #[track_caller]
    fn check_refused(text: &str, message: &str) {
        assert_eq!(text.parse::<Filter>().unwrap_err().to_string(), message);
    }

    #[test]
    fn keys_filter_and_everything_else_is_text() {
        check(
            r#"is:open,in-progress service:"news feed" timeout "connection refused" http://x io::Error feed.rs:42"#,
            r#"is:open,in-progress service:"news feed" timeout "connection refused" "http://x" "io::Error" "feed.rs:42""#,
        );
        check("localhost:8080 a: :b - --flag type::Kind", r#""localhost:8080" "a:" ":b" "-" "--flag" "type::Kind""#);
        check("error: refused status: 503", r#""error:" refused "status:" 503"#);
        check(r#""status: 503" "is:done""#, r#""status: 503" "is:done""#);
        check("", "");
    }

    #[test]
    fn a_minus_is_the_opposite() {
        check(r#"-is:muted -timeout -"to be" -service:a,b"#, r#"-is:muted -timeout -"to be" -service:a,b"#);
    }

    #[test]
    fn keys_have_other_names() {
        check("status:open environment:test assignee:nobody", "is:open env:test assigned:none");
        check("tag.region:eu,us tag.Team:a tag:x", "tag:region:eu,region:us tag:Team:a tag:x");
        check("SERVICE:a is:all host:a,b", "service:a host:a,b");
        check("first:24h last:>14d seen:2026-11-20", "first:<1d last:>2w seen:2026-11-20");
    }

    #[test]
    fn quotes_and_control_characters_hurt_nobody() {
        check(r#"a"b c"d "open end"#, r#"a "b c" d "open end""#);
        check(r#""say \"hi\" in C:\temp\\""#, r#""say \"hi\" in C:\\temp\\""#);
        check("a\0b \"c\0d\" \0", r#"a b "c d""#);
        check("\"\" \"  \"", "");
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        check_refused(
            "servce:a",
            "there is no key `servce`, did you mean `service:`?; as text it needs quotes: \"servce:…\"",
        );
        check_refused(
            "sevrity:error",
            "there is no key `sevrity`, did you mean `severity:`?; as text it needs quotes: \"sevrity:…\"",
        );
        check_refused(
            "is:done",
            "`is:` does not know `done`; expected one of open, in-progress, resolved, closed, muted, regressed, unassigned, all",
        );
        check_refused("severity:fatal", "`severity:` does not know `fatal`; expected one of warning, error, critical");
        check_refused(
            "first:soon",
            "`first:` does not know `soon`; expected <24h, >7d, 2026-11-20 or 2026-11-20..2026-11-22",
        );
        check_refused("service: a", "`service:` needs a value right after the colon");
        let region = "region:eu".parse::<Filter>().unwrap_err();
        assert!(region.to_string().starts_with("there is no key `region`"), "{region}");
        assert_eq!("a ".repeat(MAX_TERMS + 1).parse::<Filter>(), Err(FilterError::TooManyTerms));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

        #[test]
        fn any_text_is_a_filter_or_refused_and_printing_loses_nothing(
            text in r#"([a-z]{0,3}|is:open|-?service:|tag\.[a-zA-Z]:|"|\\|,|:|-| |<|first:<[0-9]{1,3}[mhdw]|\PC){0,12}"#
        ) {
            if let Ok(filter) = text.parse::<Filter>() {
                let printed = filter.to_string();
                let again: Filter = printed.parse().unwrap();
                prop_assert_eq!(&again, &filter, "{}", printed);
                prop_assert_eq!(again.to_string(), printed);
            }
        }
    }
}
