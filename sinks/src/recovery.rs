//! What the sink does first after a restart, decided from the newest plan in the log and the newest batch in the warehouse.
//!
//! A plan names its predecessor. So the newest batch in the warehouse is that of the newest plan, or the predecessor if that plan was not
//! written; any other batch shows that the log or the warehouse was restored from an older copy, or replaced. Then offsets and batch ids no
//! longer identify the same records in both, and only a new epoch, which writes all rows again, is correct.
//!
//! Invariant: the decision is a pure function. If it is not [`Recovery::Rebuild`], the warehouse has exactly the rows of the records up
//! to the newest batch that it has stored. Plans of the first version name no predecessor; for them, this holds only as far as their ids and
//! the committed offsets show it.
//! Not here: reading log and warehouse (`continuity`, for commands; `task::recovery`, for the sink).
use crate::{
    plan::{BatchId, BatchPlan, Predecessor, SinkOffsets, StoredBatch},
    window::Ranges,
};

/// What the sink does first after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// No batch is unfinished: continue from the committed offsets.
    Resume,
    /// The newest batch is stored, but its offsets are not committed: commit them.
    CommitOffsets(SinkOffsets),
    /// The newest batch is not stored: read its ranges again, write it under its id, and commit its offsets.
    RewriteBatch(Ranges),
    /// Log and warehouse do not continue each other: the warehouse lacks a committed batch, or has one that the log did not plan, or the
    /// newest plan was made in a different epoch or table version. Begin a new epoch (`Warehouse::take_ownership`), read the log from its
    /// start, then call `Warehouse::delete_stale_epochs`.
    Rebuild,
}

/// What a warehouse has stored in its current epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredBatches {
    /// The batch that was stored last.
    pub newest: Option<StoredBatch>,
    /// True if a batch with the id of the newest plan is stored.
    pub has_planned: bool,
}

impl Recovery {
    /// Decides the first action from the newest plan in the log, the committed offsets, and the batches in the warehouse. The plan must
    /// have been converted by [`BatchPlan::from_event`] with the current writer.
    pub fn decide(
        newest: Option<&BatchPlan>,
        committed: &SinkOffsets,
        warehouse: &StoredBatches,
    ) -> Recovery {
        // The offsets of an epoch are committed only after a batch of it is stored.
        if warehouse.newest.is_none() && !committed.is_empty() {
            return Recovery::Rebuild;
        }
        let Some(plan) = newest else {
            return if warehouse.newest.is_none() { Recovery::Resume } else { Recovery::Rebuild };
        };
        if plan.id != BatchId::new(&plan.writer, &plan.ranges) {
            return Recovery::Rebuild;
        }
        let is_stored = match plan_is_stored(plan, committed, warehouse) {
            Some(is_stored) => is_stored,
            None => return Recovery::Rebuild,
        };
        if plan.ranges.is_empty() {
            return Recovery::Resume;
        }
        let next = plan.next_offsets();
        let is_committed =
            next.iter().all(|(key, end)| committed.get(key).is_some_and(|offset| offset >= end));
        match (is_stored, is_committed) {
            (true, true) => Recovery::Resume,
            (true, false) => Recovery::CommitOffsets(next),
            (false, false) => Recovery::RewriteBatch(plan.ranges.clone()),
            (false, true) => Recovery::Rebuild,
        }
    }
}

