//! Dead letters: counting, showing and deleting them.
//!
//! Invariant: this file is a module root: it contains only `mod` and `pub use`.
//! Not here: redriving (`redrive`), how a log stores dead letters (`runtime-kafka`, `runtime-embedded`).
mod dismissal;
mod list;
mod purge;
mod reasons;
mod show;

pub use list::{CodeCount, list};
pub use purge::{PurgeReport, purge};
pub use reasons::{ReasonCount, count_reasons};
pub use show::{DeadLetterReport, NewestDeadLetters, show};
