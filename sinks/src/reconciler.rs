//! Reconciliation: compares the control totals of the warehouse with the newest records of the log, for `audit` and, periodically, for
//! the sink.
//!
//! The committed offsets are read first, then the warehouse is queried, and the log is read to its end afterwards, so the record of each row
//! in the warehouse is among the records read. A game is a mismatch only if none of its records is in flight and if it differs in two consecutive comparisons.
//!
//! Invariant: read-only; a game that the sink writes concurrently is in flight, never a mismatch.
//! Not here: the comparison (`control_totals`).
use crate::{
    control_totals::{Comparison, LatestByKey, TotalsMismatch, is_in_flight},
    progress::Progress,
    record::{RowKey, SinkTopic, TopicPartitionOffset},
    rows,
    sink_error::SinkError,
    subscription::SINK,
    warehouse::{Warehouse, WriterState},
};
use runtime::{LogBackend, dlq};
use schemas::wire;
use serde::Serialize;
use std::collections::BTreeSet;
use topics::{Offsets, TopicPartition};

/// Maximum number of bytes per read.
const READ_BYTES: usize = 32 << 20;

/// Result of a reconciliation.
#[derive(Serialize)]
pub struct Reconciliation {
    /// Reason why nothing was compared; `None` if there was a comparison.
    pub skipped: Option<String>,
    /// Number of games compared; a game is counted once per input topic.
    pub games: usize,
    /// Number of games with records that are not written yet or were rejected.
    pub in_flight: usize,
    pub mismatches: Vec<Mismatch>,
}
/// A game whose rows do not match the log.
#[derive(Serialize)]
pub struct Mismatch {
    pub topic: &'static str,
    pub game: String,
    pub rows_in_log: u64,
    pub rows_in_warehouse: u64,
}

/// Reconciles a warehouse with a log. A call that returns `Pending` keeps its state, so the next call continues it.
#[derive(Default)]
pub struct Reconciler {
    /// True after it was checked that this log owns the warehouse.
    is_owner: bool,
    /// Committed offsets of the sink, read before the query of the control totals was sent; `None` if no such query is still running.
    next: Option<Offsets>,
    /// The first comparison, if it found a mismatch and the second is not done yet.
    first: Option<Comparison>,
}
impl Reconciler {
    /// Compares the warehouse with the log. `stop` is polled; once it returns true, the reconciliation is skipped.
    ///
    /// # Errors
    /// If the log or the warehouse cannot be read.
    pub fn reconcile(
        &mut self,
        log: &mut dyn LogBackend,
        warehouse: &dyn Warehouse,
        stop: &dyn Fn() -> bool,
    ) -> Result<Progress<Reconciliation>, SinkError> {
        if !self.is_owner {
            let writer_state = match warehouse.writer_state()? {
                Progress::Done(writer_state) => writer_state,
                Progress::Pending(what) => return Ok(Progress::Pending(what)),
            };
            // A log without an id has never owned a warehouse. `existing_id` creates none.
            let log_id = log.existing_id()?.unwrap_or_default();
            if let Some(reason) = skip_reason(&writer_state, &log_id) {
                return Ok(Progress::Done(Reconciliation::skipped(reason)));
            }
            self.is_owner = true;
        }
        loop {
            let comparison = match self.compare(log, warehouse, stop)? {
                Progress::Done(Some(comparison)) => comparison,
                Progress::Done(None) => {
                    return Ok(Progress::Done(Reconciliation::skipped("the process is stopping".into())));
                }
                Progress::Pending(what) => return Ok(Progress::Pending(what)),
            };
            match self.first.take() {
                // Compaction during the read may cause a false mismatch in the first comparison, but not the same one in the second.
                None if !comparison.mismatches.is_empty() => self.first = Some(comparison),
                None => return Ok(Progress::Done(Reconciliation::new(&comparison))),
                Some(mut first) => {
                    first.mismatches.retain(|mismatch| comparison.mismatches.contains(mismatch));
                    return Ok(Progress::Done(Reconciliation::new(&first)));
                }
            }
        }
    }
    /// Compares the control totals once; returns `None` if `stop` returned true. The second comparison converts every prediction to a row,
    /// to find predictions that cannot be converted: the dead letters that list them may have been deleted.
    fn compare(
        &mut self,
        log: &mut dyn LogBackend,
        warehouse: &dyn Warehouse,
        stop: &dyn Fn() -> bool,
    ) -> Result<Progress<Option<Comparison>>, SinkError> {
        let next = match self.next.take() {
            Some(next) => next,
            None => log.committed_offsets(SINK, &SinkTopic::ALL.map(SinkTopic::topic))?,
        };
        let control_totals = match warehouse.control_totals()? {
            Progress::Done(control_totals) => control_totals,
            Progress::Pending(what) => {
                self.next = Some(next);
                return Ok(Progress::Pending(what));
            }
        };
        let newest = latest_records(log, &next, stop, self.first.is_some())?;
        Ok(Progress::Done(newest.map(|newest| Comparison::new(&newest, &control_totals))))
    }
}

