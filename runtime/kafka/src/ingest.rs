//! Writes without group membership: commits of commands, and raw events that are not in the log yet.
//!
//! Invariant: an event is in the log once, even if a command is repeated or a commit is aborted. If a commit with events is unconfirmed,
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
    collections::{BTreeMap, HashMap, HashSet},
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
    /// The ids of the events in each topic, read on first use.
    stored_ids: HashMap<&'static str, HashSet<RawId>>,
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
        Ingester { cluster, stored_ids: HashMap::new() }
    }
    /// Appends the events that are not in the log, and the records and dead letters of a commit. Returns how many events were new.
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
            if self.stored_ids(event.topic.name)?.insert(event.id) {
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
                        self.stored_ids(event.topic.name)?.insert(event.id);
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
        self.stored_ids.clear();
        let mut missing = Vec::new();
        for event in events {
            if !self.stored_ids(event.topic.name)?.contains(&event.id) {
                missing.push(*event);
            }
        }
        Ok(missing)
    }
    fn stored_ids(&mut self, topic: &'static str) -> Result<&mut HashSet<RawId>, RuntimeError> {
        if !self.stored_ids.contains_key(topic) {
            let ids = self.read_ids(topic)?;
            self.stored_ids.insert(topic, ids);
        }
        Ok(self.stored_ids.entry(topic).or_default())
    }
    fn read_ids(&self, topic: &str) -> Result<HashSet<RawId>, RuntimeError> {
        let mut ids = HashSet::new();
        for partition in self.cluster.partitions(topic)? {
            for batch in self.cluster.read_partition(partition)? {
                for record in batch.records() {
                    // A record that cannot be decoded comes from another program and has no id; its loader rejects it.
                    let event = record?.value.map(wire::decode::<RawEvent>);
                    ids.extend(event.and_then(Result::ok).map(|event| event.id));
                }
            }
        }
        Ok(ids)
    }
}
