//! Names: who is meant by what a source writes.
//!
//! Invariant: one normaliser ([`Name`]) for every source, so no two of them can disagree about a spelling; a spelling is
//! never an identity, only a question to the teams that may know it.
//! Not here: decoding (the loaders); nba.com's ids, which need no name.
mod decide;
mod links;
mod normal;
mod rules;
#[cfg(test)]
mod seasons;

pub use decide::{Resolution, decide};
pub use links::shipped_link;
pub use normal::Name;
pub use rules::recognise;
