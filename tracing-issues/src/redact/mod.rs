//! Redaction: takes secrets out of every text and field before it leaves the process. A name that holds a secret keeps
//! its place, the secret becomes `[redacted]`.
//! Not normalisation (that comes later, and only decides what is one issue), and no promise: what neither looks like a
//! secret nor is named like one passes. E-mail and IP addresses pass, too.
//!
//! ```text
//! text -> scan (one pass: names and values, addresses, commands, keys, cards) -> ranges -> text with [redacted], or the same text
//! ```
//!
//! In doubt it redacts; messages that only speak about a secret (`token expired`, `password: required`) stay. Each step
//! consumes what it read or looks a bounded way ahead, so the work is linear in the length of the text. Redacting twice
//! changes nothing.

mod bytes;
mod cards;
mod commands;
mod dsn;
mod keys;
mod names;
mod pairs;
mod scan;
mod spoken;
mod urls;
mod values;

#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    fmt, mem,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use serde_json::{Map, Value};

/// What stands for a secret.
pub const REDACTED: &str = "[redacted]";

/// What capture puts at the end of a text that is too long.
const CUT: char = '…';

/// Shorter texts were cut for people to read, after redaction.
const MIN_CUT: usize = 4096;

/// Values that are nested deeper are redacted as a whole.
const MAX_DEPTH: usize = 64;

/// Nothing is left to find after the second pass, but for texts that were made to be hard to read.
const MAX_PASSES: usize = 4;

type Rule = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The rules of redaction: what is taken out of every text and field before it leaves the process. Cheap to clone; the
/// default has all rules that are built in. For [`Builder::redactor`](crate::Builder::redactor).
///
/// ```
/// use tracing_issues::Redactor;
///
/// let redactor = Redactor::default().with_name("iban");
/// assert_eq!(redactor.text("login with password=hunter2"), "login with password=[redacted]");
/// assert_eq!(redactor.text("customer_iban: DE02120300000000202051"), "customer_iban: [redacted]");
/// assert_eq!(redactor.text("token expired"), "token expired");
/// ```
#[derive(Clone)]
pub struct Redactor {
    is_built_in: bool,
    names: Arc<[String]>,
    rules: Arc<[Arc<Rule>]>,
}

impl Default for Redactor {
    fn default() -> Self {
        Self { is_built_in: true, names: Arc::default(), rules: Arc::default() }
    }
}

impl Redactor {
    /// Changes nothing, except by what is added with [`with_rule`](Self::with_rule).
    #[must_use]
    pub fn off() -> Self {
        Self { is_built_in: false, ..Self::default() }
    }

