//! Where readers stand on the brokers, and whether their groups have members.
//!
//! One call for all watermarks, one for each group's positions, one for all groups' members; then the first record at or after each position
//! that is not the end, all partitions at once. A position that has not moved is not read again.
//! Invariant: nothing joins a group, nothing is committed; the end is what is decided, so an open transaction is no lag.
//! Not here: what to make of it (`lag`).
use super::{
    client::{Context, halt},
    onlooker::Onlooker,
    queues,
    reader::{CALL, Place},
    settings::Settings,
};
use crate::{lag::Unread, log::Halt};
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
pub type At = (Place, i64);

/// Finds first unread records.
pub struct Looker {
    client: Onlooker,
    brokers: String,
    context: Context,
    /// By position, of the last look: the end as it was, and the record, when there was one below it.
    found: BTreeMap<At, (i64, Option<Unread>)>,
}

impl Looker {
    pub fn new(settings: &Settings, group: &str) -> Result<Looker, Halt> {
        let mut config = settings.reader(group, "read_committed");
        // One record of each partition is wanted, not its backlog.
        config.set("fetch.message.max.bytes", "65536").set("queued.min.messages", "1");
        let context = Context::default();
        let client = Onlooker::new(settings, &config, context.clone())?;
        Ok(Looker { client, brokers: settings.brokers.clone(), context, found: BTreeMap::new() })
    }
    fn halt(&self, error: &KafkaError) -> Halt {
        halt(&self.brokers, "looking at the lag", error, &self.context.complaints)
    }
    /// The first record at or after each position, given the end of its partition; nothing where only markers are left.
    pub fn find(&mut self, ends: &BTreeMap<At, i64>) -> Result<BTreeMap<At, Unread>, Halt> {
        self.found
            .retain(|at, (seen, unread)| ends.get(at).is_some_and(|end| unread.is_some() || *seen >= *end));
        let mut left: BTreeSet<&At> = ends.keys().filter(|at| !self.found.contains_key(*at)).collect();
        // A consumer has one position in a partition; readers of one topic may have several.
        while !left.is_empty() {
            let mut round: BTreeMap<&Place, &At> = BTreeMap::new();
            left.iter().for_each(|at| _ = round.entry(&at.0).or_insert(at));
            round.values().for_each(|at| _ = left.remove(*at));
            for (at, unread) in self.first_of(round.into_values().collect())? {
                self.found.insert(at.clone(), (ends.get(at).copied().unwrap_or(at.1), unread));
            }
        }
        let there = self.found.iter().filter_map(|(at, (_, unread))| Some((at.clone(), (*unread)?)));
        Ok(there.collect())
    }
    fn first_of<'a>(&self, positions: Vec<&'a At>) -> Result<Vec<(&'a At, Option<Unread>)>, Halt> {
        let places: Vec<(Place, i64)> = positions.iter().map(|at| (*at).clone()).collect();
        let queues = queues::assign(&self.client, &places).map_err(|error| self.halt(&error))?;
        let mut queues: Vec<_> = positions.into_iter().zip(queues).collect();
        let (mut found, since) = (Vec::new(), Instant::now());
        while !queues.is_empty() {
            if let Some(Ok(message)) = self.client.poll(Duration::from_millis(2)) {
                return Err(queues::stray(&message));
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
            if !queues.is_empty() && since.elapsed() > CALL {
                let timed_out = KafkaError::MessageConsumption(Code::OperationTimedOut);
                return Err(self.halt(&failed.unwrap_or(timed_out)));
            }
        }
        self.client.unassign().map_err(|error| self.halt(&error))?;
        Ok(found)
    }
    /// The groups, as the brokers call them, that have members.
    pub fn attended(&self) -> Result<BTreeSet<String>, Halt> {
        let groups = self.client.fetch_group_list(None, CALL).map_err(|error| self.halt(&error))?;
        let attended = groups.groups().iter().filter(|group| !group.members().is_empty());
        Ok(attended.map(|group| group.name().to_owned()).collect())
    }
}
