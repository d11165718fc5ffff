//! What mails say. Nothing in them was written by whoever asked for them: no app name, no address of his choice.

use maud::{DOCTYPE, html};

use super::Mail;
use crate::app::App;
use crate::flows::webhooks::Disabled;

/// A part of a letter.
enum Part {
    Text(String),
    /// Something to type.
    Code(String),
    /// Somewhere to go.
    Link(String),
}

/// The code that proves an address; good for ten minutes.
pub fn verification(app: &App, to: &str, app_id: &str, code: &str) -> Mail {
    let parts = vec![
        Part::Text(format!("The app {app_id} was registered with this address. Its verification code is:")),
        Part::Code(code.to_owned()),
        Part::Text("It is good for ten minutes. Hand it to the agent or program that asked you for it.".to_owned()),
        Part::Text(
            "If you expected nothing of the kind, hand the code to nobody: without it the app stays unverified."
                .to_owned(),
        ),
    ];
    mail(app, to, "verification", "Verify your address", Some(code), &parts)
}

/// The code that logs an app's owner in; good once and for ten minutes.
pub fn login(app: &App, to: &str, app_id: &str, code: &str) -> Mail {
    let mut parts = vec![
        Part::Text(format!("Somebody asked for a login to the dashboard of your app {app_id}. The code is:")),
        Part::Code(code.to_owned()),
    ];
    match base(app) {
        Some(base) => {
            parts.push(Part::Text("Enter it here:".to_owned()));
            parts.push(Part::Link(format!("{base}/dashboard/code")));
            parts.push(Part::Text("Or open this link and confirm:".to_owned()));
            parts.push(Part::Link(format!("{base}/go/{code}")));
        }
        None => parts.push(Part::Text(
            "Enter it on the page /dashboard/code of the server that the app is registered with.".to_owned(),
        )),
    }
    parts.push(Part::Text(
        "It is good once and for ten minutes. If that was not you, do nothing, and hand the code to nobody: whoever \
         has it is logged in as you."
            .to_owned(),
    ));
    mail(app, to, "login", "Your login code", Some(code), &parts)
}

/// That the secret of an app was replaced.
pub fn secret_rotated(app: &App, to: &str, app_id: &str) -> Mail {
    let mut parts = vec![
        Part::Text(format!(
            "The secret of your app {app_id} was replaced. The former one holds no more, and other logins, login \
             codes and pairing codes of the app have ended."
        )),
        Part::Text(
            "If that was not you, log in with a code from a mail and replace the secret again:".to_owned(),
        ),
    ];
    parts.push(match base(app) {
        Some(base) => Part::Link(format!("{base}/login")),
        None => Part::Text("the page /login of the server that the app is registered with.".to_owned()),
    });
    mail(app, to, "secret_rotated", "The secret of your app was replaced", None, &parts)
}

/// That somebody signed up with an address that has an app.
pub fn sign_up_attempt(app: &App, to: &str, app_id: &str) -> Mail {
    let mut parts = vec![
        Part::Text(format!(
            "Somebody tried to register an app with this address, which has one already: {app_id}. Nothing was \
             changed."
        )),
        Part::Text("If that was you, log in with a code from a mail instead:".to_owned()),
    ];
    parts.push(match base(app) {
        Some(base) => Part::Link(format!("{base}/login")),
        None => Part::Text("the page /login of the server that the app is registered with.".to_owned()),
    });
    mail(app, to, "sign_up_attempt", "A sign-up with your address", None, &parts)
}

/// That the server switched a webhook off.
pub fn webhook_disabled(app: &App, to: &str, project_id: &str, hook_id: &str, reason: Disabled) -> Mail {
    let reason = match reason {
        Disabled::Gone => "its receiver answered that it is gone for good (status 410)",
        Disabled::Failing => "every delivery of the last 72 hours failed",
    };
    let parts = vec![
        Part::Text(format!(
            "The webhook {hook_id} of your project {project_id} was switched off, because {reason}. Nothing is sent \
             to it any more."
        )),
        Part::Text(
            "Its log of deliveries shows the errors. Switch it on again when the receiver works.".to_owned(),
        ),
    ];
    mail(app, to, "webhook_disabled", "A webhook was switched off", None, &parts)
}

/// What links in mails begin with: only what the operator has set. The host that a request names is its sender's
/// choice, and a link to it would carry the code there.
pub fn base(app: &App) -> Option<String> {
    let local = || app.config.development.then(|| format!("http://{}", app.config.listen));
    app.config.public_url.clone().or_else(local)
}

fn mail(app: &App, to: &str, kind: &'static str, subject: &str, code: Option<&str>, parts: &[Part]) -> Mail {
    let name = &app.config.service_name;
    Mail {
        to: to.to_owned(),
        subject: format!("{name}: {subject}"),
        text: text(parts, name),
        html: markup(parts, name),
        kind,
        code: code.map(str::to_owned),
    }
}

fn text(parts: &[Part], name: &str) -> String {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(words) => text.push_str(words),
            Part::Code(code) => text.push_str(&format!("    {code}")),
            Part::Link(address) => text.push_str(&format!("    {address}")),
        }
        text.push_str("\n\n");
    }
    text.push_str(&format!("-- \n{name}\n"));
    text
}

fn markup(parts: &[Part], name: &str) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (name) } }
            body {
                @for part in parts {
                    @match part {
                        Part::Text(words) => p { (words) },
                        Part::Code(code) => p { big { strong { code { (code) } } } },
                        Part::Link(address) => p { a href=(address) { (address) } },
                    }
                }
                p { small { (name) } }
            }
        }
    }
    .into_string()
}
