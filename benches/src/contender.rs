//! The contenders by name, and what is asked of each: install it, watch it, and count what arrived.
//! How each is set up is in `ours` and `others`.

use crate::{Scenario, ours};

/// A way to take errors from `tracing`, or to ignore them.
#[derive(Debug, Clone, Copy)]
pub struct Contender {
    /// On the command line.
    pub name: &'static str,
    /// In tables and plots.
    pub label: &'static str,
    /// What it is meant to receive.
    pub(crate) takes: Takes,
    /// Makes it the global subscriber of this process: a scoped one would be measured with a cost that no service has.
    pub(crate) install: fn() -> anyhow::Result<Installed>,
}

/// The events that a contender takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Errors,
    #[cfg(feature = "others")]
    Everything,
}

/// How far its background threads are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// What they are done with.
    pub(crate) done: u64,
    /// What they will be done with, where that can be known.
    pub(crate) of: Option<u64>,
}

impl Progress {
    /// There is nothing to wait for.
    pub(crate) const NOTHING: Self = Self { done: 0, of: Some(0) };
}

/// A contender that is now the global subscriber of this process.
pub struct Installed {
    progress: Box<dyn Fn() -> Progress>,
    finish: Box<dyn FnOnce() -> u64>,
}

impl Contender {
    /// All of them.
    pub fn all() -> Vec<Self> {
        #[cfg(feature = "others")]
        return [&ours::CONTENDERS[..], &crate::others::CONTENDERS[..]].concat();
        #[cfg(not(feature = "others"))]
        return ours::CONTENDERS.to_vec();
    }

    /// The contender of this name.
    ///
    /// # Errors
    /// If there is none in this build.
    pub fn named(name: &str) -> anyhow::Result<Self> {
        let found = Self::all().into_iter().find(|contender| contender.name == name);
        found.ok_or_else(|| anyhow::anyhow!("there is no contender {name}"))
    }

    /// Makes it the global subscriber of this process.
    ///
    /// # Errors
    /// If it cannot be set up, or if the process has a subscriber already.
    pub fn install(&self) -> anyhow::Result<Installed> {
        (self.install)()
    }

    /// How many of `events` it ought to receive. A contender that receives fewer looks cheap.
    pub fn expects(&self, scenario: Scenario, events: u64) -> u64 {
        let is_taken = match self.takes {
            Takes::Nothing => false,
            Takes::Errors => scenario.is_error(),
            #[cfg(feature = "others")]
            Takes::Everything => scenario.is_event(),
        };
        if is_taken { events } else { 0 }
    }
}

impl Installed {
    pub(crate) fn new(progress: impl Fn() -> Progress + 'static, finish: impl FnOnce() -> u64 + 'static) -> Self {
        Self { progress: Box::new(progress), finish: Box::new(finish) }
    }

    pub(crate) fn progress(&self) -> Progress {
        (self.progress)()
    }

    /// Shuts it down and tells how many events its receiver got.
    pub fn finish(self) -> u64 {
        (self.finish)()
    }
}

impl std::fmt::Debug for Installed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Installed").field("progress", &self.progress()).finish_non_exhaustive()
    }
}
