//! The loaders with real payloads, with the sources' quirks in hand-written payloads, and with broken input.
//!
//! Invariant: no payload here is copied from a source; a test without its real payloads is skipped and prints that.
//! Not here: the player of a name, the game of a date.
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
