//! Messages of the client as records of a batch.
//!
//! Invariant: a key of any topic but a raw one is text of at most 65535 bytes; other keys are an error there. Other programs may
//! produce to raw topics with any bytes as the key.
//! Not here: dead letters, whose content is partly in headers (`dead_letters`).
use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers, OwnedHeaders},
};
use runtime::RecordBatch;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Appends a message to a batch.
///
/// # Errors
/// The reason, when the key of a record of our own is not text or is too long.
pub fn append_message(batch: &mut RecordBatch, message: &BorrowedMessage<'_>) -> Result<(), String> {
    let key_bytes = message.key().unwrap_or_default();
    match std::str::from_utf8(key_bytes) {
        Ok(key) if key.len() <= usize::from(u16::MAX) => {
            batch.push_at(message.offset(), key, message.payload());
        }
        _ if topics::is_raw(message.topic()) => {
            batch.push_at(message.offset(), &lossy_key(key_bytes), message.payload());
        }
        Ok(key) => return Err(format!("its key has {} bytes, more than {}", key.len(), u16::MAX)),
        Err(error) => return Err(format!("its key is not text: {error}")),
    }
    Ok(())
}

/// A key as text that fits into a batch: invalid UTF-8 is replaced, and the end is cut off. The identity of a raw event is in its
/// value; a dead letter on Kafka has the original bytes as its key.
pub fn lossy_key(key: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(key).into_owned();
    text.truncate(text.floor_char_boundary(u16::MAX.into()));
    text
}

/// A copy of the headers of a message; `None` if there are none or a name is not text, at which rdkafka's iterator panics.
pub fn text_headers(message: &BorrowedMessage<'_>) -> Option<OwnedHeaders> {
    let headers = message.headers()?.detach();
    let is_text = catch_unwind(AssertUnwindSafe(|| headers.iter().count())).is_ok();
    is_text.then_some(headers)
}
