//! Record batches: consecutive records of one partition in one buffer. Records are stored and passed on in this form.
//!
//! A record is stored as its offset relative to the batch's base offset, its key, and its value or a tombstone. A batch needs one
//! allocation, not one per record. Only records that other programs may have produced (those of raw topics on Kafka) also have a timestamp;
//! timestamps are not part of the stored bytes.
//! Invariant: offsets ascend; after compaction they have gaps.
//! Not here: the encoding of the values (`schemas::wire`).
use schemas::Timestamp;
use std::collections::BTreeMap;
use topics::Offset;

/// One record, borrowed from its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub offset: Offset,
    pub key: &'a str,
    /// `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The record's own timestamp, if the log passes it on.
    pub timestamp: Option<Timestamp>,
}

/// Consecutive records of one topic partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordBatch {
    base: Offset,
    /// The offset that follows the batch, minus `base`.
    span: u32,
    records: u32,
    bytes: Vec<u8>,
    /// The timestamps of the records that have one, by offset minus `base`.
    timestamps: BTreeMap<u32, Timestamp>,
}

/// Error: the bytes of a batch cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("a stored record batch is corrupt at byte {position} of {len}")]
pub struct CorruptBatch {
    position: usize,
    len: usize,
}

const TOMBSTONE: u32 = u32::MAX;

impl RecordBatch {
    /// Creates an empty batch; the first record appended to it gets this offset.
    pub fn at(base: Offset) -> Self {
        RecordBatch { base, ..RecordBatch::default() }
    }
    /// Creates a batch from its stored parts; the bytes are checked only when the records are read.
    pub fn from_parts(base: Offset, next: Offset, records: u32, bytes: Vec<u8>) -> Self {
        RecordBatch { base, span: (next - base).max(0) as u32, records, bytes, timestamps: BTreeMap::new() }
    }
    /// Returns the base offset, to which the offsets of the records are relative.
    pub fn base(&self) -> Offset {
        self.base
    }
    /// Returns the offset that follows the batch, at which reading continues.
    pub fn next(&self) -> Offset {
        self.base + i64::from(self.span)
    }
    /// Returns the number of records.
    pub fn len(&self) -> u32 {
        self.records
    }
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// Returns the same records, numbered from a different base offset.
    pub fn rebased(mut self, base: Offset) -> Self {
        self.base = base;
        self
    }
    /// Removes the records below an offset, and returns the remaining batch.
    ///
    /// # Errors
    /// When the bytes are corrupt.
    pub fn from_offset(self, from: Offset) -> Result<Self, CorruptBatch> {
        if from <= self.base {
            return Ok(self);
        }
        let mut rest = RecordBatch::at(from);
        for record in self.records() {
            let record = record?;
            if record.offset >= from {
                rest.push_at(record.offset, record.key, record.value);
                rest.set_last_timestamp(record.timestamp);
            }
        }
        rest.span = (self.next() - from).max(0) as u32;
        Ok(rest)
    }
    /// Appends a record at the next offset.
    pub fn push(&mut self, key: &str, value: Option<&[u8]>) {
        self.push_at(self.next(), key, value);
    }
    /// Appends a record at an offset, which must not be below [`RecordBatch::next`].
    pub fn push_at(&mut self, offset: Offset, key: &str, value: Option<&[u8]>) {
        let relative = (offset - self.base) as u32;
        debug_assert!(relative >= self.span, "offsets ascend");
        self.bytes.extend_from_slice(&relative.to_le_bytes());
        self.bytes.extend_from_slice(&(key.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(key.as_bytes());
        self.bytes.extend_from_slice(&value.map_or(TOMBSTONE, |value| value.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.span = relative + 1;
        self.records += 1;
    }
    /// Sets the timestamp of the record that was appended last.
    pub fn set_last_timestamp(&mut self, timestamp: Option<Timestamp>) {
        if let (Some(timestamp), Some(relative)) = (timestamp, self.span.checked_sub(1)) {
            self.timestamps.insert(relative, timestamp);
        }
    }
    /// Returns the records in offset order.
    pub fn records(&self) -> impl Iterator<Item = Result<Record<'_>, CorruptBatch>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            if at >= self.bytes.len() {
                return None;
            }
            let start = at;
            let record = self.record(&mut at);
            if record.is_none() {
                at = self.bytes.len();
            }
            Some(record.ok_or(CorruptBatch { position: start, len: self.bytes.len() }))
        })
    }
    fn record(&self, at: &mut usize) -> Option<Record<'_>> {
        let mut take = |n: usize| {
            let part = self.bytes.get(*at..*at + n)?;
            *at += n;
            Some(part)
        };
        let relative = u32::from_le_bytes(take(4)?.try_into().ok()?);
        let key = u16::from_le_bytes(take(2)?.try_into().ok()?);
        let key = std::str::from_utf8(take(usize::from(key))?).ok()?;
        let value = match u32::from_le_bytes(take(4)?.try_into().ok()?) {
            TOMBSTONE => None,
            len => Some(take(len as usize)?),
        };
        let timestamp = self.timestamps.get(&relative).copied();
        Some(Record { offset: self.base + i64::from(relative), key, value, timestamp })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_batch_returns_the_records_that_were_appended(
            records in prop::collection::vec(("[a-z/]{0,9}", prop::option::of(prop::collection::vec(any::<u8>(), 0..20)), 0i64..3), 0..20),
            base in 0i64..1000,
        ) {
            let mut batch = RecordBatch::at(base);
            let mut expected = Vec::new();
            for (key, value, gap) in &records {
                let offset = batch.next() + gap;
                batch.push_at(offset, key, value.as_deref());
                expected.push(Record { offset, key, value: value.as_deref(), timestamp: None });
            }
            let stored = RecordBatch::from_parts(base, batch.next(), batch.len(), batch.bytes().to_vec());
            let read: Vec<_> = stored.records().map(Result::unwrap).collect();
            prop_assert_eq!(read, expected);
        }
        #[test]
        fn a_record_has_its_own_timestamp_in_every_rest_of_its_batch(
            timestamps in prop::collection::vec((prop::option::of(any::<i64>()), 0_i64..3), 1..20),
            from in 0_i64..60,
        ) {
            let mut batch = RecordBatch::at(5);
            let mut expected = Vec::new();
            for (timestamp, gap) in timestamps {
                let (offset, timestamp) = (batch.next() + gap, timestamp.map(Timestamp));
                batch.push_at(offset, "k", None);
                batch.set_last_timestamp(timestamp);
                expected.extend((offset >= from).then_some((offset, timestamp)));
            }
            let rest = batch.from_offset(from).unwrap();
            let read: Vec<_> = rest.records().map(Result::unwrap).map(|r| (r.offset, r.timestamp)).collect();
            prop_assert_eq!(read, expected);
        }
        #[test]
        fn corrupt_bytes_are_reported_and_never_read_past(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let batch = RecordBatch::from_parts(0, 10, 10, bytes);
            prop_assert!(batch.records().count() <= 60);
        }
    }
}
