//! Tests of the loaders with real payloads, with hand-written payloads that have the sources' quirks, and with broken input.
//!
//! Invariant: no payload here is copied from a source; a test whose real payloads are missing is skipped and prints the missing path.
//! Not here: the player to whom a name refers (`name_resolver`), the game to which a date refers (`games`).
#[cfg(test)]
mod laws;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod odds;
#[cfg(test)]
mod payloads;
#[cfg(test)]
mod quirks;
#[cfg(test)]
mod real;
#[cfg(test)]
mod single_games;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod teams;
