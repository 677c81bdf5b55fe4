//! The domain: issues, what happens to them, and who may change them. Pure: no I/O, no clock, no JSON of its own; time
//! and people are arguments. Its words (severity, priority, …) are the wire format's.

pub mod fold;
pub mod issue;
pub mod occurrence;
pub mod role;
mod text;

pub use issue::{Activity, ActivityKind, Comment, Issue, IssueChange, Status};
pub use occurrence::{Details, Effect, Occurrence};
pub use role::{Permission, Role};
pub use text::{clean, hex};
pub use tracing_issues::{
    event::{IssueType, Priority, Severity, Source},
    fingerprint::{Fingerprint, IssueId},
};

/// The time as stores keep it, in microseconds: what is finer would not come back as it went in.
pub fn to_micros(time: jiff::Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}
