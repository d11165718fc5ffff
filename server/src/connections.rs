//! Connections: how many may be open, how long a client may take to ask, and how they end.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt;

/// What one client may take from the others.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How many connections may be open; 0 is without limit. More wait until one is closed.
    pub connections: usize,
    /// How long the head of a request may take, from the end of the one before.
    pub head: Duration,
}

impl Bounds {
    /// So many connections, and ten seconds for the head of a request.
    pub fn new(connections: usize) -> Self {
        Self { connections, head: Duration::from_secs(10) }
    }
}

/// Serves HTTP/1 until `stop` is done; then takes no more connections, and returns when the requests that run are
/// answered.
pub async fn serve(
    mut listener: TcpListener,
    router: Router,
    bounds: Bounds,
    stop: impl Future<Output = ()> + Send,
) {
    let limit = if bounds.connections == 0 { Semaphore::MAX_PERMITS } else { bounds.connections };
    let permits = Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
    let open = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(bounds.head);
    let mut stop = pin!(stop);
    loop {
        let next = async {
            // The semaphore is never closed.
            let permit = permits.clone().acquire_owned().await.ok();
            let (stream, peer) = Listener::accept(&mut listener).await;
            (permit, stream, peer)
        };
        let (permit, stream, peer): (_, _, SocketAddr) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        let service = router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request
        });
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = open.watch(connection);
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection was closed early");
            }
        });
    }
    drop(listener);
    open.shutdown().await;
}
