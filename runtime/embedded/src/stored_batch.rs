//! A record batch in the form in which the log's SQLite file stores it: compressed, if that makes it smaller.
//!
//! Invariant: opening a stored batch returns the bytes that were packed, or an error; every batch of the file has a checksum, which every
//! read verifies.
//! Not here: which batches are stored together (`append`, `merging`, `compaction`).
use crate::checksum::{self, BatchHeader};
use runtime::{RecordBatch, record_batch::CorruptBatch};
use rusqlite::{Connection, Row, params, types::ValueRef};
use topics::Offset;
use zstd::{
    bulk::{Compressor, decompress},
    zstd_safe::{CParameter, get_frame_content_size},
};

/// The level of zstd at which batches are compressed.
const LEVEL: i32 = 3;
/// Smaller batches are not compressed: it would save less than it costs.
const MIN_COMPRESSED_BYTES: usize = 256;
/// The greatest size of a batch that is compressed or opened. No commit is that large; the limit bounds the memory that a corrupt size can
/// request.
const MAX_BATCH_BYTES: usize = 1 << 30;

/// Batches of fewer uncompressed bytes are small; consecutive small batches are merged.
pub const SMALL_BATCH_BYTES: i64 = 512 << 10;

/// The columns of a stored batch, as [`StoredBatch::from_row`] reads them.
pub const COLUMNS: &str = "base, next, records, bytes, appended, uncompressed, checksum";
/// The same columns in a file of a former version, which has no checksums, and before that had no compression.
pub const COLUMNS_WITHOUT_CHECKSUM: &str = "base, next, records, bytes, appended, uncompressed, 'none'";
pub const COLUMNS_WITHOUT_COMPRESSION: &str = "base, next, records, bytes, appended, NULL, 'none'";

/// A row of table `record_batch`.
pub struct StoredBatch {
    pub base: Offset,
    pub next: Offset,
    pub records: u32,
    pub appended: i64,
    bytes: Vec<u8>,
    uncompressed: Option<i64>,
    checksum: BatchChecksum,
}

/// What is known about the checksum of a batch.
enum BatchChecksum {
    /// The batch is not in the file yet. Its bytes have this checksum; that of the row also covers offsets, which may still change.
    OfBytes(u32),
    /// The row has this checksum.
    OfRow(i64),
    /// The row has no checksum although the file has checksums.
    Absent,
    /// The file has a former version, which has no checksums.
    FormerFile,
}

/// The partition of a stored batch: id and name of the topic, and the number of the partition.
#[derive(Clone, Copy)]
pub struct StoredPartition<'a> {
    pub topic_id: i64,
    pub topic: &'a str,
    pub partition: i32,
}

/// Error: a stored batch cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the record batch of topic {topic}/{partition} at offset {offset} is corrupt: {reason}")]
pub struct CorruptStoredBatch {
    topic: String,
    partition: i32,
    offset: Offset,
    reason: String,
}
impl CorruptStoredBatch {
    pub fn new(topic: &str, partition: i32, offset: Offset, corrupt: &CorruptBatch) -> Self {
        CorruptStoredBatch { topic: topic.to_owned(), partition, offset, reason: corrupt.to_string() }
    }
    fn with_reason(topic: &str, partition: i32, offset: Offset, reason: &str) -> Self {
        CorruptStoredBatch { topic: topic.to_owned(), partition, offset, reason: reason.to_owned() }
    }
}
/// Passes the error through a SQL transaction, which it rolls back.
impl From<CorruptStoredBatch> for rusqlite::Error {
    fn from(corrupt: CorruptStoredBatch) -> Self {
        rusqlite::Error::ToSqlConversionFailure(Box::new(corrupt))
    }
}

