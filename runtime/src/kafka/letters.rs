//! Dead letters on Kafka: the original bytes as the value, and what is known of them as headers.
//!
//! Headers: what is wrong (`dlq.error.code`, `dlq.error.message`), where it was read (`dlq.topic`, `.partition`, `.offset`, and
//! `.timestamp` of that record), by whom (`dlq.stage`, `.map_version`, `.app_version`), how often it was put back (`dlq.replay_count`),
//! of which event (`dlq.raw`, `dlq.fetched_at`), in which batch of the sink (`dlq.batch`).
//!
//! Inside the engine a dead letter is an event like any other; at the brokers it is what other tools expect. This is the way there and
//! back.
//! Invariant: what is read back is what was written.
//! Not here: who writes dead letters.
use super::originals::Original;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use schemas::{
    raw::{DeadLetter, RejectCode},
    wire,
};

/// Whether a topic holds dead letters.
pub fn is_letters(topic: &str) -> bool {
    topic.ends_with(".dlq")
}
/// The event in a record that the engine wrote.
pub fn open(value: &[u8]) -> Option<DeadLetter> {
    wire::decode(value).ok()
}
/// What is known of a dead letter, for tools that read Kafka Connect's headers too when they are wanted; after it the headers that its
/// record had.
pub fn headers(letter: &DeadLetter, original: Option<&Original>, with_connect: bool) -> OwnedHeaders {
    let connect = |value: String| with_connect.then_some(value);
    let text = [
        ("__connect.errors.topic", connect(letter.origin.clone())),
        ("__connect.errors.partition", connect(letter.partition.to_string())),
        ("__connect.errors.offset", connect(letter.offset.to_string())),
        ("__connect.errors.connector.name", connect(letter.stage.clone())),
        ("__connect.errors.exception.class.name", connect(letter.code.name().to_owned())),
        ("__connect.errors.exception.message", connect(letter.reason.clone())),
        ("dlq.app_version", Some(env!("CARGO_PKG_VERSION").to_owned())),
        ("dlq.topic", Some(letter.origin.clone())),
        ("dlq.partition", Some(letter.partition.to_string())),
        ("dlq.offset", Some(letter.offset.to_string())),
        ("dlq.error.code", Some(letter.code.name().to_owned())),
        ("dlq.error.message", Some(letter.reason.clone())),
        ("dlq.raw", letter.raw.map(|raw| raw.to_string())),
        ("dlq.stage", Some(letter.stage.clone())),
        ("dlq.map_version", Some(letter.version.to_string())),
        ("dlq.replay_count", Some(letter.replays.to_string())),
        ("dlq.batch", Some(letter.batch.clone()).filter(|batch| !batch.is_empty())),
        ("dlq.fetched_at", letter.fetched_at.map(|at| at.0.to_string())),
        ("dlq.timestamp", original.and_then(|original| original.timestamp).map(|at| at.to_string())),
    ];
    let mut headers = OwnedHeaders::new_with_capacity(text.len());
    for (key, value) in &text {
        if let Some(value) = value {
            headers = headers.insert(Header { key, value: Some(value.as_str()) });
        }
    }
    let own = original.and_then(|original| original.headers.as_ref());
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
pub fn close<H: Headers>(headers: &H, key: &str, value: &[u8]) -> Option<DeadLetter> {
    let text = |key: &str| {
        let found = headers.iter().find(|header| header.key == key)?;
        std::str::from_utf8(found.value?).ok().map(str::to_owned)
    };
    Some(DeadLetter {
        code: text("dlq.error.code")
            .and_then(|name| RejectCode::ALL.into_iter().find(|code| code.name() == name))?,
        reason: text("dlq.error.message")?,
        raw: text("dlq.raw").and_then(|raw| raw.parse().ok()),
        fetched_at: text("dlq.fetched_at").and_then(|at| at.parse().ok()).map(schemas::Instant),
        origin: text("dlq.topic")?,
        partition: text("dlq.partition")?.parse().ok()?,
        offset: text("dlq.offset")?.parse().ok()?,
        value: value.to_vec(),
        stage: text("dlq.stage").unwrap_or_default(),
        key: key.to_owned(),
        version: text("dlq.map_version").and_then(|version| version.parse().ok()).unwrap_or(0),
        replays: text("dlq.replay_count").and_then(|replays| replays.parse().ok()).unwrap_or(0),
        batch: text("dlq.batch").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_read_back_as_it_was_written_in_a_batch_or_in_none() {
        for batch in ["", "0f"] {
            let letter = DeadLetter {
                raw: Some(schemas::RawId(-3)),
                fetched_at: Some(schemas::Instant(5)),
                origin: "ml.features.v1".into(),
                partition: 2,
                offset: 9,
                value: vec![0, 255, 10],
                stage: "windowed-sink".into(),
                key: "k".into(),
                version: 1,
                replays: 2,
                batch: batch.into(),
                ..DeadLetter::new(RejectCode::BadRow, "MIN is missing".into())
            };
            for with_connect in [false, true] {
                let headers = headers(&letter, None, with_connect);
                assert_eq!(close(&headers, &letter.key, &letter.value).as_ref(), Some(&letter));
                assert_eq!(headers.iter().any(|header| header.key == "dlq.batch"), !batch.is_empty());
            }
        }
    }
}
