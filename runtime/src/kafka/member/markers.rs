//! Moving a member's positions past the markers of transactions, and past what was aborted.
//!
//! Nobody is handed these, so a position that moves with records alone stays before them. Where they were the last of a partition, the
//! retention takes them as it takes records, and a position before what is left looks like records that were lost.
//! Invariant: a position moves past what was handed out only once that is committed.
//! Not here: the one marker of a commit that ended well, which is no reason to commit again (`storage`).
use super::KafkaMember;
use crate::log::{At, Commit, Halt};
use std::collections::BTreeMap;

/// Offsets behind a position that are no news: its own record's marker.
const OWN_MARKER: i64 = 1;

/// What of the client's positions is to be committed, given what is, and where those records end that were handed out.
fn moved(
    passed: &[(At, i64)],
    committed: &BTreeMap<At, i64>,
    handed_out: &BTreeMap<At, i64>,
) -> BTreeMap<At, i64> {
    let stands = |at: &At| committed.get(at).copied().unwrap_or(0);
    let is_moved = |(at, next): &&(At, i64)| {
        handed_out.get(at).is_none_or(|end| *end <= stands(at)) && *next > stands(at) + OWN_MARKER
    };
    passed.iter().filter(is_moved).copied().collect()
}

impl KafkaMember {
    /// Commits where the client is, once it has nothing more to hand out.
    pub(super) fn pass(&mut self, passed: &[(At, i64)]) -> Result<(), Halt> {
        let next = moved(passed, &self.committed, &self.handed_out);
        if next.is_empty() {
            return Ok(());
        }
        tracing::debug!(processor = self.reader.name, ?next, "passing what holds no records");
        match crate::Log::commit(self, Commit { group: self.reader.group.clone(), next, ..Commit::default() })
        {
            // What is held is handed out once more, as after any commit.
            Err(Halt::Interrupted { reason, .. }) => {
                tracing::debug!(processor = self.reader.name, reason, "not passed");
                Ok(())
            }
            done => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_passes_what_is_no_record_and_never_what_is_not_committed() {
        let at = |partition| ("core.games.v1", partition);
        let committed = BTreeMap::from([(at(0), 5), (at(1), 5), (at(2), 5), (at(3), 5)]);
        // Of partition 1 a record was handed out that is in nobody's commit yet.
        let handed_out = BTreeMap::from([(at(0), 5), (at(1), 6), (at(2), 5)]);
        let passed = [(at(0), 9), (at(1), 9), (at(2), 6), (at(3), 4), (at(4), 2), (at(5), 1)];
        assert_eq!(
            moved(&passed, &committed, &handed_out),
            BTreeMap::from([(at(0), 9), (at(4), 2)]),
            "not 1, not 2's own marker, never back"
        );
    }
}
