//! Errors that arrive as text: what anyhow, eyre, color-eyre and derived `Debug`s print, taken apart again. It runs on
//! the caller's thread, so it only slices: one pass, no allocation.
//! It changes no text: colours and indentation inside a slice stay, and are the normaliser's to remove.

mod debug;
#[cfg(test)]
mod tests;

pub use self::debug::{TypeName, type_name, type_name_of};

/// The parts of a printed error. A text that has no parts is just its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorText<'a> {
    /// The outermost error; empty only if the text has no words.
    pub message: &'a str,
    /// Where the error was made: `src/x.rs:1:2` as eyre prints it; color-eyre leaves the column out and colours the rest.
    pub location: Option<&'a str>,
    /// The frames of the backtrace, without the heading.
    pub backtrace: Option<&'a str>,
    chain: Causes<'a>,
    /// Nothing but the message was found.
    is_plain: bool,
}

impl<'a> ErrorText<'a> {
    /// Takes a printed error apart, in time linear in its length.
    pub fn parse(text: &'a str) -> Self {
        let mut parsed = Self { message: "", location: None, backtrace: None, chain: Causes(""), is_plain: true };
        let (mut section, mut body) = (Section::Message, 0);
        let (mut is_blank, mut before) = (true, "");
        let mut rest = lines(text).peekable();
        while let Some((at, line)) = rest.next() {
            let next = rest.peek().map(|(_, line)| *line);
            if let Some((opened, start)) = section.left_for(line, next, is_blank || is_prefix(before)) {
                parsed.take(section, &text[body..at]);
                parsed.is_plain = false;
                (section, body) = (opened, at + start);
            }
            is_blank = is_blank && line.trim().is_empty();
            before = line;
        }
        parsed.take(section, &text[body..]);
        parsed.settle_message(text);
        parsed
    }

    /// The causes, from the next one to the root. One of several lines is one slice.
    pub fn causes(&self) -> Causes<'a> {
        self.chain
    }

    /// The last cause; empty if there is none.
    pub fn root(&self) -> &'a str {
        self.causes().last().unwrap_or_default()
    }

    /// The type that a derived `Debug` names first; empty for text that was written for people.
    pub fn kind(&self) -> &'a str {
        // Whoever prints causes prints `Display`s.
        if self.is_plain { type_name(without_error(self.message)) } else { "" }
    }

    /// Keeps the body of a section; of two that are alike the first one counts.
    fn take(&mut self, section: Section, body: &'a str) {
        match section {
            Section::Message => self.message = bare(body),
            Section::Chain if self.chain.0.is_empty() => self.chain = Causes(without_line_ends(body)),
            Section::Location => {
                let place = Some(bare(body)).filter(|body| is_place(body));
                self.location = self.location.or(place);
            }
            Section::Backtrace => {
                let frames = Some(without_line_ends(body).trim_end()).filter(|frames| !frames.is_empty());
                self.backtrace = self.backtrace.or(frames);
            }
            Section::Chain | Section::Other => (),
        }
    }

    /// An error that prints nothing, or stands in color-eyre's list with the others, leaves its place to the next one.
    fn settle_message(&mut self, text: &'a str) {
        if !self.is_plain {
            self.message = without_error(self.message);
        }
        if self.message.is_empty() {
            self.message = self.chain.next().unwrap_or_else(|| bare(text));
        }
    }
}

/// The causes of an error, from the next one to the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Causes<'a>(&'a str);

impl<'a> Iterator for Causes<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while !self.0.is_empty() {
            let (cause, rest) = match item(self.0) {
                Some(cause) => {
                    let next = lines(cause).skip(1).find(|(_, line)| item(line).is_some());
                    cause.split_at(next.map_or(cause.len(), |(at, _)| at))
                }
                // A cause without a number is the only one.
                None => (self.0, ""),
            };
            self.0 = rest;
            let cause = bare(cause);
            if !cause.is_empty() {
                return Some(cause);
            }
        }
        None
    }
}

