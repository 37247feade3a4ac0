//! Chunks: record batches as one run of bytes, the form in which records are stored and handed on.
//!
//! A record is its offset from the chunk's base, its key, and its value or a tombstone. A batch costs one allocation, not one a
//! record.
//! Invariant: offsets ascend; a compacted chunk has gaps and keeps its base.
//! Not here: what the values mean.

/// One record as a reader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub offset: i64,
    pub key: &'a str,
    /// `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// A run of records of one topic and partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordBatch {
    base: i64,
    /// One past the last offset, relative to the base.
    span: u32,
    records: u32,
    bytes: Vec<u8>,
}

/// Bytes that are no chunk.
#[derive(Debug, thiserror::Error)]
#[error("a stored record batch is damaged at byte {at} of {len}")]
pub struct CorruptBatch {
    at: usize,
    len: usize,
}

const TOMBSTONE: u32 = u32::MAX;

impl RecordBatch {
    pub fn at(base: i64) -> Self {
        RecordBatch { base, ..RecordBatch::default() }
    }
    /// From stored parts; they are checked as the records are read.
    pub fn from_parts(base: i64, next: i64, records: u32, bytes: Vec<u8>) -> Self {
        RecordBatch { base, span: (next - base).max(0) as u32, records, bytes }
    }
    pub fn base(&self) -> i64 {
        self.base
    }
    /// The offset after the last.
    pub fn next(&self) -> i64 {
        self.base + i64::from(self.span)
    }
    pub fn len(&self) -> u32 {
        self.records
    }
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// The same records at another place in the log.
    pub fn rebased(mut self, base: i64) -> Self {
        self.base = base;
        self
    }
    /// Without the records below an offset.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub fn from_offset(self, from: i64) -> Result<Self, CorruptBatch> {
        if from <= self.base {
            return Ok(self);
        }
        let mut rest = RecordBatch::at(from);
        for record in self.records() {
            let record = record?;
            if record.offset >= from {
                rest.push_at(record.offset, record.key, record.value);
            }
        }
        rest.span = (self.next() - from).max(0) as u32;
        Ok(rest)
    }
    /// Appends a record at the next offset.
    pub fn push(&mut self, key: &str, value: Option<&[u8]>) {
        self.push_at(self.next(), key, value);
    }
    /// Appends a record at an offset not below the next.
    pub fn push_at(&mut self, offset: i64, key: &str, value: Option<&[u8]>) {
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
    /// The records, in order of offset.
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
            Some(record.ok_or(CorruptBatch { at: start, len: self.bytes.len() }))
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
        Some(Record { offset: self.base + i64::from(relative), key, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_chunk_gives_back_what_was_put_in(
            records in prop::collection::vec(("[a-z/]{0,9}", prop::option::of(prop::collection::vec(any::<u8>(), 0..20)), 0i64..3), 0..20),
            base in 0i64..1000,
        ) {
            let mut record_batch = RecordBatch::at(base);
            let mut expected = Vec::new();
            for (key, value, gap) in &records {
                let offset = record_batch.next() + gap;
                record_batch.push_at(offset, key, value.as_deref());
                expected.push(Record { offset, key, value: value.as_deref() });
            }
            let stored = RecordBatch::from_parts(base, record_batch.next(), record_batch.len(), record_batch.bytes().to_vec());
            let read: Vec<_> = stored.records().map(Result::unwrap).collect();
            prop_assert_eq!(read, expected);
        }
        #[test]
        fn damage_is_reported_and_never_read_past(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let record_batch = RecordBatch::from_parts(0, 10, 10, bytes);
            prop_assert!(record_batch.records().count() <= 60);
        }
    }
}
