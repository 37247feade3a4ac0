//! The backup of the raw events of a log: one line per event, as `ingest` reads it.
//!
//! A raw event on Kafka whose fetch time its loader rejected is left out: `ingest` would compare the time with another clock, and accept it.
//! Invariant: each line was parsed again and gave the event from which it was made.
//! Not here: the text of a line (`ingest::event_line`).
use super::{
    archive::Archive,
    manifest::{BackupKind, Manifest},
    staging::Staging,
};
use crate::{
    ingest::{self, event_line},
    precondition::refused,
    retract::{RAW_TOPICS, StoredEvent, each_record},
};
use anyhow::Result;
use processors::loader::check_fetch_time;
use runtime::LogBackend;
use schemas::{
    Timestamp,
    raw::{MAX_EVENT_BYTES, RawEvent},
};

/// The name of the file, without `.zst`.
pub const RAW_EVENTS: &str = "raw-events.jsonl";

/// Writes the raw events that the log has at the time of the call.
pub(super) fn write(log: &mut dyn LogBackend, staging: &Staging) -> Result<Manifest> {
    let mut manifest = Manifest::new(BackupKind::RawEvents);
    manifest.log = log.existing_id()?;
    let mut archive = Archive::create(staging.folder(), RAW_EVENTS)?;
    let mut newest: Option<Timestamp> = None;
    for topic in RAW_TOPICS {
        each_record(log, topic.info, |record| {
            match record {
                Some(stored) if !is_rejected(&stored) => {
                    archive.write(line(&stored)?.as_bytes())?;
                    manifest.raw_events += 1;
                    newest = newest.max(Some(stored.event.fetched_at));
                }
                _ => manifest.rejected_records += 1,
            }
            Ok(())
        })?;
    }
    manifest.newest = newest.map(|time| time.to_string());
    manifest.files.push(archive.finish()?);
    Ok(manifest)
}

/// True if the loader rejected the event for its fetch time or its size.
fn is_rejected(stored: &StoredEvent) -> bool {
    let has_wrong_time =
        |timestamp| check_fetch_time(&stored.event, timestamp, "the timestamp of the record").is_err();
    stored.timestamp.is_some_and(has_wrong_time) || stored.event.check_size().is_err()
}

/// Returns the line of an event.
///
/// # Errors
/// If `ingest` would not make this event of the line.
fn line(stored: &StoredEvent) -> Result<String> {
    let line = event_line::line(&stored.event)?;
    let expected = RawEvent { redrive_count: 0, ..stored.event.clone() };
    let parsed = ingest::parse(&line).map_err(|(code, reason)| format!("{code}: {reason}"));
    let reason = match parsed {
        Ok(event) if event == expected && line.len() <= MAX_EVENT_BYTES => return Ok(line),
        Ok(event) if event == expected => {
            format!("its line has {} bytes; `ingest` reads at most {MAX_EVENT_BYTES}", line.len())
        }
        Ok(_) => "its line would be another event".to_owned(),
        Err(reason) => format!("its line would be no event: {reason}"),
    };
    let StoredEvent { topic, partition, offset, .. } = stored;
    let what = format!(
        "a backup of the raw event {} (topic {}/{partition}, offset {offset})",
        stored.event.id, topic.name
    );
    Err(refused(what, reason, "copy the raw topics with the tools of Kafka instead, and report this event")
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::raw::{Feed, FetchOutcome};

    fn stored(event: RawEvent) -> StoredEvent {
        let topic = topics::raw_topic(event.feed).info;
        StoredEvent { topic, partition: 0, offset: 0, record_key: event.key.clone(), timestamp: None, event }
    }

    proptest! {
        #[test]
        fn the_line_of_an_event_or_of_its_retraction_gives_the_event_again(
            key in ".{0,12}",
            payload in prop_oneof![
                Just(r#"{"a":[1,2]}"#.to_owned()), Just("null".to_owned()), Just("{\n\"a\": 1}".to_owned()), Just(" {} ".to_owned()),
                Just("no json".to_owned()), Just(String::new()), Just("{\"a\":\"\u{2028}\\ud83d\"}".to_owned()), ".{0,20}",
            ],
            fetched_at in 946_684_800_000_i64..1_900_000_000_000,
            outcome in prop::sample::select(&FetchOutcome::ALL[..]),
            undo in prop::option::of(any::<bool>()),
        ) {
            let event = RawEvent::new(Feed::NbacomSchedule, key, Timestamp(fetched_at), outcome, payload);
            let event = match undo {
                Some(undo) => event.retracted(Timestamp(fetched_at + 7), undo, "a \"reason\"".into()),
                None => event,
            };
            let line = line(&stored(event)).unwrap();
            prop_assert_eq!(line.matches('\n').count(), 1);
        }
    }
}
