//! The as-of cutoff of a game, and the revisions of derived content.
//!
//! A revision is one version of a derived row's content, with the time at which it became known. A prediction for a game may use only what
//! was known at the as-of cutoff, which is the tip-off.
//!
//! Invariant: a `Cutoff` can be constructed only from a tip-off. Revisions are in ascending order of time, and adjacent ones differ in
//! content.
//! Not here: the observations that the content is derived from (`list`, `fact`).
use super::as_of::AsOf;
use schemas::{Timestamp, features::Basis};

/// The as-of cutoff of a game: its tip-off, and the basis (issued or retrospective) on which facts are selected.
#[derive(Clone, Copy, Debug)]
pub struct Cutoff {
    tip_off: Timestamp,
    basis: Basis,
    /// Facts that became known later are not known at the cutoff.
    known_until: Timestamp,
}
impl Cutoff {
    pub const fn at_tip_off(tip_off: Timestamp, basis: Basis) -> Self {
        Cutoff { tip_off, basis, known_until: Timestamp(tip_off.0 - 1) }
    }
    /// Returns the issued cutoff of the same game as it was before an earlier instant: nothing that became known from then on is known.
    fn before(self, instant: Timestamp) -> Self {
        let known_until = self.known_until.min(Timestamp(instant.0 - 1));
        Cutoff { basis: Basis::Issued, known_until, ..self }
    }
    pub const fn basis(self) -> Basis {
        self.basis
    }
    /// True if a fact was effective strictly before the tip-off.
    pub fn is_past(self, effective_at: Timestamp) -> bool {
        effective_at < self.tip_off
    }
    /// True if a fact was known strictly before the tip-off.
    pub fn is_known(self, known_at: Timestamp) -> bool {
        known_at <= self.known_until
    }
    /// Selects the observations fetched strictly before the tip-off. On the issued basis, a retraction made later does not count; on the
    /// retrospective basis, a retracted observation is never selected.
    pub const fn known(self) -> AsOf {
        match self.basis {
            Basis::Issued => AsOf::known_at(self.known_until),
            Basis::Retrospective => AsOf::in_retrospect(self.known_until),
        }
    }
    /// Selects all observations that may be used on this basis: on the issued basis those of `known`, on the retrospective basis also
    /// those fetched later.
    pub const fn usable(self) -> AsOf {
        match self.basis {
            Basis::Issued => self.known(),
            Basis::Retrospective => AsOf::in_retrospect(Timestamp::DISTANT_FUTURE),
        }
    }
    /// Returns the last revision known before the tip-off. If no revision was known by then, the result depends on the basis: the first
    /// revision if the basis is retrospective, `None` if it is issued.
    ///
    /// The retrospective basis uses `in_retrospect`, the revisions without retracted observations, if it is present.
    pub fn as_of<'a, S>(
        self,
        revisions: &'a [S],
        in_retrospect: Option<&'a [S]>,
        known_at: impl Fn(&S) -> Timestamp,
    ) -> Option<&'a S> {
        let revisions = self.revisions(revisions, in_retrospect);
        let known_count = revisions.partition_point(|revision| self.is_known(known_at(revision)));
        match (known_count.checked_sub(1), self.basis) {
            (Some(last), _) => revisions.get(last),
            (None, Basis::Retrospective) => revisions.first(),
            (None, Basis::Issued) => None,
        }
    }
    /// Returns the revisions that this basis uses.
    pub fn revisions<'a, S>(self, revisions: &'a [S], in_retrospect: Option<&'a [S]>) -> &'a [S] {
        match self.basis {
            Basis::Issued => revisions,
            Basis::Retrospective => in_retrospect.unwrap_or(revisions),
        }
    }
}

/// Content, and since when it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known<T> {
    pub content: T,
    /// The latest instant at which anything became known that the content depends on: a fact, the end of a fact, or the retraction of one.
    pub known_at: Timestamp,
}
/// No content, which has always been known.
impl<T> Default for Known<Option<T>> {
    fn default() -> Self {
        Known { content: None, known_at: Timestamp::DISTANT_PAST }
    }
}

