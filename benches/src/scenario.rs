//! What the calling thread does: one thing that services do, event by event. Who takes the events is not known here.

use std::{error::Error, fmt, hint::black_box, io};

use tracing::{error, info, info_span, span::EnteredSpan};

use crate::sites;

/// One thing that services do, to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// The same `error!` without fields again.
    Repeat,
    /// The same `error!` again, with another number in its message.
    RepeatNumber,
    /// The same `error!` again, with another number in its field.
    RepeatField,
    /// An `error!` that was never seen before, in two spans with three fields each.
    New,
    /// The same, with its chain of causes.
    NewWithCauses,
    /// An `info!` with one field, which is no issue.
    Info,
    /// The same `info!` in two spans with three fields each.
    InfoInSpans,
    /// A span with three fields, created and closed.
    Span,
    /// One allocation and nothing else: what a counter must find before its zeros mean anything.
    Control,
}

impl Scenario {
    /// All of them, with the names that they have on the command line.
    const NAMES: [(&'static str, Self); 9] = [
        ("repeat", Self::Repeat),
        ("repeat-number", Self::RepeatNumber),
        ("repeat-field", Self::RepeatField),
        ("new", Self::New),
        ("new-with-causes", Self::NewWithCauses),
        ("info", Self::Info),
        ("info-in-spans", Self::InfoInSpans),
        ("span", Self::Span),
        ("control", Self::Control),
    ];

    /// The scenario of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(name: &str) -> anyhow::Result<Self> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, scenario)| *scenario).ok_or_else(|| anyhow::anyhow!("there is no scenario {name}"))
    }

    /// Whether its events are errors.
    pub fn is_error(self) -> bool {
        matches!(self, Self::Repeat | Self::RepeatNumber | Self::RepeatField | Self::New | Self::NewWithCauses)
    }

    /// Whether it makes events at all.
    pub fn is_event(self) -> bool {
        !matches!(self, Self::Span | Self::Control)
    }

    /// Enters the spans around its events, which stay open for a burst: what they cost themselves is another scenario.
    pub fn enter(self) -> Option<[EnteredSpan; 2]> {
        matches!(self, Self::New | Self::NewWithCauses | Self::InfoInSpans).then(|| {
            let request = info_span!("request", method = "POST", path = "/orders", request_id = 7_113).entered();
            let order = info_span!("order", symbol = "BTC-USD", side = "buy", account = 42).entered();
            [request, order]
        })
    }

    /// Does it once. No two numbers below 3,200 make the same new error.
    #[inline]
    pub fn run(self, number: u64) {
        match self {
            Self::Repeat => error!("the order book is gone"),
            Self::RepeatNumber => error!("order {number} refused"),
            Self::RepeatField => error!(order = number, "order refused"),
            Self::New => sites::different_error(number, None),
            Self::NewWithCauses => {
                let cause = Refused { source: io::ErrorKind::ConnectionRefused.into() };
                sites::different_error(number, Some(&cause));
            }
            Self::Info | Self::InfoInSpans => info!(number, "order accepted"),
            Self::Span => drop(info_span!("order", symbol = "BTC-USD", side = "buy", number)),
            Self::Control => drop(black_box(Box::new(number))),
        }
    }
}

/// The name on the command line.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::NAMES.iter().find(|(_, known)| known == self);
        f.pad(found.map_or("?", |(name, _)| name))
    }
}

#[derive(Debug)]
struct Refused {
    source: io::Error,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the venue refused the order")
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