/// Returns whether the batch of the newest plan is stored; `None` if the warehouse does not continue this plan.
fn plan_is_stored(plan: &BatchPlan, committed: &SinkOffsets, warehouse: &StoredBatches) -> Option<bool> {
    let newest = warehouse.newest.as_ref();
    match &plan.predecessor {
        Predecessor::Stated(_) if newest == Some(&plan.stored()) => Some(true),
        // The planned batch is stored before its predecessor if the log was read again after an offset reset, and a batch with the same
        // ranges was closed again: its write changed nothing.
        Predecessor::Stated(predecessor) if newest == predecessor.as_ref() => Some(warehouse.has_planned),
        Predecessor::Stated(_) => None,
        Predecessor::NotStated if plan.ranges.is_empty() => {
            // The plan begins to read the log again. If it does so from the start of the log, a rebuild is no more work.
            (newest.is_none() || !committed.is_empty()).then_some(false)
        }
        Predecessor::NotStated if newest.is_some_and(|stored| stored.id == plan.id) => Some(true),
        // A batch was stored after the newest plan, so this log lacks its plan.
        Predecessor::NotStated if warehouse.has_planned => None,
        // Whether the newest batch is the predecessor is not known.
        Predecessor::NotStated => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::WriterId,
        record::SinkTopic,
        window::{Batch, CloseReason, Range},
    };
    use schemas::Timestamp;

    fn writer() -> WriterId {
        WriterId { sink: "warehouse".into(), log: "log-1".into(), epoch: 1 }
    }
    /// Returns the plan of a batch with this range of the predictions.
    fn plan(first: i64, end: i64, planned_at: i64) -> BatchPlan {
        let ranges = Ranges::from([((SinkTopic::Predictions, 0), Range { first, end })]);
        BatchPlan::new(writer(), &Batch::empty(ranges, CloseReason::Age), Timestamp(planned_at))
    }
    fn newest(stored: &StoredBatch, has_planned: bool) -> StoredBatches {
        StoredBatches { newest: Some(stored.clone()), has_planned }
    }
    fn at(offset: i64) -> SinkOffsets {
        SinkOffsets::from([((SinkTopic::Predictions, 0), offset)])
    }
    fn former(plan: BatchPlan) -> BatchPlan {
        BatchPlan { predecessor: Predecessor::NotStated, ..plan }
    }
    /// Returns the first batch as it is stored, and the plan of the second one.
    fn two() -> (StoredBatch, BatchPlan) {
        let first = plan(0, 100, 1).stored();
        (first.clone(), plan(100, 250, 2).after(Some(first)))
    }

    #[test]
    fn a_restart_finishes_the_newest_plan() {
        let (first, second) = two();
        let decide =
            |committed, stored: StoredBatches| Recovery::decide(Some(&second), &at(committed), &stored);
        assert_eq!(decide(100, newest(&first, false)), Recovery::RewriteBatch(second.ranges.clone()));
        assert_eq!(decide(100, newest(&second.stored(), true)), Recovery::CommitOffsets(at(250)));
        assert_eq!(decide(250, newest(&second.stored(), true)), Recovery::Resume);
    }
    #[test]
    fn the_first_batch_of_an_epoch_is_written_again_only_if_nothing_is_committed() {
        let (first, empty) = (plan(0, 100, 1), StoredBatches::default());
        let rewrite = Recovery::RewriteBatch(first.ranges.clone());
        for plan in [first.clone(), former(first)] {
            assert_eq!(Recovery::decide(Some(&plan), &SinkOffsets::new(), &empty), rewrite);
            assert_eq!(Recovery::decide(Some(&plan), &at(100), &empty), Recovery::Rebuild);
        }
        assert_eq!(Recovery::decide(None, &SinkOffsets::new(), &empty), Recovery::Resume);
    }
    #[test]
    fn a_removed_warehouse_is_rebuilt_even_if_the_newest_batch_was_not_written() {
        let (_, second) = two();
        for plan in [second.clone(), former(second)] {
            for committed in [100, 250] {
                let decided = Recovery::decide(Some(&plan), &at(committed), &StoredBatches::default());
                assert_eq!(decided, Recovery::Rebuild, "{committed}");
            }
        }
        assert_eq!(Recovery::decide(None, &at(100), &StoredBatches::default()), Recovery::Rebuild);
    }
    #[test]
    fn a_warehouse_restored_from_an_older_copy_is_rebuilt() {
        let (first, second) = two();
        let third = plan(250, 300, 3).after(Some(second.stored()));
        for committed in [250, 300] {
            let decided = Recovery::decide(Some(&third), &at(committed), &newest(&first, false));
            assert_eq!(decided, Recovery::Rebuild, "{committed}");
        }
        // It lacks only the newest batch, which is committed.
        assert_eq!(Recovery::decide(Some(&second), &at(250), &newest(&first, false)), Recovery::Rebuild);
    }
    #[test]
    fn a_log_restored_from_an_older_copy_begins_a_new_epoch() {
        let (_, second) = two();
        let lost = newest(&second.stored(), true);
        let first = plan(0, 100, 1);
        for (plan, committed) in [(first.clone(), 0), (first.clone(), 100)] {
            assert_eq!(Recovery::decide(Some(&plan), &at(committed), &lost), Recovery::Rebuild);
        }
        assert_eq!(Recovery::decide(None, &SinkOffsets::new(), &lost), Recovery::Rebuild);
        let begun = BatchPlan::for_restart(writer(), Timestamp(0));
        assert_eq!(Recovery::decide(Some(&begun), &SinkOffsets::new(), &lost), Recovery::Rebuild);
    }
    #[test]
    fn a_batch_with_the_id_of_the_plan_that_was_planned_at_another_time_is_another_batch() {
        let (first, second) = two();
        let lost = StoredBatch { planned_at: Timestamp(99), ..second.stored() };
        assert_eq!(Recovery::decide(Some(&second), &at(250), &newest(&lost, true)), Recovery::Rebuild);
        let lost = StoredBatch { planned_at: Timestamp(99), ..first };
        assert_eq!(Recovery::decide(Some(&second), &at(100), &newest(&lost, false)), Recovery::Rebuild);
    }
    #[test]
    fn a_batch_that_is_planned_again_after_an_offset_reset_counts_as_stored() {
        let (first, second) = two();
        let again = plan(0, 100, 7).after(Some(second.stored()));
        assert_eq!(again.id, first.id);
        let stored = newest(&second.stored(), true);
        assert_eq!(Recovery::decide(Some(&again), &at(100), &stored), Recovery::Resume);
        let decided = Recovery::decide(Some(&again), &SinkOffsets::new(), &stored);
        assert_eq!(decided, Recovery::CommitOffsets(at(100)));
    }
    #[test]
    fn a_restart_resumes_an_empty_plan_only_if_the_warehouse_has_its_predecessor() {
        let (first, second) = two();
        let begun = BatchPlan::for_restart(writer(), Timestamp(5));
        let decide = |plan: &BatchPlan, committed: &SinkOffsets, stored| {
            Recovery::decide(Some(plan), committed, &stored)
        };
        assert_eq!(decide(&begun, &SinkOffsets::new(), StoredBatches::default()), Recovery::Resume);
        let again = begun.clone().after(Some(first.clone()));
        for committed in [SinkOffsets::new(), at(50)] {
            assert_eq!(decide(&again, &committed, newest(&first, false)), Recovery::Resume);
            assert_eq!(decide(&again, &committed, newest(&second.stored(), false)), Recovery::Rebuild);
            assert_eq!(decide(&again, &committed, StoredBatches::default()), Recovery::Rebuild);
        }
        let later = BatchPlan::from_event(WriterId { epoch: 2, ..writer() }, &begun.event()).unwrap();
        assert_eq!(decide(&later, &SinkOffsets::new(), StoredBatches::default()), Recovery::Rebuild);
    }
    #[test]
    fn a_plan_of_another_epoch_leads_to_a_rebuild() {
        let event = plan(0, 100, 1).event();
        let later = BatchPlan::from_event(WriterId { epoch: 2, ..writer() }, &event).unwrap();
        for stored in [StoredBatches::default(), newest(&later.stored(), true)] {
            assert_eq!(Recovery::decide(Some(&later), &SinkOffsets::new(), &stored), Recovery::Rebuild);
        }
    }
    #[test]
    fn a_plan_of_the_first_version_begins_no_epoch_unless_a_later_batch_is_stored() {
        let (first, second) = two();
        let second = former(second);
        let decide =
            |committed, stored: StoredBatches| Recovery::decide(Some(&second), &at(committed), &stored);
        assert_eq!(decide(250, newest(&second.stored(), true)), Recovery::Resume);
        assert_eq!(decide(100, newest(&second.stored(), true)), Recovery::CommitOffsets(at(250)));
        assert_eq!(decide(100, newest(&first, false)), Recovery::RewriteBatch(second.ranges.clone()));
        assert_eq!(decide(250, newest(&first, false)), Recovery::Rebuild);
        let lost = plan(250, 300, 3).stored();
        assert_eq!(decide(250, newest(&lost, true)), Recovery::Rebuild);
        let begun = former(BatchPlan::for_restart(writer(), Timestamp(5)));
        let begun = |committed: &SinkOffsets, stored| Recovery::decide(Some(&begun), committed, &stored);
        assert_eq!(begun(&SinkOffsets::new(), StoredBatches::default()), Recovery::Resume);
        assert_eq!(begun(&at(50), newest(&first, false)), Recovery::Resume);
        assert_eq!(begun(&SinkOffsets::new(), newest(&first, false)), Recovery::Rebuild);
    }
}
