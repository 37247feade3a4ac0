//! Names: matches the spellings of sources with players.
//!
//! Invariant: all sources share one normalization ([`Name`]), so a spelling is treated alike whatever its source; a spelling is never an
//! identity, only the input of a name lookup.
//! Not here: decoding (the loaders); nba.com's player ids, which need no lookup.
mod decide;
mod links;
mod normal;
mod rules;
#[cfg(test)]
mod seasons;

pub use decide::{Decision, Resolution, decide};
pub use links::shipped_link;
pub use normal::Name;
pub use rules::match_name;
