//! The other side: local servers that behave as badly as real venues do. Nothing here reports errors.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    extract::Path,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tokio::{io::AsyncReadExt as _, net::TcpListener};

/// Where the venues are.
pub(crate) struct Venues {
    /// An HTTP server for several venues; the path says which.
    pub(crate) http: SocketAddr,
    /// Hangs up on whoever asks.
    pub(crate) hanging_up: SocketAddr,
    /// Nobody listens here.
    pub(crate) closed: SocketAddr,
}

impl Venues {
    /// Starts them on free ports of the loopback interface.
    pub(crate) async fn start() -> io::Result<Self> {
        let http = TcpListener::bind("127.0.0.1:0").await?;
        let hanging_up = TcpListener::bind("127.0.0.1:0").await?;
        let closed = TcpListener::bind("127.0.0.1:0").await?;
        let venues =
            Self { http: http.local_addr()?, hanging_up: hanging_up.local_addr()?, closed: closed.local_addr()? };
        drop(closed);

        let routes =
            Router::new().route("/{venue}/quotes/{symbol}", get(quote)).route("/history/{symbol}", get(history));
        tokio::spawn(axum::serve(http, routes).into_future());
        tokio::spawn(async move {
            while let Ok((mut connection, _peer)) = hanging_up.accept().await {
                // What was asked is read first: closing with unread bytes would reset the connection instead.
                tokio::spawn(async move { connection.read(&mut [0; 4_096]).await });
            }
        });
        Ok(venues)
    }
}

async fn quote(Path((venue, symbol)): Path<(String, String)>) -> Response {
    let bid = 100.0 + 10.0 * fastrand::f64();
    let (bid, ask) = (format!("{bid:.2}"), format!("{:.2}", bid + 0.05));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let quote = |bid: &str, ask: &str, at: u64| json!({"symbol": symbol, "bid": bid, "ask": ask, "at": at}).to_string();
    match venue.as_str() {
        // A proxy with a buffer that is too small.
        "brook" => quote(&bid, &ask, now)[..40].to_owned().into_response(),
        // A decimal comma.
        "cobalt" => quote(&bid.replace('.', ","), &ask, now).into_response(),
        "delta" => (StatusCode::SERVICE_UNAVAILABLE, "maintenance").into_response(),
        // Sides swapped: somebody would buy above the price at which somebody sells.
        "echo" => quote(&ask, &bid, now).into_response(),
        // A cache that nobody empties.
        "flint" => quote(&bid, &ask, now.saturating_sub(3_600 + fastrand::u64(0..600))).into_response(),
        _ => quote(&bid, &ask, now).into_response(),
    }
}

async fn history() -> &'static str {
    tokio::time::sleep(Duration::from_secs(3)).await;
    "[]"
}
