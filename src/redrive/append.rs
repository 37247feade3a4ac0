//! Appends the original records of dead letters to their topics again, or ingests their lines again.
//!
//! Invariant: one commit appends the records and commits the offsets. Only lines of `ingest` may be ingested again after a crash; ingest
//! then skips the events that are already in the log.
//! Not here: which dead letters are redriven (`pending`), how a log stores dead letters (`runtime-kafka`, `runtime-embedded`).
use super::pending::PendingRedrive;
use crate::ingest;
use anyhow::{Result, bail};
use runtime::{Commit, DeadLetterRecord, LogBackend, LogReader, RuntimeError, clock, engine::dlq_topic};
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
    /// Number of lines and records that still cannot be parsed as events and became dead letters again.
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
    let topic = dlq_topic(processor);
    let mut summary = RedriveSummary::default();
    for (group, records) in pending.groups {
        for batch in batches(&records) {
            let mut commit = if processor == ingest::INGEST {
                reingest(log, batch, &mut summary)?
            } else {
                reappend(log, topic, batch, &mut summary)?
            };
            commit.group = group.group_id();
            let next = batch.iter().map(|r| (TopicPartition::new(topic, r.partition), r.offset + 1));
            commit.offsets = next.collect();
            log.append(commit).map_err(|error| error.without_retry("the redrive"))?;
            summary.dead_letters += batch.len();
        }
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

/// Returns a commit that appends the original records of dead letters to their topics. A record that cannot be decoded as an event becomes
/// a dead letter again.
fn reappend(
    log: &mut dyn LogBackend,
    topic: &'static str,
    batch: &[DeadLetterRecord],
    summary: &mut RedriveSummary,
) -> Result<Commit> {
    let mut by_origin: BTreeMap<(&str, i32, Offset), &DeadLetterRecord> = BTreeMap::new();
    for record in batch {
        let newest = by_origin.entry(origin(&record.dead_letter)).or_insert(record);
        if record.dead_letter.redrive_count > newest.dead_letter.redrive_count {
            *newest = record;
        }
    }
    let mut encoder = Encoder::new::<RawEvent>();
    let mut commit = Commit::default();
    for ((origin, partition, offset), record) in by_origin {
        let partition = TopicPartition::from_name(origin, partition);
        let Some((key, value)) = record_at(log, partition, offset)? else {
            bail!(
                "the original record {partition} offset {offset} of a dead letter was deleted; nothing of this batch was redriven\n\
                 next: `fastbreak topics plan` shows whether the topic's retention is as desired"
            );
        };
        let redrive_count = record.dead_letter.redrive_count + 1;
        let Ok(mut event) = wire::decode::<RawEvent>(&value) else {
            let dead_letter = DeadLetter { redrive_count, key, ..record.dead_letter.clone() };
            commit.reject(TopicPartition::new(topic, record.partition), dead_letter);
            summary.still_rejected += 1;
            continue;
        };
        event.redrive_count = redrive_count;
        let mut value = Vec::new();
        encoder.encode(&event, &mut value)?;
        commit.append(partition, &key, Some(&value));
        summary.records += 1;
    }
    Ok(commit)
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

/// Ingests lines again, and returns a commit with new dead letters for the lines that still cannot be parsed as events.
fn reingest(
    log: &mut dyn LogBackend,
    batch: &[DeadLetterRecord],
    summary: &mut RedriveSummary,
) -> Result<Commit> {
    let mut encoder = Encoder::new::<RawEvent>();
    let (mut events, mut commit) = (Vec::new(), Commit::default());
    for DeadLetterRecord { dead_letter, .. } in batch {
        match ingest::accept(&dead_letter.value, clock::now()) {
            Ok(event) => events.push(ingest::record(event, &mut encoder)?),
            Err((code, reason)) => {
                let redrive_count = dead_letter.redrive_count + 1;
                let dead_letter = DeadLetter { code, reason, redrive_count, ..dead_letter.clone() };
                commit.reject(ingest::dlq(), dead_letter);
                summary.still_rejected += 1;
            }
        }
    }
    // Ingest appends no event twice, so the events may be appended before the offsets are committed.
    summary.records += log.ingest(&events, Commit::default())?;
    Ok(commit)
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
