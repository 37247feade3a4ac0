//! The state of a dead letter: whether anything is to be done about it.
//!
//! The state is not stored; it follows from the log. The event of a dead letter is found in its raw topic: a record after the original is a
//! redrive. The newest record of the event was decoded if the loader has read it and no dead letter comes from it.
//! Invariant: read-only. A raw topic is read at most once per call, and only if a dead letter has an event of this topic.
//! Not here: which events are retracted (`retract`), redriving (`redrive`).
use crate::{
    ingest::{self, INGEST},
    retract::{RAW_TOPICS, RetractedEvent, Retractions, each_event},
    topology::{subscriptions, versioned_group},
};
use anyhow::Result;
use runtime::{DeadLetterRecord, LogReader, clock};
use schemas::{
    RawId,
    raw::{DeadLetter, RawEvent, RejectCode},
    wire,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use topics::{Offset, Offsets, TopicInfo, TopicPartition, raw_topic};

/// What has happened to the record, row or line of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterState {
    /// Nothing has happened yet.
    Open,
    /// It was redriven, and is not read again yet, or was rejected again, so that there is a newer dead letter.
    Redriven,
    /// It was decoded later: after a redrive, or by a newer version of the loader.
    Resolved,
    /// Its event is retracted, so nothing is to be done.
    Dismissed,
}
impl DeadLetterState {
    pub const fn name(self) -> &'static str {
        match self {
            DeadLetterState::Open => "open",
            DeadLetterState::Redriven => "redriven",
            DeadLetterState::Resolved => "resolved",
            DeadLetterState::Dismissed => "dismissed",
        }
    }
}

/// The event of a dead letter, as far as it is known.
#[derive(Clone, Copy)]
struct DeadLetterEvent {
    topic: TopicInfo,
    raw: RawId,
}
impl DeadLetterEvent {
    /// Returns the event; `None` if the dead letter comes from no raw topic, or its bytes are not an event.
    fn of(dead_letter: &DeadLetter) -> Option<DeadLetterEvent> {
        if dead_letter.processor == INGEST {
            let event = ingest::accept(&dead_letter.value, clock::now()).ok()?;
            return Some(DeadLetterEvent { topic: raw_topic(event.feed).info, raw: event.id });
        }
        let topic = RAW_TOPICS.into_iter().find(|topic| topic.info.name == dead_letter.origin)?.info;
        let decoded = || Some(wire::decode::<RawEvent>(&dead_letter.value).ok()?.id);
        Some(DeadLetterEvent { topic, raw: dead_letter.raw.or_else(decoded)? })
    }
}

/// What a raw topic has about the events of dead letters.
#[derive(Default)]
struct TopicEvents {
    retractions: Retractions,
    /// The newest offset of each of these events.
    newest: BTreeMap<RawId, Offset>,
}

/// Determines the states of all dead letters of a processor, in their order, with the retractions of dismissed ones.
///
/// # Errors
/// If the log cannot be read.
pub fn states(
    log: &mut dyn LogReader,
    processor: &str,
    records: &[DeadLetterRecord],
) -> Result<Vec<(DeadLetterState, Option<RetractedEvent>)>> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let events: Vec<Option<DeadLetterEvent>> =
        records.iter().map(|record| DeadLetterEvent::of(&record.dead_letter)).collect();
    let mut wanted: BTreeMap<&str, (TopicInfo, BTreeSet<RawId>)> = BTreeMap::new();
    for event in events.iter().flatten() {
        let (_, ids) = wanted.entry(event.topic.name).or_insert_with(|| (event.topic, BTreeSet::new()));
        ids.insert(event.raw);
    }
    let mut topics: BTreeMap<&str, TopicEvents> = BTreeMap::new();
    for (name, (topic, ids)) in wanted {
        let mut found = TopicEvents::default();
        each_event(log, topic, |stored| {
            found.retractions.add(&stored.event);
            if ids.contains(&stored.event.id) {
                let newest = found.newest.entry(stored.event.id).or_insert(stored.offset);
                *newest = stored.offset.max(*newest);
            }
        })?;
        topics.insert(name, found);
    }
    let reader = Reader::new(log, processor, records)?;
    let state = |(record, event): (&DeadLetterRecord, &Option<DeadLetterEvent>)| {
        let found = event.and_then(|event| Some((event.raw, topics.get(event.topic.name)?)));
        let Some((raw, topic)) = found else { return (DeadLetterState::Open, None) };
        match topic.retractions.get(raw) {
            Some(retraction) => (DeadLetterState::Dismissed, Some(retraction)),
            None => (reader.state(&record.dead_letter, topic.newest.get(&raw).copied()), None),
        }
    };
    Ok(records.iter().zip(&events).map(state).collect())
}

/// The current version of a processor: its committed offsets, and what it has rejected.
struct Reader<'a> {
    /// The name of its consumer group; `None` for `ingest`, which reads no topic.
    group: Option<String>,
    committed: Offsets,
    /// The dead letters of the processor, by the partition and offset of their originals.
    rejected: BTreeMap<(i32, Offset), Vec<&'a DeadLetter>>,
}
impl<'a> Reader<'a> {
    fn new(log: &mut dyn LogReader, processor: &str, records: &'a [DeadLetterRecord]) -> Result<Reader<'a>> {
        let subscription =
            subscriptions(None).into_iter().find(|subscription| subscription.name == processor);
        let mut committed = Offsets::new();
        if let Some(subscription) = &subscription {
            let inputs: Vec<&str> = subscription.inputs.iter().map(|topic| topic.name).collect();
            committed = log.committed_offsets(&subscription.group, &inputs)?;
        }
        let mut rejected: BTreeMap<(i32, Offset), Vec<&DeadLetter>> = BTreeMap::new();
        for DeadLetterRecord { dead_letter, .. } in records {
            rejected.entry((dead_letter.partition, dead_letter.offset)).or_default().push(dead_letter);
        }
        Ok(Reader { group: subscription.map(|subscription| subscription.group), committed, rejected })
    }
    /// True if the current version of the processor has written this dead letter.
    fn is_current(&self, dead_letter: &DeadLetter) -> bool {
        let group = versioned_group(&dead_letter.processor, dead_letter.processor_version);
        self.group.as_ref() == Some(&group)
    }
    /// Returns the state of a dead letter whose event is not retracted; `newest` is the newest offset of the event.
    fn state(&self, dead_letter: &DeadLetter, newest: Option<Offset>) -> DeadLetterState {
        let Some(newest) = newest else { return DeadLetterState::Open };
        if self.group.is_none() {
            return DeadLetterState::Resolved;
        }
        let is_redriven = newest > dead_letter.offset;
        if !is_redriven && self.is_current(dead_letter) {
            return DeadLetterState::Open;
        }
        let partition = TopicPartition::from_name(&dead_letter.origin, dead_letter.partition);
        let is_read = self.committed.get(&partition).is_some_and(|next| *next > newest);
        let is_same = |other: &&DeadLetter| {
            let is_same_row = other.code != RejectCode::BadRow || other.value == dead_letter.value;
            self.is_current(other) && other.code == dead_letter.code && is_same_row
        };
        let rejected = self.rejected.get(&(dead_letter.partition, newest));
        let is_rejected_again = rejected.is_some_and(|rejected| rejected.iter().any(is_same));
        match (is_read, is_rejected_again) {
            (true, false) => DeadLetterState::Resolved,
            (false, _) if !is_redriven => DeadLetterState::Open,
            _ => DeadLetterState::Redriven,
        }
    }
}