impl StoredBatch {
    /// Packs a batch; its bytes are compressed if they are then at least an eighth smaller.
    pub fn pack(batch: &RecordBatch, appended: i64) -> Self {
        let plain = batch.bytes();
        let compressed = if (MIN_COMPRESSED_BYTES..=MAX_BATCH_BYTES).contains(&plain.len()) {
            compress(plain).filter(|compressed| compressed.len() <= plain.len() - plain.len() / 8)
        } else {
            None
        };
        let uncompressed = compressed.is_some().then_some(plain.len() as i64);
        let bytes = compressed.unwrap_or_else(|| plain.to_vec());
        StoredBatch {
            base: batch.base(),
            next: batch.next(),
            records: batch.len(),
            appended,
            checksum: BatchChecksum::OfBytes(checksum::of_bytes(&bytes)),
            bytes,
            uncompressed,
        }
    }
    /// Returns the same records, numbered from a different base offset.
    pub fn rebased(self, base: Offset) -> Self {
        StoredBatch { next: base + (self.next - self.base), base, ..self }
    }
    /// Parses a row of [`COLUMNS`].
    pub fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(StoredBatch {
            base: row.get(0)?,
            next: row.get(1)?,
            records: row.get(2)?,
            bytes: row.get(3)?,
            appended: row.get(4)?,
            uncompressed: row.get(5)?,
            checksum: match row.get_ref(6)? {
                ValueRef::Integer(checksum) => BatchChecksum::OfRow(checksum),
                ValueRef::Null => BatchChecksum::Absent,
                _ => BatchChecksum::FormerFile,
            },
        })
    }
    /// Returns the number of bytes in the file.
    pub fn stored_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }
    /// Returns the number of uncompressed bytes.
    pub fn size(&self) -> i64 {
        self.uncompressed.unwrap_or(self.bytes.len() as i64)
    }
    /// Returns the checksum of the row, given that of its bytes.
    fn row_checksum(&self, topic: &str, partition: i32, of_bytes: u32) -> i64 {
        let StoredBatch { base, next, records, uncompressed, .. } = *self;
        let header = BatchHeader { topic, partition, base, next, records, uncompressed };
        checksum::of_batch(&header, of_bytes)
    }
    /// Checks that the row is the one that was stored.
    fn verify(&self, topic: &str, partition: i32) -> Result<(), CorruptStoredBatch> {
        let reason = match self.checksum {
            BatchChecksum::OfBytes(_) | BatchChecksum::FormerFile => return Ok(()),
            BatchChecksum::Absent => "it has no checksum",
            BatchChecksum::OfRow(stored) => {
                if self.row_checksum(topic, partition, checksum::of_bytes(&self.bytes)) == stored {
                    return Ok(());
                }
                "its checksum does not match"
            }
        };
        Err(CorruptStoredBatch::with_reason(topic, partition, self.base, reason))
    }
    /// Returns the record batch.
    ///
    /// # Errors
    /// If the row is not the one that was stored.
    pub fn open(self, topic: &str, partition: i32) -> Result<RecordBatch, CorruptStoredBatch> {
        self.verify(topic, partition)?;
        let StoredBatch { base, next, records, bytes, uncompressed, .. } = self;
        let plain = match uncompressed {
            None => bytes,
            Some(size) => uncompress(&bytes, size).map_err(|reason| CorruptStoredBatch {
                topic: topic.to_owned(),
                partition,
                offset: base,
                reason,
            })?,
        };
        Ok(RecordBatch::from_parts(base, next, records, plain))
    }
    /// Returns the checksum that the row has or will have in the file.
    pub fn checksum(&self, topic: &str, partition: i32) -> i64 {
        match self.checksum {
            BatchChecksum::OfRow(stored) => stored,
            BatchChecksum::OfBytes(of_bytes) => self.row_checksum(topic, partition, of_bytes),
            _ => self.row_checksum(topic, partition, checksum::of_bytes(&self.bytes)),
        }
    }
    pub fn insert(
        &self,
        db: &Connection,
        StoredPartition { topic_id, topic, partition }: StoredPartition<'_>,
    ) -> rusqlite::Result<()> {
        let checksum = self.checksum(topic, partition);
        let StoredBatch { base, next, records, appended, bytes, uncompressed, .. } = self;
        db.prepare_cached(
            "INSERT INTO record_batch(topic, partition, base, next, records, bytes, appended, uncompressed, checksum)
             VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![topic_id, partition, base, next, records, bytes, appended, uncompressed, checksum])
        .map(|_| ())
    }
}

