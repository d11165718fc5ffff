//! Lines of access logs: the combined format of Apache and nginx, also with a host in front, and with more fields
//! behind the user agent.

use std::borrow::Cow;
use std::net::IpAddr;

use quivive_core::Timestamp;

use super::record::{Record, path_of};

/// Reads a line.
pub(super) fn parse(line: &str) -> Result<Record<'_>, &'static str> {
    let (before, rest) = line.split_once(" [").ok_or("it has no [time]")?;
    let (time, rest) = rest.split_once("] \"").ok_or("it has no \"request\"")?;
    let (request, rest) = quoted(rest).ok_or("the quotes of the request do not end")?;
    let (_, rest) = rest.split_once('"').ok_or("it has no user agent: the format is not combined")?;
    let (_, rest) = quoted(rest).ok_or("the quotes of the referrer do not end")?;
    let (_, rest) = rest.split_once('"').ok_or("it has no user agent: the format is not combined")?;
    let (user_agent, _) = quoted(rest).ok_or("the quotes of the user agent do not end")?;
    let user_agent = match user_agent {
        "-" => Cow::Borrowed(""),
        text => unescaped(text),
    };
    Ok(Record {
        user_agent: Some(user_agent),
        ip: address_of(before).map(Cow::Borrowed),
        time: time_of(time),
        path: target_of(request).map(|target| unescaped(path_of(target))),
        facts: None,
    })
}

/// The client: the first of the words in front that is an address.
fn address_of(before: &str) -> Option<&str> {
    let mut words = before.split_ascii_whitespace().take(MOST_WORDS_BEFORE);
    words.find(|word| word.parse::<IpAddr>().is_ok())
}

/// The text up to its closing quote, and what follows. A quote inside is escaped; where a server does not do that, the
/// quote that ends the field is followed by a blank or nothing.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut is_escaped = false;
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' if matches!(bytes.get(place + 1), None | Some(b' ' | b'\t' | b',')) => {
                return Some((text.get(..place)?, text.get(place + 1..)?));
            }
            _ => {}
        }
    }
    None
}

/// The text that `\"`, `\\`, `\t` and `\x22` stand for.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let (byte, behind) = match (byte, behind) {
            (b'\\', [b'x', high, low, behind @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (digit(*high) * 16 + digit(*low), behind)
            }
            (b'\\', [b't', behind @ ..]) => (b'\t', behind),
            (b'\\', [escaped @ (b'"' | b'\\'), behind @ ..]) => (*escaped, behind),
            _ => (*byte, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        other => (other | 0x20) - b'a' + 10,
    }
}

/// The target of `GET /path HTTP/1.1`; attacks send requests that are none.
fn target_of(request: &str) -> Option<&str> {
    let mut words = request.split(' ');
    let method = words.next()?;
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    words.next().filter(|target| is_method && !target.is_empty())
}

/// `22/Nov/2026:10:53:25 +0000`, or a time of RFC 3339.
fn time_of(text: &str) -> Option<Timestamp> {
    if text.get(2..3) != Some("/") {
        return Timestamp::parse_utc(&format!("{}Z", text.get(..19)?));
    }
    let name = text.get(3..6)?;
    let month = MONTHS.iter().position(|month| name.eq_ignore_ascii_case(month))? + 1;
    let (day, year, time) = (text.get(..2)?, text.get(7..11)?, text.get(12..20)?);
    Timestamp::parse_utc(&format!("{year}-{month:02}-{day}T{time}Z"))
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const MOST_WORDS_BEFORE: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: &str = "Mozilla/5.0 (compatible; GPTBot/1.3; +https://openai.com/gptbot)";

    fn line(request: &str, agent: &str) -> String {
        format!(
            "192.0.2.1 - - [22/Nov/2026:10:53:25 +0100] \"{request}\" 200 512 \"https://example.com/\" \"{agent}\""
        )
    }

    #[test]
    fn a_combined_line_is_read() {
        let text = line("GET /docs/a?b=c HTTP/1.1", AGENT);
        let record = parse(&text).unwrap();
        assert_eq!(record.user_agent.as_deref(), Some(AGENT));
        assert_eq!(record.ip.as_deref(), Some("192.0.2.1"));
        assert_eq!(record.path.as_deref(), Some("/docs/a"));
        assert_eq!(record.time.unwrap().to_seconds_text(), "2026-11-22T10:53:25Z");
    }

    #[test]
    fn variants_of_servers_are_read() {
        let plain = line("GET / HTTP/2.0", AGENT);
        for text in [
            format!("example.com {plain}"),
            format!("example.com:443 {plain}"),
            plain.replace("192.0.2.1", "2001:db8::1"),
            format!("{plain} \"203.0.113.7\" rt=0.004 uct=\"0.001\""),
            format!("{plain} 0.002 [default-web-80] 10.0.0.7:80"),
            plain.replace("22/Nov/2026:10:53:25 +0100", "2026-11-22T10:53:25+01:00"),
            plain.replace("- - [", "- name.of@user ["),
        ] {
            let record = parse(&text).unwrap();
            assert_eq!(record.user_agent.as_deref(), Some(AGENT), "{text}");
            assert!(record.ip.is_some_and(|ip| ip.contains("2.0.2.1") || ip == "2001:db8::1"), "{text}");
            assert_eq!(record.time.unwrap().to_seconds_text(), "2026-11-22T10:53:25Z", "{text}");
        }
        let named = plain.replace("192.0.2.1", "host.example.net");
        assert_eq!(parse(&named).unwrap().ip, None, "a host's name is no address");
    }

    #[test]
    fn quotes_and_bytes_are_unescaped() {
        for (written, read) in [
            (r#"a \"b\" c"#, r#"a "b" c"#),
            (r"a \x22b\x22 c", r#"a "b" c"#),
            (r"caf\xC3\xA9", "café"),
            (r"back\\slash\q", r"back\slash\q"),
            (r#"raw "quote"s inside"#, r#"raw "quote"s inside"#),
            ("-", ""),
            ("", ""),
        ] {
            let text = line("GET / HTTP/1.1", written);
            assert_eq!(parse(&text).unwrap().user_agent.as_deref(), Some(read), "{text}");
        }
    }

    #[test]
    fn requests_that_are_none_have_no_path() {
        for request in [r"\x16\x03\x01\x02", "-", "", "GET"] {
            let text = line(request, "-");
            let record = parse(&text).unwrap();
            assert_eq!((record.path, record.user_agent.as_deref()), (None, Some("")), "{request}");
        }
    }

    #[test]
    fn lines_of_other_kinds_say_what_is_missing() {
        for (text, reason) in [
            ("", "time"),
            ("hello", "time"),
            ("192.0.2.1 - - [22/Nov/2026:10:53:25 +0000] GET /", "request"),
            ("192.0.2.1 - - [22/Nov/2026:10:53:25 +0000] \"GET / HTTP/1.1", "quotes of the request"),
            ("192.0.2.1 - - [22/Nov/2026:10:53:25 +0000] \"GET / HTTP/1.1\" 200 1", "not combined"),
            ("192.0.2.1 - - [22/Nov/2026:10:53:25 +0000] \"GET / HTTP/1.1\" 200 1 \"-\"", "not combined"),
            ("192.0.2.1 - - [22/Nov/2026:10:53:25 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"cut", "user agent"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn times_that_no_calendar_has_are_none() {
        for text in
            ["32/Nov/2026:10:53:25 +0000", "22/Foo/2026:10:53:25 +0000", "22/Nov/2026:25:00:00", "x", "22/é"]
        {
            assert_eq!(time_of(text), None, "{text}");
        }
    }
}
