//! An axum app that lets verified agents in and turns everybody else away.

use std::error::Error;
use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::routing::get;
use axum::{Extension, Router};
use clap::Parser;
use quivive_middleware::tower::GuardLayer;
use quivive_middleware::{AgentIdentity, RequireAgent};
use tokio::net::TcpListener;

/// axum app with routes for verified agents.
#[derive(Parser)]
struct Arguments {
    /// The service whose tokens are accepted.
    #[arg(long, env = "QUIVIVE_URL", default_value = "http://127.0.0.1:8080")]
    service: String,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:3001")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let agents = RequireAgent::at(&arguments.service)?;
    let tokens_only = RequireAgent::at(&arguments.service)?.inline_challenge(false);
    let app = Router::new()
        .route("/for-agents", get(greet).layer(guarded_by(agents)))
        .route("/with-token", get(greet).layer(guarded_by(tokens_only)))
        .route(
            "/",
            get(|| async { "Everybody may read this. /for-agents and /with-token are for agents.\n" }),
        );

    let listener = TcpListener::bind(arguments.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// The guard as a layer that knows where axum keeps the address of a connection.
fn guarded_by(guard: RequireAgent) -> GuardLayer<RequireAgent> {
    GuardLayer::new(guard)
        .peer(|extensions| extensions.get::<ConnectInfo<SocketAddr>>().map(|connection| connection.0.ip()))
}

async fn greet(Extension(agent): Extension<AgentIdentity>) -> String {
    format!("Hello, agent {}.\n", agent.subject)
}
