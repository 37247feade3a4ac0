//! Dead letters: reading them, putting them back, purging them. On every log.
//!
//! Putting back appends the record that a letter came from to its topic once more, or ingests its line again; what is rejected again
//! becomes a new letter that has come back once more. So the letters of a code that were put back are those below a position, and
//! interrupting this costs nothing. Letters that have come back [`CAP`] times have positions of their own: only force puts them back.
//! Invariant: a letter put back and its position move together; nothing is put back twice but by force or by interrupting ingest, which
//! knows what it has.
//! Not here: why something is rejected (the loaders, `ingest`); how Kafka holds letters (`runtime::kafka`).
use crate::{ingest, topology};
use anyhow::{Result, bail};
use processors::predictor::Predictor;
use runtime::{Commit, LogBackend, RecordBatch, RuntimeError, engine::dlq_topic};
use schemas::{
    raw::{DeadLetter, RawEvent, RejectCode},
    wire::{self, Encoder},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// A letter that has come back so often is put back by force only.
pub const MAX_REDRIVES: i32 = 3;
/// Records that are appended at once.
const BATCH: usize = 200;

/// A dead letter where it lies.
pub struct StoredDeadLetter {
    pub partition: i32,
    pub offset: i64,
    pub dead_letter: DeadLetter,
}

/// Everyone who may have dead letters.
pub fn dlq_owners() -> Vec<String> {
    let nodes = topology::topology(Predictor::new(None));
    let names = nodes.iter().map(|node| node.name());
    [ingest::INGEST].into_iter().chain(names).chain([topology::SINK]).map(str::to_owned).collect()
}
/// Refuses a name that nobody has.
pub fn ensure_owner(processor: &str) -> Result<()> {
    let owners = dlq_owners();
    match owners.iter().any(|known| known == processor) {
        true => Ok(()),
        false => Err(topology::UnknownProcessor::new(processor, &owners).into()),
    }
}
/// Where a stage's letters end, by partition.
pub fn end_offsets(log: &mut dyn LogBackend, processor: &str) -> Result<BTreeMap<i32, i64>> {
    let topic = dlq_topic(processor);
    Ok(log.end_offsets(&[&topic])?.into_iter().map(|((_, partition), end)| (partition, end)).collect())
}
/// A stage's letters, by partition and in order, and how many records were purged before them at most.
pub fn read(log: &mut dyn LogBackend, processor: &str) -> Result<(Vec<StoredDeadLetter>, i64)> {
    let topic = dlq_topic(processor);
    let (mut found, mut purged) = (Vec::new(), 0);
    for (partition, end) in end_offsets(log, processor)? {
        let mut first = end;
        for record_batch in log.read(&topic, partition, 0, usize::MAX)? {
            for record in record_batch.records() {
                let record = record?;
                first = first.min(record.offset);
                if let Some(bytes) = record.value {
                    found.push(StoredDeadLetter {
                        partition,
                        offset: record.offset,
                        dead_letter: wire::decode(bytes)?,
                    });
                }
            }
        }
        purged += first;
    }
    Ok((found, purged))
}

/// What the groups begin with that keep how far letters were put back.
pub const REDRIVE_GROUP_PREFIX: &str = "dlq-redrive";

/// Letters that share a position: one code, below the cap or at it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct RedriveGroup {
    code: RejectCode,
    forced: bool,
}
impl RedriveGroup {
    fn for_dead_letter(dead_letter: &DeadLetter) -> RedriveGroup {
        RedriveGroup { code: dead_letter.code, forced: dead_letter.redrive_count >= MAX_REDRIVES }
    }
    fn group_id(self) -> String {
        format!("{REDRIVE_GROUP_PREFIX}.{}{}", self.code, if self.forced { ".forced" } else { "" })
    }
}

/// What a redrive would put back.
#[derive(Default)]
pub struct PendingRedrive {
    groups: BTreeMap<RedriveGroup, Vec<StoredDeadLetter>>,
    /// Put back before.
    pub already_redriven: usize,
    /// At the cap, and left alone without force.
    pub redrive_limit_reached: usize,
}
impl PendingRedrive {
    pub fn dead_letters(&self) -> impl Iterator<Item = &DeadLetter> {
        self.groups.values().flatten().map(|found| &found.dead_letter)
    }
}

