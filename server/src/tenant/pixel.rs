//! Pixels: public ids by which pages report what happens on them.

use quivive_core::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Account, Project, credentials, directory};
use crate::app::App;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{Record, Versioned};

/// A pixel of a project.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Pixel {
    /// `px_` and 20 characters of lower-case base32 (Crockford); public.
    pub id: String,
    /// The project that its events are recorded for.
    pub project_id: i64,
    /// What it does.
    pub settings: PixelSettings,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a pixel does, and what its script is told to do.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[schema(as = AgentshieldPixelSettings)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct PixelSettings {
    /// Whether it takes events.
    pub enabled: bool,
    /// Paths on which the script reports nothing; `*` is any run without `/`, `**` any run.
    #[schema(max_items = 100)]
    pub skip_paths: Vec<String>,
    /// Domains whose pages, and those of their subdomains, may send events; all when empty.
    #[schema(max_items = 100)]
    pub allowed_domains: Vec<String>,
    /// Events that the script collects before it sends them.
    #[schema(minimum = 1, maximum = 100)]
    pub batch_size: u32,
    /// Milliseconds after which the script sends what it has.
    #[schema(minimum = 100, maximum = 60_000)]
    pub flush_interval: u32,
    /// Milliseconds without an event after which the script begins a new session.
    #[schema(minimum = 60_000, maximum = 86_400_000)]
    pub session_timeout: u32,
    /// Whether a visitor who asks not to be tracked (`DNT`, `Sec-GPC`) is only counted.
    pub respect_do_not_track: bool,
    /// Whether the script reports what it sees of the browser.
    pub enable_fingerprinting: bool,
    /// Whether the script writes what it does to the browser's console.
    pub debug: bool,
}

impl Default for PixelSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            skip_paths: Vec::new(),
            allowed_domains: Vec::new(),
            batch_size: 10,
            flush_interval: 5_000,
            session_timeout: 1_800_000,
            respect_do_not_track: true,
            enable_fingerprinting: true,
            debug: false,
        }
    }
}

impl PixelSettings {
    /// Whether pages of a host may send events: one of the allowed domains or a subdomain of one, in any case.
    pub fn allows_host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let is_of = |domain: &String| {
            host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.allowed_domains.is_empty() || self.allowed_domains.iter().any(is_of)
    }
}

impl Record for Pixel {
    const KIND: &'static str = "pixel";
    fn id(&self) -> String {
        self.id.clone()
    }
    fn parent(&self) -> String {
        self.project_id.to_string()
    }
}

/// A pixel with its project and account.
#[derive(Clone, Debug)]
pub struct PixelHolder {
    /// The pixel.
    pub pixel: Pixel,
    /// Its project.
    pub project: Project,
    /// The owner of the project.
    pub account: Account,
}

impl PixelHolder {
    /// Whether it takes events: it is enabled and its project is in use.
    pub fn is_active(&self) -> bool {
        self.pixel.settings.enabled && self.project.is_active
    }
}

/// The pixels that one project may have.
pub const MOST_PIXELS: usize = 100;

/// Makes a pixel; `id` fixes its id.
///
/// # Errors
/// `CONFLICT` when the fixed id is taken, `TOO_MANY` when the project has [`MOST_PIXELS`].
pub async fn create(app: &App, project: i64, settings: PixelSettings, id: Option<String>) -> Result<Pixel> {
    let id = id.unwrap_or_else(|| credentials::new_pixel_id(app));
    let pixel = Pixel { id, project_id: project, settings, created_at: app.now() };
    app.storage.insert_of(&pixel, MOST_PIXELS).await?;
    Ok(pixel)
}

/// The pixel of a project.
///
/// # Errors
/// `NOT_FOUND` when there is none, or it is another project's.
pub async fn read(app: &App, project: i64, id: &str) -> Result<Pixel> {
    let found = app.storage.get::<Pixel>(id).await?.map(|Versioned { value, .. }| value);
    found.filter(|pixel| pixel.project_id == project).ok_or_else(missing)
}

