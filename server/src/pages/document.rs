//! One view model of a page, rendered as HTML for people and as Markdown for language models.
//!
//! Text is plain; what stands between backticks is code.

use maud::{Markup, PreEscaped, html};

/// A page without its frame.
#[derive(Debug, Default)]
pub struct Page {
    /// The heading.
    pub title: String,
    /// One sentence, for those who link to the page.
    pub description: String,
    /// The content, in order.
    pub blocks: Vec<Block>,
}

/// A part of a page.
#[derive(Debug)]
pub enum Block {
    /// A heading below the title.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// Points without an order.
    List(Vec<String>),
    /// Points that are done in order.
    Steps(Vec<String>),
    /// Something to type.
    Code(String),
    /// Names and their values.
    Facts(Vec<(String, String)>),
    /// A table.
    Table {
        /// The names of the columns.
        head: Vec<String>,
        /// The rows, as wide as the head.
        rows: Vec<Vec<String>>,
    },
    /// A short message about what happened.
    Notice(Tone, String),
    /// Texts and where they lead.
    Links(Vec<(String, String)>),
    /// Something to fill in and send.
    Form(Form),
    /// Blocks in a frame of their own.
    Card(Vec<Block>),
    /// What has its own form in each.
    Both {
        /// For people.
        html: Markup,
        /// For models.
        markdown: String,
    },
}

/// How a notice is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Something went wrong.
    Bad,
}

/// A form.
#[derive(Debug)]
pub struct Form {
    /// Where it is sent, by POST.
    pub action: String,
    /// What is filled in.
    pub fields: Vec<Field>,
    /// The buttons: name and value that are sent (if any), and the label.
    pub buttons: Vec<Button>,
}

/// A field of a form.
#[derive(Debug)]
pub struct Field {
    /// The name that is sent.
    pub name: &'static str,
    /// What people read.
    pub label: String,
    /// The type of the input: `text`, `email`, `password`, `hidden`.
    pub kind: &'static str,
    /// What it holds at first.
    pub value: String,
    /// What a browser may fill in: `email`, `one-time-code`, `off`.
    pub autocomplete: &'static str,
    /// What an example looks like.
    pub example: &'static str,
}

/// A button of a form.
#[derive(Debug)]
pub struct Button {
    /// What people read.
    pub label: String,
    /// The name and value that are sent.
    pub value: Option<(&'static str, &'static str)>,
    /// Whether it takes something away.
    pub is_danger: bool,
}

impl Button {
    /// A button that sends the form.
    pub fn send(label: &str) -> Self {
        Self { label: label.to_owned(), value: None, is_danger: false }
    }
}

impl Page {
    /// The content as HTML: a heading and the blocks.
    pub fn html(&self) -> Markup {
        html! {
            h1 class="page-title" { (self.title) }
            @for block in &self.blocks { (block.html()) }
        }
    }

    /// The whole page as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n", line(&self.title));
        for block in &self.blocks {
            text.push('\n');
            block.write_markdown(&mut text);
        }
        text
    }
}

impl Block {
    /// A paragraph.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A heading.
    pub fn heading(text: impl Into<String>) -> Self {
        Self::Heading(text.into())
    }

    /// The block as HTML.
    pub fn html(&self) -> Markup {
        match self {
            Self::Heading(text) => html! { h2 id=(anchor(text)) { (inline(text)) } },
            Self::Text(text) => html! { p { (inline(text)) } },
            Self::List(items) => html! { ul class="plain" { @for item in items { li { (inline(item)) } } } },
            Self::Steps(items) => {
                html! { ol class="numbered" { @for item in items { li { (inline(item)) } } } }
            }
            Self::Code(code) => html! { pre tabindex="0" { (code) } },
            Self::Facts(facts) => html! {
                dl class="facts-list" { @for (name, value) in facts { div { dt { (name) } dd { (inline(value)) } } } }
            },
            Self::Table { head, rows } => html! {
                div class="scroll" { table {
                    thead { tr { @for cell in head { th scope="col" { (inline(cell)) } } } }
                    tbody { @for row in rows { tr { @for cell in row { td { (inline(cell)) } } } } }
                } }
            },
            Self::Notice(Tone::Good, text) => html! { p class="notice" role="status" { (inline(text)) } },
            Self::Notice(Tone::Bad, text) => {
                html! { p class="notice" data-tone="bad" role="alert" { (inline(text)) } }
            }
            Self::Links(links) => html! {
                ul class="links" { @for (text, target) in links { li { a href=(target) { (text) } } } }
            },
            Self::Form(form) => form.html(),
            Self::Card(blocks) => html! { section class="card" { @for block in blocks { (block.html()) } } },
            Self::Both { html, .. } => html.clone(),
        }
    }

