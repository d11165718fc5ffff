//! An axum app that lets verified agents in and turns everybody else away.

use std::error::Error;
use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::routing::get;
use axum::{Extension, Router};
use clap::Parser;
use quivive_middleware::tower::{DetectionLayer, GuardLayer};
use quivive_middleware::{
    AgentIdentity, Client, DetectAgents, Detected, GuardOptions, KeyDirectories, Policy, Require,
    RequireAgent,
};
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
    /// The origin of an agent whose signatures count, besides those of the catalogued agents; may be repeated.
    #[arg(long)]
    signer: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let agents = RequireAgent::at(&arguments.service)?;
    let tokens_only = RequireAgent::at(&arguments.service)?.inline_challenge(false);
    let signed = DetectAgents::new(GuardOptions {
        policy: Some(Policy { require: Require::Signed, ..Policy::default() }),
        ..GuardOptions::default()
    })?;
    let directories = KeyDirectories::new(&Client::new()?);
    let directories = arguments.signer.iter().try_fold(directories, |known, origin| known.trust(origin))?;
    let signed = DetectionLayer::new(signed.directories(directories));
    let app = Router::new()
        .route("/for-signers", get(greet_signer).layer(signed))
        .route("/for-agents", get(greet).layer(guarded_by(agents)))
        .route("/with-token", get(greet).layer(guarded_by(tokens_only)))
        .route(
            "/",
            get(|| async {
                "Everybody may read this. /for-agents, /with-token and /for-signers are for agents.\n"
            }),
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

async fn greet_signer(Extension(detected): Extension<Detected>) -> String {
    format!("Hello, {}.\n", detected.signer().unwrap_or("signer"))
}
