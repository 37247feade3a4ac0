//! The age of the newest event of each feed, from the newest records of the raw topics.
//!
//! A few records of each partition are read. A feed that has no event among them has no age: to find it, the topic would have to be read.
//! Invariant: the cost does not depend on the number of events. A retraction is no event of a feed, because nothing was fetched.
//! Not here: which data must have arrived (`slate`), the lag of the loaders (`runtime::lag`).
use crate::retract::RAW_TOPICS;
use anyhow::Result;
use runtime::{LogReader, StoredValue};
use schemas::{
    Timestamp,
    raw::{Feed, RawEvent},
    wire,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use topics::{Offset, Offsets, TopicPartition, raw_topic};

/// Number of the newest records that are read of each partition.
const RECORDS: usize = 32;

/// The newest event of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeedReport {
    /// Source and name of the feed.
    pub feed: String,
    pub topic: &'static str,
    /// The fetch time of the newest event, in RFC 3339; `None` if no event is among the newest records of the topic.
    pub last_fetched_at: Option<String>,
    /// The age of this fetch time.
    pub age_seconds: Option<i64>,
    /// True if the topic has no other records than those that were read.
    pub is_complete: bool,
}

/// The newest fetch time of each feed, and the end offsets of the partitions when they were last read.
#[derive(Default)]
pub struct FeedTimes {
    newest: BTreeMap<Feed, Timestamp>,
    ends: Offsets,
    /// The topics of which not all records were read.
    incomplete: BTreeSet<&'static str>,
}

impl FeedTimes {
    /// Reads the newest records of the partitions that have grown since the last call, and returns all feeds.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn report(&mut self, log: &mut dyn LogReader, now: Timestamp) -> Result<Vec<FeedReport>> {
        let topics: Vec<&str> = RAW_TOPICS.iter().map(|topic| topic.info.name).collect();
        let ends = log.end_offsets(&topics)?;
        let has_grown = |(partition, end): &(&TopicPartition, &Offset)| self.ends.get(partition) < Some(end);
        let grown: Vec<TopicPartition> =
            ends.iter().filter(has_grown).map(|(partition, _)| *partition).collect();
        let starts = log.beginning_offsets(&topics)?;
        let newest = log.read_newest(&grown, RECORDS)?;
        for (partition, stored) in &newest {
            // Of a partition that was read before, the records up to the former end offset are known.
            let known = self.ends.get(partition).or(starts.get(partition));
            if stored.records.first().is_some_and(|first| Some(&first.offset) > known) {
                self.incomplete.insert(partition.topic);
            }
        }
        for record in newest.into_values().flat_map(|stored| stored.records) {
            let StoredValue::Bytes(bytes) = record.value else { continue };
            // A record that is no event is a dead letter of its loader.
            let Ok(event) = wire::decode::<RawEvent>(&bytes) else { continue };
            if event.retraction.is_none() {
                let newest = self.newest.entry(event.feed).or_insert(event.fetched_at);
                *newest = event.fetched_at.max(*newest);
            }
        }
        self.ends = ends;
        Ok(Feed::ALL.into_iter().map(|feed| self.feed_report(feed, now)).collect())
    }
    fn feed_report(&self, feed: Feed, now: Timestamp) -> FeedReport {
        let (newest, topic) = (self.newest.get(&feed), raw_topic(feed).info.name);
        FeedReport {
            feed: feed.to_string(),
            topic,
            last_fetched_at: newest.map(Timestamp::to_string),
            age_seconds: newest.map(|fetched_at| (now.0 - fetched_at.0).max(0) / 1000),
            is_complete: !self.incomplete.contains(topic),
        }
    }
}
