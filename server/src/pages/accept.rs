//! Which form of a page a caller wants.

use http::{HeaderMap, header};

/// The forms of a page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// For browsers.
    Html,
    /// For programs.
    Json,
    /// For language models.
    Markdown,
}

/// Markdown if it is accepted no less than HTML (wildcards do not count); JSON if it is accepted and HTML is not,
/// or for command-line tools and callers without a user agent; else HTML.
pub fn preferred_format(headers: &HeaderMap) -> Format {
    let accepted = |media_type: &str| accepted(headers, media_type);
    let html = accepted("text/html");
    let markdown = accepted("text/markdown");
    if markdown > 0.0 && markdown >= html {
        return Format::Markdown;
    }
    if html > 0.0 {
        return Format::Html;
    }
    if accepted("application/json") > 0.0 || is_tool(headers) { Format::Json } else { Format::Html }
}

/// Whether a page is wanted rather than JSON, in so many words: of a route that answers programs otherwise.
pub fn prefers_page(headers: &HeaderMap) -> bool {
    let page = accepted(headers, "text/html").max(accepted(headers, "text/markdown"));
    page > accepted(headers, "application/json")
}

fn accepted(headers: &HeaderMap, media_type: &str) -> f64 {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|item| quality(item, media_type)).fold(0.0, f64::max)
}

/// Whether JSON is accepted by name, and more than HTML and Markdown.
pub fn prefers_json(headers: &HeaderMap) -> bool {
    let page = accepted(headers, "text/html").max(accepted(headers, "text/markdown"));
    accepted(headers, "application/json") > page
}

/// The weight of one item of an `Accept` header if it names the media type (RFC 9110 section 12.5.1).
fn quality(item: &str, media_type: &str) -> Option<f64> {
    let mut parts = item.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(media_type) {
        return None;
    }
    let weight = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f64>().unwrap_or(0.0))
    });
    Some(weight.unwrap_or(1.0))
}

fn is_tool(headers: &HeaderMap) -> bool {
    let Some(agent) = headers.get(header::USER_AGENT).map(|value| value.as_bytes().to_ascii_lowercase())
    else {
        return true;
    };
    let agent = String::from_utf8_lossy(&agent);
    ["curl", "httpie", "wget"].iter().any(|tool| agent.contains(tool))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(accept: &str, agent: &str) -> Format {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::ACCEPT, accept), (header::USER_AGENT, agent)] {
            if !value.is_empty() {
                headers.insert(name, value.parse().unwrap());
            }
        }
        preferred_format(&headers)
    }

    #[test]
    fn each_caller_gets_its_form() {
        let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (accept, agent, wanted) in [
            (chromium, "Mozilla/5.0", Format::Html),
            ("text/markdown", "Mozilla/5.0", Format::Markdown),
            ("text/markdown, text/html;q=0.8", "agent/1", Format::Markdown),
            ("text/markdown;q=0.5, text/html", "agent/1", Format::Html),
            ("Text/Markdown ; Q=1", "agent/1", Format::Markdown),
            ("text/markdown;q=0", "agent/1", Format::Html),
            ("text/*", "agent/1", Format::Html),
            ("application/json", "Mozilla/5.0", Format::Json),
            ("application/json, text/html", "Mozilla/5.0", Format::Html),
            ("application/json, text/html;q=0", "Mozilla/5.0", Format::Json),
            ("*/*", "curl/8.5.0", Format::Json),
            ("*/*", "Wget/1.21", Format::Json),
            ("*/*", "HTTPie/3.2", Format::Json),
            ("*/*", "python-requests/2", Format::Html),
            ("*/*", "", Format::Json),
            ("", "Mozilla/5.0", Format::Html),
            ("", "", Format::Json),
            ("text/markdown;q=nonsense", "agent/1", Format::Html),
        ] {
            assert_eq!(format(accept, agent), wanted, "{accept} | {agent}");
        }
    }

    #[test]
    fn json_is_preferred_only_by_name() {
        for (accept, wanted) in [
            ("application/json", true),
            ("application/json, text/html;q=0.9", true),
            ("application/json, */*", true),
            ("application/json, text/html", false),
            ("application/json;q=0.5, text/markdown", false),
            ("application/json;q=0", false),
            ("*/*", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(prefers_json(&headers), wanted, "{accept}");
        }
    }
}
