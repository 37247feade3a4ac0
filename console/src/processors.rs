//! The stages: how each processor does, as one JSON document, now and whenever it changes.
//!
//! Invariant: a document is written down once, however many watch; who watches sees the newest first, and skips what he is too slow for.
//! Not here: where the figures come from (the caller), how they look (`assets/`).
use axum::{
    extract::State,
    http::header,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use serde::Serialize;
use std::{convert::Infallible, sync::Arc};
use tokio::sync::watch::{self, Receiver, Sender};

/// One look at all stages.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProcessorStatuses {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// How long until the next look, in milliseconds.
    pub every: i64,
    /// What a person calls the log.
    pub log: String,
    pub version: &'static str,
    /// Why the look failed; the stages are then those of the last that did not.
    pub error: Option<String>,
    pub processors: Vec<ProcessorStatus>,
}

/// One processor, or the sink.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProcessorStatus {
    pub name: &'static str,
    pub status: &'static str,
    pub reason: String,
    /// Whether someone should look at it.
    pub is_bad: bool,
    pub lag_records: i64,
    pub lag_seconds: Option<f64>,
    pub trend: &'static str,
    /// Seconds until nothing is behind; infinite: never, and then not in the document.
    pub catch_up_seconds: Option<f64>,
    pub is_never: bool,
    pub in_rate: Option<f64>,
    pub out_rate: Option<f64>,
    pub dead_letters: i64,
    /// Unread records over the last minutes, evenly spaced, the newest last.
    pub history: Vec<i64>,
    /// The topics that it reads.
    pub inputs: Vec<Input>,
}

/// One topic of a stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Input {
    pub topic: &'static str,
    pub lag_records: i64,
    pub lag_seconds: Option<f64>,
}

/// Where documents come out.
#[derive(Clone)]
pub struct Feed(Receiver<Arc<str>>);

/// Where looks go in.
pub struct Publisher(Sender<Arc<str>>);
impl Publisher {
    /// Shows a look to everyone who watches.
    ///
    /// # Errors
    /// When it cannot be written down as JSON.
    pub fn publish(&self, processors: &ProcessorStatuses) -> serde_json::Result<()> {
        self.0.send_replace(serde_json::to_string(processors)?.into());
        Ok(())
    }
}

/// A feed of looks, beginning with one at nothing.
pub fn feed() -> (Publisher, Feed) {
    let (sender, receiver) = watch::channel(Arc::from("null"));
    (Publisher(sender), Feed(receiver))
}

pub async fn processors(State(Feed(feed)): State<Feed>) -> Response {
    let text = feed.borrow().to_string();
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], text).into_response()
}

pub async fn events(State(Feed(mut feed)): State<Feed>) -> Response {
    feed.mark_changed();
    let reports = stream::unfold(feed, async |mut feed| {
        feed.changed().await.ok()?;
        let text = feed.borrow_and_update().to_string();
        Some((Ok::<_, Infallible>(Event::default().event("report").data(text)), feed))
    });
    Sse::new(reports).keep_alive(KeepAlive::default()).into_response()
}
