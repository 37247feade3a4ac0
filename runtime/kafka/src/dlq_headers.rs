//! Dead letters on Kafka: the original bytes as the value, and what is known of them as headers.
//!
//! Headers: what is wrong (`dlq.error.code`, `dlq.error.message`), where it was read (`dlq.topic`, `.partition`, `.offset`, and
//! `.timestamp` of that record), by whom (`dlq.processor`, `.processor_version`, `.app_version`), how often it was put back (`dlq.redrive_count`),
//! of which event (`dlq.raw`, `dlq.fetched_at`), in which batch of the sink (`dlq.batch`).
//!
//! Inside the engine a dead letter is an event like any other; at the brokers it is what other tools expect. This is the way there and
//! back.
//! Invariant: what is read back is what was written.
//! Not here: who writes dead letters.
use super::original_record::OriginalRecord;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use schemas::{
    raw::{DeadLetter, RejectCode},
    wire,
};

/// Whether a topic holds dead letters.
pub fn is_dlq_topic(topic: &str) -> bool {
    topic.ends_with(".dlq")
}
/// The event in a record that the engine wrote.
pub fn decode(value: &[u8]) -> Option<DeadLetter> {
    wire::decode(value).ok()
}
/// What is known of a dead letter, for tools that read Kafka Connect's headers too when they are wanted; after it the headers that its
/// record had.
pub fn to_headers(
    dead_letter: &DeadLetter,
    original_record: Option<&OriginalRecord>,
    with_connect: bool,
) -> OwnedHeaders {
    let connect = |value: String| with_connect.then_some(value);
    let text = [
        ("__connect.errors.topic", connect(dead_letter.origin.clone())),
        ("__connect.errors.partition", connect(dead_letter.partition.to_string())),
        ("__connect.errors.offset", connect(dead_letter.offset.to_string())),
        ("__connect.errors.connector.name", connect(dead_letter.processor.clone())),
        ("__connect.errors.exception.class.name", connect(dead_letter.code.name().to_owned())),
        ("__connect.errors.exception.message", connect(dead_letter.reason.clone())),
        ("dlq.app_version", Some(env!("CARGO_PKG_VERSION").to_owned())),
        ("dlq.topic", Some(dead_letter.origin.clone())),
        ("dlq.partition", Some(dead_letter.partition.to_string())),
        ("dlq.offset", Some(dead_letter.offset.to_string())),
        ("dlq.error.code", Some(dead_letter.code.name().to_owned())),
        ("dlq.error.message", Some(dead_letter.reason.clone())),
        ("dlq.raw", dead_letter.raw.map(|raw| raw.to_string())),
        ("dlq.processor", Some(dead_letter.processor.clone())),
        ("dlq.processor_version", Some(dead_letter.processor_version.to_string())),
        ("dlq.redrive_count", Some(dead_letter.redrive_count.to_string())),
        ("dlq.batch", Some(dead_letter.batch.clone()).filter(|batch| !batch.is_empty())),
        ("dlq.fetched_at", dead_letter.fetched_at.map(|at| at.0.to_string())),
        (
            "dlq.timestamp",
            original_record.and_then(|original_record| original_record.timestamp).map(|at| at.to_string()),
        ),
    ];
    let mut headers = OwnedHeaders::new_with_capacity(text.len());
    for (key, value) in &text {
        if let Some(value) = value {
            headers = headers.insert(Header { key, value: Some(value.as_str()) });
        }
    }
    let own = original_record.and_then(|original_record| original_record.headers.as_ref());
    for header in own.into_iter().flat_map(OwnedHeaders::iter) {
        // A letter that was produced again says where it failed before; `dlq.…` is of this failure alone.
        let is_said = text.iter().any(|(key, value)| *key == header.key && value.is_some());
        if !is_said && !header.key.starts_with("dlq.") {
            headers = headers.insert(header);
        }
    }
    headers
}
/// The event, from a record as the brokers have it.
pub fn from_headers<H: Headers>(headers: &H, key: &str, value: &[u8]) -> Option<DeadLetter> {
    let text = |key: &str| {
        let found = headers.iter().find(|header| header.key == key)?;
        std::str::from_utf8(found.value?).ok().map(str::to_owned)
    };
    Some(DeadLetter {
        code: text("dlq.error.code")
            .and_then(|name| RejectCode::ALL.into_iter().find(|code| code.name() == name))?,
        reason: text("dlq.error.message")?,
        raw: text("dlq.raw").and_then(|raw| raw.parse().ok()),
        fetched_at: text("dlq.fetched_at").and_then(|at| at.parse().ok()).map(schemas::Timestamp),
        origin: text("dlq.topic")?,
        partition: text("dlq.partition")?.parse().ok()?,
        offset: text("dlq.offset")?.parse().ok()?,
        value: value.to_vec(),
        processor: text("dlq.processor").unwrap_or_default(),
        key: key.to_owned(),
        processor_version: text("dlq.processor_version")
            .and_then(|version| version.parse().ok())
            .unwrap_or(0),
        redrive_count: text("dlq.redrive_count").and_then(|count| count.parse().ok()).unwrap_or(0),
        batch: text("dlq.batch").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_read_back_as_it_was_written_in_a_batch_or_in_none() {
        for batch in ["", "0f"] {
            let dead_letter = DeadLetter {
                raw: Some(schemas::RawId(-3)),
                fetched_at: Some(schemas::Timestamp(5)),
                origin: "ml.features.v1".into(),
                partition: 2,
                offset: 9,
                value: vec![0, 255, 10],
                processor: "windowed-sink".into(),
                key: "k".into(),
                processor_version: 1,
                redrive_count: 2,
                batch: batch.into(),
                ..DeadLetter::new(RejectCode::BadRow, "MIN is missing".into())
            };
            for with_connect in [false, true] {
                let headers = to_headers(&dead_letter, None, with_connect);
                assert_eq!(
                    from_headers(&headers, &dead_letter.key, &dead_letter.value).as_ref(),
                    Some(&dead_letter)
                );
                assert_eq!(headers.iter().any(|header| header.key == "dlq.batch"), !batch.is_empty());
            }
        }
    }
}
