//! Ingesting into Kafka: raw events that no topic has yet, a transaction a batch.
//!
//! Invariant: an event is in the log once, whatever is repeated or interrupted. A batch whose commit was not confirmed is written again
//! only when a new life of the producer has settled that it was not; a dead letter that came without any event may then stand twice.
//! Not here: what a line is.
use super::{
    backend::KafkaLog, log_id::random_suffix, original_record::OriginalRecords,
    transaction::TransactionalProducer,
};
use crate::{
    log::{LogBackend, RawEventRecord, RuntimeError},
    record_batch::RecordBatch,
};
use schemas::{raw::RawEvent, wire};
use std::collections::{BTreeMap, HashSet};

/// How often a batch is written again.
const MAX_ATTEMPTS: u32 = 5;

impl KafkaLog {
    /// Appends the events that are not in the log, and these other records; answers how many events were new.
    pub(super) fn ingest_batch(
        &mut self,
        events: &[RawEventRecord],
        others: BTreeMap<(String, i32), RecordBatch>,
    ) -> Result<usize, RuntimeError> {
        let mut new: Vec<&RawEventRecord> = Vec::new();
        for event in events {
            if self.knows(event.0.name)?.insert(event.3) {
                new.push(event);
            }
        }
        if new.is_empty() && others.is_empty() {
            return Ok(0);
        }
        let (all, mut left) = (new.len(), MAX_ATTEMPTS);
        loop {
            let mut out = others.clone();
            for (topic, partition, key, _, value) in &new {
                out.entry((topic.name.to_owned(), *partition)).or_default().push(key, Some(value));
            }
            match self.writer()?.commit(out, None, OriginalRecords::new()) {
                Err(RuntimeError::Aborted { reason, .. }) if left > 0 => {
                    left -= 1;
                    tracing::warn!(reason, "a batch was not confirmed: seeing whether it is in the log");
                    self.writer()?.reinit()?;
                    self.known.clear();
                    // All of it is there or nothing, but for what somebody else ingested meanwhile.
                    let mut missing = Vec::new();
                    for event in &new {
                        if !self.knows(event.0.name)?.contains(&event.3) {
                            missing.push(*event);
                        }
                    }
                    if missing.is_empty() && !new.is_empty() {
                        return Ok(all);
                    }
                    new = missing;
                }
                Err(runtime_error) => return Err(runtime_error),
                Ok(()) => {
                    for (topic, _, _, raw, _) in &new {
                        self.knows(topic.name)?.insert(*raw);
                    }
                    return Ok(all);
                }
            }
        }
    }
    /// The events of a topic, read when first asked.
    fn knows(&mut self, topic: &'static str) -> Result<&mut HashSet<schemas::RawId>, RuntimeError> {
        if !self.known.contains_key(topic) {
            let partitions = self.partitions(topic)?;
            let mut known = HashSet::new();
            for partition in 0..partitions {
                for record_batch in self.read(topic, partition, 0, usize::MAX)? {
                    for record in record_batch.records() {
                        // What others produced and cannot be opened has no identity, and its loader rejects it.
                        let event = record?.value.map(wire::decode::<RawEvent>);
                        known.extend(event.and_then(Result::ok).map(|event| event.id));
                    }
                }
            }
            self.known.insert(topic, known);
        }
        Ok(self.known.entry(topic).or_default())
    }
    /// The producer of whoever is no processor.
    pub(super) fn writer(&mut self) -> Result<&mut TransactionalProducer, RuntimeError> {
        if self.ingest.is_none() {
            let unlike = random_suffix();
            self.ingest = Some(TransactionalProducer::init_transactions(
                &self.settings,
                &format!("ingest.{unlike:x}"),
            )?);
        }
        self.ingest.as_mut().ok_or_else(|| RuntimeError::Storage {
            path: self.settings.brokers.clone(),
            reason: "no producer".into(),
            next: "start again".into(),
        })
    }
}
