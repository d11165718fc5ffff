//! An actix-web app that lets verified agents in and turns everybody else away.

use std::error::Error;
use std::net::SocketAddr;

use actix_web::{App, HttpServer, web};
use clap::Parser;
use quivive_middleware::actix::{DetectionTransform, GuardTransform};
use quivive_middleware::{
    AgentIdentity, Client, DetectAgents, Detected, GuardOptions, KeyDirectories, Policy, Require,
    RequireAgent,
};

/// actix-web app with routes for verified agents.
#[derive(Parser)]
struct Arguments {
    /// The service whose tokens are accepted.
    #[arg(long, env = "QUIVIVE_URL", default_value = "http://127.0.0.1:8080")]
    service: String,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:3002")]
    listen: SocketAddr,
    /// The origin of an agent whose signatures count, besides those of the catalogued agents; may be repeated.
    #[arg(long)]
    signer: Vec<String>,
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    // Made once and cloned into every worker, so that all share the keys and the open challenges.
    let agents = RequireAgent::at(&arguments.service)?;
    let tokens_only = RequireAgent::at(&arguments.service)?.inline_challenge(false);
    let signed = DetectAgents::new(GuardOptions {
        policy: Some(Policy { require: Require::Signed, ..Policy::default() }),
        ..GuardOptions::default()
    })?;
    let directories = KeyDirectories::new(&Client::new()?);
    let directories = arguments.signer.iter().try_fold(directories, |known, origin| known.trust(origin))?;
    let signed = signed.directories(directories);
    let server = HttpServer::new(move || {
        App::new()
            .service(
                web::resource("/for-agents")
                    .wrap(GuardTransform::new(agents.clone()))
                    .route(web::get().to(greet)),
            )
            .service(
                web::resource("/with-token")
                    .wrap(GuardTransform::new(tokens_only.clone()))
                    .route(web::get().to(greet)),
            )
            .service(
                web::resource("/for-signers")
                    .wrap(DetectionTransform::new(signed.clone()))
                    .route(web::get().to(greet_signer)),
            )
            .route("/", web::get().to(welcome))
    })
    .bind(arguments.listen)?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    Ok(())
}

async fn greet(agent: web::ReqData<AgentIdentity>) -> String {
    format!("Hello, agent {}.\n", agent.subject)
}

async fn greet_signer(detected: web::ReqData<Detected>) -> String {
    format!("Hello, {}.\n", detected.signer().unwrap_or("signer"))
}

async fn welcome() -> &'static str {
    "Everybody may read this. /for-agents, /with-token and /for-signers are for agents.\n"
}
