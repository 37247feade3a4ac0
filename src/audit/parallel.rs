//! Does the same work for many items on parallel threads, each of which has its own connection to the log.
//!
//! On Kafka nearly all of the time is spent waiting for responses of the brokers.
//! Invariant: results are in the order of the items.
//! Not here: the work on one item (`audit`).
use crate::app::App;
use anyhow::{Result, bail};
use runtime::LogBackend;
use std::thread;

/// Number of items that are processed at a time. It is low because each item may hold the state store of a processor in memory.
const MAX_PARALLEL: usize = 4;

/// Applies `work` to every item.
///
/// # Errors
/// The first error of any item.
pub fn in_parallel<T: Send, R: Send>(
    app: &App,
    items: impl Iterator<Item = T>,
    work: impl Fn(&mut dyn LogBackend, T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let (work, mut items, mut results) = (&work, items.fuse(), Vec::new());
    loop {
        let group: Vec<T> = items.by_ref().take(MAX_PARALLEL).collect();
        if group.is_empty() {
            return Ok(results);
        }
        let joined = thread::scope(|scope| {
            let start = |item| scope.spawn(move || work(app.open_log_read_only()?.as_mut(), item));
            let threads: Vec<_> = group.into_iter().map(start).collect();
            threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
        });
        for result in joined {
            results.push(result.unwrap_or_else(|_| bail!("a thread of the audit panicked"))?);
        }
    }
}