/// What is to be put back of a stage's letters, of one code or of all.
pub fn pending(
    log: &mut dyn LogBackend,
    processor: &str,
    code: Option<RejectCode>,
    force: bool,
) -> Result<PendingRedrive> {
    let topic = dlq_topic(processor);
    let mut positions: BTreeMap<RedriveGroup, BTreeMap<(String, i32), i64>> = BTreeMap::new();
    let mut pending = PendingRedrive::default();
    for found in read(log, processor)?.0 {
        let group = RedriveGroup::for_dead_letter(&found.dead_letter);
        if code.is_some_and(|code| code != group.code) {
            continue;
        }
        if let std::collections::btree_map::Entry::Vacant(vacant) = positions.entry(group) {
            vacant.insert(log.committed_offsets(&group.group_id(), &[&topic])?);
        }
        let next = positions.get(&group).and_then(|next| next.get(&(topic.clone(), found.partition)));
        if found.offset < next.copied().unwrap_or(0) {
            pending.already_redriven += 1;
        } else if group.forced && !force {
            pending.redrive_limit_reached += 1;
        } else {
            pending.groups.entry(group).or_default().push(found);
        }
    }
    Ok(pending)
}

/// What became of a redrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RedriveSummary {
    pub dead_letters: usize,
    /// Records appended to raw topics; several rows of one record are one.
    pub records: usize,
    /// Lines and records that are still no event, and lie at the end of the letters again.
    pub still_rejected: usize,
}

/// Puts letters back.
pub fn redrive(log: &mut dyn LogBackend, processor: &str, pending: PendingRedrive) -> Result<RedriveSummary> {
    let topic = dlq_topic(processor);
    let table = pending
        .dead_letters()
        .find(|dead_letter| processor != ingest::INGEST && !topics::is_raw(&dead_letter.origin));
    if let Some(dead_letter) = table {
        let refused = RuntimeError::Precondition {
            what: format!("putting back what {processor} rejected"),
            reason: format!(
                "it was read from {}, a table, where an old row must not come after a newer",
                dead_letter.origin
            ),
            next: "`fastbreak sink rebuild` writes all rows again".into(),
        };
        return Err(refused.into());
    }
    let mut done = RedriveSummary::default();
    for (group, dead_letters) in pending.groups {
        for batch in batches(&dead_letters) {
            let next =
                batch.iter().map(|found| ((topic.clone(), found.partition), found.offset + 1)).collect();
            let out = match processor == ingest::INGEST {
                true => reingest(log, batch, &mut done)?,
                false => reappend(log, processor, batch, &mut done)?,
            };
            log.append(out, &group.group_id(), &next)?;
            done.dead_letters += batch.len();
        }
    }
    Ok(done)
}

/// Letters in batches that do not part those of one record.
fn batches(dead_letters: &[StoredDeadLetter]) -> impl Iterator<Item = &[StoredDeadLetter]> {
    let is_same =
        |a: &StoredDeadLetter, b: &StoredDeadLetter| origin(&a.dead_letter) == origin(&b.dead_letter);
    let mut rest = dead_letters;
    std::iter::from_fn(move || {
        let mut size = BATCH.min(rest.len());
        while size > 0 && size < rest.len() && is_same(&rest[size - 1], &rest[size]) {
            size += 1;
        }
        let (batch, others) = rest.split_at(size);
        rest = others;
        (!batch.is_empty()).then_some(batch)
    })
}
fn origin(dead_letter: &DeadLetter) -> (&str, i32, i64) {
    (&dead_letter.origin, dead_letter.partition, dead_letter.offset)
}

