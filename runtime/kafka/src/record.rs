//! Converts messages of the client to records of a batch.
//!
//! Invariant: in every topic that is not raw, a key is text of at most 65535 bytes; any other key is an error. In a raw topic, a key may
//! have any bytes, because other programs produce to it; for the same reason, its records have their timestamps.
//! Not here: dead letters, whose content is partly in headers (`dead_letters`).
use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers, OwnedHeaders},
};
use runtime::RecordBatch;
use schemas::Timestamp;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Appends a message to a batch; in a raw topic, with its timestamp.
///
/// # Errors
/// The reason, when the topic is not raw and the key is not text or is too long.
pub fn append_message(batch: &mut RecordBatch, message: &BorrowedMessage<'_>) -> Result<(), String> {
    let key_bytes = message.key().unwrap_or_default();
    match std::str::from_utf8(key_bytes) {
        Ok(key) if key.len() <= usize::from(u16::MAX) => {
            batch.push_at(message.offset(), key, message.payload());
        }
        _ if topics::is_raw(message.topic()) => {
            batch.push_at(message.offset(), &lossy_key(key_bytes), message.payload());
        }
        Ok(key) => {
            return Err(format!("the record's key has {} bytes, but the maximum is {}", key.len(), u16::MAX));
        }
        Err(error) => return Err(format!("the record's key is not text: {error}")),
    }
    if topics::is_raw(message.topic()) {
        batch.set_last_timestamp(message.timestamp().to_millis().map(Timestamp));
    }
    Ok(())
}

/// Converts a key to text that fits into a batch: replaces invalid UTF-8, and cuts the text off at the maximum length. The converted key
/// does not identify a record: the id of a raw event is in its value, and a dead letter on Kafka has the original bytes as its key.
pub fn lossy_key(key: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(key).into_owned();
    text.truncate(text.floor_char_boundary(u16::MAX.into()));
    text
}

/// Returns a copy of a message's headers; `None` if it has none, or if a name is not text, which makes rdkafka's iterator panic.
pub fn text_headers(message: &BorrowedMessage<'_>) -> Option<OwnedHeaders> {
    let headers = message.headers()?.detach();
    let is_text = catch_unwind(AssertUnwindSafe(|| headers.iter().count())).is_ok();
    is_text.then_some(headers)
}
