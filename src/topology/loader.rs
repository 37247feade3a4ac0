//! The loaders of the topology, adapted to the engine: they decode raw events into observations.
//!
//! A retraction has the payload of the event that it retracts, whose dead letters exist already. So it has none of its own, and if its
//! payload cannot be decoded, it has nothing to retract.
//! Invariant: the adapter calls pure functions of crate `processors`. Whether an event is rejected depends on its record alone.
//! Not here: decoding of payloads (`processors::loader`).
use processors::loader::{self, Observation};
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
