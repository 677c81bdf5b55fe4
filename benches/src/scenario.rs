//! What the calling thread does: one burst of the same thing again and again.

use std::{error::Error, fmt, io};

use clap::ValueEnum;
use serde::Serialize;
use tracing::{error, info, info_span};

use crate::EVENTS_PER_BURST;

/// One thing that services do, to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// The same `error!` without fields again.
    RepeatedError,
    /// An `error!` that was never seen like this, with its cause, in two spans with three fields each.
    NewErrorInSpans,
    /// An `info!` with one field, which is not an issue.
    Info,
    /// A span with three fields, created and closed.
    Span,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RepeatedError, Self::NewErrorInSpans, Self::Info, Self::Span];

    /// Does it [`EVENTS_PER_BURST`] times; whatever is numbered starts at `first`.
    pub fn burst(self, first: u64) {
        let numbers = first..first + EVENTS_PER_BURST;
        match self {
            Self::RepeatedError => numbers.for_each(|_| error!("the order book is gone")),
            Self::NewErrorInSpans => {
                let cause = Refused { source: io::Error::from(io::ErrorKind::ConnectionRefused) };
                // Two spans for a whole burst: what creating them costs is a question of its own, below.
                let _request = info_span!("request", method = "POST", path = "/orders", request_id = first).entered();
                let _order = info_span!("order", symbol = "BTC-USD", side = "buy", account = 42).entered();
                for number in numbers {
                    error!(error = &cause as &dyn Error, number, "order {number} refused");
                }
            }
            Self::Info => numbers.for_each(|number| info!(number, "order accepted")),
            Self::Span => numbers.for_each(|number| {
                drop(info_span!("order", symbol = "BTC-USD", side = "buy", number));
            }),
        }
    }
}

/// The name on the command line and in the table.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RepeatedError => "repeated-error",
            Self::NewErrorInSpans => "new-error-in-spans",
            Self::Info => "info",
            Self::Span => "span",
        })
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