    fn write_markdown(&self, text: &mut String) {
        match self {
            Self::Heading(heading) => text.push_str(&format!("## {}\n", line(heading))),
            Self::Text(paragraph) => text.push_str(&format!("{}\n", line(paragraph))),
            Self::List(items) => items.iter().for_each(|item| text.push_str(&format!("- {}\n", line(item)))),
            Self::Steps(items) => {
                for (number, item) in items.iter().enumerate() {
                    text.push_str(&format!("{}. {}\n", number + 1, line(item)));
                }
            }
            Self::Code(code) => text.push_str(&format!("```\n{}\n```\n", code.replace("```", "'''"))),
            Self::Facts(facts) => {
                facts
                    .iter()
                    .for_each(|(name, value)| text.push_str(&format!("- {}: {}\n", line(name), line(value))));
            }
            Self::Table { head, rows } => {
                text.push_str(&row(head));
                text.push_str(&format!("|{}\n", "---|".repeat(head.len())));
                rows.iter().for_each(|cells| text.push_str(&row(cells)));
            }
            Self::Notice(_, notice) => text.push_str(&format!("> {}\n", line(notice))),
            Self::Links(links) => {
                links
                    .iter()
                    .for_each(|(name, target)| text.push_str(&format!("- [{}]({target})\n", line(name))));
            }
            Self::Form(form) => text.push_str(&form.markdown()),
            Self::Card(blocks) => {
                for (number, block) in blocks.iter().enumerate() {
                    if number > 0 {
                        text.push('\n');
                    }
                    block.write_markdown(text);
                }
            }
            Self::Both { markdown, .. } => {
                text.push_str(markdown.trim_end());
                text.push('\n');
            }
        }
    }
}

impl Form {
    fn html(&self) -> Markup {
        html! {
            form method="post" action=(self.action) class="fields" {
                @for field in &self.fields {
                    @if field.kind == "hidden" {
                        input type="hidden" name=(field.name) value=(field.value);
                    } @else {
                        label {
                            span { (field.label) }
                            input type=(field.kind) name=(field.name) value=(field.value)
                                placeholder=(field.example) autocomplete=(field.autocomplete)
                                autocapitalize="none" spellcheck="false" required;
                        }
                    }
                }
                p class="buttons" {
                    @for button in &self.buttons {
                        @match button.value {
                            Some((name, value)) => {
                                button type="submit" name=(name) value=(value) class=[button.is_danger.then_some("danger")] {
                                    (button.label)
                                }
                            }
                            None => button type="submit" class=[button.is_danger.then_some("danger")] { (button.label) }
                        }
                    }
                }
            }
        }
    }

    fn markdown(&self) -> String {
        let fields: Vec<String> = (self.fields.iter().map(|field| match field.kind {
            "hidden" => format!("`{}` = `{}`", field.name, field.value.replace('`', "'")),
            _ => format!("`{}` ({})", field.name, line(&field.label)),
        }))
        .chain(self.buttons.iter().filter_map(|button| {
            button.value.map(|(name, value)| format!("`{name}` = `{value}` ({})", line(&button.label)))
        }))
        .collect();
        let with = if fields.is_empty() { String::new() } else { format!(" with {}", fields.join(", ")) };
        format!("Form: `POST {}`{with}.\n", self.action)
    }
}

/// The name by which links reach a heading: its letters and digits in lower case, joined by hyphens.
pub fn anchor(heading: &str) -> String {
    let words = heading.split(|character: char| !character.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// Text with code between backticks.
pub fn inline(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } } @else { (PreEscaped(super::escape(part))) }
        }
    }
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| line(cell).replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// One line that cannot begin another block and holds no markup but code, within which nothing is read as markup.
pub fn line(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let parts: Vec<&str> = text.split('`').collect();
    let is_code = |number: usize| number % 2 == 1 && number + 1 < parts.len();
    let written = parts
        .iter()
        .enumerate()
        .map(|(number, part)| if is_code(number) { (*part).to_owned() } else { part.replace('<', "&lt;") });
    written.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        Page {
            title: "A <b>".to_owned(),
            description: String::new(),
            blocks: vec![
                Block::text("Send `GET /x` & wait\n# not a heading"),
                Block::Table { head: vec!["a|b".to_owned()], rows: vec![vec!["<script>".to_owned()]] },
                Block::Form(Form {
                    action: "/login".to_owned(),
                    fields: vec![Field {
                        name: "email",
                        label: "E-mail".to_owned(),
                        kind: "email",
                        value: "\"><x".to_owned(),
                        autocomplete: "email",
                        example: "",
                    }],
                    buttons: vec![Button::send("Go")],
                }),
            ],
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        let (html, markdown) = (page().html().into_string(), page().markdown());
        assert!(html.contains("<p>Send <code>GET /x</code> &amp; wait"), "{html}");
        assert!(markdown.contains("Send `GET /x` & wait # not a heading\n"), "{markdown}");
        assert!(markdown.contains("| a\\|b |\n|---|\n| &lt;script> |"), "{markdown}");
        assert!(markdown.contains("Form: `POST /login` with `email` (E-mail)."), "{markdown}");
    }

    #[test]
    fn code_is_shown_as_it_is_and_nothing_else_is_markup() {
        assert_eq!(line("`a <b>` <c>"), "`a <b>` &lt;c>");
        assert_eq!(line("<a> `<b>"), "&lt;a> `&lt;b>");
    }

    #[test]
    fn nothing_leaves_its_place() {
        let html = page().html().into_string();
        assert!(!html.contains("<script>") && !html.contains("<b>") && !html.contains("\"><x"), "{html}");
    }
}
