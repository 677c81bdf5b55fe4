//! Fetching a quote from a venue and checking it. Errors are returned, never logged here.

use std::{
    num::ParseFloatError,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::{Client, StatusCode};

/// The oldest quote that is of use.
const MAX_AGE: Duration = Duration::from_secs(60);

/// Why a venue gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("no answer from {venue}")]
    NoAnswer { venue: &'static str, source: reqwest::Error },
    #[error("{venue} answered {status}")]
    Status { venue: &'static str, status: StatusCode },
}

/// Why there is no quote.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QuoteError {
    #[error(transparent)]
    Unreachable(#[from] FetchError),
    #[error("the answer is not a quote")]
    Malformed(#[from] serde_json::Error),
    #[error("{side} price {text:?} is not a number")]
    Price { side: &'static str, text: String, source: ParseFloatError },
    #[error("the book is crossed: bid {bid} is above ask {ask}")]
    Crossed { bid: f64, ask: f64 },
    #[error("the quote is {} s old", age.as_secs())]
    Stale { age: Duration },
}

/// What people would pay and take for one unit of a symbol.
#[derive(Debug, Clone)]
pub(crate) struct Quote {
    pub(crate) symbol: String,
    pub(crate) bid: f64,
    pub(crate) ask: f64,
}

/// A place that answers over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Venue {
    pub(crate) name: &'static str,
    pub(crate) base_url: String,
}

impl Venue {
    /// Asks for the quote of `symbol` and checks it.
    pub(crate) async fn quote(&self, http: &Client, symbol: &str) -> Result<Quote, QuoteError> {
        let body = self.get(http, &format!("{}/quotes/{symbol}", self.name)).await?;
        tracing::debug!(bytes = body.len(), "answered");
        check(serde_json::from_str(&body)?)
    }

    /// The body behind `path`.
    pub(crate) async fn get(&self, http: &Client, path: &str) -> Result<String, FetchError> {
        let no_answer =
            |source: reqwest::Error| FetchError::NoAnswer { venue: self.name, source: source.without_url() };
        let response = http.get(format!("{}/{path}", self.base_url)).send().await.map_err(no_answer)?;
        match response.status() {
            status if status.is_success() => response.text().await.map_err(no_answer),
            status => Err(FetchError::Status { venue: self.name, status }),
        }
    }
}

/// A quote as venues send it: prices are text, so that no digit is lost.
#[derive(serde::Deserialize)]
struct RawQuote {
    symbol: String,
    bid: String,
    ask: String,
    at: u64,
}

fn check(raw: RawQuote) -> Result<Quote, QuoteError> {
    let price = |side, text: String| text.parse::<f64>().map_err(|source| QuoteError::Price { side, text, source });
    let (bid, ask) = (price("bid", raw.bid)?, price("ask", raw.ask)?);
    if bid > ask {
        return Err(QuoteError::Crossed { bid, ask });
    }
    let age = SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_secs(raw.at)).unwrap_or_default();
    if age > MAX_AGE {
        return Err(QuoteError::Stale { age });
    }
    Ok(Quote { symbol: raw.symbol, bid, ask })
}
