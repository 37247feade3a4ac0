//! What the scrapers publish: one fetch of one feed.
//!
//! Invariant: `to_jsonl` and `to_raw` say the same; the payload's bytes are in both as they are here.
//! Not here: the payloads' shapes (`feeds`).
use schemas::{
    Timestamp,
    raw::{Feed, FetchOutcome, RawEvent},
};
use serde_json::json;

/// One fetch, as a scraper publishes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScraperEvent {
    pub feed: Feed,
    /// The scraper's request key: a date, an event, a team.
    pub key: String,
    pub fetched_at: Timestamp,
    /// `None` leaves the field out, which means complete.
    pub outcome: Option<FetchOutcome>,
    /// JSON text.
    pub payload: String,
}
impl ScraperEvent {
    /// One line of a scraper's file, without its end: `{"source","feed","key","fetched_at","outcome"?,"payload"}`.
    pub fn to_jsonl(&self) -> String {
        let (source, feed) = self.feed.names();
        let outcome = self.outcome.map(|outcome| format!(r#""outcome":"{}","#, outcome_text(outcome)));
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

/// As scrapers write it.
const fn outcome_text(outcome: FetchOutcome) -> &'static str {
    match outcome {
        FetchOutcome::Complete => "complete",
        FetchOutcome::EmptyOk => "empty-ok",
        FetchOutcome::Partial => "partial",
        FetchOutcome::NoDataYet => "no-data-yet",
        FetchOutcome::Postponed => "postponed",
        FetchOutcome::Failed => "failed",
    }
}
