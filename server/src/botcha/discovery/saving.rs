//! How much shorter the Markdown of our pages is than their HTML: measured, not claimed.

use crate::app::App;
use crate::botcha::{documents, home};
use crate::error::Result;

/// How many percent fewer bytes the Markdown of `/` and `/docs` together has than their HTML, rounded down. Tokens go
/// by bytes.
///
/// # Errors
/// If storage does not answer.
pub(super) async fn percent(app: &App, base: &str) -> Result<usize> {
    let [home_html, home_markdown] = home::both_forms(app, base).await?;
    let [docs_html, docs_markdown] = documents::both_forms(app, base);
    let html = home_html.len() + docs_html.len();
    let markdown = home_markdown.len() + docs_markdown.len();
    Ok(html.saturating_sub(markdown) * 100 / html.max(1))
}