    /// Makes names that end with these words secret, in any spelling: `iban` is `customer_iban` and `customerIban`, too. In
    /// fields, and as `name=value` in texts. Does nothing to [`off`](Self::off).
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.names = self.names.iter().cloned().chain([name.into()]).collect();
        self
    }

    /// Adds a rule that sees each text after the rules that are built in, and returns the text to send instead, if any.
    /// It should return nothing for what it returned. A rule that panics redacts the whole text.
    #[must_use]
    pub fn with_rule(mut self, rule: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.rules = self.rules.iter().cloned().chain([Arc::new(rule) as Arc<Rule>]).collect();
        self
    }

    /// The text without its secrets. Borrowed if there were none.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = if self.is_built_in { self.built_in(text) } else { Cow::Borrowed(text) };
        for rule in &*self.rules {
            match catch_unwind(AssertUnwindSafe(|| rule(&text))) {
                Ok(None) => (),
                Ok(Some(changed)) => text = Cow::Owned(changed),
                Err(_) => text = Cow::Borrowed(REDACTED),
            }
        }
        text
    }

    /// Whether what a field, header, key or parameter of this name holds is a secret, whatever it looks like.
    #[must_use]
    pub fn is_secret_name(&self, name: &str) -> bool {
        self.is_built_in && (names::is_secret(name) || self.names.iter().any(|end| names::ends_with(name, end)))
    }

    fn is_secret_field(&self, name: &str, value: &Value) -> bool {
        let is_pin = || match value {
            Value::String(text) => names::is_pin(name, text),
            Value::Number(number) => names::is_pin(name, &number.to_string()),
            _ => false,
        };
        self.is_secret_name(name) || (self.is_built_in && is_pin())
    }

    /// Takes the secrets out of a field: all of it if its name is secret (`null` and the empty string stay), else those in
    /// its texts, below its keys and in the keys themselves.
    pub fn value(&self, name: &str, value: &mut Value) {
        self.nested(name, value, 0);
    }

    /// One pass finds the secrets. Behind a `[redacted]` the rest can read differently, so a text that had one is read again.
    fn built_in<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for _ in 0..MAX_PASSES {
            match self.pass(&text) {
                Some(redacted) => text = Cow::Owned(redacted),
                None => break,
            }
        }
        text
    }

    fn pass(&self, text: &str) -> Option<String> {
        // Where a text was cut, a secret may end, too.
        let whole = text.strip_suffix(CUT).unwrap_or(text);
        let mut secrets = scan::secrets(whole, &|name| self.is_secret_name(name));
        secrets.extend(cut_tail(text, secrets.last().map_or(0, |secret| secret.end)));
        if secrets.is_empty() {
            return None;
        }
        let mut redacted = String::with_capacity(text.len());
        let mut at = 0;
        for secret in secrets {
            redacted.push_str(text.get(at..secret.start).unwrap_or_default());
            redacted.push_str(REDACTED);
            at = secret.end;
        }
        redacted.push_str(text.get(at..).unwrap_or_default());
        Some(redacted)
    }

    fn nested(&self, name: &str, value: &mut Value, depth: usize) {
        if is_empty(value) {
            return;
        }
        if (self.is_secret_field(name, value) && !is_masked(value)) || (depth > MAX_DEPTH && self.is_built_in) {
            *value = Value::from(REDACTED);
            return;
        }
        match value {
            Value::String(text) => {
                if let Cow::Owned(redacted) = self.text(text) {
                    *text = redacted;
                }
            }
            Value::Number(number) => {
                // A card number, perhaps.
                if number.as_u64().is_some_and(|number| number > 999_999_999_999)
                    && let Cow::Owned(redacted) = self.text(&number.to_string())
                {
                    *value = Value::from(redacted);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.nested("", item, depth + 1)),
            Value::Object(fields) => self.fields(fields, depth),
            Value::Null | Value::Bool(_) => (),
        }
    }

    fn fields(&self, fields: &mut Map<String, Value>, depth: usize) {
        // `{"name": "authorization", "value": ".."}`, as lists of headers are often written.
        let named = ["name", "key", "header"].iter().find_map(|key| fields.get(*key)?.as_str());
        let is_pair = named.is_some_and(|name| self.is_secret_name(name));
        for (name, value) in fields.iter_mut() {
            let name = if is_pair && name.eq_ignore_ascii_case("value") { "password" } else { name };
            self.nested(name, value, depth + 1);
        }
        if fields.keys().any(|name| matches!(self.text(name), Cow::Owned(_))) {
            *fields =
                mem::take(fields).into_iter().map(|(name, value)| (self.text(&name).into_owned(), value)).collect();
        }
    }
}

/// Says how many rules there are: names and rules could tell what is worth looking for.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor")
            .field("is_built_in", &self.is_built_in)
            .field("names", &self.names.len())
            .field("rules", &self.rules.len())
            .finish()
    }
}

/// The last word of a long text that was cut: half of a secret cannot be told from an id.
fn cut_tail(text: &str, from: usize) -> Option<Range<usize>> {
    let whole = text.strip_suffix(CUT).filter(|whole| whole.len() >= MIN_CUT)?;
    let start = whole.rfind(|c: char| c.is_whitespace() || "\"'`=,;(){}[]<>&?".contains(c)).map_or(0, |at| at + 1);
    let start = (start..whole.len()).find(|at| whole.is_char_boundary(*at))?.max(from);
    let tail = whole.get(start..)?;
    let digits = tail.bytes().filter(u8::is_ascii_digit).count();
    (tail != REDACTED && (digits >= 6 || values::is_random(tail.as_bytes(), 6, 2))).then_some(start..whole.len())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn is_masked(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text == REDACTED)
}
