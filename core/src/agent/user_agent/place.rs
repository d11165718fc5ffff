//! Where a pattern was found, and what stands around it.

/// A found pattern's place in a user agent.
#[derive(Clone, Copy)]
pub(super) struct Place<'t> {
    pub text: &'t [u8],
    pub start: usize,
    pub end: usize,
}

impl Place<'_> {
    /// The boundary rule of catalogue tokens: no letter before, and no lower-case letter behind.
    pub fn is_token(&self) -> bool {
        let is_open = !self.last().is_some_and(|byte| byte.is_ascii_alphanumeric());
        !self.before().is_some_and(|byte| byte.is_ascii_alphabetic())
            && (is_open || !self.after().is_some_and(|byte| byte.is_ascii_lowercase()))
    }

    pub fn has_version(&self) -> bool {
        self.last() == Some(b'/') || self.after() == Some(b'/')
    }

    /// Whether a word ends here: before a sign or a digit, or where a part of a `CompoundName` begins.
    pub fn is_word_end(&self) -> bool {
        let [Some(last), Some(next)] = [self.last(), self.after()] else { return true };
        let begins_word = || self.text.get(self.end + 1).is_some_and(u8::is_ascii_lowercase);
        !next.is_ascii_alphabetic()
            || (next.is_ascii_uppercase() && (last.is_ascii_lowercase() || begins_word()))
    }

    /// Whether a word begins here: behind a sign or a digit, or as a part of a `CompoundName`.
    pub fn is_word_start(&self) -> bool {
        !self.before().is_some_and(|byte| byte.is_ascii_alphabetic()) || self.is_later_part()
    }

    /// Whether the word is a later part of a name, as in `NewsAgent` and `news-agent`.
    pub fn is_joined(&self) -> bool {
        matches!(self.before(), Some(b'-' | b'_' | b'.')) || self.is_later_part()
    }

    /// The number that begins behind the match.
    pub fn number_behind(&self) -> Option<u32> {
        number_at(self.text.get(self.end..)?)
    }

    /// The dots in the version that begins behind the match.
    pub fn dots_behind(&self) -> usize {
        let behind = self.text.get(self.end..).unwrap_or_default();
        let version = behind.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.');
        version.filter(|byte| **byte == b'.').count()
    }

    /// Whether an `@` stands in something like a mail address.
    pub fn is_mail_address(&self) -> bool {
        let Some(domain) = self.text.get(self.end..) else { return false };
        let length = domain
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
            .count();
        let mut labels = domain.get(..length).unwrap_or_default().split(|byte| *byte == b'.').rev();
        // The last label of a version number is no name.
        let is_name = |label: &[u8]| label.len() > 1 && label.iter().all(u8::is_ascii_alphabetic);
        let has_domain =
            labels.next().is_some_and(is_name) && labels.next().is_some_and(|label| !label.is_empty());
        has_domain && self.before().is_some_and(|byte| byte.is_ascii_alphanumeric())
    }

    pub fn last(&self) -> Option<u8> {
        self.end.checked_sub(1).and_then(|place| self.text.get(place)).copied()
    }

    fn before(&self) -> Option<u8> {
        self.start.checked_sub(1).and_then(|place| self.text.get(place)).copied()
    }

    fn after(&self) -> Option<u8> {
        self.text.get(self.end).copied()
    }

    fn is_later_part(&self) -> bool {
        self.before().is_some_and(|byte| byte.is_ascii_lowercase())
            && self.text.get(self.start).is_some_and(u8::is_ascii_uppercase)
    }
}

/// The number, of at most nine digits, with which a text begins.
pub(super) fn number_at(text: &[u8]) -> Option<u32> {
    let digits = text.iter().take(9).take_while(|byte| byte.is_ascii_digit());
    digits.fold(None, |number, digit| Some(number.unwrap_or(0) * 10 + u32::from(digit - b'0')))
}