/// The records that letters came from, for their topics; letters of what is no event are letters once more.
fn reappend(
    log: &mut dyn LogBackend,
    processor: &str,
    batch: &[StoredDeadLetter],
    done: &mut RedriveSummary,
) -> Result<BTreeMap<(String, i32), RecordBatch>> {
    let mut origins: BTreeMap<(&str, i32, i64), &StoredDeadLetter> = BTreeMap::new();
    for found in batch {
        let most = origins.entry(origin(&found.dead_letter)).or_insert(found);
        if found.dead_letter.redrive_count > most.dead_letter.redrive_count {
            *most = found;
        }
    }
    let mut encoder = Encoder::new::<RawEvent>();
    let mut out: BTreeMap<(String, i32), RecordBatch> = BTreeMap::new();
    for ((topic, partition, offset), found) in origins {
        let Some((key, value)) = record_at(log, topic, partition, offset)? else {
            bail!(
                "{topic}/{partition} has nothing at offset {offset} any more, where a dead letter says that it was read; \
                 nothing of this batch was put back. next: `fastbreak topics plan` shows whether the topic keeps its records"
            );
        };
        let redrive_count = found.dead_letter.redrive_count + 1;
        let Ok(mut event) = wire::decode::<RawEvent>(&value) else {
            let dead_letter = wire::encode(&DeadLetter { redrive_count, ..found.dead_letter.clone() })?;
            let at = (dlq_topic(processor), found.partition);
            out.entry(at).or_default().push(&key, Some(&dead_letter));
            done.still_rejected += 1;
            continue;
        };
        event.redrive_count = redrive_count;
        let mut value = Vec::new();
        encoder.encode(&event, &mut value)?;
        out.entry((topic.to_owned(), partition)).or_default().push(&key, Some(&value));
        done.records += 1;
    }
    Ok(out)
}
fn record_at(
    log: &mut dyn LogBackend,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<Option<(String, Vec<u8>)>> {
    for record_batch in log.read(topic, partition, offset, 1)? {
        for record in record_batch.records() {
            let record = record?;
            if record.offset == offset {
                return Ok(Some((record.key.to_owned(), record.value.unwrap_or_default().to_vec())));
            }
        }
    }
    Ok(None)
}

/// Ingests lines again; those that are still none are letters once more.
fn reingest(
    log: &mut dyn LogBackend,
    batch: &[StoredDeadLetter],
    done: &mut RedriveSummary,
) -> Result<BTreeMap<(String, i32), RecordBatch>> {
    let mut encoder = Encoder::new::<RawEvent>();
    let (mut events, mut out) = (Vec::new(), BTreeMap::<(String, i32), RecordBatch>::new());
    for found in batch {
        let text = std::str::from_utf8(&found.dead_letter.value);
        let parsed = text.map_err(|error| (RejectCode::NotJson, format!("not UTF-8: {error}")));
        match parsed.and_then(ingest::parse) {
            Ok(event) => events.push(ingest::record(event, &mut encoder)?),
            Err((code, reason)) => {
                let dead_letter = DeadLetter {
                    code,
                    reason,
                    redrive_count: found.dead_letter.redrive_count + 1,
                    ..found.dead_letter.clone()
                };
                let key = format!("{}:{}", dead_letter.origin, dead_letter.offset);
                let topic = (ingest::DEAD_LETTERS.to_owned(), 0);
                out.entry(topic).or_default().push(&key, Some(&wire::encode(&dead_letter)?));
                done.still_rejected += 1;
            }
        }
    }
    // What the log has already it does not take twice, so this may be done before the position moves.
    done.records += log.ingest(&events, Commit::default())?;
    Ok(out)
}

/// A reason without what differs from one letter to the next, to count by.
pub fn normalize_reason(reason: &str) -> String {
    let mut normalized = String::new();
    for c in reason.chars().take(120) {
        match c.is_ascii_digit() {
            true if normalized.ends_with('#') => {}
            true => normalized.push('#'),
            false => normalized.push(c),
        }
    }
    normalized
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead_letter(offset: i64) -> StoredDeadLetter {
        let dead_letter = DeadLetter {
            origin: "raw.odds.v1".into(),
            offset,
            ..DeadLetter::new(RejectCode::BadRow, String::new())
        };
        StoredDeadLetter { partition: 0, offset, dead_letter }
    }
    #[test]
    fn batches_are_complete_and_never_split_the_rows_of_one_record() {
        let dead_letters: Vec<StoredDeadLetter> = (0..1000).map(|n| dead_letter(n / 7 * 7)).collect();
        let cut: Vec<&[StoredDeadLetter]> = batches(&dead_letters).collect();
        assert_eq!(cut.iter().map(|batch| batch.len()).sum::<usize>(), 1000);
        for pair in cut.windows(2) {
            assert_ne!(
                pair[0].last().map(|f| f.dead_letter.offset),
                pair[1].first().map(|f| f.dead_letter.offset)
            );
        }
        assert!(cut.len() > 3);
    }
    #[test]
    fn reasons_are_normalized_without_numbers() {
        assert_eq!(normalize_reason("row 17: PTS is -3"), "row #: PTS is -#");
    }
}
