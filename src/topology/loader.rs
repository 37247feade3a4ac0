//! The loaders of the topology, adapted to the engine: they decode raw events into observations.
//!
//! A retraction has the payload of the event that it retracts, whose dead letters exist already. So it has none of its own, and if its
//! payload cannot be decoded, it has nothing to retract.
//! Invariant: the adapter calls pure functions of crate `processors`. Whether an event is rejected depends on its record alone.
//! Not here: decoding of payloads (`processors::loader`).
use processors::loader::{self, Observation, Reject};
use runtime::engine::{ProcessorOutput, RowCounts, StatelessProcessor};
use schemas::{
    Timestamp,
    raw::{DeadLetter, RawEvent, RejectCode},
};

/// The loaders: decode raw events into observations.
pub struct Loader;
impl StatelessProcessor for Loader {
    type In = RawEvent;
    type Out = Observation;
    fn version(&self) -> i64 {
        i64::from(loader::VERSION)
    }
    fn process(&self, raw: RawEvent, timestamp: Option<Timestamp>) -> ProcessorOutput<Observation> {
        let dead_letter = |code, reason, value: Vec<u8>| DeadLetter {
            raw: Some(raw.id),
            fetched_at: Some(raw.fetched_at),
            value,
            redrive_count: raw.redrive_count,
            // The engine sets origin and processor.
            ..DeadLetter::new(code, reason)
        };
        // Only a log to which other programs produce passes timestamps on; in other logs, `ingest` has checked the fetch time.
        let checked = timestamp.map_or(Ok(()), |timestamp| {
            loader::check_fetch_time(&raw, timestamp, "the timestamp of the record")
        });
        let checked = checked.and_then(|()| {
            raw.check_size().map_err(|reason| Reject { code: RejectCode::BadEnvelope, reason })
        });
        match checked.map(|()| loader::load(&raw)) {
            Ok(Ok(loaded)) => ProcessorOutput {
                rows: RowCounts {
                    found: loaded.rows as i64,
                    emitted: loaded.rows_emitted() as i64,
                    bad: loaded.bad_rows.len() as i64,
                    out_of_scope: loaded.rows_out_of_scope as i64,
                    repeated: loaded.rows_repeated as i64,
                },
                dead_letters: loaded
                    .bad_rows
                    .into_iter()
                    .filter(|_| raw.retraction.is_none())
                    .map(|row| dead_letter(RejectCode::BadRow, row.reason, row.value.into_bytes()))
                    .collect(),
                events: loaded.observations,
                ..ProcessorOutput::default()
            },
            Ok(Err(_)) if raw.retraction.is_some() => ProcessorOutput::default(),
            Ok(Err(reject)) | Err(reject) => ProcessorOutput {
                dead_letters: vec![dead_letter(reject.code, reject.reason, Vec::new())],
                is_rejected: true,
                ..ProcessorOutput::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::{
        RecordBatch,
        engine::{ProcessorNode, StatelessNode, stream},
    };
    use schemas::raw::{Feed, FetchOutcome};
    use schemas::wire;
    use topics::TopicPartition;

    const RAW: TopicPartition = TopicPartition::new(topics::RAW_ROSTERS.info.name, 0);
    const FETCHED: Timestamp = Timestamp(1_700_000_000_000);

    fn links(payload: &str) -> RawEvent {
        RawEvent::new(
            Feed::OperatorIdentityLinks,
            "k".into(),
            FETCHED,
            FetchOutcome::Complete,
            payload.into(),
        )
    }

    #[test]
    fn the_timestamp_of_a_record_decides_whether_its_fetch_time_is_possible() {
        let timestamps = [None, Some(FETCHED), Some(Timestamp(FETCHED.0 - 300_001)), Some(Timestamp(0))];
        let mut batch = RecordBatch::at(0);
        for timestamp in timestamps {
            batch.push("k", Some(&wire::encode(&links(r#"{"links":[]}"#)).unwrap()));
            batch.set_last_timestamp(timestamp);
        }
        let mut node =
            StatelessNode::new("loader", Loader, vec![stream(&topics::RAW_ROSTERS, |raw| raw)], Vec::new());
        node.process(RAW, &batch).unwrap();
        let commit = node.take_commit().unwrap();
        let dead_letters: Vec<_> = commit.dead_letters.into_values().flatten().collect();
        let found: Vec<_> =
            dead_letters.iter().map(|dead_letter| (dead_letter.code, dead_letter.offset)).collect();
        assert_eq!(found, [(RejectCode::BadEnvelope, 2), (RejectCode::BadEnvelope, 3)]);
        assert_eq!(commit.ledger_entry.map(|entry| (entry.read, entry.rejected)), Some((4, 2)));
    }

    #[test]
    fn a_retraction_has_no_dead_letters_and_the_bad_rows_of_its_event_are_out_of_scope() {
        let bad_row = links(r#"{"links":[{"spelling":7},{"spelling":"Moe Wagner","player_id":1629021}]}"#);
        let unreadable = links(r#"{"links":7}"#);
        for event in [bad_row, unreadable] {
            let original = Loader.process(event.clone(), None);
            assert_eq!(original.dead_letters.len(), 1);
            let retraction = Loader.process(event.retracted(FETCHED, false, "wrong".into()), None);
            assert!(retraction.dead_letters.is_empty() && !retraction.is_rejected);
            assert_eq!(retraction.events.len(), original.events.len());
            assert_eq!((retraction.rows.found, retraction.rows.bad), (original.rows.found, 0));
            assert_eq!(retraction.rows.out_of_scope, original.rows.out_of_scope + original.rows.bad);
        }
    }
}
