//! Checksums of the rows of the log's SQLite file, by which a changed byte is detected when a row is read.
//!
//! SQLite checks the structure of its pages, but not the content of a row. Therefore the tables of the log have a column `checksum`.
//! Invariant: a checksum covers the name of its table and every column on which the content of the log depends, so it does not match if a
//! row is damaged or stored under a different key. Counters and append times are not covered: they only decide when maintenance is due, and when a
//! record of a stream that all consumer groups have read is deleted.
//! Not here: what is done with a row whose checksum does not match (`stored_batch`, `integrity`).
use topics::Offset;

/// A value of a row.
pub enum Field<'a> {
    Text(&'a str),
    Integer(i64),
    Null,
}

/// Returns the CRC-32 of the stored bytes of a record batch.
pub fn of_bytes(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Returns the CRC-32 of a row: of the name of its table, and of these values.
fn of_row(table: &str, fields: &[Field<'_>]) -> u32 {
    let mut bytes = table.as_bytes().to_vec();
    for field in fields {
        match field {
            Field::Null => bytes.push(0),
            Field::Integer(value) => {
                bytes.push(1);
                bytes.extend_from_slice(&value.to_le_bytes());
            }
            Field::Text(text) => {
                bytes.push(2);
                bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
    }
    crc32fast::hash(&bytes)
}

/// The columns of a record batch other than its bytes.
pub struct BatchHeader<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub base: Offset,
    pub next: Offset,
    pub records: u32,
    pub uncompressed: Option<i64>,
}

/// Returns the checksum of a row of `record_batch`: the CRC-32 of the header in the upper half, that of the bytes in the lower half.
pub fn of_batch(header: &BatchHeader<'_>, of_bytes: u32) -> i64 {
    let BatchHeader { topic, partition, base, next, records, uncompressed } = header;
    let fields = [
        Field::Text(topic),
        Field::Integer(i64::from(*partition)),
        Field::Integer(*base),
        Field::Integer(*next),
        Field::Integer(i64::from(*records)),
        uncompressed.map_or(Field::Null, Field::Integer),
    ];
    (i64::from(of_row("record_batch", &fields)) << 32) | i64::from(of_bytes)
}

/// Returns the checksum of a row of `meta`.
pub fn of_meta(key: &str, value: &str) -> i64 {
    of_row("meta", &[Field::Text(key), Field::Text(value)]).into()
}

/// Returns the checksum of a row of `topic`.
pub fn of_topic(id: i64, name: &str, policy: &str) -> i64 {
    of_row("topic", &[Field::Integer(id), Field::Text(name), Field::Text(policy)]).into()
}

/// Returns the checksum of a row of `end_offset`.
pub fn of_end_offset(topic: i64, partition: i32, next: Offset) -> i64 {
    let fields = [Field::Integer(topic), Field::Integer(i64::from(partition)), Field::Integer(next)];
    of_row("end_offset", &fields).into()
}

/// Returns the checksum of a row of `committed_offset`.
pub fn of_committed_offset(group: &str, topic: i64, partition: i32, next: Offset) -> i64 {
    let partition = i64::from(partition);
    let fields = [Field::Text(group), Field::Integer(topic), Field::Integer(partition), Field::Integer(next)];
    of_row("committed_offset", &fields).into()
}