/// Derives content as of a cutoff. `content_by` returns the content with the latest instant at which a fact became known that the content is
/// derived from. `ends` are instants at which the facts may be replaced by others that became known earlier, or by none: retractions, and
/// changes of what is looked up.
///
/// On the issued basis, such an instant counts if the content was another one before it. On the retrospective basis, a retracted fact was
/// never known.
pub fn known_content<T: PartialEq>(
    cutoff: Cutoff,
    ends: impl IntoIterator<Item = Timestamp>,
    content_by: impl Fn(Cutoff) -> Known<T>,
) -> Known<T> {
    let Known { content, mut known_at } = content_by(cutoff);
    if cutoff.basis() == Basis::Retrospective {
        return Known { content, known_at };
    }
    let mut instants: Vec<Timestamp> = ends.into_iter().filter(|at| cutoff.is_known(*at)).collect();
    instants.sort_unstable();
    instants.dedup();
    for instant in instants.into_iter().rev() {
        if instant <= known_at {
            break;
        }
        let before = content_by(cutoff.before(instant));
        if before.content != content {
            known_at = instant;
            break;
        }
        known_at = known_at.max(before.known_at);
    }
    Known { content, known_at }
}

/// The revisions of derived content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revised<S> {
    pub revisions: Vec<S>,
    /// The revisions without retracted observations, if they differ.
    pub in_retrospect: Option<Vec<S>>,
}

/// Returns the revisions of derived content: evaluates `content_at` at each instant, oldest first, and keeps each result whose content
/// differs from the one before it. `has_retractions` states whether any observation that the content depends on was retracted.
pub fn revise<S: PartialEq>(
    mut instants: Vec<Timestamp>,
    has_retractions: bool,
    mut content_at: impl FnMut(AsOf) -> Option<S>,
    is_same_content: impl Fn(&S, &S) -> bool,
) -> Revised<S> {
    instants.sort_unstable();
    instants.dedup();
    let mut evaluate = |as_of: &dyn Fn(Timestamp) -> AsOf| {
        let mut revisions: Vec<S> = Vec::new();
        for instant in &instants {
            if let Some(revision) = content_at(as_of(*instant))
                && revisions.last().is_none_or(|last| !is_same_content(last, &revision))
            {
                revisions.push(revision);
            }
        }
        revisions
    };
    let revisions = evaluate(&AsOf::known_at);
    let in_retrospect =
        has_retractions.then(|| evaluate(&AsOf::in_retrospect)).filter(|other| *other != revisions);
    Revised { revisions, in_retrospect }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_retrospective_basis_uses_the_first_revision_only_if_none_was_known_before_tip_off() {
        let cutoff = |basis| Cutoff::at_tip_off(Timestamp(10), basis);
        let known_at = |revision: &i64| Timestamp(*revision);
        assert_eq!(cutoff(Basis::Issued).as_of(&[3, 9, 10, 12], None, known_at), Some(&9));
        assert_eq!(cutoff(Basis::Retrospective).as_of(&[3, 9, 10, 12], None, known_at), Some(&9));
        assert_eq!(cutoff(Basis::Issued).as_of(&[10, 12], None, known_at), None);
        assert_eq!(cutoff(Basis::Retrospective).as_of(&[10, 12], None, known_at), Some(&10));
    }
    #[test]
    fn only_the_retrospective_basis_uses_the_revisions_without_retracted_observations() {
        let cutoff = |basis| Cutoff::at_tip_off(Timestamp(10), basis);
        let known_at = |revision: &i64| Timestamp(*revision);
        assert_eq!(cutoff(Basis::Issued).as_of(&[3, 9], Some(&[12]), known_at), Some(&9));
        assert_eq!(cutoff(Basis::Retrospective).as_of(&[3, 9], Some(&[12]), known_at), Some(&12));
        assert_eq!(cutoff(Basis::Retrospective).as_of(&[3, 9], Some(&[]), known_at), None);
    }
}
