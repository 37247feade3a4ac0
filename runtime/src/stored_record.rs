//! Records as a log stores them, for a command that shows them: each with its timestamp, also if it is no event of its topic.
//!
//! Invariant: a record that cannot be used is returned with its bytes and the reason; it never ends a read.
//! Not here: the records that processors read (`record_batch`), decoding the events (crate `schemas`).
use schemas::{Timestamp, raw::DeadLetter};
use topics::Offset;

/// One record of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    pub offset: Offset,
    /// On Kafka, the timestamp of the record; on the embedded log, the time at which its record batch was appended.
    pub timestamp: Option<Timestamp>,
    /// The key; bytes that are not UTF-8 are replaced.
    pub key: String,
    pub value: StoredValue,
}

/// The value of a stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredValue {
    Tombstone,
    Bytes(Vec<u8>),
    /// A dead letter whose fields are not in the value alone: on Kafka, most of them are headers.
    DeadLetter(Box<DeadLetter>),
    /// Bytes that the log cannot use as a record of this topic.
    Unusable {
        bytes: Vec<u8>,
        reason: String,
    },
}

/// How much is read of each partition: about so many bytes; and not much more than so many records, if the caller needs no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadSize {
    pub bytes: usize,
    pub records: usize,
}

/// About how many bytes of a partition [`LogReader::read_newest`](crate::LogReader::read_newest) reads.
pub const NEWEST_BYTES: usize = 1 << 20;

/// Records of one partition, in offset order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredRecords {
    pub records: Vec<StoredRecord>,
    /// The offset at which reading continues.
    pub next: Offset,
}
