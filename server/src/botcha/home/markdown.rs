//! The page for language models.

use super::guide;
use super::view::Home;
use crate::pages::document::Page;

/// The guide with its front matter; the short one for unverified callers of the `compat` profile.
pub(super) fn render(home: &Home) -> String {
    let Home { base, name, api_version, .. } = home;
    let tagline = home.tagline();
    let blocks = if home.is_short { guide::short(home) } else { guide::whole(home) };
    let page = Page { title: name.clone(), description: tagline.clone(), blocks };
    let front = format!(
        "---\ntitle: {}\ndescription: {}\nversion: {api_version}\nurl: {base}\n---\n\n",
        quoted(name),
        quoted(&tagline)
    );
    front + &page.markdown()
}

/// A text that YAML reads as one, whatever is in it.
fn quoted(text: &str) -> serde_json::Value {
    text.into()
}
