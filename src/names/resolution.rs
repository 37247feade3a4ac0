//! The result of a name lookup by its latest revisions, for reports.
//!
//! Invariant: pure.
//! Not here: the resolution as of an instant (`processors::name_lookup`).
use processors::names::{Resolution, decide};
use schemas::{identity::NameRevision, raw::Source};
use std::cmp::Reverse;

/// Decides by the latest revisions of all teams. If the source lists the player for one of two teams, the row does not state for which: of
/// the two resolutions, returns the one that is more in need of attention.
pub fn resolution(source: Source, revisions: &[NameRevision]) -> Resolution {
    let (first, second) = match (source, revisions) {
        (Source::Nbacom | Source::Balldontlie, [first, second]) => (first, second),
        _ => return decide(None, &revisions.iter().collect::<Vec<_>>()).resolution,
    };
    let [a, b] =
        [(first, second), (second, first)].map(|(own, other)| decide(Some(own), &[other]).resolution);
    let order = |resolution: &Resolution| match resolution {
        Resolution::Ambiguous(_) => (0, None),
        Resolution::Unknown => (1, None),
        Resolution::Player(_, rule) => (2, Some(Reverse(*rule))),
        Resolution::Nobody => (3, None),
    };
    if order(&a) <= order(&b) { a } else { b }
}
