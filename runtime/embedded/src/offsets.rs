//! The committed offsets of consumer groups, in the log's SQLite file.
//!
//! Invariant: a registered consumer group has a committed offset in every partition of its inputs, so that compaction keeps what the
//! group has not read.
//! Not here: moving offsets; that is part of a commit (`append`).
use crate::{
    append::{put_committed_offset, topic_id},
    store::{Store, offset_row},
};
use runtime::{RuntimeError, subscription::Subscription};
use rusqlite::params;
use topics::{Offsets, TopicInfo};

/// Returns the committed offsets of a consumer group.
pub fn committed_offsets(store: &Store, group: &str) -> Result<Offsets, RuntimeError> {
    let read = || -> rusqlite::Result<Offsets> {
        let mut statement = store.db.prepare_cached(
            "SELECT topic.name, partition, next FROM committed_offset JOIN topic ON topic.id = committed_offset.topic
             WHERE consumer_group = ?",
        )?;
        statement.query_map([group], offset_row)?.collect()
    };
    store.ok(read())
}

/// Returns how many records a consumer group has read from other topics than these.
pub fn count_read_from_other_topics(
    store: &Store,
    group: &str,
    topics: &[&str],
) -> Result<i64, RuntimeError> {
    let read = || -> rusqlite::Result<i64> {
        let mut statement = store.db.prepare_cached(
            "SELECT topic.name, next FROM committed_offset JOIN topic ON topic.id = committed_offset.topic WHERE consumer_group = ?",
        )?;
        let mut rows = statement.query([group])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let is_other = !topics.contains(&row.get_ref(0)?.as_str()?);
            count += if is_other { row.get::<_, i64>(1)? } else { 0 };
        }
        Ok(count)
    };
    store.ok(read())
}

/// Deletes the committed offsets of the groups that belong to other versions of a stateless processor. No member uses these offsets any
/// more, but compaction would stop at them.
pub fn delete_other_versions(store: &Store, group: &str) -> Result<(), RuntimeError> {
    let Some((name, _)) = group.split_once('@') else { return Ok(()) };
    let sql = "DELETE FROM committed_offset
               WHERE consumer_group >= ?1 || '@' AND consumer_group < ?1 || 'A' AND consumer_group <> ?2";
    store.ok(store.db.execute(sql, [name, group])).map(|_| ())
}

/// Registers a consumer group: commits offset 0 in each input partition in which the group has committed nothing.
pub fn register_group(store: &mut Store, group: &str, inputs: &[TopicInfo]) -> Result<(), RuntimeError> {
    store.transaction(|tx| {
        for topic in inputs {
            let id = topic_id(tx, topic.name)?;
            for partition in 0..topic.partitions {
                let is_registered = tx
                    .prepare_cached(
                        "SELECT 1 FROM committed_offset WHERE consumer_group = ? AND topic = ? AND partition = ?",
                    )?
                    .exists(params![group, id, partition])?;
                if !is_registered {
                    put_committed_offset(tx, group, (id, partition), 0)?;
                }
            }
        }
        Ok(())
    })
}

/// True if the committed offsets of these processors have reached the end offsets of all their inputs, in one consistent read.
pub fn is_caught_up(store: &Store, subscriptions: &[Subscription]) -> Result<bool, RuntimeError> {
    let read = || -> rusqlite::Result<bool> {
        let tx = store.db.unchecked_transaction()?;
        for subscription in subscriptions {
            for topic in &subscription.inputs {
                let behind: i64 = tx
                    .prepare_cached(
                        "SELECT count(*) FROM end_offset e JOIN topic t ON t.id = e.topic AND t.name = ?1
                         LEFT JOIN committed_offset c
                         ON c.consumer_group = ?2 AND c.topic = e.topic AND c.partition = e.partition
                         WHERE e.next > ifnull(c.next, 0)",
                    )?
                    .query_row(params![topic.name, subscription.group], |row| row.get(0))?;
                if behind > 0 {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    };
    store.ok(read())
}
