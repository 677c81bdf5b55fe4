//! What the service does all day, errand by errand. Each handles its own errors: one `error!`, in the spans that say
//! for which symbol, order and request.

use std::{error::Error, io, path::PathBuf, sync::Arc, time::Duration};

use reqwest::Client;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::error::Elapsed,
};
use tracing::{Instrument as _, error, info, info_span, instrument};

use crate::{
    api,
    quotes::{FetchError, Quote, Venue},
    venues::Venues,
};

const SYMBOLS: [&str; 6] = ["BTC-USD", "ETH-USD", "SOL-USD", "ADA-USD", "LTC-USD", "XRP-USD"];
/// How long a query of the history may take.
const HISTORY_TIMEOUT: Duration = Duration::from_millis(150);
/// Nobody can ever register a name under `.invalid` (RFC 2606).
const RATES_HOST: &str = "rates.fx-provider.invalid:443";

/// Something to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Errand {
    /// Ask the venue of this name for a quote.
    Quote(&'static str),
    /// Find the provider of exchange rates.
    Rates,
    /// Query the history.
    History,
    /// Price an order through the service's own API.
    Order,
    /// Hand a quote to a subscriber.
    Publish,
    /// Write the book to the archive.
    Snapshot,
}

impl Errand {
    /// The one that succeeds.
    pub(crate) const HEALTHY: Self = Self::Quote("alpha");

    /// The ones that fail, and how often each does, relative to the others.
    const FAILING: [(Self, u32); 12] = [
        (Self::Quote("harbor"), 9),
        (Self::Quote("brook"), 8),
        (Self::Order, 7),
        (Self::History, 6),
        (Self::Quote("cobalt"), 5),
        (Self::Rates, 5),
        (Self::Quote("delta"), 4),
        (Self::Quote("flint"), 3),
        (Self::Quote("echo"), 3),
        (Self::Quote("grove"), 2),
        (Self::Publish, 2),
        (Self::Snapshot, 1),
    ];

