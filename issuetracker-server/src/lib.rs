//! The issuetracker server as a library, so that its tests can start it in their own process.

pub mod domain;
pub mod store;
