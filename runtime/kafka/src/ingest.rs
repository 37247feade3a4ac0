//! Writes without group membership: commits of commands, and raw events that are not in the log yet.
//!
//! Invariant: an event is in the log once, even if a command is repeated or a commit is aborted; it is appended again only with a higher
//! rank. If a commit with events is unconfirmed,
//! the log is searched for the events after the next `init_transactions`, and only missing ones are written again. A commit that has only
//! dead letters cannot be searched for, so its dead letters may be written twice.
//! Not here: reading events from an input file (`src/ingest/`).
use crate::{
    cluster::KafkaCluster,
    dead_letters::{DlqRecord, to_records},
    log_id::random_suffix,
    transaction::{TransactionContent, TransactionalProducer},
};
use runtime::{Commit, CommitError, RawEventRecord, RecordBatch, RuntimeError};
use schemas::{RawId, raw::RawEvent, wire};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use topics::TopicPartition;

/// The maximum number of times that a batch is written again.
const MAX_RETRIES: u32 = 5;

/// The transactional producer that commands use. Its name is random, so no other process uses it.
pub struct CommandProducer {
    cluster: Arc<KafkaCluster>,
    producer: Option<TransactionalProducer>,
}

impl CommandProducer {
    /// Creates the producer without a client; the first commit creates the client.
    pub fn new(cluster: Arc<KafkaCluster>) -> Self {
        CommandProducer { cluster, producer: None }
    }
    fn producer(&mut self) -> Result<&mut TransactionalProducer, RuntimeError> {
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => {
                let owner = format!("ingest.{:x}", random_suffix());
                TransactionalProducer::init_transactions(self.cluster.config(), &owner)?
            }
        };
        Ok(self.producer.insert(producer))
    }
    /// Writes the content in one transaction.
    ///
    /// # Errors
    /// As [`TransactionalProducer::commit`].
    pub fn commit(&mut self, content: TransactionContent) -> Result<(), CommitError> {
        self.producer()?.commit(content)
    }
}

/// Appends raw events that are not in the log yet.
pub struct Ingester {
    cluster: Arc<KafkaCluster>,
    /// The events in each topic, read on first use.
    stored: HashMap<&'static str, StoredEvents>,
}

/// The events of a topic, each with the highest rank with which it is stored.
#[derive(Debug, Default)]
struct StoredEvents(HashMap<RawId, u8>);

impl StoredEvents {
    /// True if the event is stored with this rank or a higher one.
    fn contains(&self, id: RawId, rank: u8) -> bool {
        self.0.get(&id).is_some_and(|stored| *stored >= rank)
    }
    /// Adds an event. Returns true if it was not stored, or only with a lower rank.
    fn insert(&mut self, id: RawId, rank: u8) -> bool {
        let is_new = !self.contains(id, rank);
        if is_new {
            self.0.insert(id, rank);
        }
        is_new
    }
}

/// Records and dead letters that are appended together with events.
struct OtherRecords {
    records: BTreeMap<TopicPartition, RecordBatch>,
    dead_letters: Vec<DlqRecord>,
}

impl OtherRecords {
    /// Returns the content of a transaction with these records and events.
    fn with_events(&self, events: &[&RawEventRecord]) -> TransactionContent {
        let mut records = self.records.clone();
        for event in events {
            let partition = TopicPartition::new(event.topic.name, event.partition);
            records.entry(partition).or_default().push(&event.key, Some(&event.value));
        }
        TransactionContent { records, dead_letters: self.dead_letters.clone(), offsets: None }
    }
}

impl Ingester {
    /// Creates an ingester that has not read any ids yet.
    pub fn new(cluster: Arc<KafkaCluster>) -> Self {
        Ingester { cluster, stored: HashMap::new() }
    }
    /// Appends the events that are not in the log, or only with a lower rank, and the records and dead letters of a commit. Returns how many
    /// events were appended.
    ///
    /// # Errors
    /// When the log cannot be read or written, or the commit is still unconfirmed after [`MAX_RETRIES`].
    pub fn ingest(
        &mut self,
        events: &[RawEventRecord],
        commit: Commit,
        producer: &mut CommandProducer,
    ) -> Result<usize, RuntimeError> {
        let mut new_events: Vec<&RawEventRecord> = Vec::new();
        for event in events {
            if self.stored(event.topic.name)?.insert(event.id, event.rank) {
                new_events.push(event);
            }
        }
        let dead_letters = to_records(self.cluster.config(), commit.dead_letters);
        let others = OtherRecords { records: commit.records, dead_letters };
        if new_events.is_empty() && others.records.is_empty() && others.dead_letters.is_empty() {
            return Ok(0);
        }
        let (new_count, mut retries) = (new_events.len(), 0);
        loop {
            match producer.commit(others.with_events(&new_events)) {
                Ok(()) => {
                    for event in &new_events {
                        self.stored(event.topic.name)?.insert(event.id, event.rank);
                    }
                    return Ok(new_count);
                }
                Err(CommitError::Aborted { reason }) if retries < MAX_RETRIES => {
                    retries += 1;
                    tracing::warn!(
                        reason,
                        "a commit is unconfirmed, checking whether its events are in the log"
                    );
                    producer.producer()?.reinit()?;
                    let missing = self.read_missing(&new_events)?;
                    if missing.is_empty() && !new_events.is_empty() {
                        return Ok(new_count);
                    }
                    new_events = missing;
                }
                Err(error) => return Err(error.without_retry("ingest")),
            }
        }
    }
    /// Reads the log again, and returns the events that are not in it. Either all events of the batch are durable or none, but another
    /// process may have ingested some of them meanwhile.
    fn read_missing<'a>(
        &mut self,
        events: &[&'a RawEventRecord],
    ) -> Result<Vec<&'a RawEventRecord>, RuntimeError> {
        self.stored.clear();
        let mut missing = Vec::new();
        for event in events {
            if !self.stored(event.topic.name)?.contains(event.id, event.rank) {
                missing.push(*event);
            }
        }
        Ok(missing)
    }
    fn stored(&mut self, topic: &'static str) -> Result<&mut StoredEvents, RuntimeError> {
        if !self.stored.contains_key(topic) {
            let events = self.read_events(topic)?;
            self.stored.insert(topic, events);
        }
        Ok(self.stored.entry(topic).or_default())
    }
    fn read_events(&self, topic: &str) -> Result<StoredEvents, RuntimeError> {
        let mut events = StoredEvents::default();
        for partition in self.cluster.partitions(topic)? {
            for batch in self.cluster.read_partition(partition)? {
                for record in batch.records() {
                    // A record that cannot be decoded comes from another program and has no id; its loader rejects it.
                    let event = record?.value.map(wire::decode::<RawEvent>);
                    if let Some(Ok(event)) = event {
                        events.insert(event.id, event.outcome.rank());
                    }
                }
            }
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_event_is_appended_exactly_when_its_rank_is_higher_than_all_before(
            events in prop::collection::vec((0_i64..3, 0_u8..6), 0..30),
        ) {
            let mut stored = StoredEvents::default();
            for (n, (id, rank)) in events.iter().enumerate() {
                let highest = events[..n].iter().filter(|(other, _)| other == id).map(|(_, rank)| rank).max();
                let is_new = highest.is_none_or(|highest| rank > highest);
                prop_assert_eq!(stored.insert(RawId(*id), *rank), is_new);
                prop_assert!(stored.contains(RawId(*id), *rank));
            }
        }
    }
}
