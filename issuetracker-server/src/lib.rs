//! The issuetracker server as a library, so that its tests can start it in their own process. The data path is
//! [`ingest`] or [`web`] -> [`intake`] -> [`store`] -> [`notify`]; [`app`] puts the parts together.

pub mod app;
pub mod auth;
#[cfg(feature = "kafka")]
pub mod broadcast;
pub mod client;
pub mod config;
pub mod dead_letters;
pub mod doctor;
pub mod domain;
pub mod gaps;
pub mod health;
#[cfg(feature = "kafka")]
pub mod ingest;
pub mod intake;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod logs;
pub mod metrics;
pub mod notifications;
pub mod notify;
pub mod retention;
pub mod seed;
pub mod store;
pub mod tls;
pub mod transfer;
pub mod triage;
pub mod upkeep;
pub mod web;
