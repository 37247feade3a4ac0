//! Reads the progress of all processors from the embedded log's SQLite file, as one consistent sample. Lag is computed from this sample.
//!
//! Invariant: a sample is one read transaction; the first unread record is found through the index, without reading record batches.
//! Not here: the assessment of a sample (`runtime::lag`).
use crate::{run_lock::active_processors, store::Store};
use runtime::{
    RuntimeError,
    lag::{Owner, PartitionProgress, ProcessorProgress, Unread},
    subscription::Subscription,
};
use rusqlite::{Connection, params};
use topics::{Offsets, TopicInfo, TopicPartition};

/// Selects, for each partition of topic ?1: the end offset, the log start offset, the committed offset of group ?2, and base offset and
/// append time of the first batch that the group has not read completely.
const PROGRESS: &str = "
    SELECT e.partition, e.next,
           ifnull((SELECT min(base) FROM record_batch b WHERE b.topic = t.id AND b.partition = e.partition), e.next),
           c.next, u.base, u.appended
    FROM topic t JOIN end_offset e ON e.topic = t.id
    LEFT JOIN committed_offset c ON c.consumer_group = ?2 AND c.topic = t.id AND c.partition = e.partition
    LEFT JOIN record_batch u ON u.id = (
        SELECT id FROM record_batch b
        WHERE b.topic = t.id AND b.partition = e.partition AND b.next > ifnull(c.next, 0) AND b.base >= ifnull(
            (SELECT max(base) FROM record_batch p
             WHERE p.topic = t.id AND p.partition = e.partition AND p.base <= ifnull(c.next, 0)), 0)
        ORDER BY b.base LIMIT 1)
    WHERE t.name = ?1";

/// Returns the log start offsets of all partitions of these topics.
pub fn beginning_offsets(store: &Store, topics: &[&str]) -> Result<Offsets, RuntimeError> {
    let read = || -> rusqlite::Result<Offsets> {
        let mut offsets = Offsets::new();
        for topic in topics {
            let mut statement = store.db.prepare_cached(PROGRESS)?;
            let mut rows = statement.query(params![topic, ""])?;
            while let Some(row) = rows.next()? {
                offsets.insert(TopicPartition::from_name(topic, row.get(0)?), row.get(2)?);
            }
        }
        Ok(offsets)
    };
    store.ok(read())
}

/// Returns the progress of these processors in all partitions of their inputs.
pub fn progress(
    store: &Store,
    subscriptions: &[Subscription],
) -> Result<Vec<ProcessorProgress>, RuntimeError> {
    let active = active_processors(store.folder())?;
    let read = || -> rusqlite::Result<Vec<ProcessorProgress>> {
        let tx = store.db.unchecked_transaction()?;
        let processor_progress = |subscription: &Subscription| {
            let topics = subscription.inputs.iter();
            let partitions = topics.map(|topic| topic_progress(&tx, &subscription.group, *topic));
            let has_active_members = active.names.contains(subscription.name);
            let owner = active.owner.clone().filter(|_| has_active_members);
            let owned = |owner: Owner| {
                subscription.input_partitions().map(move |(_, partition)| (partition, owner.clone()))
            };
            Ok(ProcessorProgress {
                processor: subscription.name,
                has_active_members,
                owners: owner.into_iter().flat_map(owned).collect(),
                partitions: partitions.collect::<rusqlite::Result<Vec<_>>>()?.concat(),
            })
        };
        subscriptions.iter().map(processor_progress).collect()
    };
    store.ok(read())
}

fn topic_progress(
    db: &Connection,
    group: &str,
    topic: TopicInfo,
) -> rusqlite::Result<Vec<PartitionProgress>> {
    let mut partitions: Vec<PartitionProgress> =
        (0..topic.partitions).map(|partition| PartitionProgress::empty(topic, partition)).collect();
    let mut statement = db.prepare_cached(PROGRESS)?;
    let mut rows = statement.query(params![topic.name, group])?;
    while let Some(row) = rows.next()? {
        let partition: i32 = row.get(0)?;
        let Some(progress) = partitions.iter_mut().find(|progress| progress.partition == partition) else {
            continue;
        };
        progress.end_offset = row.get(1)?;
        progress.log_start_offset = row.get(2)?;
        progress.committed = row.get(3)?;
        if let Some(base) = row.get::<_, Option<i64>>(4)? {
            let offset = base.max(progress.committed.unwrap_or(0));
            progress.unread = Some(Unread { offset, appended: row.get(5)? });
        }
    }
    Ok(partitions)
}
