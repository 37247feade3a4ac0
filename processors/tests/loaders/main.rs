//! The loaders against real payloads, against the sources' quirks by hand, and against broken input.
//!
//! Invariant: nothing here is copied from a source; real payloads are read where they lie, and a test that lacks them says so.
//! Not here: who a name is, which game a date is.
#[cfg(test)]
mod laws;
#[cfg(test)]
mod payloads;
#[cfg(test)]
mod quirks;
#[cfg(test)]
mod real;
#[cfg(test)]
mod speed;
