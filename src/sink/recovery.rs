//! What the sink does first once it is the one that writes: its own newest plan is put in order, or the log is read again.
//!
//! Reading again is durable as a whole: positions, an empty plan and a new account, in one commit. So a restart in the middle of it goes
//! on where it was, and the account holds the records of this reading alone.
//!
//! Invariant: nothing is written before the newest plan is known to stand, or is made to; positions that somebody set back are kept.
//! Not here: what a plan and the committed positions mean together (`sinks::Recovery`).
use super::{SINK, Sink, append, now};
use anyhow::Result;
use runtime::{Commit, metrics as m};
use schemas::{
    ops::{LedgerEntry, SinkBatchPlanned},
    wire,
};
use sinks::{Batch, BatchPlan, CloseReason, Input, Recovery, plan::Positions};

impl Sink {
    /// Takes the warehouse over, once this instance is the one that writes it, and puts the newest plan in order.
    pub(super) fn take_over(&mut self) -> Result<()> {
        let log = self.writer.log.clone();
        self.writer.epoch = self.patiently(|warehouse| warehouse.claim(&log))?;
        self.adopting = self.patiently(|warehouse| warehouse.standing())?.adopting;
        self.pass = crate::reading::newest_versions(self.member.storage())?.remove(SINK).unwrap_or(0);
        self.recover()
    }
    fn recover(&mut self) -> Result<()> {
        let committed = self.committed()?;
        // Letters may be committed before anything is read: they must find the positions as they stand.
        self.seek(&committed);
        let plan = self.newest_plan()?;
        let written = match &plan {
            Some(plan) => self.patiently(|warehouse| warehouse.is_committed(&plan.id))?,
            None => false,
        };
        match (Recovery::decide(plan.as_ref(), &committed, written), plan) {
            (Recovery::Resume, _) => {}
            (Recovery::Commit(_) | Recovery::Rebuild(_), Some(plan)) => {
                if self.is_set_back(&plan, &committed)? {
                    tracing::warn!("the sink's positions were set back: reading again from there");
                    return self.begin(committed);
                }
                // Written or not, it is made again from its ranges: a warehouse that has it answers what became of its records.
                let batch = Batch::rebuild(self.read_again(&plan)?);
                // Compaction may have left nothing of it; it stands nevertheless, or the plan would be open for ever.
                let batch = batch.unwrap_or_else(|| Batch::empty(plan.ranges.clone(), CloseReason::Rebuilt));
                self.write(batch, plan)?;
                let committed = self.committed()?;
                self.seek(&committed);
            }
            _ => {
                // Adopted by hand, the epoch is new already, and nobody is surprised.
                if !self.adopting {
                    tracing::warn!(
                        "the warehouse lacks what this log has committed: writing it from the start in a new epoch"
                    );
                    self.signals.metrics.add(m::SINK_DRIFTS, &[SINK], 1);
                    let log = self.writer.log.clone();
                    self.writer.epoch = self.patiently(|warehouse| warehouse.adopt(&log))?;
                    self.adopting = true;
                }
                self.begin(Positions::new())?;
            }
        }
        Ok(())
    }
    /// Reads again from these positions, those that are not named from their start.
    fn begin(&mut self, from: Positions) -> Result<()> {
        self.pass += 1;
        let mut account =
            LedgerEntry { processor: SINK.to_owned(), version: self.pass, ..LedgerEntry::default() };
        let mut next = Positions::new();
        for topic in crate::topology::sink_inputs() {
            let input: Input = topic.name.parse().map_err(anyhow::Error::msg)?;
            for partition in 0..topic.partitions {
                let at = from.get(&(input, partition)).copied().unwrap_or(0);
                next.insert((input, partition), at);
                // What lies below counts as read: it is in the warehouse, or was when the position was committed.
                if at > 0 {
                    let (runtime::log::Count::Exactly(below) | runtime::log::Count::AtLeast(below)) =
                        self.member.storage().count(topic.name, partition, at)?;
                    account.read += below;
                    account.unchanged += below;
                }
            }
        }
        let plan = BatchPlan::begin(self.writer.clone(), now());
        let mut commit = Commit::default();
        append(&mut commit, topics::SINK_BATCHES.info.name, SINK, &wire::encode(&plan.event())?);
        append(&mut commit, topics::LEDGER.info.name, SINK, &wire::encode(&account)?);
        self.commit(&next, commit)?;
        self.seek(&from);
        Ok(())
    }
    /// Whether there is a record between the committed positions and the plan: a plan begins where the one before it ended.
    fn is_set_back(&mut self, plan: &BatchPlan, committed: &Positions) -> Result<bool> {
        for ((input, partition), range) in &plan.ranges {
            let next = committed.get(&(*input, *partition)).copied().unwrap_or(0);
            if next < range.first {
                let read = self.member.storage().read(input.topic(), *partition, next, 1)?;
                for record in read.iter().flat_map(|chunk| chunk.records()) {
                    if (next..range.first).contains(&record?.offset) {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }
    pub(super) fn committed(&mut self) -> Result<Positions> {
        let committed = self.member.storage().positions(SINK, &Input::ALL.map(Input::topic))?;
        // A reader is registered at 0 before it has read anything.
        let read = committed.into_iter().filter(|(_, next)| *next > 0);
        let known = read
            .filter_map(|((topic, partition), next)| Some(((topic.parse::<Input>().ok()?, partition), next)));
        Ok(known.collect())
    }
    fn newest_plan(&mut self) -> Result<Option<BatchPlan>> {
        let mut newest = None;
        for chunk in self.member.storage().read(topics::SINK_BATCHES.info.name, 0, 0, usize::MAX)? {
            for record in chunk.records() {
                if let Some(bytes) = record?.value {
                    newest = Some(wire::decode::<SinkBatchPlanned>(bytes)?);
                }
            }
        }
        let plan = newest.map(|event| BatchPlan::from_event(self.writer.clone(), &event));
        plan.transpose().map_err(|reason| anyhow::anyhow!("the newest plan of a batch: {reason}"))
    }
}
