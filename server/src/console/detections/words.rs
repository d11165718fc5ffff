//! Plain words for what the classifier and the policy say.

use maud::{Markup, html};
use quivive_core::agent::{BotType, Group, Purpose, SubType, VerificationMethod, VerificationStatus};
use quivive_core::decision::Action;

use crate::flows::detection::row::{TYPES, name};

/// A type for people.
pub(super) fn bot_type(bot_type: BotType) -> &'static str {
    match bot_type {
        BotType::AiAgent => "AI agent",
        BotType::Crawler => "Crawler",
        BotType::Scraper => "Scraper",
        BotType::Automation => "Automation",
        BotType::Monitoring => "Monitoring",
        BotType::SecurityScanner => "Security scanner",
        BotType::UnknownBot => "Unknown bot",
        BotType::Human => "Person",
        BotType::Unknown => "Not known",
    }
}

/// A type by its name on the wire.
pub(super) fn bot_type_named(wanted: &str) -> &'static str {
    TYPES.iter().find(|(_, name)| *name == wanted).map_or("Not known", |(known, _)| bot_type(*known))
}

/// A finer type: its name with spaces.
pub(super) fn sub_type(sub_type: SubType) -> String {
    crate::console::words::capitalised(&name(&sub_type).replace('_', " ")).replace("Ai ", "AI ")
}

/// What a purpose is called.
pub(super) fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Training => "Training of AI models",
        Purpose::Search => "AI search",
        Purpose::UserTriggered => "On a person's request",
        Purpose::AgenticBrowser => "Agentic browsing",
        Purpose::SearchEngine => "Search engine",
        Purpose::LinkPreview => "Link preview",
        Purpose::Feed => "Feeds",
        Purpose::Archive => "Archive",
        Purpose::Research => "Research",
        Purpose::Seo => "Search engine optimisation",
        Purpose::Advertising => "Advertising",
        Purpose::Monitoring => "Monitoring",
        Purpose::Security => "Security",
        Purpose::Scraping => "Scraping",
        Purpose::Automation => "Automation",
        Purpose::Other => "Other",
    }
}

/// What a verification means.
pub(super) fn verification(status: VerificationStatus) -> &'static str {
    match status {
        VerificationStatus::Verified => "Its identity was proven.",
        VerificationStatus::Claimed => "It claims an identity that was neither proven nor refuted.",
        VerificationStatus::Spoofed => "It claims an identity that is not its own.",
        VerificationStatus::None => "It claims no identity.",
    }
}

/// What an identity was judged by.
pub(super) fn proof(method: VerificationMethod) -> &'static str {
    match method {
        VerificationMethod::HttpSignature => "a message signature",
        VerificationMethod::IpRange => "its operator's published addresses",
        VerificationMethod::Fcrdns => "its host name, looked up both ways",
        VerificationMethod::Token => "a signed token",
        VerificationMethod::None => "nothing",
    }
}

/// A verification as a chip; nothing when no identity was claimed.
pub(super) fn verification_chip(status: VerificationStatus) -> Markup {
    let tone = match status {
        VerificationStatus::Verified => Some("good"),
        VerificationStatus::Spoofed => Some("bad"),
        _ => None,
    };
    html! {
        @if status != VerificationStatus::None { span class="chip" data-tone=[tone] { (name(&status)) } }
    }
}

/// Whether it was a bot, and how surely.
pub(super) fn judged(is_bot: bool, bot_type: BotType, confidence: f64) -> Markup {
    let band = match (is_bot, bot_type) {
        (true, _) => "definite",
        (false, BotType::Human) => "likely_human",
        _ => "not_computed",
    };
    html! {
        span class="badge" data-band=(band) { b { (percent(confidence)) } " " span { (self::bot_type(bot_type)) } }
    }
}

/// A share of one in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A policy's action as a chip.
pub(super) fn action_chip(action: Action) -> Markup {
    let name = name(&action);
    html! { span class="action" data-action=(name) { (name) } }
}

/// The plane on which a signal was seen.
pub(super) fn group(id: &str) -> &'static str {
    match Group::of(id) {
        Some(Group::Signature) => "Signature",
        Some(Group::UserAgent) => "User agent",
        Some(Group::Headers) => "Headers",
        Some(Group::Network) => "Network",
        Some(Group::Tls) => "TLS",
        Some(Group::Behavior) => "Behaviour",
        Some(Group::Client) => "Script on the page",
        None => "Other",
    }
}
