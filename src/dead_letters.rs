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
use runtime::{Chunk, Commit, Halt, Storage, engine::dead_letters_of};
use schemas::{
    raw::{DeadLetter, RawEvent, RejectCode},
    wire::{self, Encoder},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// A letter that has come back so often is put back by force only.
pub const CAP: i32 = 3;
/// Records that are appended at once.
const BATCH: usize = 200;

/// A dead letter where it lies.
pub struct Found {
    pub partition: i32,
    pub offset: i64,
    pub letter: DeadLetter,
}

/// Everyone who may have dead letters.
pub fn stages() -> Vec<String> {
    let nodes = topology::topology(Predictor::new(None));
    let names = nodes.iter().map(|node| node.name());
    [ingest::STAGE].into_iter().chain(names).chain([topology::SINK]).map(str::to_owned).collect()
}
/// Refuses a name that nobody has.
pub fn known(stage: &str) -> Result<()> {
    let stages = stages();
    match stages.iter().any(|known| known == stage) {
        true => Ok(()),
        false => Err(topology::Unknown::new(stage, &stages).into()),
    }
}
/// Where a stage's letters end, by partition.
pub fn ends(log: &mut dyn Storage, stage: &str) -> Result<BTreeMap<i32, i64>> {
    let topic = dead_letters_of(stage);
    Ok(log.ends(&[&topic])?.into_iter().map(|((_, partition), end)| (partition, end)).collect())
}
/// A stage's letters, by partition and in order, and how many records were purged before them at most.
pub fn read(log: &mut dyn Storage, stage: &str) -> Result<(Vec<Found>, i64)> {
    let topic = dead_letters_of(stage);
    let (mut found, mut purged) = (Vec::new(), 0);
    for (partition, end) in ends(log, stage)? {
        let mut first = end;
        for chunk in log.read(&topic, partition, 0, usize::MAX)? {
            for record in chunk.records() {
                let record = record?;
                first = first.min(record.offset);
                if let Some(bytes) = record.value {
                    found.push(Found { partition, offset: record.offset, letter: wire::decode(bytes)? });
                }
            }
        }
        purged += first;
    }
    Ok((found, purged))
}

/// What the groups begin with that keep how far letters were put back.
pub const REDRIVE: &str = "dlq-redrive";

/// Letters that share a position: one code, below the cap or at it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Lane {
    code: RejectCode,
    forced: bool,
}
impl Lane {
    fn of(letter: &DeadLetter) -> Lane {
        Lane { code: letter.code, forced: letter.replays >= CAP }
    }
    fn group(self) -> String {
        format!("{REDRIVE}.{}{}", self.code, if self.forced { ".forced" } else { "" })
    }
}

/// What a redrive would put back.
#[derive(Default)]
pub struct Pending {
    lanes: BTreeMap<Lane, Vec<Found>>,
    /// Put back before.
    pub before: usize,
    /// At the cap, and left alone without force.
    pub capped: usize,
}
impl Pending {
    pub fn letters(&self) -> impl Iterator<Item = &DeadLetter> {
        self.lanes.values().flatten().map(|found| &found.letter)
    }
}

/// What is to be put back of a stage's letters, of one code or of all.
pub fn pending(log: &mut dyn Storage, stage: &str, code: Option<RejectCode>, force: bool) -> Result<Pending> {
    let topic = dead_letters_of(stage);
    let mut positions: BTreeMap<Lane, BTreeMap<(String, i32), i64>> = BTreeMap::new();
    let mut pending = Pending::default();
    for found in read(log, stage)?.0 {
        let lane = Lane::of(&found.letter);
        if code.is_some_and(|code| code != lane.code) {
            continue;
        }
        if let std::collections::btree_map::Entry::Vacant(vacant) = positions.entry(lane) {
            vacant.insert(log.positions(&lane.group(), &[&topic])?);
        }
        let next = positions.get(&lane).and_then(|next| next.get(&(topic.clone(), found.partition)));
        if found.offset < next.copied().unwrap_or(0) {
            pending.before += 1;
        } else if lane.forced && !force {
            pending.capped += 1;
        } else {
            pending.lanes.entry(lane).or_default().push(found);
        }
    }
    Ok(pending)
}

/// What became of a redrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Redriven {
    pub letters: usize,
    /// Records appended to raw topics; several rows of one record are one.
    pub records: usize,
    /// Lines and records that are still no event, and lie at the end of the letters again.
    pub still_dead: usize,
}

/// Puts letters back.
pub fn redrive(log: &mut dyn Storage, stage: &str, pending: Pending) -> Result<Redriven> {
    let topic = dead_letters_of(stage);
    let table = pending.letters().find(|letter| stage != ingest::STAGE && !topics::is_raw(&letter.origin));
    if let Some(letter) = table {
        let refused = Halt::Refused {
            what: format!("putting back what {stage} rejected"),
            reason: format!(
                "it was read from {}, a table, where an old row must not come after a newer",
                letter.origin
            ),
            next: "`fastbreak sink adopt` writes all rows again".into(),
        };
        return Err(refused.into());
    }
    let mut done = Redriven::default();
    for (lane, letters) in pending.lanes {
        for batch in batches(&letters) {
            let next =
                batch.iter().map(|found| ((topic.clone(), found.partition), found.offset + 1)).collect();
            let out = match stage == ingest::STAGE {
                true => ingest_again(log, batch, &mut done)?,
                false => append_again(log, stage, batch, &mut done)?,
            };
            log.append(out, &lane.group(), &next)?;
            done.letters += batch.len();
        }
    }
    Ok(done)
}

