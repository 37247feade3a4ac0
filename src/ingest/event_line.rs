//! The line of a raw event: its text, and the fields that only a backup writes.
//!
//! A line has the payload as it is, so that it is stored byte for byte. Another program may have produced a payload that no line can
//! contain, such as JSON with line breaks; such a line has the payload as a string.
//! Invariant: a line becomes a retraction only if it has the content of the event that it retracts, so that a line of a scraper never
//! does.
//! Not here: parsing a line (`ingest`).
use schemas::{
    RawId, Timestamp,
    raw::{Feed, RawEvent, RetractionOrder},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The fields of a line that retracts an event, or undoes its retraction.
#[derive(Serialize, Deserialize)]
pub struct RetractionFields {
    /// The id of the retracted event.
    target: String,
    /// The fetch time of the retracted event, in RFC 3339.
    target_fetched_at: String,
    undo: bool,
    reason: String,
}

impl RetractionFields {
    fn new(order: &RetractionOrder) -> RetractionFields {
        RetractionFields {
            target: order.target.to_string(),
            target_fetched_at: order.target_fetched_at.to_string(),
            undo: order.undo,
            reason: order.reason.clone(),
        }
    }
    /// Returns the retraction whose other fields are those of this event.
    ///
    /// # Errors
    /// If the target is not the event with the same source, feed, key and payload, fetched at the stated time.
    pub fn retraction(self, event: RawEvent) -> Result<RawEvent, String> {
        let target_fetched_at: Timestamp = self
            .target_fetched_at
            .parse()
            .map_err(|reason| format!("retraction: target_fetched_at: {reason}"))?;
        let RawEvent { feed, key, fetched_at, outcome, payload, .. } = event;
        let target = RawEvent::new(feed, key, target_fetched_at, outcome, payload);
        if self.target.parse::<RawId>().ok() != Some(target.id) {
            let found: String = self.target.chars().take(60).collect();
            return Err(format!(
                "retraction: target: found {found:?}, expected {}, the id of the event with this key, payload and target_fetched_at",
                target.id
            ));
        }
        Ok(target.retracted(fetched_at, self.undo, self.reason))
    }
}

#[derive(Serialize)]
struct Line<'a> {
    source: &'static str,
    feed: &'static str,
    key: &'a str,
    fetched_at: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retraction: Option<RetractionFields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_text: Option<&'a str>,
    payload: Option<&'a RawValue>,
}

/// Returns the line of an event, with its line feed.
///
/// # Errors
/// If the event cannot be written as JSON.
pub fn line(event: &RawEvent) -> serde_json::Result<String> {
    let raw: Option<&RawValue> = serde_json::from_str(&event.payload).ok();
    let is_line =
        |raw: &&RawValue| raw.get() == event.payload && raw.get() != "null" && !raw.get().contains('\n');
    let payload = raw.filter(is_line);
    let (source, feed) = Feed::names(event.feed);
    let line = Line {
        source: source.name(),
        feed,
        key: &event.key,
        fetched_at: event.fetched_at.to_string(),
        outcome: event.outcome.name(),
        retraction: event.retraction.as_ref().map(RetractionFields::new),
        payload_text: payload.is_none().then_some(&*event.payload),
        payload,
    };
    Ok(serde_json::to_string(&line)? + "\n")
}
