//! An error and its causes as one text.
//!
//! Invariant: a cause is left out if its text is part of an earlier text.
//! Not here: exit codes (`cli::outcome`).

/// Returns the texts of an error and its causes, outermost first, separated by colons.
pub fn error_chain(error: &anyhow::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if !texts.iter().any(|earlier| earlier.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}
