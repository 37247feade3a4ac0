//! Facts: what one source said about one thing, over all its fetches; and the revisions in which derived content became known.
//!
//! Invariant: a fact is a set of fetches, so no order of arrival can matter; two answers at one fetch time are ranked by the
//! decoder's version, then by content. Steps ascend in time and neighbours differ.
//! Not here: which source is believed when several speak; each view states its precedence.
use schemas::{RawId, Timestamp, features::Basis, observation::Provenance};

/// One fetch of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry<C> {
    pub at: Timestamp,
    pub version: i32,
    pub raw: RawId,
    /// Whether the list was whole; a single fact always is.
    pub complete: bool,
    pub content: C,
}

/// The content of every fetch, by fetch time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactHistory<C>(Vec<HistoryEntry<C>>);
impl<C> Default for FactHistory<C> {
    fn default() -> Self {
        FactHistory(Vec::new())
    }
}
impl<C: Ord> FactHistory<C> {
    /// Adds a fetch; answers whether the fact remembers anything new.
    pub fn merge(&mut self, provenance: Provenance, complete: bool, content: C) -> bool {
        let fetch = HistoryEntry {
            at: provenance.fetched_at,
            version: provenance.version,
            raw: provenance.raw,
            complete,
            content,
        };
        match self.0.binary_search_by_key(&fetch.at, |known| known.at) {
            Err(i) => self.0.insert(i, fetch),
            Ok(i) => {
                let rank = |f: &HistoryEntry<C>| (f.version, f.complete);
                let known = &self.0[i];
                let order = (rank(&fetch), &fetch.content).cmp(&(rank(known), &known.content));
                // The same said twice: the smaller raw id stands for both, whichever came first.
                if order.is_lt() || order.is_eq() && fetch.raw >= known.raw {
                    return false;
                }
                self.0[i] = fetch;
            }
        }
        true
    }
}
impl<C> FactHistory<C> {
    pub fn entries(&self) -> &[HistoryEntry<C>] {
        &self.0
    }
    /// The fetches heard up to and including `at`, oldest first.
    pub fn up_to(&self, at: Timestamp) -> &[HistoryEntry<C>] {
        &self.0[..self.0.partition_point(|fetch| fetch.at <= at)]
    }
}
/// A whole list and its partial successors: the fetches in which a member may stand.
pub fn since_last_complete<C>(entries: &[HistoryEntry<C>]) -> &[HistoryEntry<C>] {
    let base = entries.iter().rposition(|fetch| fetch.complete).unwrap_or(0);
    &entries[base..]
}

/// A cut-off: what may be believed of a game that starts at it. Only a tip-off makes one.
#[derive(Clone, Copy, Debug)]
pub struct Cutoff {
    tip_off: Timestamp,
    basis: Basis,
}
impl Cutoff {
    pub const fn at_tip_off(tip_off: Timestamp, basis: Basis) -> Self {
        Cutoff { tip_off, basis }
    }
    pub const fn basis(self) -> Basis {
        self.basis
    }
    /// Whether something was true strictly before the tip-off.
    pub fn is_past(self, effective_at: Timestamp) -> bool {
        effective_at < self.tip_off
    }
    /// Whether something was heard strictly before the tip-off.
    pub fn is_known(self, known_at: Timestamp) -> bool {
        known_at < self.tip_off
    }
    /// The believed revision: the last known before the tip-off; retrospectively, when none was, the first.
    pub fn as_of<S>(self, revisions: &[S], known_at: impl Fn(&S) -> Timestamp) -> Option<&S> {
        let known = revisions.partition_point(|revision| known_at(revision) < self.tip_off);
        match (known.checked_sub(1), self.basis) {
            (Some(last), _) => revisions.get(last),
            (None, Basis::Retrospective) => revisions.first(),
            (None, Basis::Issued) => None,
        }
    }
}

/// The revisions in which content became known: evaluated at each of the instants, kept where it changed.
pub fn revisions<S>(
    mut instants: Vec<Timestamp>,
    mut content_at: impl FnMut(Timestamp) -> Option<S>,
    same: impl Fn(&S, &S) -> bool,
) -> Vec<S> {
    instants.sort_unstable();
    instants.dedup();
    let mut revisions: Vec<S> = Vec::new();
    for at in instants {
        if let Some(revision) = content_at(at)
            && revisions.last().is_none_or(|last| !same(last, &revision))
        {
            revisions.push(revision);
        }
    }
    revisions
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn provenance(at: i64, version: i32, raw: i64) -> Provenance {
        Provenance { fetched_at: Timestamp(at), version, raw: RawId(raw) }
    }
    proptest! {
        #[test]
        fn a_fact_does_not_depend_on_order_or_repetition(
            fetches in prop::collection::vec((0i64..6, 1i32..3, 0i64..4, any::<bool>(), 0u8..3), 0..12),
            seed in any::<u64>(),
        ) {
            let build = |fetches: &[(i64, i32, i64, bool, u8)]| {
                let mut fact = FactHistory::default();
                for (at, version, raw, complete, content) in fetches {
                    fact.merge(provenance(*at, *version, *raw), *complete, *content);
                }
                fact
            };
            let mut shuffled = [fetches.clone(), fetches.clone()].concat();
            let n = shuffled.len().max(1) as u64;
            for i in 0..shuffled.len() {
                let j = (seed.wrapping_mul(i as u64 + 7) % n) as usize;
                shuffled.swap(i, j);
            }
            prop_assert_eq!(build(&fetches), build(&shuffled));
        }
    }
    #[test]
    fn retrospectively_the_first_step_fills_a_gap_and_nothing_else() {
        let cut = |basis| Cutoff::at_tip_off(Timestamp(10), basis);
        let at = |t: &i64| Timestamp(*t);
        assert_eq!(cut(Basis::Issued).as_of(&[3, 9, 10, 12], at), Some(&9));
        assert_eq!(cut(Basis::Retrospective).as_of(&[3, 9, 10, 12], at), Some(&9));
        assert_eq!(cut(Basis::Issued).as_of(&[10, 12], at), None);
        assert_eq!(cut(Basis::Retrospective).as_of(&[10, 12], at), Some(&10));
    }
    #[test]
    fn a_partial_fetch_removes_nobody_and_a_complete_one_does() {
        let mut fact = FactHistory::default();
        fact.merge(provenance(1, 1, 1), true, vec!["a", "b"]);
        fact.merge(provenance(2, 1, 2), false, vec!["c"]);
        let present = |at: i64, fact: &FactHistory<Vec<&'static str>>| -> Vec<&'static str> {
            since_last_complete(fact.up_to(Timestamp(at))).iter().flat_map(|f| f.content.clone()).collect()
        };
        assert_eq!(present(2, &fact), ["a", "b", "c"]);
        fact.merge(provenance(3, 1, 3), true, vec!["b"]);
        assert_eq!(present(3, &fact), ["b"]);
    }
}
