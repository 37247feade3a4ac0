//! Parts of SQL statements: literals, identifiers and lists.
//!
//! Invariant: no text in a literal ends the literal.
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
