//! Never block, never lose a count: what the library promises, while everything that it depends on is broken in every way
//! that it breaks. Real services, each process a real one; what ends a process is in `exits`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]
#![allow(clippy::print_stdout, reason = "a process tells the one that started it")]

#[path = "../support/law.rs"]
mod law;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/receiver.rs"]
mod receiver;
#[path = "../support/stage.rs"]
mod stage;
#[cfg(feature = "kafka")]
#[path = "../support/topic.rs"]
mod topic;

#[cfg(feature = "kafka")]
mod feedback;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "redis")]
mod redis;
mod storms;
