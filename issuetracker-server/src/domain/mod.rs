//! The domain: issues, what happens to them, and who may change them. Pure: no I/O, no clock, no JSON of its own; time
//! and people are arguments. Its words (severity, priority, …) are the wire format's.

pub mod filter;
pub mod fold;
mod head;
pub mod hours;
pub mod issue;
pub mod merge;
pub mod mute;
pub mod occurrence;
pub mod part;
pub mod role;
pub mod short_id;
pub mod talk;
mod text;

pub use filter::Filter;
pub use hours::{Hours, ServiceHour, hour_of};
pub use issue::{Activity, ActivityKind, Comment, Issue, IssueChange, Status};
pub use mute::{Mute, MutedUntil, Period};
pub use occurrence::{Details, Effect, Occurrence};
pub use role::{Permission, Role};
pub use talk::CommentChange;
pub use text::{clean, hex};
pub use tracing_issues::{
    event::{IssueType, Priority, Severity, Source},
    fingerprint::{Fingerprint, IssueId},
};

/// The time as stores keep it, in microseconds: what is finer would not come back as it went in.
pub fn to_micros(time: jiff::Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}
