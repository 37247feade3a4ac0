//! The status of every processor as one JSON document, on request and as a stream of updates.
//!
//! Invariant: a document is serialized once for all subscribers; a new subscriber gets the latest document first, and a slow subscriber
//! skips documents.
//! Not here: sampling (the caller), presentation (`assets/`).
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

/// The statuses of all processors, sampled at the same time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProcessorStatuses {
    /// Time of the sample, in RFC 3339.
    pub sampled_at: String,
    /// Interval between two samples, in milliseconds.
    pub sample_interval_ms: i64,
    /// The path of the embedded log, or the addresses of the Kafka brokers.
    pub log: String,
    pub version: &'static str,
    /// The reason why this sample failed; `None` if it succeeded. If it failed, `processors` is that of the last successful sample.
    pub error: Option<String>,
    pub processors: Vec<ProcessorStatus>,
}

/// Status of one processor or the sink.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProcessorStatus {
    pub name: &'static str,
    pub status: &'static str,
    pub reason: String,
    /// True if the status needs the attention of an operator.
    pub is_bad: bool,
    pub lag_records: i64,
    pub lag_seconds: Option<f64>,
    pub trend: &'static str,
    /// Estimated seconds until the lag is zero; `None` if there is no estimate or the lag will not reach zero.
    pub catch_up_seconds: Option<f64>,
    /// True if the lag will not reach zero at the current rates.
    pub is_never: bool,
    pub in_rate: Option<f64>,
    pub out_rate: Option<f64>,
    pub dead_letters: i64,
    /// For each interval of the lag history, the maximum number of unread records; the newest interval is last.
    pub history: Vec<i64>,
    pub inputs: Vec<Input>,
}

/// Lag of one input topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Input {
    pub topic: &'static str,
    pub lag_records: i64,
    pub lag_seconds: Option<f64>,
}

/// Receiving end of the channel for status documents.
#[derive(Clone)]
pub struct Feed(Receiver<Arc<str>>);

/// Sending end of the channel for status documents.
pub struct Publisher(Sender<Arc<str>>);
impl Publisher {
    /// Publishes a sample to all subscribers.
    ///
    /// # Errors
    /// If the sample cannot be serialized as JSON.
    pub fn publish(&self, processors: &ProcessorStatuses) -> serde_json::Result<()> {
        self.0.send_replace(serde_json::to_string(processors)?.into());
        Ok(())
    }
}

/// Creates the channel for status documents. Until the first sample is published, the document is `null`.
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
    let documents = stream::unfold(feed, async |mut feed| {
        feed.changed().await.ok()?;
        let text = feed.borrow_and_update().to_string();
        Some((Ok::<_, Infallible>(Event::default().event("report").data(text)), feed))
    });
    Sse::new(documents).keep_alive(KeepAlive::default()).into_response()
}
