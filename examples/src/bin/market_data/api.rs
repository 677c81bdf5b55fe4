//! The service's own HTTP API: prices an order. An order for an instrument without reference data fails in a request span.

use std::{collections::HashMap, error::Error, io, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tracing::{error, info, instrument};

/// Why an order has no price.
#[derive(Debug, thiserror::Error)]
enum PricingError {
    #[error("the tick size is unknown")]
    TickSize(#[from] LookupError),
}

#[derive(Debug, thiserror::Error)]
#[error("no reference data for instrument {symbol:?}")]
struct LookupError {
    symbol: String,
}

/// Smallest price steps by symbol.
type TickSizes = Arc<HashMap<&'static str, f64>>;

/// Serves the API on a free port of the loopback interface and returns its address.
pub(crate) async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let ticks: TickSizes = Arc::new(HashMap::from([("BTC-USD", 0.1), ("ETH-USD", 0.01), ("SOL-USD", 0.01)]));
    let routes = Router::new().route("/orders/{order_id}/{symbol}/price", get(price)).with_state(ticks);
    tokio::spawn(axum::serve(listener, routes).into_future());
    Ok(address)
}

#[instrument(name = "GET /orders/{order_id}/{symbol}/price", skip_all, fields(request_id = fastrand::u32(..), order_id, symbol))]
async fn price(
    State(ticks): State<TickSizes>,
    Path((order_id, symbol)): Path<(u64, String)>,
) -> Result<Json<Value>, StatusCode> {
    tracing::Span::current().record("order_id", order_id).record("symbol", &symbol);
    match tick_size(&ticks, &symbol) {
        Ok(tick) => {
            info!("order priced");
            Ok(Json(json!({"order_id": order_id, "tick": tick})))
        }
        Err(error) => {
            error!(error = &error as &dyn Error, component = "api", "order cannot be priced");
            Err(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn tick_size(ticks: &TickSizes, symbol: &str) -> Result<f64, PricingError> {
    let tick = ticks.get(symbol).ok_or_else(|| LookupError { symbol: symbol.to_owned() })?;
    Ok(*tick)
}
