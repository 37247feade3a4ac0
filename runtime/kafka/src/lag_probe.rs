//! Where readers stand on the brokers, and whether their groups have members.
//!
//! One call for all watermarks, one for each group's positions, one for all groups' members; then the first record at or after each position
//! that is not the end, all partitions at once. A position that has not moved is not read again.
//! Invariant: nothing joins a group, nothing is committed; the end is what is decided, so an open transaction is no lag.
//! Not here: what to make of it (`lag`).
use super::{
    client::{Context, to_runtime_error},
    client_config::KafkaConfig,
    partition_queues,
    partition_reader::{PhysicalPartition, REQUEST_TIMEOUT},
    standalone_consumer::StandaloneConsumer,
};
use crate::{lag::Unread, log::RuntimeError};
use rdkafka::{
    Message,
    consumer::Consumer,
    error::{KafkaError, RDKafkaErrorCode as Code},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// A position: partition and offset.
pub type PhysicalOffset = (PhysicalPartition, i64);

/// Finds first unread records.
pub struct LagProbe {
    client: StandaloneConsumer,
    brokers: String,
    context: Context,
    /// By position, of the last look: the end as it was, and the record, when there was one below it.
    found: BTreeMap<PhysicalOffset, (i64, Option<Unread>)>,
}

impl LagProbe {
    pub fn new(settings: &KafkaConfig, group: &str) -> Result<LagProbe, RuntimeError> {
        let mut config = settings.reader(group, "read_committed");
        // One record of each partition is wanted, not its backlog.
        config.set("fetch.message.max.bytes", "65536").set("queued.min.messages", "1");
        let context = Context::default();
        let client = StandaloneConsumer::new(settings, &config, context.clone())?;
        Ok(LagProbe { client, brokers: settings.brokers.clone(), context, found: BTreeMap::new() })
    }
    fn to_runtime_error(&self, error: &KafkaError) -> RuntimeError {
        to_runtime_error(&self.brokers, "looking at the lag", error, &self.context.last_client_error)
    }
    /// The first record at or after each position, given the end of its partition; nothing where only markers are left.
    pub fn find(
        &mut self,
        ends: &BTreeMap<PhysicalOffset, i64>,
    ) -> Result<BTreeMap<PhysicalOffset, Unread>, RuntimeError> {
        self.found
            .retain(|at, (seen, unread)| ends.get(at).is_some_and(|end| unread.is_some() || *seen >= *end));
        let mut left: BTreeSet<&PhysicalOffset> =
            ends.keys().filter(|at| !self.found.contains_key(*at)).collect();
        // A consumer has one position in a partition; readers of one topic may have several.
        while !left.is_empty() {
            let mut round: BTreeMap<&PhysicalPartition, &PhysicalOffset> = BTreeMap::new();
            left.iter().for_each(|at| _ = round.entry(&at.0).or_insert(at));
            round.values().for_each(|at| _ = left.remove(*at));
            for (at, unread) in self.first_of(round.into_values().collect())? {
                self.found.insert(at.clone(), (ends.get(at).copied().unwrap_or(at.1), unread));
            }
        }
        let there = self.found.iter().filter_map(|(at, (_, unread))| Some((at.clone(), (*unread)?)));
        Ok(there.collect())
    }
    fn first_of<'a>(
        &self,
        positions: Vec<&'a PhysicalOffset>,
    ) -> Result<Vec<(&'a PhysicalOffset, Option<Unread>)>, RuntimeError> {
        let physical_partitions: Vec<(PhysicalPartition, i64)> =
            positions.iter().map(|at| (*at).clone()).collect();
        let queues = partition_queues::assign(&self.client, &physical_partitions)
            .map_err(|error| self.to_runtime_error(&error))?;
        let mut queues: Vec<_> = positions.into_iter().zip(queues).collect();
        let (mut found, since) = (Vec::new(), Instant::now());
        while !queues.is_empty() {
            if let Some(Ok(message)) = self.client.poll(Duration::from_millis(2)) {
                return Err(partition_queues::unexpected_main_queue_message(&message));
            }
            let mut failed = None;
            queues.retain(|(at, queue)| {
                let unread = match queue.poll(Duration::ZERO) {
                    Some(Ok(record)) => {
                        Some(Unread { offset: record.offset(), appended: record.timestamp().to_millis() })
                    }
                    Some(Err(KafkaError::PartitionEOF(_))) => None,
                    Some(Err(error)) => {
                        failed = Some(error);
                        return true;
                    }
                    None => return true,
                };
                found.push((*at, unread));
                false
            });
            // Brokers come and go: a look that takes too long has failed.
            if !queues.is_empty() && since.elapsed() > REQUEST_TIMEOUT {
                let timed_out = KafkaError::MessageConsumption(Code::OperationTimedOut);
                return Err(self.to_runtime_error(&failed.unwrap_or(timed_out)));
            }
        }
        self.client.unassign().map_err(|error| self.to_runtime_error(&error))?;
        Ok(found)
    }
    /// The groups, as the brokers call them, that have members.
    pub fn active_groups(&self) -> Result<BTreeSet<String>, RuntimeError> {
        let groups = self
            .client
            .fetch_group_list(None, REQUEST_TIMEOUT)
            .map_err(|error| self.to_runtime_error(&error))?;
        let active_groups = groups.groups().iter().filter(|group| !group.members().is_empty());
        Ok(active_groups.map(|group| group.name().to_owned()).collect())
    }
}
