//! Histories: the observations of one list or one fact over all its fetches, and what is known from them as of an instant.
//!
//! - `sequence`: the observations of one request, each stored as what changed since the one before it.
//! - `list`: a list with members, such as a roster; several requests may return parts of it; `request`: one of these requests; `instants`:
//!   when members may change.
//! - `request`: the observations of one request of a list, for views that need earlier values of a member, too.
//! - `fact`: a single value, such as the schedule entry of a game.
//! - `as_of`: which observations are known; retractions.
//! - `cutoff`: the as-of cutoff of a game, and the revisions of derived content.
//!
//! Invariant: a history does not depend on the order in which its observations arrive, nor on repetitions; a history that is restored from
//! its records equals the one that wrote them.
//! Not here: which of several feeds takes precedence; each view defines that.
mod as_of;
mod cutoff;
mod fact;
mod instants;
#[cfg(test)]
mod laws;
mod list;
mod request;
mod sequence;

pub use as_of::{AsOf, Retractions};
pub use cutoff::{Cutoff, Known, Revised, known_content, revise};
pub use fact::{FactHistory, FactRun};
pub use list::{Affected, ListChange, ListHistory, Listed};
pub use request::{KnownObservations, RequestHistory};
pub use sequence::{Change, Coverage, Member, ObservationId, ObservationRecord};
