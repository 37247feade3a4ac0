//! Names: what nba.com and operators reported about names, the names that need an operator, and identities that sources confuse.
//!
//! Invariant: everything comes from the log, and every decision of an operator is appended to it as links.
//! Not here: the rules of a name lookup (`processors::names`), appending a link (`links`).
mod identities;
mod reported_names;
mod resolution;
mod review;
mod similarity;

pub use identities::{merge, split};
pub use reported_names::ReportedNames;
pub use resolution::resolution;
pub use review::{Candidate, ReviewReport, UnmatchedName, WaitingLink, review};
