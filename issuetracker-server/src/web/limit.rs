//! How often one client may ask: a leaky bucket for each, in a table that does not grow beyond its bound. Who is logged in or
//! shows a key is one client, wherever the requests come from. Of everybody else the address counts: the peer of the
//! connection; only what a configured proxy adds to `X-Forwarded-For` is believed.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::HeaderMap;

use crate::config::Limits;

/// The most clients that are known at a time. Those beyond share one budget, so that a flood of addresses costs no memory.
const MAX_CLIENTS: usize = 10_000;

const MINUTE: Duration = Duration::from_secs(60);

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Whose budget a request is taken from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// Somebody who is known, by user id.
    User(String),
    /// A stranger, by address.
    Address(IpAddr),
}

/// The budgets of all clients.
pub(crate) struct Limiter {
    requests: Budget,
    events: Budget,
    proxies: Vec<IpAddr>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            requests: Budget::new(limits.requests),
            events: Budget::new(limits.event_requests),
            proxies: limits.proxies.clone(),
        }
    }

    /// Takes one request from the client's budget, or tells after how long there is one again.
    pub(crate) fn take(&self, path: &str, client: Client, now: Instant) -> Result<(), Duration> {
        // Operators and what a page needs to look right are not held up.
        if path.starts_with("/assets/") || matches!(path, "/healthz" | "/readyz" | "/metrics" | "/favicon.ico") {
            return Ok(());
        }
        let budget = if path == "/api/v1/events" { &self.events } else { &self.requests };
        budget.take(client, now)
    }

    /// The last address on the way that is no proxy of ours: what stands before it, the client may have made up.
    pub(crate) fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        for hop in hops {
            if !self.proxies.contains(&client) {
                break;
            }
            let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
            client = address.to_canonical();
        }
        client
    }
}

/// One limit. For each client it keeps when its bucket is empty again.
struct Budget {
    /// What one request costs; zero: nothing is limited.
    cost: Duration,
    empty_at: Mutex<HashMap<Client, Instant>>,
}

impl Budget {
    fn new(per_minute: Option<NonZeroU32>) -> Self {
        let cost = per_minute.map_or(Duration::ZERO, |number| MINUTE / number.get());
        Self { cost, empty_at: Mutex::new(HashMap::new()) }
    }

    fn take(&self, client: Client, now: Instant) -> Result<(), Duration> {
        if self.cost.is_zero() {
            return Ok(());
        }
        let mut table = self.empty_at.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = match client {
            Client::Address(address) => Client::Address(network(address)),
            user @ Client::User(_) => user,
        };
        if table.len() >= MAX_CLIENTS && !table.contains_key(&key) {
            table.retain(|_, empty_at| *empty_at > now);
            if table.len() >= MAX_CLIENTS {
                key = Client::Address(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
            }
        }
        let full_for = table.get(&key).map_or(Duration::ZERO, |empty_at| empty_at.saturating_duration_since(now));
        // The smallest part of a minute that is no whole nanosecond is not held against anybody.
        let filled = full_for + self.cost;
        if filled > MINUTE {
            return Err(filled - MINUTE);
        }
        table.insert(key, now + filled);
        Ok(())
    }
}

/// One customer has a whole /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(requests: u32, proxies: &[&str]) -> Limiter {
        Limiter::new(&Limits {
            requests: NonZeroU32::new(requests),
            event_requests: NonZeroU32::new(2 * requests),
            proxies: proxies.iter().map(|address| address.parse().unwrap()).collect(),
        })
    }

    fn taken(limiter: &Limiter, path: &str, peer: &str, now: Instant) -> usize {
        let client = peer.parse().map_or_else(|_| Client::User(peer.to_owned()), Client::Address);
        (0..1_000).take_while(|_| limiter.take(path, client.clone(), now).is_ok()).count()
    }

    #[test]
    fn each_client_has_so_many_a_minute() {
        let (limiter, now) = (limiter(100, &[]), Instant::now());
        assert_eq!(taken(&limiter, "/issues", "10.0.0.1", now), 100);
        assert_eq!(taken(&limiter, "/issues", "10.0.0.2", now), 100, "others are not affected");
        assert_eq!(taken(&limiter, "/issues", "ada", now), 100, "who is known has a budget wherever she is");
        assert_eq!(taken(&limiter, "/api/v1/events", "10.0.0.1", now), 200, "events have a budget of their own");
        assert_eq!(taken(&limiter, "/healthz", "10.0.0.1", now), 1_000, "health is not limited");
        let wait = limiter.take("/issues", Client::Address("10.0.0.1".parse().unwrap()), now).unwrap_err();
        assert_eq!(wait, Duration::from_millis(600));
        assert_eq!(taken(&limiter, "/issues", "10.0.0.1", now + wait), 1);
        assert_eq!(taken(&limiter, "/issues", "10.0.0.1", now + 3 * MINUTE), 100);
    }

    #[test]
    fn addresses_of_one_network_are_one_client_and_many_networks_cost_no_memory() {
        let (limiter, now) = (limiter(1, &[]), Instant::now());
        assert_eq!([1, 2].map(|n| taken(&limiter, "/", &format!("2001:db8::{n}"), now)), [1, 0]);
        for n in 0..2 * MAX_CLIENTS {
            let [.., a, b] = n.to_be_bytes();
            let _ = limiter.take("/", Client::Address(IpAddr::from([10, 0, a, b])), now);
        }
        assert!(limiter.requests.empty_at.lock().unwrap().len() <= MAX_CLIENTS + 1);
        assert_eq!(taken(&limiter, "/", "10.9.0.1", now), 0, "strangers share one budget");
        assert_eq!(taken(&limiter, "/", "10.9.0.1", now + MINUTE), 1, "which is forgotten");
    }

    #[test]
    fn only_proxies_of_ours_say_who_the_client_is() {
        let limiter = limiter(1, &["10.0.0.7", "10.0.0.8"]);
        let client = |peer: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            limiter.client(&headers, peer.parse().unwrap()).to_string()
        };
        assert_eq!(client("1.1.1.1", &["9.9.9.9"]), "1.1.1.1", "a stranger's word");
        assert_eq!(client("10.0.0.7", &["9.9.9.9, 2.2.2.2"]), "2.2.2.2", "only what our proxy added");
        assert_eq!(client("10.0.0.7", &["9.9.9.9, 2.2.2.2, 10.0.0.8"]), "2.2.2.2");
        assert_eq!(client("10.0.0.7", &["9.9.9.9", "2.2.2.2"]), "2.2.2.2");
        assert_eq!(client("::ffff:10.0.0.7", &["2.2.2.2"]), "2.2.2.2");
        assert_eq!(client("10.0.0.7", &["no address"]), "10.0.0.7");
        assert_eq!(client("10.0.0.7", &[]), "10.0.0.7");
    }
}
