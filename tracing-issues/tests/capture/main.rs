//! What the layer captures, as a server would read it: every way to log an error, the spans around it, what led up to it,
//! what it means, without secrets and within bounds.
//! Panics and a layer behind a global subscriber have tests of their own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod breadcrumbs;
mod categories;
mod errors;
mod forms;
mod secrets;
mod spans;
mod trace;
