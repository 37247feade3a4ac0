//! Metrics: the catalog of names, and their values in this process.
//!
//! A metric that is not in the catalog is not exported. Label values come from closed sets: never a player, a game or a message.
//! Invariant: recording costs no allocation per record; values are recorded once per commit, per sink batch or per lag sample.
//! Not here: what records them (`instrumented` for members, the binary for the sink and the lag), the HTTP service (crate `console`).
mod catalog;
mod values;

pub use catalog::*;
pub use values::Metrics;
