//! Returns free pages of the log's SQLite file to the file system.
//!
//! Invariant: an idle file has at most [`MAX_FREE_PAGES`] free pages or [`MAX_FREE_SHARE`] of its pages, whichever is more.
//! Not here: what frees the pages (`compaction`, `merging`, `retention`, a purge in `append`).
use rusqlite::Connection;

/// The next commits use so many free pages again, so returning them would be wasted work.
const MAX_FREE_PAGES: i64 = 256;
/// The same as a part of all pages: one fiftieth.
const MAX_FREE_SHARE: i64 = 50;
/// The most pages that one call returns, so that it blocks commits only briefly.
const MAX_PAGES_PER_CALL: i64 = 2048;

/// Returns some free pages if there are more than an idle file has; true if it did.
pub fn release_some_free_pages(db: &Connection) -> rusqlite::Result<bool> {
    let pages: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    let free: i64 = db.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
    let excess = free - MAX_FREE_PAGES.max(pages / MAX_FREE_SHARE);
    if excess <= 0 {
        return Ok(false);
    }
    release_free_pages(db, excess.min(MAX_PAGES_PER_CALL))?;
    Ok(true)
}

/// Returns that many free pages; 0 means all.
pub fn release_free_pages(db: &Connection, pages: i64) -> rusqlite::Result<()> {
    let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    // Each step of the statement returns one page.
    while rows.next()?.is_some() {}
    Ok(())
}
