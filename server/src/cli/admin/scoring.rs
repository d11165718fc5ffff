//! A project's keys and what its verdicts do.

use quivive_core::score::Threshold;
use serde_json::json;

use super::answer::{Answer, on_off};
use crate::app::App;
use crate::error::{Error, Result};
use crate::tenant::{ScoringSettings, directory};

/// What is changed of a project's settings.
#[derive(clap::Args, Clone, Default)]
pub(super) struct Changes {
    /// Verified bots are allowed before anything else.
    #[arg(long, value_parser = clap::builder::BoolishValueParser::new())]
    allow_verified: Option<bool>,
    /// When off, requests for static files are always allowed.
    #[arg(long, value_parser = clap::builder::BoolishValueParser::new())]
    protect_static: Option<bool>,
    /// The band `definite` is blocked.
    #[arg(long, value_parser = clap::builder::BoolishValueParser::new())]
    block_definite: Option<bool>,
    /// The band `likely_automated` is challenged.
    #[arg(long, value_parser = clap::builder::BoolishValueParser::new())]
    challenge_likely: Option<bool>,
    /// Scores below it count as automated, 1 to 99.
    #[arg(long, value_parser = threshold)]
    threshold: Option<Threshold>,
}

/// Turns scoring on.
pub(super) async fn enable(app: &App, project: i64) -> Result<Answer> {
    let enabled = directory::enable_scoring(app, project).await?;
    let site_key =
        enabled.project.scoring.site_key.ok_or_else(|| Error::internal("the project has no site key"))?;
    let private_key = enabled.private_key.as_deref();
    let told = private_key.unwrap_or("(made before; rotate it to get a new one)");
    let text = format!("site key     {site_key}\nprivate key  {told}");
    Ok(Answer::new(text, json!({ "site_key": site_key, "private_key": private_key })))
}

/// Changes settings, if any are given, and shows all.
pub(super) async fn settings(app: &App, project: i64, given: Changes) -> Result<Answer> {
    let settings = if given.is_empty() {
        directory::project(app, project).await?.scoring.settings
    } else {
        directory::change_settings(app, project, |settings| given.apply(settings)).await?
    };
    let bots = settings.bot_settings;
    let text = format!(
        "allow-verified    {}\nprotect-static    {}\nblock-definite    {}\nchallenge-likely  {}\nthreshold         {}",
        on_off(bots.allow_verified),
        on_off(bots.protect_static),
        on_off(bots.block_definite),
        on_off(bots.challenge_likely),
        settings.likely_bot_threshold.get(),
    );
    let json = json!({ "bot_settings": bots, "likely_bot_threshold": settings.likely_bot_threshold.get() });
    Ok(Answer::new(text, json))
}

impl Changes {
    fn is_empty(&self) -> bool {
        let toggles = [self.allow_verified, self.protect_static, self.block_definite, self.challenge_likely];
        toggles.iter().all(Option::is_none) && self.threshold.is_none()
    }

    fn apply(&self, settings: &mut ScoringSettings) {
        let bots = &mut settings.bot_settings;
        for (place, given) in [
            (&mut bots.allow_verified, self.allow_verified),
            (&mut bots.protect_static, self.protect_static),
            (&mut bots.block_definite, self.block_definite),
            (&mut bots.challenge_likely, self.challenge_likely),
        ] {
            *place = given.unwrap_or(*place);
        }
        settings.likely_bot_threshold = self.threshold.unwrap_or(settings.likely_bot_threshold);
    }
}

fn threshold(text: &str) -> std::result::Result<Threshold, String> {
    let number = text.parse().ok().and_then(|number| Threshold::new(number).ok());
    number.ok_or_else(|| "use a number from 1 to 99".to_owned())
}