/// Letters in batches that do not part those of one record.
fn batches(letters: &[Found]) -> impl Iterator<Item = &[Found]> {
    let is_same = |a: &Found, b: &Found| origin(&a.letter) == origin(&b.letter);
    let mut rest = letters;
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
fn origin(letter: &DeadLetter) -> (&str, i32, i64) {
    (&letter.origin, letter.partition, letter.offset)
}

/// The records that letters came from, for their topics; letters of what is no event are letters once more.
fn append_again(
    log: &mut dyn Storage,
    stage: &str,
    batch: &[Found],
    done: &mut Redriven,
) -> Result<BTreeMap<(String, i32), Chunk>> {
    let mut origins: BTreeMap<(&str, i32, i64), &Found> = BTreeMap::new();
    for found in batch {
        let most = origins.entry(origin(&found.letter)).or_insert(found);
        if found.letter.replays > most.letter.replays {
            *most = found;
        }
    }
    let mut encoder = Encoder::new::<RawEvent>();
    let mut out: BTreeMap<(String, i32), Chunk> = BTreeMap::new();
    for ((topic, partition, offset), found) in origins {
        let Some((key, value)) = record_at(log, topic, partition, offset)? else {
            bail!(
                "{topic}/{partition} has nothing at offset {offset} any more, where a dead letter says that it was read; \
                 nothing of this batch was put back. next: `fastbreak topics plan` shows whether the topic keeps its records"
            );
        };
        let replays = found.letter.replays + 1;
        let Ok(mut event) = wire::decode::<RawEvent>(&value) else {
            let letter = wire::encode(&DeadLetter { replays, ..found.letter.clone() })?;
            let at = (dead_letters_of(stage), found.partition);
            out.entry(at).or_default().push(&key, Some(&letter));
            done.still_dead += 1;
            continue;
        };
        event.replays = replays;
        let mut value = Vec::new();
        encoder.encode(&event, &mut value)?;
        out.entry((topic.to_owned(), partition)).or_default().push(&key, Some(&value));
        done.records += 1;
    }
    Ok(out)
}
fn record_at(
    log: &mut dyn Storage,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<Option<(String, Vec<u8>)>> {
    for chunk in log.read(topic, partition, offset, 1)? {
        for record in chunk.records() {
            let record = record?;
            if record.offset == offset {
                return Ok(Some((record.key.to_owned(), record.value.unwrap_or_default().to_vec())));
            }
        }
    }
    Ok(None)
}

/// Ingests lines again; those that are still none are letters once more.
fn ingest_again(
    log: &mut dyn Storage,
    batch: &[Found],
    done: &mut Redriven,
) -> Result<BTreeMap<(String, i32), Chunk>> {
    let mut encoder = Encoder::new::<RawEvent>();
    let (mut events, mut out) = (Vec::new(), BTreeMap::<(String, i32), Chunk>::new());
    for found in batch {
        let text = std::str::from_utf8(&found.letter.value);
        let parsed = text.map_err(|error| (RejectCode::NotJson, format!("not UTF-8: {error}")));
        match parsed.and_then(ingest::parse) {
            Ok(event) => events.push(ingest::record(event, &mut encoder)?),
            Err((code, reason)) => {
                let letter =
                    DeadLetter { code, reason, replays: found.letter.replays + 1, ..found.letter.clone() };
                let key = format!("{}:{}", letter.origin, letter.offset);
                let topic = (ingest::DEAD_LETTERS.to_owned(), 0);
                out.entry(topic).or_default().push(&key, Some(&wire::encode(&letter)?));
                done.still_dead += 1;
            }
        }
    }
    // What the log has already it does not take twice, so this may be done before the position moves.
    done.records += log.ingest(&events, Commit::default())?;
    Ok(out)
}

/// A reason without what differs from one letter to the next, to count by.
pub fn kind_of(reason: &str) -> String {
    let mut kind = String::new();
    for c in reason.chars().take(120) {
        match c.is_ascii_digit() {
            true if kind.ends_with('#') => {}
            true => kind.push('#'),
            false => kind.push(c),
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(offset: i64) -> Found {
        let letter = DeadLetter {
            origin: "raw.odds.v1".into(),
            offset,
            ..DeadLetter::new(RejectCode::BadRow, String::new())
        };
        Found { partition: 0, offset, letter }
    }
    #[test]
    fn batches_hold_everything_and_never_part_the_rows_of_one_record() {
        let letters: Vec<Found> = (0..1000).map(|n| letter(n / 7 * 7)).collect();
        let cut: Vec<&[Found]> = batches(&letters).collect();
        assert_eq!(cut.iter().map(|batch| batch.len()).sum::<usize>(), 1000);
        for pair in cut.windows(2) {
            assert_ne!(pair[0].last().map(|f| f.letter.offset), pair[1].first().map(|f| f.letter.offset));
        }
        assert!(cut.len() > 3);
    }
    #[test]
    fn reasons_are_counted_without_their_numbers() {
        assert_eq!(kind_of("row 17: PTS is -3"), "row #: PTS is -#");
    }
}