/// Returns the reason why the warehouse cannot be compared with the log of this id, if there is one.
fn skip_reason(writer_state: &WriterState, log_id: &str) -> Option<String> {
    match &writer_state.log {
        Some(owner) if owner != log_id => {
            Some(format!("log {owner} owns the warehouse, but this is log {log_id}"))
        }
        None => Some("no log owns the warehouse yet".into()),
        Some(_) if writer_state.rebuilding => {
            Some("the warehouse is being rebuilt from the start of the log".into())
        }
        Some(_) => None,
    }
}
/// Reads the newest record of each key, by input topic, from the log; returns `None` if `stop` returned true. `next` has the committed
/// offsets of the sink. If `is_thorough`, converts every prediction to a row.
fn latest_records(
    log: &mut dyn LogBackend,
    next: &Offsets,
    stop: &dyn Fn() -> bool,
    is_thorough: bool,
) -> Result<Option<Vec<LatestByKey>>, SinkError> {
    let rejected = rejected(log)?;
    let mut newest = Vec::new();
    for input in SinkTopic::ALL {
        let mut latest = LatestByKey::new(input);
        for partition in 0..topics::PARTITIONS {
            let next = next.get(&TopicPartition::new(input.topic(), partition)).copied().unwrap_or(0);
            let mut from = 0;
            loop {
                if stop() {
                    return Ok(None);
                }
                let record_batches =
                    log.read(TopicPartition::new(input.topic(), partition), from, READ_BYTES)?;
                let Some(read_to) = record_batches.last().map(runtime::RecordBatch::next) else { break };
                for record in record_batches.iter().flat_map(runtime::RecordBatch::records) {
                    let record = record?;
                    let coordinates = TopicPartitionOffset { input, partition, offset: record.offset };
                    let key = RowKey::parse(input, record.key)
                        .map_err(|reason| SinkError::of_record(coordinates, format!("the key: {reason}")))?;
                    let is_live = if is_in_flight(coordinates, next, &rejected) {
                        None
                    } else {
                        makes_row(input, record.value, is_thorough)
                            .map_err(|error| SinkError::of_record(coordinates, error))?
                    };
                    latest.push(key, record.offset, is_live);
                }
                if read_to <= from {
                    break;
                }
                from = read_to;
            }
        }
        newest.push(latest);
    }
    Ok(Some(newest))
}

/// Reads the coordinates of the rejected records from the dead letters of the sink.
fn rejected(log: &mut dyn LogBackend) -> Result<BTreeSet<TopicPartitionOffset>, SinkError> {
    let dead_letters = dlq::read(log, SINK)?.records;
    let rejected = dead_letters.into_iter().filter_map(|found| {
        let input = found.dead_letter.origin.parse().ok()?;
        Some(TopicPartitionOffset {
            input,
            partition: found.dead_letter.partition,
            offset: found.dead_letter.offset,
        })
    });
    Ok(rejected.collect())
}

/// Returns `Some(true)` if the sink writes a row for this record, `Some(false)` if it writes none, and `None` if the record cannot be
/// converted to a row.
fn makes_row(
    input: SinkTopic,
    value: Option<&[u8]>,
    is_thorough: bool,
) -> Result<Option<bool>, wire::WireError> {
    let Some(bytes) = value else { return Ok(Some(false)) };
    Ok(match input {
        // A player who did not play has a record, but no row.
        SinkTopic::PlayerGames => rows::player_game(&wire::decode(bytes)?).ok().map(|row| row.is_some()),
        SinkTopic::Predictions if is_thorough => rows::prediction(&wire::decode(bytes)?).ok().map(|_| true),
        SinkTopic::Predictions | SinkTopic::Features => Some(true),
    })
}

impl Reconciliation {
    fn new(comparison: &Comparison) -> Reconciliation {
        let to_mismatch = |mismatch: &TotalsMismatch| Mismatch {
            topic: mismatch.input.topic(),
            game: mismatch.game.to_string(),
            rows_in_log: mismatch.log.rows,
            rows_in_warehouse: mismatch.warehouse.rows,
        };
        Reconciliation {
            skipped: None,
            games: comparison.games,
            in_flight: comparison.in_flight,
            mismatches: comparison.mismatches.iter().map(to_mismatch).collect(),
        }
    }
    /// Returns the result of a reconciliation that compared nothing, for this reason.
    pub(crate) fn skipped(reason: String) -> Reconciliation {
        Reconciliation { skipped: Some(reason), games: 0, in_flight: 0, mismatches: Vec::new() }
    }
    /// Formats the result as one line for an operator.
    pub fn summary(&self) -> String {
        let in_flight = match self.in_flight {
            0 => String::new(),
            n => format!("; {n} games have records that are not written yet or were rejected"),
        };
        match (&self.skipped, self.mismatches.len()) {
            (Some(reason), _) => format!("the warehouse was not compared with the log: {reason}"),
            (None, 0) => {
                format!("the warehouse matches the log: {} games{in_flight}", self.games)
            }
            (None, n) => {
                let first: Vec<String> = self.mismatches.iter().take(3).map(Mismatch::summary).collect();
                format!(
                    "the warehouse differs from the log in {n} of {} games: {}{in_flight}",
                    self.games,
                    first.join("; ")
                )
            }
        }
    }
}
impl Mismatch {
    /// Formats the mismatch as one line for an operator.
    pub fn summary(&self) -> String {
        let Mismatch { topic, game, rows_in_log, rows_in_warehouse } = self;
        if rows_in_log == rows_in_warehouse {
            format!(
                "{topic}, game {game}: log and warehouse both have {rows_in_log} rows, but the rows in the warehouse are not from the newest records"
            )
        } else {
            format!(
                "{topic}, game {game}: {rows_in_log} rows in the log, but {rows_in_warehouse} in the warehouse"
            )
        }
    }
}
