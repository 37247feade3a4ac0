//! Appends the original records of dead letters to their topics again, or ingests their lines again.
//!
//! Invariant: after a crash, the dead letters whose events are in the log already are no longer pending, so no event is appended twice. What
//! is still no event stays one dead letter: no copy of it is written.
//! Not here: which dead letters are redriven (`pending`), how a log stores dead letters (`runtime-kafka`, `runtime-embedded`).
use super::pending::PendingRedrive;
use crate::{dead_letters::location, ingest};
use anyhow::{Context, Result, anyhow, bail};
use runtime::{Commit, DeadLetterRecord, LogBackend, LogReader, RuntimeError, clock};
use schemas::{
    raw::{DeadLetter, RawEvent},
    wire::{self, Encoder},
};
use serde::Serialize;
use std::collections::BTreeMap;
use topics::{Offset, TopicPartition};

/// Number of dead letters per commit. A commit contains more if this is necessary to keep all dead letters of one record in one commit.
const BATCH_RECORDS: usize = 200;

/// The result of a redrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RedriveSummary {
    pub dead_letters: usize,
    /// Number of records appended to raw topics. If several rows of a record are dead letters, the record is appended once.
    pub records: usize,
    /// Number of dead letters that stay as they are, because their lines and records still cannot be parsed as events.
    pub still_rejected: usize,
}

/// Redrives the pending dead letters of a processor.
///
/// # Errors
/// If the dead letters come from a table topic, an original record is no longer stored, or the log cannot be written.
pub(super) fn append(
    log: &mut dyn LogBackend,
    processor: &str,
    pending: PendingRedrive,
) -> Result<RedriveSummary> {
    let from_table = pending
        .dead_letters()
        .find(|dead_letter| processor != ingest::INGEST && !topics::is_raw(&dead_letter.origin));
    if let Some(dead_letter) = from_table {
        let refused = RuntimeError::Precondition {
            what: format!("redriving dead letters of {processor}"),
            reason: format!(
                "they come from the table topic {}, where appending an older row again could replace a newer one",
                dead_letter.origin
            ),
            next: "`fastbreak sink rebuild` writes all rows again".into(),
        };
        return Err(refused.into());
    }
    let mut summary = RedriveSummary { still_rejected: pending.still_rejected, ..RedriveSummary::default() };
    for batch in batches(&pending.records) {
        if processor == ingest::INGEST {
            summary.records += reingest(log, batch)?;
        } else {
            reappend(log, batch, &mut summary)?;
        }
        summary.dead_letters += batch.len();
    }
    Ok(summary)
}

/// Splits dead letters into batches; consecutive dead letters of one record are in the same batch.
fn batches(records: &[DeadLetterRecord]) -> impl Iterator<Item = &[DeadLetterRecord]> {
    let mut rest = records;
    std::iter::from_fn(move || {
        let mut size = BATCH_RECORDS.min(rest.len());
        while size > 0
            && size < rest.len()
            && origin(&rest[size - 1].dead_letter) == origin(&rest[size].dead_letter)
        {
            size += 1;
        }
        let (batch, others) = rest.split_at(size);
        rest = others;
        (!batch.is_empty()).then_some(batch)
    })
}

/// Returns topic, partition and offset of a dead letter's original record.
fn origin(dead_letter: &DeadLetter) -> (&str, i32, Offset) {
    (&dead_letter.origin, dead_letter.partition, dead_letter.offset)
}

/// Appends the original records of dead letters to their topics again, in one commit.
fn reappend(
    log: &mut dyn LogBackend,
    batch: &[DeadLetterRecord],
    summary: &mut RedriveSummary,
) -> Result<()> {
    let mut redrive_counts: BTreeMap<(&str, i32, Offset), i32> = BTreeMap::new();
    for DeadLetterRecord { dead_letter, .. } in batch {
        let highest = redrive_counts.entry(origin(dead_letter)).or_default();
        *highest = dead_letter.redrive_count.max(*highest);
    }
    let mut encoder = Encoder::new::<RawEvent>();
    let mut commit = Commit::default();
    for ((origin, partition, offset), redrive_count) in redrive_counts {
        let partition = TopicPartition::from_name(origin, partition);
        let Some((key, value)) = record_at(log, partition, offset)? else {
            bail!(
                "the original record {partition} offset {offset} of a dead letter was deleted; nothing of this batch was redriven\n\
                 next: `fastbreak topics plan` shows whether the topic's retention is as desired"
            );
        };
        let mut event = wire::decode::<RawEvent>(&value).with_context(|| {
            format!("reading the original record {partition} offset {offset} of a dead letter")
        })?;
        event.redrive_count = redrive_count + 1;
        let mut value = Vec::new();
        encoder.encode(&event, &mut value)?;
        commit.append(partition, &key, Some(&value));
        summary.records += 1;
    }
    Ok(log.append(commit).map_err(|error| error.without_retry("the redrive"))?)
}

/// Reads the key and value of one record; `None` if it is no longer stored.
fn record_at(
    log: &mut dyn LogReader,
    partition: TopicPartition,
    offset: Offset,
) -> Result<Option<(String, Vec<u8>)>> {
    for batch in log.read(partition, offset, 1)? {
        for record in batch.records() {
            let record = record?;
            if record.offset == offset {
                return Ok(Some((record.key.to_owned(), record.value.unwrap_or_default().to_vec())));
            }
        }
    }
    Ok(None)
}

/// Ingests lines again; returns how many events were not in the log yet.
fn reingest(log: &mut dyn LogBackend, batch: &[DeadLetterRecord]) -> Result<usize> {
    let mut encoder = Encoder::new::<RawEvent>();
    let mut events = Vec::new();
    for DeadLetterRecord { dead_letter, .. } in batch {
        let event = ingest::accept(&dead_letter.value, clock::now());
        let event = event.map_err(|(code, reason)| anyhow!("{}: {code}: {reason}", location(dead_letter)))?;
        events.push(ingest::record(event, &mut encoder)?);
    }
    Ok(log.ingest(&events, Commit::default())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::raw::RejectCode;

    fn dead_letter(offset: Offset) -> DeadLetterRecord {
        let dead_letter = DeadLetter {
            origin: "raw.odds.v1".into(),
            offset,
            ..DeadLetter::new(RejectCode::BadRow, String::new())
        };
        DeadLetterRecord { partition: 0, offset, dead_letter }
    }
    #[test]
    fn batches_contain_everything_and_never_separate_the_rows_of_one_record() {
        let dead_letters: Vec<DeadLetterRecord> = (0..1000).map(|n| dead_letter(n / 7 * 7)).collect();
        let cut: Vec<&[DeadLetterRecord]> = batches(&dead_letters).collect();
        assert_eq!(cut.iter().map(|batch| batch.len()).sum::<usize>(), 1000);
        for pair in cut.windows(2) {
            let offset = |record: Option<&DeadLetterRecord>| record.map(|r| r.dead_letter.offset);
            assert_ne!(offset(pair[0].last()), offset(pair[1].first()));
        }
        assert!(cut.len() > 3);
    }
}
