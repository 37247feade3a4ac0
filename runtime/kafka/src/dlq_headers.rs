//! Headers of a dead letter on Kafka. The value of its record is the original bytes.
//!
//! | header | content |
//! | --- | --- |
//! | `dlq.error.code`, `dlq.error.message` | the reason |
//! | `dlq.topic`, `dlq.partition`, `dlq.offset`, `dlq.timestamp` | the record that was rejected |
//! | `dlq.processor`, `dlq.processor_version`, `dlq.app_version` | the processor that rejected it |
//! | `dlq.redrive_count` | how many times the record was redriven (produced again) before |
//! | `dlq.raw`, `dlq.fetched_at` | the raw event that the record comes from |
//! | `dlq.batch` | the sink batch that contained the record |
//!
//! Invariant: a dead letter that is read equals the one that was written.
//! Not here: the records of a dead-letter queue (`dead_letters`).
use crate::original_record::OriginalRecord;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use schemas::raw::{DeadLetter, RejectCode};

/// Headers of the original record are copied up to this size in total; the others are left out.
const MAX_COPIED_BYTES: usize = 256 << 10;
/// The prefix of our own headers.
const PREFIX: &str = "dlq.";

/// Returns the headers of a dead letter: first those of Kafka Connect if requested, then our own, then those of the original record.
/// Headers with our prefix are not copied from the original record: they describe an earlier failure of a redriven record.
pub fn to_headers(
    dead_letter: &DeadLetter,
    original_record: Option<&OriginalRecord>,
    with_connect_headers: bool,
) -> OwnedHeaders {
    let mut written: Vec<(&str, String)> = Vec::new();
    if with_connect_headers {
        written.extend(connect_headers(dead_letter));
    }
    written.extend(own_headers(dead_letter));
    if let Some(timestamp) = original_record.and_then(|original_record| original_record.timestamp) {
        written.push(("dlq.timestamp", timestamp.to_string()));
    }
    let mut headers = OwnedHeaders::new_with_capacity(written.len());
    for (key, value) in &written {
        headers = headers.insert(Header { key, value: Some(value.as_str()) });
    }
    let original_headers = original_record.and_then(|original_record| original_record.headers.as_ref());
    let mut copied_bytes = 0;
    for header in original_headers.into_iter().flat_map(OwnedHeaders::iter) {
        let is_written = written.iter().any(|(key, _)| *key == header.key);
        copied_bytes += header.key.len() + header.value.map_or(0, <[u8]>::len);
        if !is_written && !header.key.starts_with(PREFIX) && copied_bytes <= MAX_COPIED_BYTES {
            headers = headers.insert(header);
        }
    }
    headers
}

fn connect_headers(dead_letter: &DeadLetter) -> [(&'static str, String); 6] {
    [
        ("__connect.errors.topic", dead_letter.origin.clone()),
        ("__connect.errors.partition", dead_letter.partition.to_string()),
        ("__connect.errors.offset", dead_letter.offset.to_string()),
        ("__connect.errors.connector.name", dead_letter.processor.clone()),
        ("__connect.errors.exception.class.name", dead_letter.code.name().to_owned()),
        ("__connect.errors.exception.message", dead_letter.reason.clone()),
    ]
}

fn own_headers(dead_letter: &DeadLetter) -> impl Iterator<Item = (&'static str, String)> {
    let headers = [
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
        ("dlq.fetched_at", dead_letter.fetched_at.map(|fetched_at| fetched_at.0.to_string())),
    ];
    headers.into_iter().filter_map(|(key, value)| Some((key, value?)))
}

/// Returns the dead letter in a record; `None` if a header that every dead letter has is absent or invalid.
pub fn from_headers<H: Headers>(headers: &H, key: &str, value: &[u8]) -> Option<DeadLetter> {
    let text = |key: &str| {
        let header = headers.iter().find(|header| header.key == key)?;
        std::str::from_utf8(header.value?).ok().map(str::to_owned)
    };
    Some(DeadLetter {
        code: text("dlq.error.code")
            .and_then(|name| RejectCode::ALL.into_iter().find(|code| code.name() == name))?,
        reason: text("dlq.error.message")?,
        raw: text("dlq.raw").and_then(|raw| raw.parse().ok()),
        fetched_at: text("dlq.fetched_at")
            .and_then(|fetched_at| fetched_at.parse().ok())
            .map(schemas::Timestamp),
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

    fn dead_letter(batch: &str) -> DeadLetter {
        DeadLetter {
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
        }
    }

    #[test]
    fn a_dead_letter_is_read_as_it_was_written_with_and_without_a_batch() {
        for batch in ["", "0f"] {
            let dead_letter = dead_letter(batch);
            for with_connect_headers in [false, true] {
                let headers = to_headers(&dead_letter, None, with_connect_headers);
                assert_eq!(
                    from_headers(&headers, &dead_letter.key, &dead_letter.value).as_ref(),
                    Some(&dead_letter)
                );
                assert_eq!(headers.iter().any(|header| header.key == "dlq.batch"), !batch.is_empty());
            }
        }
    }
    #[test]
    fn headers_of_the_original_record_follow_except_those_of_an_earlier_failure() {
        let header = |key, value| Header { key, value: Some(value) };
        let own = OwnedHeaders::new()
            .insert(header("trace", "t"))
            .insert(header("dlq.batch", "ab"))
            .insert(header("__connect.errors.topic", "older"));
        let original_record =
            OriginalRecord { headers: Some(own), timestamp: Some(7), ..OriginalRecord::default() };
        let texts = |with_connect_headers| -> Vec<(String, String)> {
            let headers = to_headers(&dead_letter(""), Some(&original_record), with_connect_headers);
            let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
            headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
        };
        let plain = texts(false);
        assert_eq!(plain[plain.len() - 3].0, "dlq.timestamp");
        assert_eq!(plain[plain.len() - 2].0, "trace");
        assert_eq!(
            plain.last().unwrap().1,
            "older",
            "if no Connect headers are written, those of the original record must be kept"
        );
        assert!(!plain.iter().any(|(key, _)| key == "dlq.batch"));
        let connect = texts(true);
        let topics: Vec<_> = connect.iter().filter(|(key, _)| key == "__connect.errors.topic").collect();
        assert!(topics.len() == 1 && topics[0].1 == "ml.features.v1", "{topics:?}");
    }
    #[test]
    fn a_record_without_our_headers_is_not_a_dead_letter() {
        let headers = OwnedHeaders::new().insert(Header { key: "dlq.topic", value: Some("a") });
        assert_eq!(from_headers(&headers, "", b""), None);
    }
}
