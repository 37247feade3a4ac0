//! The log as the sink uses it: offsets by input topic, batch plans, and records that are read again.
//!
//! Invariant: a commit that contains offsets commits all of them; a plan is durable once [`SinkLog::append_plan`] has returned.
//! Not here: what is committed together with a written batch (`batch_writer`), when records are read again (`recovery`).
use super::decode::decode_record;
use crate::{
    continuity,
    plan::{BatchPlan, SinkOffsets, WriterId},
    record::{Record, TopicPartitionOffset},
    sink_error::SinkError,
    subscription::{SINK, SINK_BATCHES, subscription},
};
use runtime::{Commit, GroupMember, LogBackend, RecordBatch, RecordCount, RuntimeError, TaskEvent, inspect};
use schemas::wire;
use topics::{Offset, Offsets, TopicPartition};

/// Maximum bytes per read.
const READ_BYTES: usize = 1 << 20;

/// Reads and commits with the group member of the sink (this instance in the sink's consumer group).
pub struct SinkLog {
    member: Box<dyn GroupMember>,
}

impl SinkLog {
    pub fn new(member: Box<dyn GroupMember>) -> SinkLog {
        SinkLog { member }
    }
    pub fn id(&mut self) -> Result<String, RuntimeError> {
        self.member.log().id()
    }
    pub fn next_event(&mut self) -> TaskEvent {
        self.member.next_event()
    }
    /// True if all input was read, and no upstream processor in this process has unread input.
    pub fn is_caught_up(&self) -> bool {
        self.member.is_caught_up()
    }
    /// True if the committed offsets of the sink are at the end of its input topics.
    pub fn is_read_to_end(&mut self) -> Result<bool, RuntimeError> {
        self.member.log().is_caught_up(&[subscription(&[])])
    }
    pub fn backend(&mut self) -> &mut dyn LogBackend {
        self.member.log()
    }
    /// Continues reading from these offsets.
    pub fn seek(&mut self, offsets: &SinkOffsets) {
        self.member.seek(to_offsets(offsets));
    }
    /// Commits without changing the committed offsets.
    pub fn commit(&mut self, mut commit: Commit) -> Result<(), SinkError> {
        SINK.clone_into(&mut commit.group);
        Ok(self.member.commit(commit)?)
    }
    /// Makes a commit that also contains these offsets.
    pub fn commit_offsets(&mut self, next: &SinkOffsets, mut commit: Commit) -> Result<(), SinkError> {
        commit.offsets = to_offsets(next);
        self.commit(commit)
    }
    /// Returns the committed offsets of the sink.
    pub fn committed(&mut self) -> Result<SinkOffsets, RuntimeError> {
        continuity::committed(self.member.log())
    }
    /// Returns the newest version of the sink's ledger entries; 0 if it has none.
    pub fn ledger_version(&mut self) -> Result<i64, RuntimeError> {
        Ok(inspect::newest_versions(self.member.log())?.remove(SINK).unwrap_or(0))
    }
    /// Commits a batch plan to the log.
    pub fn append_plan(&mut self, plan: &BatchPlan) -> Result<(), SinkError> {
        let mut commit = Commit::default();
        commit.append(SINK_BATCHES, SINK, Some(&wire::encode(&plan.event())?));
        self.commit(commit)
    }
    /// Returns the newest batch plan; `None` if the log has no batch plan.
    pub fn newest_plan(&mut self, writer: &WriterId) -> Result<Option<BatchPlan>, SinkError> {
        continuity::newest_plan(self.member.log(), writer)
    }
    /// Reads the records in a plan's ranges, ordered by input topic, partition and offset. Compaction may have removed some of them since
    /// they were planned.
    pub fn read_planned(&mut self, plan: &BatchPlan) -> Result<Vec<Record>, SinkError> {
        let mut records = Vec::new();
        for ((input, partition), range) in &plan.ranges {
            // The size of a read is limited, since many records may follow the range.
            let mut next = range.first;
            while next < range.end {
                let topic_partition = TopicPartition::new(input.topic(), *partition);
                let record_batches = self.member.log().read(topic_partition, next, READ_BYTES)?;
                let Some(read_to) = record_batches.last().map(RecordBatch::next) else { break };
                for record in record_batches.iter().flat_map(RecordBatch::records) {
                    let record = record?;
                    if record.offset >= next && range.contains(record.offset) {
                        let coordinates = TopicPartitionOffset {
                            input: *input,
                            partition: *partition,
                            offset: record.offset,
                        };
                        records.push(decode_record(coordinates, record.key, record.value)?);
                    }
                }
                next = read_to.max(next + 1);
            }
        }
        Ok(records)
    }
    /// True if the partition has a record in this range of offsets.
    pub fn has_record(
        &mut self,
        partition: TopicPartition,
        from: Offset,
        to: Offset,
    ) -> Result<bool, SinkError> {
        let record_batches = self.member.log().read(partition, from, 1)?;
        for record in record_batches.iter().flat_map(RecordBatch::records) {
            if (from..to).contains(&record?.offset) {
                return Ok(true);
            }
        }
        Ok(false)
    }
    /// Returns the number of records below an offset; if compaction removed some of them, a lower bound of this number.
    pub fn count_below(&mut self, partition: TopicPartition, offset: Offset) -> Result<i64, RuntimeError> {
        let (RecordCount::Exactly(count) | RecordCount::AtLeast(count)) =
            self.member.log().count_records_below(partition, offset)?;
        Ok(count)
    }
}

fn to_offsets(offsets: &SinkOffsets) -> Offsets {
    let next = offsets
        .iter()
        .map(|((input, partition), next)| (TopicPartition::new(input.topic(), *partition), *next));
    next.collect()
}
