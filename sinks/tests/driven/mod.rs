//! Helpers of tests: build batches, and write them with retries to the in-process fake of BigQuery, as the sink task does.
//!
//! Invariant: a sleep advances the clock of the test.
//! Not here: the fake of BigQuery (`fakebq`); writing a whole log (`conformance::drive`).
use crate::{
    conformance::{self, LOG, NOW, content, events::*, record},
    fakebq::Fake,
};
use schemas::Line;
use sinks::{
    Batch, BatchPlan, BigQuery, Progress, Record, RecordChange, Sqlite, Warehouse, WarehouseError,
    WriteSummary, WriterId,
    bigquery::{BigQueryConfig, Clock},
};

/// Returns one prediction per player, with this base line.
pub fn slate(players: std::ops::Range<u32>, from: i64, line: i32) -> Vec<Record> {
    let record_of = |n: u32| {
        let id = id(n, 61);
        record(from + i64::from(n), RecordChange::Prediction(id, Some(prediction(id, Line(line)))))
    };
    players.map(record_of).collect()
}
pub fn batch(records: Vec<Record>) -> (Batch, BatchPlan) {
    let batch = Batch::from_records(records).unwrap();
    let plan = BatchPlan::new(WriterId { sink: "warehouse".into(), log: LOG.into(), epoch: 1 }, &batch, NOW);
    (batch, plan)
}
pub fn acquired(fake: &Fake, config: BigQueryConfig) -> BigQuery {
    let mut w = BigQuery::connect(config).unwrap();
    retried(fake, || w.acquire(LOG));
    w
}
/// Result of a call that was repeated until its operation was done.
pub struct Retried<T> {
    pub result: T,
    /// Errors of the failed calls.
    pub errors: Vec<WarehouseError>,
    /// What was still running after each call that returned `Pending`.
    pub pending: Vec<String>,
}
/// Repeats a call until its operation is done.
pub fn retried<T>(fake: &Fake, mut call: impl FnMut() -> Result<Progress<T>, WarehouseError>) -> Retried<T> {
    let (mut errors, mut pending) = (Vec::new(), Vec::new());
    loop {
        assert!(errors.len() + pending.len() < 500);
        match call() {
            Ok(Progress::Done(result)) => return Retried { result, errors, pending },
            Ok(Progress::Pending(what)) => pending.push(what),
            Err(error) => {
                let WarehouseError::Retry { after, .. } = &error else { panic!("{error}") };
                assert!(!after.is_zero(), "a failed call has no pause: {error}");
                fake.clock.sleep(*after);
                errors.push(error);
            }
        }
    }
}
/// Writes a batch with retries.
pub fn write_with_retries(
    fake: &Fake,
    w: &mut BigQuery,
    batch: &Batch,
    plan: &BatchPlan,
) -> Retried<WriteSummary> {
    retried(fake, || w.write(batch, plan, NOW))
}
/// Returns the content of a local warehouse to which these records were written.
pub fn expected(records: Vec<Record>) -> Vec<(&'static str, u64, String)> {
    let mut local = Sqlite::in_memory().unwrap();
    conformance::write(&mut local, &records);
    content(&local)
}
pub fn staged(fake: &Fake) -> BigQueryConfig {
    BigQueryConfig { inline_bytes: 0, ..fake.config() }
}
