//! Parts of SQL statements: literals, identifiers and lists.
//!
//! Invariant: no character of a text, such as a quote, ends the literal that contains the text.
//! Not here: the statements (`ddl`, `sql`).

/// Returns the text as a string literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', " "))
}
/// Returns the name as a quoted identifier.
pub fn ident(name: &str) -> String {
    format!("`{name}`")
}
/// Returns the texts, separated by commas.
pub fn list(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(", ")
}
