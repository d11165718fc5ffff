//! An actix-web app that lets verified agents in and turns everybody else away.

use std::error::Error;
use std::net::SocketAddr;

use actix_web::{App, HttpServer, web};
use clap::Parser;
use quivive_middleware::actix::GuardTransform;
use quivive_middleware::{AgentIdentity, RequireAgent};

/// actix-web app with routes for verified agents.
#[derive(Parser)]
struct Arguments {
    /// The service whose tokens are accepted.
    #[arg(long, env = "QUIVIVE_URL", default_value = "http://127.0.0.1:8080")]
    service: String,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:3002")]
    listen: SocketAddr,
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    // Made once and cloned into every worker, so that all share the keys and the open challenges.
    let agents = RequireAgent::at(&arguments.service)?;
    let tokens_only = RequireAgent::at(&arguments.service)?.inline_challenge(false);
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

async fn welcome() -> &'static str {
    "Everybody may read this. /for-agents and /with-token are for agents.\n"
}
