//! Rules between settings, checked at start.

use quivive_core::agent::default_classifier;
use quivive_core::decision::PathSet;

use super::{BotConfig, Config, ConfigError};
use crate::mail;

impl Config {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let checks = [
            (
                !self.development || self.listen.ip().is_loopback(),
                "`development` is accepted only while `listen` is a loopback address such as 127.0.0.1:8080",
            ),
            (
                !self.families.is_empty(),
                "`families` is empty: name at least one of botect, botcha, agentshield",
            ),
            (
                self.public_url.as_deref().is_none_or(is_origin),
                "`public_url` must be a scheme and a host without a path, such as https://door.example",
            ),
            (
                self.keys.master_secret.as_deref().is_none_or(|text| is_hex(text, 64)),
                "`keys.master_secret` must be 64 hexadecimal digits (`openssl rand -hex 32` makes one)",
            ),
            (
                self.keys.jwt_secret.as_deref().is_none_or(|text| text.len() >= 32),
                "`keys.jwt_secret` must have at least 32 bytes",
            ),
            (self.storage.read_threads > 0, "`storage.read_threads` must be at least 1"),
            (self.storage.memory_rows >= 1000, "`storage.memory_rows` must be at least 1000"),
            (self.request_timeout_seconds > 0, "`request_timeout_seconds` must be at least 1"),
            (
                (0..=5000).contains(&self.botcha.rtt_cap_ms),
                "`botcha.rtt_cap_ms` must be between 0 and 5000 milliseconds",
            ),
            (
                (60..=86_400).contains(&self.tokens.access_ttl)
                    && (60..=86_400).contains(&self.tokens.refresh_ttl),
                "`tokens.access_ttl` and `tokens.refresh_ttl` must be between 60 and 86400 seconds",
            ),
            (
                self.botcha.internal_app_id.starts_with("app_"),
                "`botcha.internal_app_id` must begin with app_",
            ),
            (
                self.outbound.dns_timeout_ms > 0 && self.verification.timeout_ms > 0,
                "`outbound.dns_timeout_ms` and `verification.timeout_ms` must be at least 1",
            ),
            (
                PathSet::new(&self.agentshield.honeypot_paths).is_ok(),
                "`agentshield.honeypot_paths` must be path patterns of 1 to 256 bytes",
            ),
            (
                self.verification
                    .signature_agents
                    .iter()
                    .all(|origin| origin.starts_with("https://") && is_origin(origin)),
                "`verification.signature_agents` must be https origins such as https://agent.example",
            ),
            (self.verification.concurrency > 0, "`verification.concurrency` must be at least 1"),
            (
                self.verification.bots.iter().all(is_bot),
                "each of `verification.bots` needs a name, a category, a token of three characters or more, and one \
                 of suffixes (domains of two labels or more) and ranges",
            ),
            (
                self.verification.feeds.iter().all(|(feed, url)| is_feed(feed) && is_url(url)),
                "`verification.feeds` must give URLs to lists that `quivive bots list` names",
            ),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            Some((_, message)) => Err(ConfigError(message.to_owned())),
            None => mail::check(self),
        }
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let mut open = self.compat.open();
        if self.botcha.owner_auth == super::OwnerAuth::Compat {
            open.insert(0, "owner_auth");
        }
        if self.botcha.rtt_cap_ms > 1000 {
            open.push("rtt_cap_ms");
        }
        let without_effect = self.compat.without_effect();
        let parts: Vec<String> = [
            ("looser for clients of the original systems, as configured", open),
            ("set, but without effect in this version", without_effect),
        ]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(title, names)| format!("{title}: {}", names.join(", ")))
        .collect();
        let mut warnings = if parts.is_empty() { Vec::new() } else { vec![parts.join("; ")] };
        if !self.outbound.allow_private.is_empty() || self.outbound.allow_http {
            let warning = "`outbound.allow_private` or `outbound.allow_http` is set: this server's own requests may \
                           reach private networks or go unencrypted";
            warnings.push(warning.to_owned());
        }
        if self.webhooks.allow_insecure_webhooks {
            let warning =
                "`webhooks.allow_insecure_webhooks` is set: notices of events may go out unencrypted";
            warnings.push(warning.to_owned());
        }
        if self.agents.allow_test_keys {
            let warning =
                "`agents.allow_test_keys` is set: agents may register keys that anybody can sign with";
            warnings.push(warning.to_owned());
        }
        if let Some(url) = &self.mail.smtp_url {
            if self.public_url.is_none() && !self.development {
                warnings.push("`public_url` is not set: mails with a login code hold no link".to_owned());
            }
            if is_open_mail(url) {
                let warning = "`mail.smtp_url` asks for no TLS: codes and the password go unencrypted; write smtps:// \
                               or add ?tls=required";
                warnings.push(warning.to_owned());
            }
        }
        warnings
    }
}

/// Whether mails may go unencrypted to another machine.
fn is_open_mail(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return true };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_this_machine =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let is_encrypted =
        uri.scheme_str() == Some("smtps") || uri.query().is_some_and(|query| query.contains("tls=required"));
    !is_this_machine && !is_encrypted
}

fn is_bot(bot: &BotConfig) -> bool {
    let is_domain =
        |suffix: &String| suffix.trim_matches('.').split('.').filter(|label| !label.is_empty()).count() >= 2;
    !bot.name.trim().is_empty()
        && !bot.category.trim().is_empty()
        && bot.token.trim().len() >= 3
        && bot.suffixes.len() + bot.ranges.len() > 0
        && bot.suffixes.iter().all(is_domain)
}

fn is_feed(name: &str) -> bool {
    default_classifier().feeds().iter().any(|feed| feed.name == name)
}

fn is_url(text: &str) -> bool {
    text.parse::<http::Uri>()
        .is_ok_and(|url| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some())
}

fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some()
        && uri.path() == "/"
        && uri.query().is_none()
        && !text.ends_with('/')
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Profile;

    #[test]
    fn mails_that_anybody_can_read_on_their_way_are_warned_about() {
        for url in [
            "smtps://mail.example",
            "smtp://mail.example?tls=required",
            "smtp://localhost",
            "smtp://[::1]:25",
        ] {
            assert!(!is_open_mail(url), "{url}");
        }
        for url in ["smtp://mail.example", "smtp://10.0.0.1:25", "smtp://mail.example?tls=opportunistic"] {
            assert!(is_open_mail(url), "{url}");
        }
    }

    #[test]
    fn mails_without_a_public_address_hold_no_links_and_say_so() {
        let mut config = Config::defaults(Profile::Secure).unwrap();
        config.mail.smtp_url = Some("smtps://mail.example".to_owned());
        assert!(config.warnings().iter().any(|warning| warning.contains("`public_url`")));
        config.public_url = Some("https://door.example".to_owned());
        assert!(config.warnings().is_empty());
    }
}
