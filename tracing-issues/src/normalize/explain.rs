//! Why two messages are one issue or two: what normalisation replaced, for people and dashboards.
//! Decides nothing; it shows what the scanner found.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{Kind, PLACEHOLDER, clean::Clean, clean::Look, render, replacements, scanner};

/// What of a message decides which issue it is, and what does not; from [`explain`].
///
/// `Display` writes the normalised message with a mark such as `<number>` in each place of a value. `Serialize` gives
/// `{"text": "order <number> refused", "pieces": [{"text": "order "}, {"text": "17", "kind": "number", "reason": ".."}, ..]}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation<'a> {
    /// All of the message, in order.
    pub pieces: Vec<Piece<'a>>,
    text: String,
}

/// A piece of a message: kept, or replaced for a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The text, as it is in the message.
    pub text: &'a str,
    /// What it was found to be, if it was replaced. What is kept has none.
    pub kind: Option<Kind>,
}

impl Piece<'_> {
    /// Why it was replaced, in words for people; `None` for what is kept.
    pub fn reason(&self) -> Option<&'static str> {
        self.kind.map(Kind::reason)
    }
}

/// Tells which pieces of a message vary between occurrences of one error, and which tell errors apart.
///
/// Two messages whose kept pieces are the same group into one issue (if the rest of the error is the same too): compare
/// the explanations of both to see why they did, or did not.
///
/// # Examples
///
/// ```
/// let explanation = tracing_issues::explain("order 17 refused: HTTP 502 after 30.2s");
/// assert_eq!(explanation.to_string(), "order <number> refused: HTTP 502 after <duration>");
///
/// for piece in &explanation.pieces {
///     match piece.reason() {
///         Some(reason) => println!("{:>8}  {reason}", piece.text),
///         None => println!("{:>8}  kept", piece.text),
///     }
/// }
/// ```
pub fn explain(message: &str) -> Explanation<'_> {
    let mut pieces = Vec::new();
    let mut kept_to = 0;
    let mut piece = |range: std::ops::Range<usize>, kind| {
        if let Some(text) = message.get(range).filter(|text| !text.is_empty()) {
            pieces.push(Piece { text, kind });
        }
    };
    for found in replacements(message) {
        piece(kept_to..found.start, None);
        piece(found.start..found.end, Some(found.kind));
        kept_to = found.end;
    }
    piece(kept_to..message.len(), None);
    Explanation { pieces, text: marked(message) }
}

/// The normalised message with visible marks.
fn marked(message: &str) -> String {
    let (mut clean, mut found, mut text, mut kinds) = (Clean::new(), Vec::new(), String::new(), Vec::new());
    clean.read(message);
    scanner::scan(clean.text(), clean.line_ends(), Look::at(message).has_at(), &mut found);
    render(clean.text(), &found, &mut text, |kind| kinds.push(kind));
    let mut parts = text.split(PLACEHOLDER);
    let mut marked = parts.next().unwrap_or_default().to_owned();
    for (part, kind) in parts.zip(kinds) {
        marked.extend(["<", kind.as_str(), ">", part]);
    }
    marked
}

impl Kind {
    /// Why a piece of this kind is replaced, in words for people.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Uuid | Self::Ulid | Self::Id => "an id: each occurrence can have another one",
            Self::Hex => "hexadecimal digits: an id, an address in memory, or a dump",
            Self::Hash => "a digest or a commit, by its length",
            Self::Token => "a JSON web token",
            Self::Trace => "the id of a trace",
            Self::Blob => "Base64: data",
            Self::Ip => "an IP address: instances have different ones",
            Self::Mac => "a hardware address",
            Self::Port => "a port that the system handed out; ports of services are kept",
            Self::Email => "an e-mail address: somebody's data",
            Self::Credentials => "user and password in a URL",
            Self::Query => "a value in the query of a URL; the names of its parameters are kept",
            Self::Time => "a date or a time of day",
            Self::Duration => "an amount of time",
            Self::Size => "an amount of data",
            Self::Number => "a number that no word around it makes a code",
            Self::Plural => "the plural that the number before it causes",
            Self::Position => "line and column: an edit above moves them",
            Self::Path => "the part of a path that belongs to a machine, a person or one run",
            Self::Pod => "the random end of a pod's name",
            Self::Secret => "a secret, or the mark that redaction left in its place",
            Self::Value => "data: quoted without a naming word, or the value of a key or an assertion",
            Self::Colour => "a terminal's colour",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Serialize for Explanation<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Explanation", 2)?;
        object.serialize_field("text", &self.text)?;
        object.serialize_field("pieces", &self.pieces)?;
        object.end()
    }
}

impl Serialize for Piece<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Piece", if self.kind.is_some() { 3 } else { 1 })?;
        object.serialize_field("text", self.text)?;
        if let (Some(kind), Some(reason)) = (self.kind, self.reason()) {
            object.serialize_field("kind", &kind)?;
            object.serialize_field("reason", reason)?;
        }
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::normalize::normalize;

    #[track_caller]
    fn check(message: &str, expected: &str) {
        assert_eq!(explain(message).to_string(), expected);
    }

    #[test]
    fn marks_tell_what_was_there() {
        check("order 17 of bob@x.com refused", "order <number> of <email> refused");
        check("\u{1b}[31mids\u{1b}[0m [1, 2, 3]\n gone", "ids [<number>] gone");
        check("2 retries left: password=x", "<number> retr left: password=<secret>");
        check("HTTP 502", "HTTP 502");
        check("", "");
    }

    #[test]
    fn it_serialises_for_a_dashboard() {
        let json = serde_json::to_value(explain("order 17")).expect("JSON");
        let reason = Kind::Number.reason();
        let pieces = serde_json::json!([{ "text": "order " }, { "text": "17", "kind": "number", "reason": reason }]);
        assert_eq!(json, serde_json::json!({ "text": "order <number>", "pieces": pieces }));
    }

    proptest! {
        #[test]
        fn pieces_are_the_message_and_marks_are_its_normal_form(message in "([ -~]{0,8}|\\PC{0,4}|[0-9]{1,4}|\"|\u{1b}\\[1m){0,12}") {
            let explanation = explain(&message);
            let texts: String = explanation.pieces.iter().map(|piece| piece.text).collect();
            prop_assert_eq!(&texts, &message);
            prop_assume!(!message.contains(['<', '>']));
            let mut unmarked = String::new();
            let mut inside = false;
            for c in explanation.to_string().chars() {
                match c {
                    '<' => inside = true,
                    '>' => { inside = false; unmarked.push(PLACEHOLDER); }
                    c if !inside => unmarked.push(c),
                    _ => (),
                }
            }
            prop_assert_eq!(unmarked, normalize(&message));
        }
    }
}