    /// One that fails.
    pub(crate) fn random() -> Self {
        let mut ticket = fastrand::u32(..Self::FAILING.iter().map(|(_, weight)| weight).sum::<u32>());
        for (errand, weight) in Self::FAILING {
            match ticket.checked_sub(weight) {
                Some(rest) => ticket = rest,
                None => return errand,
            }
        }
        Self::HEALTHY
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the provider {host} cannot be found")]
struct RatesError {
    host: &'static str,
    source: io::Error,
}

#[derive(Debug, thiserror::Error)]
enum HistoryError {
    #[error("the query took longer than {HISTORY_TIMEOUT:?}")]
    TimedOut(#[from] Elapsed),
    #[error(transparent)]
    Failed(#[from] FetchError),
}

#[derive(Debug, thiserror::Error)]
#[error("subscriber {subscriber} does not keep up")]
struct SlowSubscriber {
    subscriber: &'static str,
    source: TrySendError<Quote>,
}

#[derive(Debug, thiserror::Error)]
#[error("the archive cannot be written")]
struct ArchiveError(#[from] io::Error);

/// The service: its clients and what it needs for each errand. Clones share them.
#[derive(Clone)]
pub(crate) struct Service(Arc<Parts>);

struct Parts {
    http: Client,
    venues: Venues,
    api: Venue,
    subscriber: mpsc::Sender<Quote>,
    /// Kept and never read from: a subscriber that hangs.
    _hanging: mpsc::Receiver<Quote>,
    archive: PathBuf,
}

impl Service {
    /// Starts the venues and the API.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        // Proxies are for the outside, and everything here is local.
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
        let venues = Venues::start().await?;
        let api = Venue { name: "api", base_url: format!("http://{}", api::start().await?) };
        let (subscriber, hanging) = mpsc::channel(1);
        // Full from the start: the next quote is one too many.
        subscriber.try_send(Quote { symbol: SYMBOLS[0].to_owned(), bid: 1.0, ask: 1.0 })?;
        let archive = std::env::temp_dir().join("market-data-archive-is-not-mounted").join("book.json");
        Ok(Self(Arc::new(Parts { http, venues, api, subscriber, _hanging: hanging, archive })))
    }

    /// Runs an errand in a task of its own, in the span of a poll.
    pub(crate) fn send(&self, errand: Errand) {
        let parts = Arc::clone(&self.0);
        let symbol = SYMBOLS[fastrand::usize(..SYMBOLS.len())];
        let span = info_span!("poll", ?errand, cycle = fastrand::u32(..));
        tokio::spawn(async move { parts.run(errand, symbol).await }.instrument(span));
    }
}

impl Parts {
    async fn run(&self, errand: Errand, symbol: &'static str) {
        match errand {
            Errand::Quote(venue) => self.refresh_quote(self.venue(venue), symbol).await,
            Errand::Rates => self.refresh_rates().await,
            Errand::History => self.load_history(symbol, fastrand::u32(1..=90)).await,
            Errand::Order => self.price_order(fastrand::u64(100_000..1_000_000)).await,
            Errand::Publish => self.publish(Quote { symbol: symbol.to_owned(), bid: 99.0, ask: 99.1 }),
            Errand::Snapshot => self.write_snapshot().await,
        }
    }

    fn venue(&self, name: &'static str) -> Venue {
        let address = match name {
            "harbor" => self.venues.closed,
            "grove" => self.venues.hanging_up,
            _ => self.venues.http,
        };
        Venue { name, base_url: format!("http://{address}") }
    }

    #[instrument(skip_all, fields(venue = venue.name, symbol = symbol, request_id = fastrand::u32(..), component = "quotes"))]
    async fn refresh_quote(&self, venue: Venue, symbol: &str) {
        match venue.quote(&self.http, symbol).await {
            Ok(quote) => info!(symbol = quote.symbol, bid = quote.bid, ask = quote.ask, "quote refreshed"),
            Err(error) => error!(error = &error as &dyn Error, "quote not refreshed"),
        }
    }

    #[instrument(skip_all, fields(base = "USD", component = "rates"))]
    async fn refresh_rates(&self) {
        if let Err(source) = tokio::net::lookup_host(RATES_HOST).await {
            let error = RatesError { host: RATES_HOST, source };
            error!(error = &error as &dyn Error, "exchange rates not refreshed");
        }
    }

    #[instrument(skip_all, fields(symbol = symbol, days = days, query_id = fastrand::u64(..), component = "history"))]
    async fn load_history(&self, symbol: &str, days: u32) {
        if let Err(error) = self.history(symbol).await {
            error!(error = &error as &dyn Error, "history not loaded");
        }
    }

    async fn history(&self, symbol: &str) -> Result<String, HistoryError> {
        let path = format!("history/{symbol}");
        Ok(tokio::time::timeout(HISTORY_TIMEOUT, self.venue("history").get(&self.http, &path)).await??)
    }

    /// The API reports the error itself, in the span of its request; here it is only a refusal.
    #[instrument(skip_all, fields(order_id = order_id))]
    async fn price_order(&self, order_id: u64) {
        if let Err(refusal) = self.api.get(&self.http, &format!("orders/{order_id}/LUNA-USD/price")).await {
            info!(%refusal, "order not placed");
        }
    }

    #[instrument(skip_all, fields(symbol = quote.symbol, component = "fan-out"))]
    fn publish(&self, quote: Quote) {
        if let Err(source) = self.subscriber.try_send(quote) {
            let error = SlowSubscriber { subscriber: "risk", source };
            error!(error = &error as &dyn Error, "quote not published");
        }
    }

    #[instrument(skip_all, fields(component = "archive"))]
    async fn write_snapshot(&self) {
        if let Err(source) = tokio::fs::write(&self.archive, b"{}").await {
            let error = ArchiveError(source);
            error!(error = &error as &dyn Error, path = %self.archive.display(), severity = "critical", "snapshot lost");
        }
    }
}
