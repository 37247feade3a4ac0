//! Where readers stand in the file, and who runs them.
//!
//! The process that holds `run.lock` writes into it which processors it runs; a lock that nobody holds says that none is run.
//! Invariant: one look is one read transaction; the first unread record is found by the index, not by reading.
//! Not here: what to make of it (`lag`).
use super::store::{EmbeddedLog, storage_error};
use crate::{
    lag::{PartitionProgress, ProcessorProgress, Unread},
    log::RuntimeError,
    subscription::Subscription,
};
use rusqlite::{Connection, params};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, TryLockError},
    io::{Read, Write},
};
use topics::TopicInfo;

/// A partition's end, beginning, the reader's position, and the first chunk that it has not read.
const PARTITIONS_SQL: &str = "
    SELECT e.partition, e.next, ifnull((SELECT min(base) FROM chunk c WHERE c.topic = t.id AND c.partition = e.partition), e.next),
           p.next, u.base, u.appended
    FROM topic t JOIN log_end e ON e.topic = t.id
    LEFT JOIN position p ON p.reader = ?2 AND p.topic = t.id AND p.partition = e.partition
    LEFT JOIN chunk u ON u.id = (
        SELECT id FROM chunk c WHERE c.topic = t.id AND c.partition = e.partition AND c.next > ifnull(p.next, 0) AND c.base >= ifnull(
            (SELECT max(base) FROM chunk b WHERE b.topic = t.id AND b.partition = e.partition AND b.base <= ifnull(p.next, 0)), 0)
        ORDER BY c.base LIMIT 1)
    WHERE t.name = ?1";

impl EmbeddedLog {
    /// Says that this process runs a processor.
    pub(super) fn register_processor(&mut self, name: &str) -> Result<(), RuntimeError> {
        let Some(lock) = &mut self.run_lock else { return Ok(()) };
        writeln!(lock.0, "{name}").map_err(|error| storage_error(&self.path, error.to_string()))
    }
    /// The processors that some process runs now.
    fn active_groups(&self) -> Result<BTreeSet<String>, RuntimeError> {
        let runtime_error = |error: std::io::Error| storage_error(&self.path, error.to_string());
        let names = |mut file: &File| {
            let mut names = String::new();
            file.read_to_string(&mut names).map_err(runtime_error)?;
            Ok(names.lines().map(str::to_owned).collect())
        };
        let file = match File::open(self.path.with_file_name("run.lock")) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            file => file.map_err(runtime_error)?,
        };
        match file.try_lock_shared() {
            Ok(()) => file.unlock().map(|()| BTreeSet::new()).map_err(runtime_error),
            Err(TryLockError::WouldBlock) => names(&file),
            Err(TryLockError::Error(error)) => Err(runtime_error(error)),
        }
    }
    /// Where what is left of these topics' partitions begins.
    pub fn beginning_offsets(
        &mut self,
        topics: &[&str],
    ) -> Result<BTreeMap<(String, i32), i64>, RuntimeError> {
        let work = || -> rusqlite::Result<BTreeMap<(String, i32), i64>> {
            let mut starts = BTreeMap::new();
            for topic in topics {
                let mut statement = self.db.prepare_cached(PARTITIONS_SQL)?;
                let mut rows = statement.query(params![topic, ""])?;
                while let Some(row) = rows.next()? {
                    starts.insert(((*topic).to_owned(), row.get(0)?), row.get(2)?);
                }
            }
            Ok(starts)
        };
        let starts = work();
        starts.map_err(|error| storage_error(&self.path, error.to_string()))
    }
    pub fn lag_snapshot(
        &mut self,
        subscriptions: &[Subscription],
    ) -> Result<Vec<ProcessorProgress>, RuntimeError> {
        let active_groups = self.active_groups()?;
        let work = |db: &mut Connection| -> rusqlite::Result<Vec<ProcessorProgress>> {
            let tx = db.unchecked_transaction()?;
            let stand = |subscription: &Subscription| {
                let partitions =
                    subscription.inputs.iter().map(|topic| partitions(&tx, &subscription.group, *topic));
                Ok(ProcessorProgress {
                    processor: subscription.name,
                    has_active_members: active_groups.contains(subscription.name),
                    partitions: partitions.collect::<rusqlite::Result<Vec<_>>>()?.concat(),
                })
            };
            subscriptions.iter().map(stand).collect()
        };
        let path = self.path.clone();
        work(&mut self.db).map_err(|error| storage_error(&path, error.to_string()))
    }
}

fn partitions(db: &Connection, group: &str, topic: TopicInfo) -> rusqlite::Result<Vec<PartitionProgress>> {
    let empty = |partition| PartitionProgress {
        topic,
        partition,
        committed: None,
        log_start_offset: 0,
        end_offset: 0,
        unread: None,
    };
    let mut partitions: Vec<PartitionProgress> = (0..topic.partitions).map(empty).collect();
    let mut statement = db.prepare_cached(PARTITIONS_SQL)?;
    let mut rows = statement.query(params![topic.name, group])?;
    while let Some(row) = rows.next()? {
        let partition: i32 = row.get(0)?;
        let Some(partition_progress) =
            partitions.iter_mut().find(|partition_progress| partition_progress.partition == partition)
        else {
            continue;
        };
        (partition_progress.end_offset, partition_progress.log_start_offset, partition_progress.committed) =
            (row.get(1)?, row.get(2)?, row.get(3)?);
        if let Some(base) = row.get::<_, Option<i64>>(4)? {
            let offset = base.max(partition_progress.committed.unwrap_or(0));
            partition_progress.unread = Some(Unread { offset, appended: row.get(5)? });
        }
    }
    Ok(partitions)
}
