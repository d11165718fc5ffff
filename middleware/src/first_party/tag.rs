//! The collector's tag, and where it goes in a page.

/// What the collector's tag says.
pub(super) struct Tag<'a> {
    pub collector: &'a str,
    pub site_key: &'a str,
    pub endpoint: &'a str,
    pub nonce: Option<&'a str>,
}

impl Tag<'_> {
    pub fn render(&self) -> String {
        let nonce = self.nonce.map(|nonce| format!(" nonce=\"{}\"", escape(nonce))).unwrap_or_default();
        format!(
            "<script async {MARK} src=\"{}\" data-site-key=\"{}\" data-endpoint=\"{}\"{nonce}></script>",
            escape(self.collector),
            escape(self.site_key),
            escape(self.endpoint),
        )
    }
}

/// What a page with a collector's tag has.
pub(super) const MARK: &str = "data-botect-sdk";

/// Where the tag goes: before the last `</head>`, else before the last `</body>`.
pub(super) fn place(html: &[u8]) -> Option<usize> {
    last(html, b"</head>").or_else(|| last(html, b"</body>"))
}

/// Whether the page has the collector's tag already.
pub(super) fn is_tagged(html: &[u8]) -> bool {
    last(html, MARK.as_bytes()).is_some()
}

/// The nonce of a `Content-Security-Policy` that allows scripts by one.
pub(super) fn nonce(policy: &str) -> Option<&str> {
    let is_of_scripts = |directive: &&str| {
        let name = directive.split_ascii_whitespace().next().unwrap_or_default();
        ["script-src", "script-src-elem", "default-src"].contains(&name.to_ascii_lowercase().as_str())
    };
    let sources = policy.split(';').filter(is_of_scripts).flat_map(str::split_ascii_whitespace);
    sources.filter_map(|source| source.strip_prefix("'nonce-")?.strip_suffix('\'')).next()
}

fn last(html: &[u8], text: &[u8]) -> Option<usize> {
    html.windows(text.len()).rposition(|window| window.eq_ignore_ascii_case(text))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_stands_before_the_end_of_the_head_or_body() {
        let at = |html: &str| place(html.as_bytes()).map(|at| html.get(at..).unwrap().to_owned());
        assert_eq!(at("<head></head><body></body>").as_deref(), Some("</head><body></body>"));
        assert_eq!(at("<HEAD></HEAD><body></head></body>").as_deref(), Some("</head></body>"));
        assert_eq!(at("<p>a<BODY>b</BODY>").as_deref(), Some("</BODY>"));
        assert_eq!(at("<p>a fragment"), None);
        assert_eq!(at(""), None);
        assert!(is_tagged(b"<script async data-botect-sdk src=x>") && !is_tagged(b"<script async>"));
    }

    #[test]
    fn values_cannot_leave_their_attribute() {
        let tag =
            Tag { collector: "https://a/?b&c", site_key: "pk_\"><i>", endpoint: "/e'", nonce: Some("n\"") };
        assert_eq!(
            tag.render(),
            "<script async data-botect-sdk src=\"https://a/?b&amp;c\" data-site-key=\"pk_&quot;&gt;&lt;i&gt;\" \
             data-endpoint=\"/e&#39;\" nonce=\"n&quot;\"></script>"
        );
    }

    #[test]
    fn the_nonce_is_that_of_scripts() {
        let policy = "style-src 'nonce-style'; script-src 'self' 'nonce-abc=' 'strict-dynamic'";
        assert_eq!(nonce(policy), Some("abc="));
        assert_eq!(nonce("default-src 'self'"), None);
        assert_eq!(nonce(""), None);
    }
}
