//! Which raw events are retracted.
//!
//! Invariant: of several retractions of an event and their undoings the newest counts; at one instant, the retraction.
//! Not here: appending a retraction (`retract`).
use super::raw_events::each_event;
use anyhow::Result;
use runtime::LogReader;
use schemas::{RawId, Timestamp, raw::RawEvent};
use serde::Serialize;
use std::{cmp::Reverse, collections::BTreeMap};
use topics::TopicInfo;

/// A retraction of an event, or its undoing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub at: Timestamp,
    pub undo: bool,
    pub reason: String,
    /// The rank of the outcome that the retracted event had when it was retracted.
    pub rank: u8,
    feed: String,
    key: String,
    fetched_at: Timestamp,
}
impl Order {
    /// The greater of two orders for the same event counts.
    fn precedence(&self) -> (Timestamp, Reverse<bool>, &str) {
        (self.at, Reverse(self.undo), &self.reason)
    }
}

/// An event that is retracted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetractedEvent {
    pub raw: String,
    pub feed: String,
    pub key: String,
    pub fetched_at: String,
    /// Time of the retraction, in RFC 3339.
    pub retracted_at: String,
    pub reason: String,
}

/// The newest retraction, or undoing of one, of each raw event that has any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retractions(BTreeMap<RawId, Order>);

impl Retractions {
    /// Adds a raw event; an event that is not a retraction changes nothing.
    pub fn add(&mut self, event: &RawEvent) {
        let Some(order) = &event.retraction else { return };
        let added = Order {
            at: event.fetched_at,
            undo: order.undo,
            reason: order.reason.clone(),
            rank: event.outcome.rank(),
            feed: event.feed.to_string(),
            key: event.key.clone(),
            fetched_at: order.target_fetched_at,
        };
        let newest = self.0.entry(order.target).or_insert_with(|| added.clone());
        if newest.precedence() < added.precedence() {
            *newest = added;
        }
    }
    /// Returns the retraction of an event; `None` if the event is not retracted, or if its retraction is undone.
    pub fn get(&self, raw: RawId) -> Option<RetractedEvent> {
        self.0.get(&raw).and_then(|order| retracted_event(raw, order))
    }
    /// True if the event is retracted.
    pub fn contains(&self, raw: RawId) -> bool {
        self.0.get(&raw).is_some_and(|order| !order.undo)
    }
    /// Returns the retracted events, ordered by id.
    pub fn events(&self) -> Vec<RetractedEvent> {
        self.0.iter().filter_map(|(raw, order)| retracted_event(*raw, order)).collect()
    }
    pub(super) fn newest_order(&self, raw: RawId) -> Option<&Order> {
        self.0.get(&raw)
    }
}

fn retracted_event(raw: RawId, order: &Order) -> Option<RetractedEvent> {
    (!order.undo).then(|| RetractedEvent {
        raw: raw.to_string(),
        feed: order.feed.clone(),
        key: order.key.clone(),
        fetched_at: order.fetched_at.to_string(),
        retracted_at: order.at.to_string(),
        reason: order.reason.clone(),
    })
}

/// Reads which events of these raw topics are retracted.
///
/// # Errors
/// If the log cannot be read.
pub fn retractions(log: &mut dyn LogReader, topics: impl Iterator<Item = TopicInfo>) -> Result<Retractions> {
    let mut retractions = Retractions::default();
    for topic in topics {
        each_event(log, topic, |stored| retractions.add(&stored.event))?;
    }
    Ok(retractions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::raw::{Feed, FetchOutcome};

    fn event(payload: &str) -> RawEvent {
        RawEvent::new(Feed::NbacomSchedule, "k".into(), Timestamp(5), FetchOutcome::Complete, payload.into())
    }

    proptest! {
        #[test]
        fn the_newest_order_counts_in_any_arrival_order_and_a_retraction_before_its_undoing(
            orders in prop::collection::vec((0_i64..4, any::<bool>()), 0..6).prop_shuffle(),
        ) {
            let (target, other) = (event("1"), event("2"));
            let mut retractions = Retractions::default();
            retractions.add(&target);
            for (at, undo) in &orders {
                retractions.add(&target.retracted(Timestamp(*at), *undo, format!("at {at}")));
            }
            let newest = orders.iter().max_by_key(|(at, undo)| (*at, !*undo));
            let expected = newest.filter(|(_, undo)| !undo).map(|(at, _)| format!("at {at}"));
            prop_assert_eq!(retractions.get(target.id).map(|event| event.reason), expected);
            prop_assert_eq!(retractions.contains(target.id), retractions.events().len() == 1);
            prop_assert!(!retractions.contains(other.id));
        }
    }
}
