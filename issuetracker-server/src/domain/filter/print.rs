//! A filter as text, each in one way: what is printed is read as the same filter.

use std::fmt::{self, Write};

use super::{Filter, Term, Test};

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, term) in self.terms.iter().enumerate() {
            if nth > 0 {
                f.write_char(' ')?;
            }
            term.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negated {
            f.write_char('-')?;
        }
        match &self.test {
            Test::Text(text) if is_plain_word(text) => f.write_str(text),
            Test::Text(text) => write_quoted(f, text),
            Test::Is(states) => write_values(f, "is", states.iter().map(|state| state.as_str())),
            Test::Fact(fact, values) => write_values(f, fact.key(), values.iter().map(String::as_str)),
            Test::Assigned(people) => {
                write_values(f, "assigned", people.iter().map(|person| person.as_deref().unwrap_or("none")))
            }
            Test::Host(hosts) => write_values(f, "host", hosts.iter().map(String::as_str)),
            Test::Tag(tags) => write_values(f, "tag", tags.iter().map(String::as_str)),
            Test::Seen(moment, window) => write!(f, "{}:{window}", moment.key()),
        }
    }
}

/// Text that is not taken for anything else when it is read without quotes.
fn is_plain_word(text: &str) -> bool {
    !text.starts_with('-') && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | ':' | '\\'))
}

fn write_values<'a>(f: &mut fmt::Formatter<'_>, key: &str, values: impl Iterator<Item = &'a str>) -> fmt::Result {
    write!(f, "{key}:")?;
    for (nth, value) in values.enumerate() {
        if nth > 0 {
            f.write_char(',')?;
        }
        let is_plain = !value.is_empty()
            && !value.starts_with([':', '/'])
            && !value.contains(|c: char| c.is_whitespace() || matches!(c, '"' | ',' | '\\'));
        if !is_plain {
            write_quoted(f, value)?;
        } else {
            f.write_str(value)?;
        }
    }
    Ok(())
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}
