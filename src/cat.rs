//! Cat: the records of a topic, decoded, one after the other.
//!
//! Records of several partitions are merged by their timestamps; those of one partition stay in the order of their offsets.
//! Invariant: read-only; it joins no consumer group. A record that cannot be decoded is passed on with the reason, and reading continues.
//! Not here: decoding a record (`record`), finding the topic (`topic`), writing the records (`cli::cat`).
mod filter;
mod record;
mod topic;

pub use filter::RecordFilter;
pub use record::RecordReport;
pub use topic::{TopicDescription, topic_descriptions};

use crate::{app::App, namespace::Namespace, replay};
use anyhow::Result;
use runtime::{LogBackend, ReadSize, StoredRecord};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use topic::ShownTopic;
use topics::{Offset, Offsets, TopicPartition};

/// Number of bytes that are read of each partition at first, and at most. Few records are shown after one small read; of a large topic, and
/// in a search for a key, many bytes are read at a time.
const FIRST_READ_BYTES: usize = 64 << 10;
const MAX_READ_BYTES: usize = 8 << 20;
/// How long one wait for new records takes, before the flag that stops the command is looked at.
const WAIT: Duration = Duration::from_millis(250);

/// Number of records that were shown, and of those among them that could not be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CatReport {
    pub records: u64,
    pub undecodable: u64,
}

/// Passes the records of a topic, or of the topic of a replay, to `emit`. If `stop` is given, waits for new records until the flag is set.
///
/// # Errors
/// [`UsageError`](crate::usage_error::UsageError) for a topic or partition that does not exist; if there is no such replay; if the log cannot
/// be read; the error of `emit`.
pub fn cat(
    app: &App,
    (topic, replay): (&str, Option<&Namespace>),
    filter: &RecordFilter,
    stop: Option<&AtomicBool>,
    emit: &mut dyn FnMut(&RecordReport) -> Result<()>,
) -> Result<CatReport> {
    let topic = ShownTopic::find(app, topic)?;
    filter.check()?;
    let mut log = match replay {
        Some(namespace) => replay::open_log_read_only(app, namespace)?,
        None => app.open_log_read_only()?,
    };
    let mut reading = Reading::start(log.as_mut(), &topic, filter)?;
    let mut report = CatReport::default();
    let is_stopped = || stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
    let is_full = |report: CatReport| filter.limit.is_some_and(|limit| report.records >= limit);
    while !is_full(report) && !is_stopped() {
        if let Some((partition, record)) = reading.next(log.as_mut(), stop.is_some())? {
            if filter.matches(&topic, &record) {
                let shown = RecordReport::new(&topic, partition, record);
                report.records += 1;
                report.undecodable += u64::from(shown.error.is_some());
                emit(&shown)?;
            }
        } else if stop.is_none() {
            break;
        } else if log.await_records(&reading.next_offsets(), WAIT)? {
            reading.resume();
        }
    }
    Ok(report)
}

/// What was read of one partition and not passed on yet.
struct PartitionReading {
    next: Offset,
    /// The end offset when the command began.
    end: Offset,
    records: VecDeque<StoredRecord>,
    is_at_end: bool,
}

/// Reads several partitions, and merges their records.
struct Reading {
    partitions: BTreeMap<TopicPartition, PartitionReading>,
    size: ReadSize,
}

impl Reading {
    fn start(log: &mut dyn LogBackend, topic: &ShownTopic, filter: &RecordFilter) -> Result<Reading> {
        // Fails on Kafka if the topic does not exist. A topic of the embedded log exists once it has a record.
        let end_offsets = log.end_offsets(&[topic.name])?;
        let partitions = topic.partitions((filter.partition, filter.key.as_deref()), &end_offsets)?;
        let mut starts: Offsets = partitions.iter().map(|partition| (*partition, 0)).collect();
        if let Some(from) = filter.from {
            // Without a record from this instant on, only new records can be shown.
            starts.extend(
                partitions.iter().filter_map(|partition| Some((*partition, *end_offsets.get(partition)?))),
            );
            starts.extend(log.offsets_at(&partitions, from)?);
        }
        let reading = |(partition, next): (TopicPartition, Offset)| {
            let end = end_offsets.get(&partition).copied().unwrap_or(0);
            (partition, PartitionReading { next, end, records: VecDeque::new(), is_at_end: next >= end })
        };
        let partitions = starts.into_iter().map(reading).collect();
        // If every record is shown, no partition is read further than the limit.
        let records = filter.limit.filter(|_| filter.shows_all()).and_then(|limit| limit.try_into().ok());
        let bytes = if filter.key.is_some() { MAX_READ_BYTES } else { FIRST_READ_BYTES };
        let size = ReadSize { bytes, records: records.unwrap_or(usize::MAX) };
        Ok(Reading { partitions, size })
    }
    /// Returns the next record; `None` at the end of all partitions. If `is_following`, this is the current end, otherwise the end when the
    /// command began.
    fn next(
        &mut self,
        log: &mut dyn LogBackend,
        is_following: bool,
    ) -> Result<Option<(TopicPartition, StoredRecord)>> {
        loop {
            let empty = |(partition, reading): (&TopicPartition, &PartitionReading)| {
                let is_read = reading.records.is_empty() && !reading.is_at_end;
                is_read.then_some((*partition, reading.next))
            };
            let from: Offsets = self.partitions.iter().filter_map(empty).collect();
            if from.is_empty() {
                return Ok(self.take_first());
            }
            let mut read = log.read_stored(&from, self.size)?;
            self.size.bytes = (self.size.bytes * 4).min(MAX_READ_BYTES);
            for (partition, first) in from {
                let Some(reading) = self.partitions.get_mut(&partition) else { continue };
                let stored = read.remove(&partition).unwrap_or_default();
                reading.next = stored.next.max(first);
                reading.records = stored.records.into();
                let is_past_end = !is_following && reading.next >= reading.end;
                reading.is_at_end = reading.next == first || is_past_end;
            }
        }
    }
    /// Takes the record with the lowest timestamp among the first records of the partitions.
    fn take_first(&mut self) -> Option<(TopicPartition, StoredRecord)> {
        let first = self.partitions.iter_mut().filter_map(|(partition, reading)| {
            let timestamp = reading.records.front()?.timestamp;
            Some((timestamp, *partition, reading))
        });
        let (_, partition, reading) =
            first.min_by_key(|(timestamp, partition, _)| (*timestamp, *partition))?;
        Some((partition, reading.records.pop_front()?))
    }
    fn next_offsets(&self) -> Offsets {
        self.partitions.iter().map(|(partition, reading)| (*partition, reading.next)).collect()
    }
    /// Reads on where the partitions ended.
    fn resume(&mut self) {
        for reading in self.partitions.values_mut() {
            reading.is_at_end = false;
        }
    }
}