/// Returns a zstd frame with size and checksum; `None` if zstd fails, for example because there is no memory for it.
fn compress(plain: &[u8]) -> Option<Vec<u8>> {
    let mut compressor = Compressor::new(LEVEL).ok()?;
    compressor.set_parameter(CParameter::ChecksumFlag(true)).ok()?;
    compressor.compress(plain).ok()
}

fn uncompress(frame: &[u8], size: i64) -> Result<Vec<u8>, String> {
    let size = usize::try_from(size).ok().filter(|size| *size <= MAX_BATCH_BYTES);
    let size = size.ok_or("its size is not valid")?;
    match get_frame_content_size(frame) {
        Ok(Some(content)) if content == size as u64 => {}
        _ => return Err("its bytes are not a zstd frame of its size".to_owned()),
    }
    let plain = decompress(frame, size).map_err(|error| error.to_string())?;
    if plain.len() == size { Ok(plain) } else { Err(format!("it has {} of {size} bytes", plain.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Batches of random and of repetitive records, from an empty one to one of some 100 KB.
    fn any_batch() -> impl Strategy<Value = RecordBatch> {
        let value = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..400),
            (any::<u8>(), 0usize..2000).prop_map(|(byte, len)| vec![byte; len]),
        ];
        prop::collection::vec(("[a-z/]{0,9}", prop::option::of(value)), 0..100).prop_map(|records| {
            let mut batch = RecordBatch::default();
            for (key, value) in records {
                batch.push(&key, value.as_deref());
            }
            batch
        })
    }

    proptest! {
        #[test]
        fn a_batch_opens_to_the_same_batch_and_is_never_stored_larger(batch in any_batch(), base in 0i64..1_000_000) {
            let stored = StoredBatch::pack(&batch, 0).rebased(base);
            prop_assert!(stored.bytes.len() <= batch.bytes().len());
            prop_assert_eq!(stored.size(), batch.bytes().len() as i64);
            prop_assert_eq!(stored.open("t", 0).unwrap(), batch.rebased(base));
        }
        #[test]
        fn a_changed_or_shortened_frame_is_an_error(byte in any::<prop::sample::Index>(), bit in 0u8..8, short in any::<bool>()) {
            let mut batch = RecordBatch::default();
            (0..100).for_each(|number| batch.push(&number.to_string(), Some(b"a value that repeats")));
            let mut stored = StoredBatch::pack(&batch, 0).rebased(70);
            prop_assert!(stored.uncompressed.is_some());
            let at = byte.index(stored.bytes.len());
            if short {
                stored.bytes.truncate(at);
            } else {
                stored.bytes[at] ^= 1 << bit;
            }
            match stored.open("core.games.v1", 3) {
                Ok(opened) => prop_assert_eq!(opened, batch.rebased(70), "the changed bit has no meaning"),
                Err(error) => {
                    let message = error.to_string();
                    prop_assert!(message.contains("topic core.games.v1/3 at offset 70 is corrupt"), "{}", message);
                }
            }
        }
    }
    #[test]
    fn a_corrupt_size_requests_no_memory() {
        let mut batch = RecordBatch::default();
        batch.push("key", Some(&[0; 1000]));
        for size in [i64::MIN, -1, 0, 1 << 40, i64::MAX] {
            let mut stored = StoredBatch::pack(&batch, 0);
            stored.uncompressed = Some(size);
            assert!(stored.open("t", 0).is_err(), "{size}");
        }
    }
}
