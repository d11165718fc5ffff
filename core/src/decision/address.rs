//! Addresses to which visitors are sent.

/// A path or an http address, of characters that a header and a page can hold. None of them is one that browsers leave
/// out or take for a slash: `/\host/` and a slash, a tab and `/host/` would lead to another host.
pub(crate) fn is_address(text: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\".contains(&byte);
    let begins = ["/", "http://", "https://"].iter().any(|beginning| text.starts_with(beginning));
    begins && text.len() <= LONGEST_ADDRESS && text.bytes().all(is_fit)
}

/// An address that is a path of the site. Behind two slashes is a host (RFC 3986 section 4.2).
pub(crate) fn is_path(text: &str) -> bool {
    is_address(text) && text.starts_with('/') && !text.starts_with("//")
}

const LONGEST_ADDRESS: usize = 2_048;
