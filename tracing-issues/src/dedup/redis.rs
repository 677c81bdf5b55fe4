//! The Redis deduplicator: `{service}:error_fingerprint:{fingerprint}` -> issue id, set with NX in one round trip.
//! It fails open: Redis down, slow, flushed or holding garbage means more traffic, never fewer issues.

use std::time::{Duration, Instant};

use deadpool_redis::{Config, Pool, PoolConfig, Runtime, Timeouts, redis};

use super::{Deduplicator, Verdict};
use crate::fingerprint::Fingerprint;

/// How long a mapping suppresses first reports, in seconds.
const TTL_SECONDS: u64 = 86_400;
/// The most that one question may take; the pool's own timeouts default to none.
const TIMEOUT: Duration = Duration::from_millis(100);
/// How long Redis is left alone after a failure: a black-holed one would cost a timeout for every new fingerprint.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// Shares first reports between the instances of a service through Redis.
pub(crate) struct RedisDeduplicator {
    pool: Pool,
    /// Drives the client on the worker's thread; the host needs no tokio. `None` only while dropping.
    runtime: Option<tokio::runtime::Runtime>,
    key_prefix: String,
    /// While the circuit is open, nobody asks Redis.
    open_until: Option<Instant>,
}

impl RedisDeduplicator {
    /// Prepares a pool; nothing is connected yet, so a Redis that is down delays nothing.
    ///
    /// # Errors
    /// A text for people, if `url` is not a Redis address or the process can have no runtime.
    pub(crate) fn new(url: &str, service: &str) -> Result<Self, String> {
        let mut config = Config::from_url(url);
        config.pool = Some(PoolConfig {
            max_size: 1,
            timeouts: Timeouts { wait: Some(TIMEOUT), create: Some(TIMEOUT), recycle: Some(TIMEOUT) },
            ..PoolConfig::default()
        });
        let pool = config.create_pool(Some(Runtime::Tokio1)).map_err(|error| error.to_string())?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        let key_prefix = format!("{service}:error_fingerprint:");
        Ok(Self { pool, runtime: Some(runtime), key_prefix, open_until: None })
    }

    fn ask(&self, fingerprint: &Fingerprint) -> Result<Verdict, ()> {
        let key = format!("{}{fingerprint}", self.key_prefix);
        let question = async {
            let mut connection = self.pool.get().await.map_err(|_| ())?;
            // NX with GET, in one round trip, needs Redis 7: nil means that the mapping was not there and now is ours.
            let mut set = redis::cmd("SET");
            set.arg(&key).arg(fingerprint.issue_id().as_str()).arg("NX").arg("GET").arg("EX").arg(TTL_SECONDS);
            let before: Option<Vec<u8>> = set.query_async(&mut connection).await.map_err(|_| ())?;
            Ok(if before.is_none() { Verdict::Admit } else { Verdict::Suppress })
        };
        let runtime = self.runtime.as_ref().ok_or(())?;
        runtime.block_on(async { tokio::time::timeout(TIMEOUT, question).await.unwrap_or(Err(())) })
    }
}

/// A runtime that is dropped inside of another one panics, and that is where a service is whose configuration has a mistake
/// elsewhere.
impl Drop for RedisDeduplicator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Deduplicator for RedisDeduplicator {
    fn admit(&mut self, fingerprint: &Fingerprint) -> Verdict {
        let now = Instant::now();
        if self.open_until.is_some_and(|until| now < until) {
            return Verdict::Admit;
        }
        match self.ask(fingerprint) {
            Ok(verdict) => {
                self.open_until = None;
                verdict
            }
            Err(()) => {
                self.open_until = Some(now + PROBE_INTERVAL);
                Verdict::Admit
            }
        }
    }
}
