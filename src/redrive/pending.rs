//! The dead letters that a redrive would process.
//!
//! Invariant: read-only; a dead letter below the committed offset of its group is not pending.
//! Not here: the groups (`group`), redriving (`append`).
use super::group::RedriveGroup;
use anyhow::Result;
use runtime::{DeadLetterRecord, LogBackend, dlq, engine::dlq_topic};
use schemas::raw::{DeadLetter, RejectCode};
use std::collections::{BTreeMap, btree_map::Entry};
use topics::{Offsets, TopicPartition};

/// The dead letters that a redrive would process.
#[derive(Default)]
pub(super) struct PendingRedrive {
    pub groups: BTreeMap<RedriveGroup, Vec<DeadLetterRecord>>,
    /// Number of dead letters that an earlier redrive has processed; they are skipped.
    pub already_redriven: usize,
    /// Number of dead letters at the redrive limit, which are skipped without `--force`.
    pub at_redrive_limit: usize,
}

impl PendingRedrive {
    pub fn dead_letters(&self) -> impl Iterator<Item = &DeadLetter> {
        self.groups.values().flatten().map(|record| &record.dead_letter)
    }
}

/// Returns the dead letters of a processor that are to be redriven: those of `code`, or of all codes if it is `None`.
///
/// # Errors
/// If the log cannot be read.
pub(super) fn pending(
    log: &mut dyn LogBackend,
    processor: &str,
    code: Option<RejectCode>,
    force: bool,
) -> Result<PendingRedrive> {
    let topic = dlq_topic(processor);
    let mut committed: BTreeMap<RedriveGroup, Offsets> = BTreeMap::new();
    let mut pending = PendingRedrive::default();
    for record in dlq::read(log, processor)?.records {
        let group = RedriveGroup::for_dead_letter(&record.dead_letter);
        if code.is_some_and(|code| code != group.code) {
            continue;
        }
        if let Entry::Vacant(vacant) = committed.entry(group) {
            vacant.insert(log.committed_offsets(&group.group_id(), &[topic])?);
        }
        let partition = TopicPartition::new(topic, record.partition);
        let next = committed.get(&group).and_then(|offsets| offsets.get(&partition)).copied();
        if record.offset < next.unwrap_or(0) {
            pending.already_redriven += 1;
        } else if group.is_forced && !force {
            pending.at_redrive_limit += 1;
        } else {
            pending.groups.entry(group).or_default().push(record);
        }
    }
    Ok(pending)
}
