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

/// Where the tag goes: before the first `</head>`, else before the last `</body>`; never inside a comment or an element
/// whose content is text, because a page may hold words of its visitors there.
pub(super) fn place(html: &[u8]) -> Option<usize> {
    let (mut at, mut body) = (0, None);
    while let Some(next) = html.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'<')) {
        at += next;
        if starts(html, at, b"</head>") {
            return Some(at);
        }
        if starts(html, at, b"</body>") {
            body = Some(at);
        }
        at = match TEXT_ELEMENTS.iter().find(|(begin, _)| starts(html, at, begin)) {
            Some((begin, end)) => match find(html, at + begin.len(), end) {
                Some(end) => end + 1,
                // It swallows the rest of the page.
                None => return body,
            },
            None => at + 1,
        };
    }
    body
}

/// Whether the page has the collector's tag already; words that only stand in the page are no tag.
pub(super) fn is_tagged(html: &[u8]) -> bool {
    let mut at = 0;
    while let Some(begin) = find(html, at, b"<script") {
        let end = find(html, begin, b">").unwrap_or(html.len());
        let tag = html.get(begin..end).unwrap_or_default();
        if find(tag, 0, MARK.as_bytes()).is_some() {
            return true;
        }
        at = end;
    }
    false
}

/// Begin and end of what holds text rather than elements.
const TEXT_ELEMENTS: [(&[u8], &[u8]); 6] = [
    (b"<!--", b"-->"),
    (b"<script", b"</script"),
    (b"<style", b"</style"),
    (b"<textarea", b"</textarea"),
    (b"<title", b"</title"),
    (b"<template", b"</template"),
];

/// The nonce of a `Content-Security-Policy` that allows scripts by one.
pub(super) fn nonce(policy: &str) -> Option<&str> {
    let is_of_scripts = |directive: &&str| {
        let name = directive.split_ascii_whitespace().next().unwrap_or_default();
        ["script-src", "script-src-elem", "default-src"].contains(&name.to_ascii_lowercase().as_str())
    };
    let sources = policy.split(';').filter(is_of_scripts).flat_map(str::split_ascii_whitespace);
    sources.filter_map(|source| source.strip_prefix("'nonce-")?.strip_suffix('\'')).next()
}

fn starts(html: &[u8], at: usize, text: &[u8]) -> bool {
    html.get(at..at + text.len()).is_some_and(|part| part.eq_ignore_ascii_case(text))
}

/// The next place of the text, in any case of letters.
fn find(html: &[u8], from: usize, text: &[u8]) -> Option<usize> {
    let rest = html.get(from..)?;
    rest.windows(text.len()).position(|window| window.eq_ignore_ascii_case(text)).map(|place| from + place)
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
        assert_eq!(at("<HEAD></HEAD><body></head></body>").as_deref(), Some("</HEAD><body></head></body>"));
        assert_eq!(at("<p>a<BODY>b</BODY>").as_deref(), Some("</BODY>"));
        assert_eq!(at("<p>a fragment"), None);
        assert_eq!(at(""), None);
    }

    #[test]
    fn words_of_visitors_neither_move_the_tag_nor_stand_for_it() {
        let end = |html: &str| place(html.as_bytes()).map(|at| html.get(at..).unwrap().to_owned());
        for text in [
            "<script>let name = \"</head><img onerror=alert(1)>\";</script>",
            "<!-- </head> -->",
            "<style>/* </head> */</style>",
            "<title></head></title>",
            "<textarea></head></textarea>",
            "<template></head></template>",
        ] {
            assert_eq!(end(&format!("<head>{text}</head>a")).as_deref(), Some("</head>a"), "{text}");
            assert_eq!(end(&format!("<body>{text}</body>")).as_deref(), Some("</body>"), "{text}");
        }
        assert_eq!(end("<body></body><script></head>").as_deref(), Some("</body><script></head>"));
        assert!(is_tagged(b"<script></script><SCRIPT async data-botect-sdk src=x>"));
        assert!(!is_tagged(b"<script async>data-botect-sdk</script><p>data-botect-sdk"));
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
