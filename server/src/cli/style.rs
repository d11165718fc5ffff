//! Colours and columns of results for people. Colours only where a person looks: not in a pipe or file, and not with
//! `NO_COLOR` set.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::io::IsTerminal;

/// How results are shown.
#[derive(Clone, Copy)]
pub(super) struct Style {
    /// Whether a person looks at the result.
    pub is_terminal: bool,
    has_colours: bool,
}

/// The colours, by what they say.
#[derive(Clone, Copy)]
pub(super) enum Colour {
    Title,
    Faint,
    Person,
    Ai,
    Bot,
    Good,
    Bad,
}

impl Style {
    /// The style that fits standard output.
    pub fn of_output() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { is_terminal, has_colours: is_terminal && !is_set("NO_COLOR") && !is_dumb }
    }

    /// A text in a colour.
    pub fn paint(self, colour: Colour, text: impl Display) -> String {
        if !self.has_colours {
            return text.to_string();
        }
        let code = match colour {
            Colour::Title => "1",
            Colour::Faint => "2",
            Colour::Person => "32",
            Colour::Ai => "35",
            Colour::Bot => "33",
            Colour::Good => "32",
            Colour::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// A text cut and padded to so many columns; control characters, which could steer the terminal, become `?`.
pub(super) fn column(text: &str, width: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= width {
        return format!("{text:width$}");
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// A text of somebody else, safe for a terminal: control characters and those that change the direction of writing
/// become `?`.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|character| if is_harmful(character) { '?' } else { character }).collect()
}

/// JSON that a terminal can show as it is: in its texts, what would steer a terminal or turn text around is escaped.
pub(super) fn harmless_json(json: &str) -> Cow<'_, str> {
    if !json.contains(is_harmful) {
        return json.into();
    }
    let mut escaped = String::with_capacity(json.len() + 8);
    for character in json.chars() {
        if is_harmful(character) {
            // Each of them has a code of four digits; a string takes whatever is written to it.
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped.into()
}

fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A number with commas between its thousands.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_their_width_and_steer_no_terminal() {
        assert_eq!(column("ab", 4), "ab  ");
        assert_eq!(column("abcdef", 4), "abc…");
        assert_eq!(column("é\u{1b}[2J", 9), "é?[2J    ");
        assert_eq!(plain("a\u{202e}b\n"), "a?b?");
    }

    #[test]
    fn thousands_are_set_apart() {
        for (value, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(value), text);
        }
    }
}
