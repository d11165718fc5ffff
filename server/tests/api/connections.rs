//! Connections over a real socket.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use quivive_server::connections::{self, Bounds};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

struct Listening {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

async fn listen(bounds: Bounds) -> Listening {
    let router = Router::new()
        .route("/peer", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }))
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                "answered"
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(connections::serve(listener, router, bounds, async move {
        let _ = stopped.await;
    }));
    Listening { address, stop, served }
}

async fn connect(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Everything until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    timeout(Duration::from_secs(10), stream.read_to_end(&mut text)).await.expect("closed in time").unwrap();
    String::from_utf8(text).unwrap()
}

const SHORT: Bounds = Bounds { connections: 0, head: Duration::from_millis(200) };
const LONG: Bounds = Bounds { connections: 0, head: Duration::from_secs(60) };

#[tokio::test]
async fn who_does_not_finish_a_head_is_cut_off() {
    let server = listen(SHORT).await;
    for text in ["", "GET /peer HTTP/1.1\r\nHo", "GET /peer HTTP/1.1\r\nHost: x\r\n"] {
        let mut slow = connect(server.address, text).await;
        assert!(!rest(&mut slow).await.contains(" 200 "), "{text:?}");
    }
    let mut quick = connect(server.address, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(rest(&mut quick).await.ends_with("answered"), "an answer may take longer than a head");
}

#[tokio::test]
async fn the_peer_of_a_connection_is_known() {
    let server = listen(LONG).await;
    let mut stream =
        connect(server.address, "GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let own = stream.local_addr().unwrap().to_string();
    assert!(rest(&mut stream).await.ends_with(&own));
}

#[tokio::test]
async fn connections_beyond_the_bound_wait() {
    let server = listen(Bounds { connections: 1, ..LONG }).await;
    let first = connect(server.address, "GET /peer HTTP/1.1\r\nHo").await;
    // Only after the first one was accepted does the second stand behind it.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut second =
        connect(server.address, "GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let mut byte = [0];
    assert!(timeout(Duration::from_millis(300), second.read(&mut byte)).await.is_err());
    drop(first);
    assert!(rest(&mut second).await.contains(" 200 OK"));
}

#[tokio::test]
async fn a_request_that_runs_is_answered_before_the_end() {
    let server = listen(LONG).await;
    let mut idle = connect(server.address, "").await;
    let mut running = connect(server.address, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.send(()).unwrap();
    assert!(rest(&mut running).await.ends_with("answered"));
    assert_eq!(rest(&mut idle).await, "");
    timeout(Duration::from_secs(10), server.served).await.expect("ended in time").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
