//! An agent: fetches a page; what its guard asks for is the client's business.

use std::error::Error;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: agent URL")?;
    let response = quivive::Client::new()?.get(url).await?;
    let status = response.status();
    println!("{} {}", status.as_u16(), response.text().await?.trim_end());
    Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
