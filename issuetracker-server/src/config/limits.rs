//! How much one client may ask, and whom the server believes about who the client is.

use std::{net::IpAddr, num::NonZeroU32};

use super::variables::Variables;

/// Requests a minute, for each client: who is known, or an address of strangers. `None`: as many as they like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// For pages and API.
    pub requests: Option<NonZeroU32>,
    /// For batches of events, which have a budget of their own: whoever looks at issues does not slow down reports.
    pub event_requests: Option<NonZeroU32>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpAddr>,
}

/// What a client may ask a minute where there is login, if nothing else is said.
const DEFAULT_WITH_LOGIN: u32 = 100;

pub(super) fn read(variables: &mut Variables, has_login: bool) -> Limits {
    const EXPECTED: &str = "expected a number of requests, or 0 for as many as they like";
    let number =
        |variables: &mut Variables, name, default| NonZeroU32::new(variables.parse(name, EXPECTED).unwrap_or(default));
    let default = if has_login { DEFAULT_WITH_LOGIN } else { 0 };
    let requests = number(variables, "HTTP_REQUESTS_PER_MINUTE", default);
    let event_requests = number(variables, "HTTP_EVENT_REQUESTS_PER_MINUTE", 0);
    let mut proxies = Vec::new();
    for address in variables.text("HTTP_PROXIES").unwrap_or_default().split(',').map(str::trim) {
        match address.parse() {
            Ok(address) => proxies.push(address),
            Err(_) if address.is_empty() => (),
            Err(_) => variables.problem("HTTP_PROXIES", "expected addresses such as 10.0.0.7, separated by commas"),
        }
    }
    Limits { requests, event_requests, proxies }
}

impl Limits {
    pub(super) fn describe(&self) -> String {
        let number = |limit: Option<NonZeroU32>| limit.map_or("any number of".to_owned(), |limit| limit.to_string());
        let proxies: Vec<String> = self.proxies.iter().map(ToString::to_string).collect();
        let proxies = if proxies.is_empty() { "none".to_owned() } else { proxies.join(", ") };
        let (requests, events) = (number(self.requests), number(self.event_requests));
        format!("a client may send {requests} requests and {events} batches a minute; trusted proxies: {proxies}")
    }
}
