//! The parts of a URI as they stand, nothing decoded.

/// `authority` and the rest, of what follows `://`.
pub(crate) fn split_authority(text: &str) -> (&str, &str) {
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Path and query of a request target (RFC 9112 section 3.2); the query is `None` when there is no `?`.
pub(crate) fn path_and_query(target: &str) -> (&str, Option<&str>) {
    let origin = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with(['/', '?']) => split_authority(rest).1,
        _ if target.starts_with(['/', '?']) => target,
        // `*` and the authority of CONNECT have no path.
        _ => "",
    };
    let (path, query) = origin.split_once('?').map_or((origin, None), |(path, query)| (path, Some(query)));
    (if path.is_empty() { "/" } else { path }, query)
}

/// Host in lower case, without the scheme's default port (RFC 9421 section 2.2.3); a missing scheme counts as
/// `https`. `None` for what cannot be a host with a port.
pub(crate) fn authority(scheme: Option<&str>, authority: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"@/\\?#\"<>^`{|}".contains(&byte);
    if authority.is_empty() || !authority.bytes().all(is_plain) {
        return None;
    }
    let default =
        if scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("http")) { ":80" } else { ":443" };
    let host = authority.strip_suffix(default).or_else(|| authority.strip_suffix(':')).unwrap_or(authority);
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_every_form_have_path_and_query() {
        for (target, path, query) in [
            ("/", "/", None),
            ("", "/", None),
            ("/a%2Fb/../c?x=1?y", "/a%2Fb/../c", Some("x=1?y")),
            ("?x", "/", Some("x")),
            ("/?", "/", Some("")),
            ("https://Host.example/a?b", "/a", Some("b")),
            ("http://host.example?b", "/", Some("b")),
            ("http://host.example", "/", None),
            ("*", "/", None),
            ("host.example:443", "/", None),
            ("/go?to=https://other.example/x", "/go", Some("to=https://other.example/x")),
        ] {
            assert_eq!(path_and_query(target), (path, query), "{target}");
        }
    }

    #[test]
    fn authorities_are_normalized_and_unreal_ones_refused() {
        for (scheme, given, expected) in [
            (Some("https"), "Example.COM:443", Some("example.com")),
            (Some("HTTP"), "example.com:80", Some("example.com")),
            (Some("http"), "example.com:443", Some("example.com:443")),
            (Some("https"), "example.com:8443", Some("example.com:8443")),
            (None, "example.com:443", Some("example.com")),
            (None, "[2001:DB8::1]:443", Some("[2001:db8::1]")),
            (None, "user@example.com", None),
            (None, "a b", None),
            (None, "ex\u{e4}mple.com", None),
            (None, ":443", None),
            (None, "", None),
        ] {
            assert_eq!(authority(scheme, given).as_deref(), expected, "{given}");
        }
    }
}
