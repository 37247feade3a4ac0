//! What the sink does first once it is the one that writes: its own newest plan is put in order, or the log is read again.
//!
//! Reading again is durable as a whole: positions, an empty plan and a new account, in one commit. So a restart in the middle of it goes
//! on where it was, and the account holds the records of this reading alone.
//!
//! Invariant: nothing is written before the newest plan is known to stand, or is made to; positions that somebody set back are kept.
//! Not here: what a plan and the committed positions mean together (`sinks::Recovery`).
use super::{SINK, SINK_BATCHES, SinkTask, now};
use anyhow::Result;
use runtime::{Commit, engine::LEDGER, metrics as m};
use schemas::{
    ops::{LedgerEntry, SinkBatchPlanned},
    wire,
};
use sinks::{Batch, BatchPlan, CloseReason, Recovery, SinkTopic, plan::SinkOffsets};
use topics::TopicPartition;

impl SinkTask {
    /// Takes the warehouse over, once this instance is the one that writes it, and puts the newest plan in order.
    pub(super) fn acquire_writer(&mut self) -> Result<()> {
        let log = self.writer.log.clone();
        self.writer.epoch = self.with_retries(|warehouse| warehouse.acquire(&log))?;
        self.rebuilding = self.with_retries(|warehouse| warehouse.writer_state())?.rebuilding;
        self.ledger_version = runtime::inspect::newest_versions(self.member.log())?.remove(SINK).unwrap_or(0);
        self.recover()
    }
    fn recover(&mut self) -> Result<()> {
        let committed = self.committed()?;
        // Letters may be committed before anything is read: they must find the positions as they stand.
        self.seek(&committed);
        let plan = self.newest_plan()?;
        let written = match &plan {
            Some(plan) => self.with_retries(|warehouse| warehouse.is_committed(&plan.id))?,
            None => false,
        };
        match (Recovery::decide(plan.as_ref(), &committed, written), plan) {
            (Recovery::Resume, _) => {}
            (Recovery::CommitOffsets(_) | Recovery::RewriteBatch(_), Some(plan)) => {
                if self.was_rewound(&plan, &committed)? {
                    tracing::warn!("the sink's positions were set back: reading again from there");
                    return self.restart_from(committed);
                }
                // Written or not, it is made again from its ranges: a warehouse that has it answers what became of its records.
                let batch = Batch::from_records(self.reread(&plan)?);
                // Compaction may have left nothing of it; it stands nevertheless, or the plan would be open for ever.
                let batch =
                    batch.unwrap_or_else(|| Batch::empty(plan.ranges.clone(), CloseReason::Recovered));
                self.write(batch, plan)?;
                let committed = self.committed()?;
                self.seek(&committed);
            }
            _ => {
                // Adopted by hand, the epoch is new already, and nobody is surprised.
                if !self.rebuilding {
                    tracing::warn!(
                        "the warehouse lacks what this log has committed: writing it from the start in a new epoch"
                    );
                    self.run_context.metrics.add(m::SINK_DIVERGENCES, &[SINK], 1);
                    let log = self.writer.log.clone();
                    self.writer.epoch = self.with_retries(|warehouse| warehouse.take_ownership(&log))?;
                    self.rebuilding = true;
                }
                self.restart_from(SinkOffsets::new())?;
            }
        }
        Ok(())
    }
    /// Reads again from these positions, those that are not named from their start.
    fn restart_from(&mut self, from: SinkOffsets) -> Result<()> {
        self.ledger_version += 1;
        let mut account = LedgerEntry {
            processor: SINK.to_owned(),
            version: self.ledger_version,
            ..LedgerEntry::default()
        };
        let mut next = SinkOffsets::new();
        for topic in crate::topology::sink_inputs() {
            let input: SinkTopic = topic.name.parse().map_err(anyhow::Error::msg)?;
            for partition in 0..topic.partitions {
                let at = from.get(&(input, partition)).copied().unwrap_or(0);
                next.insert((input, partition), at);
                // What lies below counts as read: it is in the warehouse, or was when the position was committed.
                if at > 0 {
                    let (runtime::RecordCount::Exactly(below) | runtime::RecordCount::AtLeast(below)) = self
                        .member
                        .log()
                        .count_records_below(TopicPartition::new(topic.name, partition), at)?;
                    account.read += below;
                    account.unchanged += below;
                }
            }
        }
        let plan = BatchPlan::for_restart(self.writer.clone(), now());
        let mut commit = Commit::default();
        commit.append(SINK_BATCHES, SINK, Some(&wire::encode(&plan.event())?));
        commit.append(LEDGER, SINK, Some(&wire::encode(&account)?));
        self.commit(&next, commit)?;
        self.seek(&from);
        Ok(())
    }
    /// Whether there is a record between the committed positions and the plan: a plan begins where the one before it ended.
    fn was_rewound(&mut self, plan: &BatchPlan, committed: &SinkOffsets) -> Result<bool> {
        for ((input, partition), range) in &plan.ranges {
            let next = committed.get(&(*input, *partition)).copied().unwrap_or(0);
            if next < range.first {
                let read = self.member.log().read(TopicPartition::new(input.topic(), *partition), next, 1)?;
                for record in read.iter().flat_map(|record_batch| record_batch.records()) {
                    if (next..range.first).contains(&record?.offset) {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }
    pub(super) fn committed(&mut self) -> Result<SinkOffsets> {
        let committed = self.member.log().committed_offsets(SINK, &SinkTopic::ALL.map(SinkTopic::topic))?;
        // A reader is registered at 0 before it has read anything.
        let read = committed.into_iter().filter(|(_, next)| *next > 0);
        let known = read.filter_map(|(partition, next)| {
            Some(((partition.topic.parse::<SinkTopic>().ok()?, partition.partition), next))
        });
        Ok(known.collect())
    }
    fn newest_plan(&mut self) -> Result<Option<BatchPlan>> {
        let mut newest = None;
        for record_batch in self.member.log().read(SINK_BATCHES, 0, usize::MAX)? {
            for record in record_batch.records() {
                if let Some(bytes) = record?.value {
                    newest = Some(wire::decode::<SinkBatchPlanned>(bytes)?);
                }
            }
        }
        let plan = newest.map(|event| BatchPlan::from_event(self.writer.clone(), &event));
        plan.transpose().map_err(|reason| anyhow::anyhow!("the newest plan of a batch: {reason}"))
    }
}
