//! Every endpoint, as the OpenAPI documents describe it.

use maud::{Markup, html};

use crate::app::App;
use crate::botcha::catalogue::{self, Operation, by_subject};
use crate::pages::document::{Block, anchor, inline, line};

/// The reference, by subject.
pub(super) fn blocks(app: &App) -> Vec<Block> {
    let operations = catalogue::operations(app);
    let mut blocks = vec![Block::heading("Reference"), contents(&operations)];
    for group in by_subject(&operations) {
        let Some(first) = group.first() else { continue };
        blocks.push(Block::Heading(first.subject().title.to_owned()));
        blocks.push(Block::Both {
            html: html! { @for operation in group { (section(operation)) } },
            markdown: group.iter().map(|operation| entry(operation)).collect(),
        });
    }
    blocks
}

/// Links to the subjects; Markdown needs none.
fn contents(operations: &[&Operation]) -> Block {
    Block::Both {
        html: html! {
            ul class="links" { @for group in by_subject(operations) { @if let Some(first) = group.first() {
                @let title = first.subject().title;
                li { a href=(format!("#{}", anchor(title))) { (title) } " " span class="fine" { (group.len()) } }
            } } }
        },
        markdown: "A `?` marks what may be left out; after the arrow stand the statuses.".to_owned(),
    }
}

fn section(operation: &Operation) -> Markup {
    let anchor = operation.anchor();
    let is_put = |place: &str| operation.parameters.iter().any(|parameter| parameter.place == place);
    html! {
        section class="operation" id=(anchor) {
            h3 { a href=(format!("#{anchor}")) { code class="verb" { (operation.method) } " " code { (operation.path) } } }
            p { (inline(&operation.summary)) }
            dl {
                @for (place, title) in [("path", "In the path"), ("query", "In the query"), ("header", "In headers")] {
                    @if is_put(place) {
                        dt { (title) }
                        @for parameter in operation.parameters.iter().filter(|parameter| parameter.place == place) {
                            dd { code { (parameter.name) } " " (inline(&parameter.meaning)) }
                        }
                    }
                }
                @if !operation.body.is_empty() {
                    dt { "In the body" }
                    dd { @for member in &operation.body { code { (member) } " " } }
                }
                @if !operation.credentials.is_empty() {
                    dt { "Proof" }
                    dd { @for name in &operation.credentials { code { (name) } " " } }
                }
                dt { "Answers" }
                dd { @for status in &operation.statuses { code { (status) } " " } }
            }
        }
    }
}

/// The same in one line.
fn entry(operation: &Operation) -> String {
    let mut text = format!("- `{} {}` {}", operation.method, operation.path, line(&operation.summary));
    let names = |place: &str| -> Vec<&str> {
        let of_place = operation.parameters.iter().filter(|parameter| parameter.place == place);
        of_place.map(|parameter| parameter.name.as_str()).collect()
    };
    for (place, names) in [("query", names("query")), ("headers", names("header"))] {
        if !names.is_empty() {
            text.push_str(&format!(" {place}: {}.", names.join(", ")));
        }
    }
    if !operation.body.is_empty() {
        text.push_str(&format!(" Body: {}.", operation.body.join(", ")));
    }
    if !operation.credentials.is_empty() {
        text.push_str(&format!(" Proof: {}.", operation.credentials.join(" or ")));
    }
    text.push_str(&format!(" → {}\n", operation.statuses.join(" ")));
    text
}
