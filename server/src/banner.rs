//! What a person sees when the development server starts.

use std::io::Write;
use std::net::SocketAddr;

use crate::demo::Demo;

/// Writes the banner to standard output: where to look, and what to paste if the demo project is there.
pub fn print(address: SocketAddr, demo: Option<&Demo>) {
    // Nobody may be reading; that is no reason not to serve.
    let _ = std::io::stdout().lock().write_all(text(address, demo).as_bytes());
}

fn text(address: SocketAddr, demo: Option<&Demo>) -> String {
    let base = format!("http://{address}");
    let Some(demo) = demo else { return format!("\n  Quivive is listening on {base}\n\n") };
    let session = "bt_a-visit-of-the-demo-site";
    format!(
        r#"
  Quivive {version}: who is at the door, human, bot or agent?

    Watch it work    {base}/
    Owner's console  {base}/-/console
    Reference        {base}/-/openapi.json
    Health, metrics  {base}/-/health   {base}/-/metrics

  Demo project (these keys are public; they open this development database only)

    site key         {site_key}
    private key      {private_key}
    detection key    {api_key}

  Try it

    # 1. Ask for the challenge that a bot solves and a person does not:
    curl -s {base}/v1/token

    # 2. What is behind this request?
    curl -s {base}/api/v1/detect -H 'X-AgentShield-Key: {api_key}' -H 'Content-Type: application/json' -d '{{"userAgent":"Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)"}}'

    # 3. Send what a page saw of a visitor, then read the verdict:
    curl -s {base}/v1/events -H 'X-Botect-Site-Key: {site_key}' -H 'Content-Type: application/json' -d '{{"session_token":"{session}","events":[{{"request_id":"e-1","type":"js_probe","received_at":"2026-01-01T00:00:00Z","payload":{{"webdriver":true}}}}]}}'; sleep 2; curl -s {base}/v1/sessions/{session}/verdict -H 'Authorization: Bearer {private_key}'

  Stop with Ctrl-C.

"#,
        version = env!("CARGO_PKG_VERSION"),
        site_key = demo.site_key,
        private_key = demo.private_key,
        api_key = demo.api_key,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;

    #[test]
    fn the_banner_names_the_address_and_three_commands() {
        let text = text("127.0.0.1:8080".parse().unwrap(), seed::demo().as_ref());
        assert_eq!(text.matches("\n    curl ").count(), 3);
        assert!(text.contains("http://127.0.0.1:8080/\n"));
        assert!(text.contains("bt_a-visit-of-the-demo-site"));
    }

    #[test]
    fn without_the_demo_project_no_keys_are_shown() {
        let text = text("127.0.0.1:8080".parse().unwrap(), None);
        assert!(text.contains("http://127.0.0.1:8080") && !text.contains("pk_") && !text.contains("sk_"));
    }
}
