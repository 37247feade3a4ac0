//! Fact histories: all observations of one fact from one feed; the as-of cutoff; and the revisions of derived content.
//!
//! A revision is one version of a derived row's content, with the time at which it became known. A prediction for a game may use only what
//! was known at the as-of cutoff, which is the tip-off.
//!
//! Invariant: a history does not depend on the order in which its entries arrive. Of several entries with the same fetch time, only one is
//! stored: the one with the newest loader version; if the versions are equal, a complete entry rather than a partial one; if both are
//! equal, the entry with the greatest content. Revisions are in ascending order of time, and adjacent ones differ in content.
//! Not here: which of several feeds takes precedence; each view defines that.
use schemas::{RawId, Timestamp, observation::Provenance};

/// One observation of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry<C> {
    pub fetched_at: Timestamp,
    /// The version of the loader that decoded this observation.
    pub version: i32,
    pub raw: RawId,
    /// True if the fetch returned the complete list. Always true for a fact that is not a list, such as the schedule entry of a game.
    pub complete: bool,
    pub content: C,
}

/// The observations of one fact from one feed, in ascending order of fetch time, at most one per fetch time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactHistory<C>(Vec<HistoryEntry<C>>);
impl<C> Default for FactHistory<C> {
    fn default() -> Self {
        FactHistory(Vec::new())
    }
}
impl<C: Ord> FactHistory<C> {
    /// Merges an observation; returns true if the history changed.
    pub fn merge(&mut self, provenance: &Provenance, complete: bool, content: C) -> bool {
        let entry = HistoryEntry {
            fetched_at: provenance.fetched_at,
            version: provenance.version,
            raw: provenance.raw,
            complete,
            content,
        };
        match self.0.binary_search_by_key(&entry.fetched_at, |stored| stored.fetched_at) {
            Err(index) => self.0.insert(index, entry),
            Ok(index) => {
                let rank = |entry: &HistoryEntry<C>| (entry.version, entry.complete);
                let stored = &self.0[index];
                let order = (rank(&entry), &entry.content).cmp(&(rank(stored), &stored.content));
                // If two raw events give equal entries, the one with the smaller raw id is stored, so the order of arrival does not matter.
                if order.is_lt() || order.is_eq() && entry.raw >= stored.raw {
                    return false;
                }
                self.0[index] = entry;
            }
        }
        true
    }
}
impl<C> FactHistory<C> {
    pub fn entries(&self) -> &[HistoryEntry<C>] {
        &self.0
    }
    /// Returns the entries fetched at or before an instant, oldest first.
    pub fn up_to(&self, instant: Timestamp) -> &[HistoryEntry<C>] {
        &self.0[..self.0.partition_point(|entry| entry.fetched_at <= instant)]
    }
}
/// Returns the last complete entry and the partial entries after it; all entries if none is complete. A list member counts as present if
/// one of the returned entries contains it.
pub fn since_last_complete<C>(entries: &[HistoryEntry<C>]) -> &[HistoryEntry<C>] {
    let first = entries.iter().rposition(|entry| entry.complete).unwrap_or(0);
    &entries[first..]
}

pub use crate::history::Cutoff;

/// Returns the revisions of derived content: evaluates `content_at` at each instant, oldest first, and keeps each result whose content
/// differs from the one before it.
pub fn revisions<S>(
    mut instants: Vec<Timestamp>,
    mut content_at: impl FnMut(Timestamp) -> Option<S>,
    is_same_content: impl Fn(&S, &S) -> bool,
) -> Vec<S> {
    instants.sort_unstable();
    instants.dedup();
    let mut revisions: Vec<S> = Vec::new();
    for instant in instants {
        if let Some(revision) = content_at(instant)
            && revisions.last().is_none_or(|last| !is_same_content(last, &revision))
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

    fn provenance(fetched_at: i64, version: i32, raw: i64) -> Provenance {
        Provenance {
            fetched_at: Timestamp(fetched_at),
            version,
            raw: RawId(raw),
            request: String::new(),
            outcome: schemas::raw::FetchOutcome::Complete,
            retraction: None,
        }
    }
    proptest! {
        #[test]
        fn a_fact_history_does_not_depend_on_order_or_repetition(
            observations in prop::collection::vec((0i64..6, 1i32..3, 0i64..4, any::<bool>(), 0u8..3), 0..12),
            seed in any::<u64>(),
        ) {
            let build = |observations: &[(i64, i32, i64, bool, u8)]| {
                let mut history = FactHistory::default();
                for (fetched_at, version, raw, complete, content) in observations {
                    history.merge(&provenance(*fetched_at, *version, *raw), *complete, *content);
                }
                history
            };
            let mut shuffled = [observations.clone(), observations.clone()].concat();
            let count = shuffled.len().max(1) as u64;
            for i in 0..shuffled.len() {
                let j = (seed.wrapping_mul(i as u64 + 7) % count) as usize;
                shuffled.swap(i, j);
            }
            prop_assert_eq!(build(&observations), build(&shuffled));
        }
    }
    #[test]
    fn a_partial_fetch_removes_no_member_and_a_complete_one_does() {
        let mut history = FactHistory::default();
        history.merge(&provenance(1, 1, 1), true, vec!["a", "b"]);
        history.merge(&provenance(2, 1, 2), false, vec!["c"]);
        let members = |instant: i64, history: &FactHistory<Vec<&'static str>>| -> Vec<&'static str> {
            let entries = since_last_complete(history.up_to(Timestamp(instant)));
            entries.iter().flat_map(|entry| entry.content.clone()).collect()
        };
        assert_eq!(members(2, &history), ["a", "b", "c"]);
        history.merge(&provenance(3, 1, 3), true, vec!["b"]);
        assert_eq!(members(3, &history), ["b"]);
    }
}
