//! Recovery when the sink acquires the writer role: it completes the newest planned batch, or reads the log again.
//!
//! Before it reads the log again, the sink commits the start offsets, an empty plan and a new ledger version in one commit. A later
//! restart therefore continues from these offsets, and the ledger entries of the new version count only the records that are read again.
//!
//! Invariant: no other batch is written before the batch of the newest plan is stored; if an operator has reset the committed offsets, the
//! sink reads from the reset offsets.
//! Not here: deciding by plan and committed offsets how to recover (`sinks::Recovery`).
use super::{SINK, SINK_BATCHES, SinkTask};
use anyhow::Result;
use runtime::{Commit, RecordCount, clock::now, engine::LEDGER, inspect, metrics as m};
use schemas::{
    ops::{LedgerEntry, SinkBatchPlanned},
    wire,
};
use sinks::{Batch, BatchPlan, CloseReason, Recovery, SinkTopic, plan::SinkOffsets};
use topics::TopicPartition;

impl SinkTask {
    /// Acquires the warehouse for this log and recovers.
    pub(super) fn acquire_writer(&mut self) -> Result<()> {
        let log = self.writer.log.clone();
        self.writer.epoch = self.with_retries(|warehouse| warehouse.acquire(&log))?;
        self.rebuilding = self.with_retries(|warehouse| warehouse.writer_state())?.rebuilding;
        self.ledger_version = inspect::newest_versions(self.member.log())?.remove(SINK).unwrap_or(0);
        self.recover()
    }
    fn recover(&mut self) -> Result<()> {
        let committed = self.committed()?;
        // Recovery may commit dead letters before it reads any record; after this seek, that commit does not change the offsets.
        self.seek(&committed);
        let plan = self.newest_plan()?;
        let is_stored = match &plan {
            Some(plan) => self.with_retries(|warehouse| warehouse.is_committed(&plan.id))?,
            None => false,
        };
        match (Recovery::decide(plan.as_ref(), &committed, is_stored), plan) {
            (Recovery::Resume, _) => {}
            (Recovery::CommitOffsets(_) | Recovery::RewriteBatch(_), Some(plan)) => {
                if self.was_rewound(&plan, &committed)? {
                    tracing::warn!(
                        "the committed offsets of the sink were reset: reading again from the reset offsets"
                    );
                    return self.restart_from(committed);
                }
                // The batch is built again from its ranges even if it is stored: the warehouse then only returns the counts of its records.
                let batch = Batch::from_records(self.reread(&plan)?);
                // If compaction removed all of its records, an empty batch completes the plan.
                let batch =
                    batch.unwrap_or_else(|| Batch::empty(plan.ranges.clone(), CloseReason::Recovered));
                self.write(batch, plan)?;
                let committed = self.committed()?;
                self.seek(&committed);
            }
            _ => {
                // After `sink rebuild`, the warehouse is expected to lack batches, and the epoch is new already.
                if !self.rebuilding {
                    tracing::warn!(
                        "the warehouse lacks a batch that this log has committed: rebuilding it from the start in a new epoch"
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
    /// Restarts reading from these offsets, and from 0 in all other partitions.
    fn restart_from(&mut self, from: SinkOffsets) -> Result<()> {
        self.ledger_version += 1;
        let mut ledger_entry = LedgerEntry {
            processor: SINK.to_owned(),
            version: self.ledger_version,
            ..LedgerEntry::default()
        };
        let mut next = SinkOffsets::new();
        for topic in crate::topology::sink_inputs() {
            let input: SinkTopic = topic.name.parse().map_err(anyhow::Error::msg)?;
            for partition in 0..topic.partitions {
                let offset = from.get(&(input, partition)).copied().unwrap_or(0);
                next.insert((input, partition), offset);
                // Records below the offset count as read and unchanged: they were stored when the offset was committed.
                if offset > 0 {
                    let (RecordCount::Exactly(below) | RecordCount::AtLeast(below)) = self
                        .member
                        .log()
                        .count_records_below(TopicPartition::new(topic.name, partition), offset)?;
                    ledger_entry.read += below;
                    ledger_entry.unchanged += below;
                }
            }
        }
        let plan = BatchPlan::for_restart(self.writer.clone(), now());
        let mut commit = Commit::default();
        commit.append(SINK_BATCHES, SINK, Some(&wire::encode(&plan.event())?));
        commit.append(LEDGER, SINK, Some(&wire::encode(&ledger_entry)?));
        self.commit(&next, commit)?;
        self.seek(&from);
        Ok(())
    }
    /// True if a record exists between the committed offsets and the start of the plan. In this case the offsets were reset, since a plan
    /// begins where the previous one ended.
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
    /// Returns the committed offsets of the sink.
    pub(super) fn committed(&mut self) -> Result<SinkOffsets> {
        let committed = self.member.log().committed_offsets(SINK, &SinkTopic::ALL.map(SinkTopic::topic))?;
        // Offset 0 means that nothing was read: a group is registered with offset 0 for every partition.
        let read = committed.into_iter().filter(|(_, next)| *next > 0);
        let offsets = read.filter_map(|(partition, next)| {
            Some(((partition.topic.parse::<SinkTopic>().ok()?, partition.partition), next))
        });
        Ok(offsets.collect())
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
        plan.transpose().map_err(|reason| anyhow::anyhow!("cannot parse the newest batch plan: {reason}"))
    }
}
