//! Dead letters: their states, counting, showing and deleting them.
//!
//! Invariant: this file is a module root: it contains only `mod` and `pub use`.
//! Not here: redriving (`redrive`), how a log stores dead letters (`runtime-kafka`, `runtime-embedded`).
mod list;
mod purge;
mod reasons;
mod show;
mod state;

pub use list::{ListedReason, list};
pub use purge::{PurgeReport, purge};
pub use reasons::{count_reasons, location};
pub use show::{DeadLetterReport, NewestDeadLetters, show, value_json};
pub use state::{DeadLetterState, states};
