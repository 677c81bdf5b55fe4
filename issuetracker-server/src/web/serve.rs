//! Connections: accepted up to a number, each bound in the time and size of what it sends before there is a request. What
//! is inside a request is bounded by [`observe`](super::observe) and the routes.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use super::limit::Peer;
use crate::tls::Tls;

/// The most connections at a time; more wait in the operating system's queue. Descriptors are mostly limited to 1,024, and
/// the store and Kafka need some.
const MAX_CONNECTIONS: usize = 768;

/// How long the head of a request may take, from the moment when the connection is there or its last answer was given.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest head of a request; the client gets 431.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The wait after the operating system has refused a connection: it is mostly out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown`, then finishes the requests that are under way. What ends them in time is the caller's
/// business.
pub async fn serve(listener: TcpListener, router: Router, tls: Option<Tls>, shutdown: &CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    let (graceful, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(MAX_CONNECTIONS)));
    let accept = async {
        loop {
            // Never closed, so there is always a place some time.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // A reply that waits for more to send is a slow one.
            let _ = stream.set_nodelay(true);
            let routes = TowerToHyperService::new(router.clone());
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(Peer(peer.ip()));
                routes.call(request)
            });
            let (http, tls, watcher) = (http.clone(), tls.clone(), graceful.watcher());
            tokio::spawn(async move {
                let _place = place;
                // Whoever breaks a connection off, or takes too long, is told by its end.
                match tls {
                    None => _ = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await,
                    Some(tls) => {
                        let Some(stream) = tls.accept(stream, HEAD_TIMEOUT).await else { return };
                        let _ = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await;
                    }
                }
            });
        }
    };
    shutdown.run_until_cancelled(accept).await;
    drop(listener);
    graceful.shutdown().await;
}
