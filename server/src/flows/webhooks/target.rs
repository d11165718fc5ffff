//! Which URLs a webhook may have. What a name leads to is checked at each delivery.

use reqwest::Url;

use crate::app::App;

/// Why a URL is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// It cannot be read, or has no host.
    Syntax,
    /// It is not `https`.
    Scheme,
    /// It holds a user name or a password.
    Credentials,
    /// It names a port that the server does not send to.
    Port,
    /// Its host is this machine or the network around it, by name or by address.
    Private,
}

impl Refused {
    /// The rule that it breaks.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Syntax => "url",
            Self::Scheme => "https",
            Self::Credentials => "no_credentials",
            Self::Port => "port",
            Self::Private => "public_host",
        }
    }
}

/// Checks a URL without asking anybody.
///
/// # Errors
/// The first rule that it breaks.
pub fn check(app: &App, text: &str) -> Result<(), Refused> {
    let config = &app.config.webhooks;
    let url = Url::parse(text).map_err(|_| Refused::Syntax)?;
    match url.scheme() {
        "https" => {}
        "http" if config.allow_insecure_webhooks || app.config.outbound.allow_http => {}
        _ => return Err(Refused::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refused::Credentials);
    }
    let host = url.host_str().ok_or(Refused::Syntax)?;
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let is_inner = |inner: &&str| name == **inner || name.ends_with(&format!(".{inner}"));
    if INNER_NAMES.iter().any(is_inner) || !app.outbound.permits_literal(host) {
        return Err(Refused::Private);
    }
    let port = url.port_or_known_default();
    if !config.ports.is_empty() && !port.is_some_and(|port| config.ports.contains(&port)) {
        return Err(Refused::Port);
    }
    Ok(())
}

/// Names of this machine and of inner networks (RFC 6761, 6762, 8375, and the reserved `internal`).
const INNER_NAMES: [&str; 4] = ["localhost", "local", "internal", "home.arpa"];