/// What a line of a printed error belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Message,
    Chain,
    Location,
    Backtrace,
    /// Spans, notes, warnings, and whatever was logged after the error.
    Other,
}

impl Section {
    /// The section that `line` opens after this one, and how much of the line is not its body.
    fn left_for(self, line: &str, next: Option<&str>, may_begin_list: bool) -> Option<(Self, usize)> {
        if let Some(opened) = Self::under(line, next) {
            return Some((opened, line.len()));
        }
        if self == Self::Message {
            // color-eyre's list of errors has no heading.
            return (may_begin_list && item(line).is_some()).then_some((Self::Chain, 0));
        }
        let ends_here = !is_indented(line) && !line.trim().is_empty();
        ends_here.then_some((Self::Other, 0))
    }

    /// The section that a heading opens. A text that was cut off after the heading counts.
    fn under(line: &str, next: Option<&str>) -> Option<Self> {
        if line.trim_start().starts_with('━') {
            return match line.trim().trim_matches('━') {
                " BACKTRACE " => Some(Self::Backtrace),
                " SPANTRACE " => Some(Self::Other),
                _ => None,
            };
        }
        // Indented, it belongs to a cause that printed its own causes.
        if is_indented(line) || !next.is_none_or(is_indented) {
            return None;
        }
        match bare(line) {
            "Caused by:" => Some(Self::Chain),
            "Location:" => Some(Self::Location),
            "Stack backtrace:" | "stack backtrace:" => Some(Self::Backtrace),
            _ => None,
        }
    }
}

/// The text of a numbered line, `   0: text`, and all that follows it. anyhow aligns numbers to five columns, eyre to
/// four, and both indent further what belongs to the number before.
fn item(text: &str) -> Option<&str> {
    let number = text.trim_start_matches(' ');
    let after = number.trim_start_matches(|c: char| c.is_ascii_digit());
    let (indent, digits) = (text.len() - number.len(), number.len() - after.len());
    let body = after.strip_prefix(':')?;
    let is_item = indent > 0 && digits > 0 && indent + digits <= 5;
    (is_item && (body.is_empty() || body.starts_with([' ', '\r', '\n']))).then_some(body)
}

fn is_indented(line: &str) -> bool {
    line.starts_with([' ', '\t'])
}

/// Whether a list may follow this line: after `"saving: {e:?}"`, as color-eyre begins with a new line, or from `main`.
fn is_prefix(line: &str) -> bool {
    let line = line.trim_end_matches(['\r', '\n']);
    line.ends_with(' ') || line == "Error:"
}

/// Without the word that `fn main() -> Result` puts in front.
fn without_error(message: &str) -> &str {
    message.strip_prefix("Error:").map_or(message, bare)
}

/// Without the line ends in front; the indentation of the first line stays.
fn without_line_ends(body: &str) -> &str {
    body.trim_start_matches(['\r', '\n'])
}

/// Whether this ends in a line number, maybe coloured.
fn is_place(text: &str) -> bool {
    text.contains(':') && text.ends_with(|c: char| c.is_ascii_digit())
}

/// Without white space and colours at both ends.
fn bare(text: &str) -> &str {
    let mut text = text.trim();
    while let Some(inner) = after_colour(text).or_else(|| before_colour(text)) {
        text = inner.trim();
    }
    text
}

fn after_colour(text: &str) -> Option<&str> {
    text.strip_prefix("\u{1b}[")?.trim_start_matches(is_in_colour).strip_prefix('m')
}

fn before_colour(text: &str) -> Option<&str> {
    text.strip_suffix('m')?.trim_end_matches(is_in_colour).strip_suffix("\u{1b}[")
}

fn is_in_colour(c: char) -> bool {
    c.is_ascii_digit() || c == ';'
}

/// The lines, with their ends, and where each begins.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |end, line| {
        let at = *end;
        *end += line.len();
        Some((at, line))
    })
}
