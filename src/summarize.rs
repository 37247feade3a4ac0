//! A list of items as one short text.
//!
//! Invariant: the text states how many items it omits.
//! Not here: tables (`cli::output`).

/// Number of items that [`summarize`] lists before it replaces the others by their number.
const MAX_SUMMARY_ITEMS: usize = 4;

/// Joins the first items of a list to one text, followed by the number of omitted items.
pub fn summarize(items: &[String]) -> String {
    let more = items.len().saturating_sub(MAX_SUMMARY_ITEMS);
    // If only one item would be omitted, listing it is as short as writing "and 1 more".
    if more <= 1 {
        return items.join("; ");
    }
    format!("{}; and {more} more", items[..MAX_SUMMARY_ITEMS].join("; "))
}
