//! Control characters in output: they are shown, and never reach a terminal, which would interpret them.
//!
//! Names, keys and payloads come from sources, and may contain anything.
//! Invariant: of the control characters, only line breaks and tabs are passed on; so are no characters that change the direction of text.
//! Not here: writing the text (`output`, `stderr`, `logging`).
use std::borrow::Cow;

fn is_shown_escaped(c: char) -> bool {
    let changes_direction =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && c != '\n' && c != '\t') || changes_direction
}

/// Replaces each control character, except line breaks and tabs, by its escape, such as `\u{1b}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    replace(text, |c| c.escape_default().to_string())
}

/// Like [`escape`], for text in JSON, where the escape is `\u001b`. In JSON, such characters are only within strings.
pub fn escape_json(text: &str) -> Cow<'_, str> {
    replace(text, |c| format!("\\u{:04x}", u32::from(c)))
}

fn replace(text: &str, escaped: impl Fn(char) -> String) -> Cow<'_, str> {
    if !text.contains(is_shown_escaped) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| if is_shown_escaped(c) { escaped(c) } else { c.to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}
