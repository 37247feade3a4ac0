//! Probe for consumer lag: finds the first unread record after each committed offset, and the groups that have members.
//!
//! All partitions are assigned and read at once, each up to the first record at or after its committed offset. Nothing is read for a
//! committed offset while the result of an earlier sample is still valid for it.
//! Invariant: the probe joins no group and commits nothing. It reads committed records only, so records of an open transaction do not count
//! as lag.
//! Not here: queries for offsets (`offsets`), the sample of all processors (`lag_sample`), the assessment of a sample (`runtime::lag`).
use crate::{
    client_config::{Isolation, KafkaConfig},
    context::Context,
    group_members::{AssignedMember, members_by_group},
    partition_queues,
    query_client::REQUEST_TIMEOUT,
    standalone_consumer::StandaloneConsumer,
    topic_partition::PhysicalPartition,
};
use rdkafka::{
    Message,
    consumer::{Consumer, base_consumer::PartitionQueue},
    error::{KafkaError, RDKafkaErrorCode as Code},
};
use runtime::{RuntimeError, lag::Unread};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use topics::Offset;

const OPERATION: &str = "sampling the lag";

/// A partition and the offset from which it is probed.
type ProbeStart = (PhysicalPartition, Offset);

/// The end offset of the partition at the time of a probe, and the first unread record below it, if there was one.
type ProbeResult = (Offset, Option<Unread>);

/// Finds the first unread record in each of several partitions.
pub struct LagProbe {
    consumer: StandaloneConsumer,
    /// The results of the last sample. Those that are still valid are used again in the next sample.
    results: BTreeMap<ProbeStart, ProbeResult>,
}

impl LagProbe {
    /// Creates a probe with a consumer of its own.
    ///
    /// # Errors
    /// `RuntimeError::Precondition` with the setting that the client rejects.
    pub fn new(config: &KafkaConfig, group: &str) -> Result<LagProbe, RuntimeError> {
        let mut client_config = config.standalone_consumer(group, Isolation::ReadCommitted);
        // Prefetches little, because only one record of each partition is needed.
        client_config.set("fetch.message.max.bytes", "65536").set("queued.min.messages", "1");
        let context = Context::new(&config.brokers);
        let consumer = StandaloneConsumer::new(config, &client_config, context)?;
        Ok(LagProbe { consumer, results: BTreeMap::new() })
    }
    fn to_runtime_error(&self, error: &KafkaError) -> RuntimeError {
        self.consumer.context().to_runtime_error(OPERATION, error)
    }
    /// Finds the first record at or after each of the given offsets; each offset comes with the end offset of its partition. The result has
    /// no entry for an offset that is followed by control records only.
    ///
    /// # Errors
    /// When the brokers are not reachable within the time limit.
    pub fn find(
        &mut self,
        end_offsets: &BTreeMap<ProbeStart, Offset>,
    ) -> Result<BTreeMap<ProbeStart, Unread>, RuntimeError> {
        // A result with a record stays valid: that record is still the first unread one. A result without a record is valid only while the
        // end offset is not higher than at its probe.
        self.results.retain(|start, (probed_end, unread)| {
            end_offsets.get(start).is_some_and(|end| unread.is_some() || *probed_end >= *end)
        });
        let mut open: BTreeSet<&ProbeStart> =
            end_offsets.keys().filter(|start| !self.results.contains_key(*start)).collect();
        // A consumer has one position per partition, so a partition with several starts (of several processors) takes several rounds.
        while !open.is_empty() {
            let mut round: BTreeMap<&PhysicalPartition, &ProbeStart> = BTreeMap::new();
            for start in &open {
                round.entry(&start.0).or_insert(start);
            }
            for start in round.values() {
                open.remove(start);
            }
            for (start, unread) in self.first_records(round.into_values().collect())? {
                let end_offset = end_offsets.get(start).copied().unwrap_or(start.1);
                self.results.insert(start.clone(), (end_offset, unread));
            }
        }
        let found = self.results.iter().filter_map(|(start, (_, unread))| Some((start.clone(), (*unread)?)));
        Ok(found.collect())
    }
    fn first_records<'a>(
        &self,
        starts: Vec<&'a ProbeStart>,
    ) -> Result<Vec<(&'a ProbeStart, Option<Unread>)>, RuntimeError> {
        let assignment: Vec<ProbeStart> = starts.iter().map(|start| (*start).clone()).collect();
        let queues = partition_queues::assign(&self.consumer, &assignment)
            .map_err(|error| self.to_runtime_error(&error))?;
        let mut open: Vec<_> = starts.into_iter().zip(queues).collect();
        let (mut found, started) = (Vec::new(), Instant::now());
        while !open.is_empty() {
            if let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(2)) {
                return Err(partition_queues::unexpected_main_queue_message(&message));
            }
            let mut last_error = None;
            open.retain(|(start, queue)| match first_record(queue) {
                Ok(Some(unread)) => {
                    found.push((*start, unread));
                    false
                }
                Ok(None) => true,
                Err(error) => {
                    last_error = Some(error);
                    true
                }
            });
            // The client recovers from lost connections by itself, so an error fails the sample only after the time limit.
            if !open.is_empty() && started.elapsed() > REQUEST_TIMEOUT {
                let timed_out = KafkaError::MessageConsumption(Code::OperationTimedOut);
                return Err(self.to_runtime_error(&last_error.unwrap_or(timed_out)));
            }
        }
        self.consumer.unassign().map_err(|error| self.to_runtime_error(&error))?;
        Ok(found)
    }
    /// Returns the members of the groups that have any, by the physical name of the group.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject the request.
    pub fn members_by_group(&self) -> Result<BTreeMap<String, Vec<AssignedMember>>, RuntimeError> {
        members_by_group(&self.consumer).map_err(|error| self.to_runtime_error(&error))
    }
}

/// Returns the first record of a queue: `Some(None)` if the end of file came first, `None` if nothing was delivered yet.
fn first_record(queue: &PartitionQueue<Context>) -> Result<Option<Option<Unread>>, KafkaError> {
    match queue.poll(Duration::ZERO) {
        Some(Ok(message)) => {
            Ok(Some(Some(Unread { offset: message.offset(), appended: message.timestamp().to_millis() })))
        }
        Some(Err(KafkaError::PartitionEOF(_))) => Ok(Some(None)),
        Some(Err(error)) => Err(error),
        None => Ok(None),
    }
}