/// The pixels of a project in the order in which they were made.
///
/// # Errors
/// When storage does not answer.
pub async fn list(app: &App, project: i64) -> Result<Vec<Pixel>> {
    let found = app.storage.list::<Pixel>(&project.to_string(), None, MOST_PIXELS).await?;
    let mut pixels: Vec<Pixel> = found.into_iter().map(|pixel| pixel.value).collect();
    pixels.sort_by(|left, right| (left.created_at, &left.id).cmp(&(right.created_at, &right.id)));
    Ok(pixels)
}

/// Changes the settings of a pixel; `change` may run again when another request was faster.
///
/// # Errors
/// `NOT_FOUND` when there is none, or it is another project's.
pub async fn change(app: &App, project: i64, id: &str, change: impl Fn(&mut PixelSettings)) -> Result<Pixel> {
    read(app, project, id).await?;
    let mut changed = None;
    app.storage
        .update(id, |mut pixel: Pixel| {
            change(&mut pixel.settings);
            changed = Some(pixel.clone());
            Some(pixel)
        })
        .await?;
    app.callers.forget();
    changed.ok_or_else(missing)
}

/// Deletes a pixel.
///
/// # Errors
/// `NOT_FOUND` when there is none, or it is another project's.
pub async fn delete(app: &App, project: i64, id: &str) -> Result<()> {
    read(app, project, id).await?;
    let was_there = app.storage.delete::<Pixel>(id).await?;
    app.callers.forget();
    if was_there { Ok(()) } else { Err(missing()) }
}

/// A pixel by its id, whether it takes events or not, with its project and account.
///
/// # Errors
/// When storage does not answer.
pub async fn holder(app: &App, id: &str) -> Result<Option<PixelHolder>> {
    let Some(pixel) = app.storage.get::<Pixel>(id).await? else { return Ok(None) };
    let project = match directory::project(app, pixel.project_id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let account = directory::account(app, project.account_id).await?;
    Ok(Some(PixelHolder { pixel: pixel.value, project, account }))
}

/// Counts a visitor who asked not to be tracked.
///
/// # Errors
/// When storage does not answer.
pub async fn count_untracked(app: &App, id: &str) -> Result<()> {
    let day = today(app);
    app.storage.counters().add(&untracked_key(id), day, 1, day.plus_milliseconds(DAY)).await?;
    Ok(())
}

/// How many requests of this UTC day asked not to be tracked.
///
/// # Errors
/// When storage does not answer.
pub async fn untracked_today(app: &App, id: &str) -> Result<i64> {
    Ok(app.storage.counters().read(&untracked_key(id), today(app)).await?)
}

/// Whether a text has the form of a pixel's id; only such are looked up.
pub fn is_id(text: &str) -> bool {
    let rest = text.strip_prefix("px_").unwrap_or_default();
    rest.len() == 20 && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn untracked_key(id: &str) -> String {
    format!("agentshield/untracked/{id}")
}

fn today(app: &App) -> Timestamp {
    Timestamp::from_milliseconds(app.now().milliseconds().div_euclid(DAY) * DAY)
}

fn missing() -> Error {
    Error::not_found("There is no such pixel.").with("resource", "pixel")
}

const DAY: i64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_stands_for_itself_and_its_subdomains() {
        let settings =
            PixelSettings { allowed_domains: vec!["example.org".to_owned()], ..PixelSettings::default() };
        for (host, is_allowed) in [
            ("example.org", true),
            ("Shop.Example.ORG", true),
            ("badexample.org", false),
            ("example.org.evil.example", false),
            ("org", false),
            ("", false),
        ] {
            assert_eq!(settings.allows_host(host), is_allowed, "{host}");
        }
        assert!(PixelSettings::default().allows_host("anything"));
    }

    #[test]
    fn ids_have_a_form() {
        assert!(is_id("px_0123456789abcdefghjk"));
        for text in
            ["", "px_", "px_0123456789abcdefghj", "px_0123456789ABCDEFGHJK", "pk_0123456789abcdefghjk"]
        {
            assert!(!is_id(text), "{text}");
        }
    }
}
