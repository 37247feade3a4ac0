//! The output of a scraper: one fetch of one feed.
//!
//! Invariant: `to_jsonl` and `to_raw` have the same content; both contain the payload byte for byte.
//! Not here: the shapes of the payloads (`feeds`).
use schemas::{
    Timestamp,
    raw::{Feed, FetchOutcome, RawEvent},
};
use serde_json::json;

/// One fetch as a scraper publishes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScraperEvent {
    pub feed: Feed,
    /// The scraper's request key: a date, a season, a team, or the id of a game's odds.
    pub key: String,
    pub fetched_at: Timestamp,
    /// The outcome of the fetch. If it is `None`, the JSON has no field `outcome`, which means "complete".
    pub outcome: Option<FetchOutcome>,
    /// The response of the source, as JSON text.
    pub payload: String,
}
impl ScraperEvent {
    /// Returns one line of a scraper's file, without line end: `{"source","feed","key","fetched_at","outcome"?,"payload"}`.
    pub fn to_jsonl(&self) -> String {
        let (source, feed) = self.feed.names();
        let outcome = self.outcome.map(|outcome| format!(r#""outcome":"{outcome}","#));
        format!(
            r#"{{"source":"{source}","feed":"{feed}","key":{},"fetched_at":"{}",{}"payload":{}}}"#,
            json!(self.key),
            self.fetched_at,
            outcome.unwrap_or_default(),
            self.payload
        )
    }
    pub fn to_raw(&self) -> RawEvent {
        let outcome = self.outcome.unwrap_or_default();
        RawEvent::new(self.feed, self.key.clone(), self.fetched_at, outcome, self.payload.clone())
    }
}
