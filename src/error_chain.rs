//! An error and its causes as one line of text.
//!
//! Invariant: a cause whose text is part of an earlier one is left out.
//! Not here: exit codes (`cli::outcome`).

/// The texts of an error and its causes, outermost first, separated by colons.
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
