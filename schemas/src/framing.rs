//! Confluent framing (`0x00`, the schema id in four big-endian bytes, the Avro body), and the schema id that is derived from a schema's
//! text.
//!
//! Invariant: `unframe` returns the id and the body of every record that starts with the header from `frame`.
//! Not here: which ids an event has (`schema_ids`).

/// Returns the schema id derived from a schema's text: the first 31 bits of its BLAKE3 hash, because registry ids are signed 32-bit
/// integers.
pub fn id_of(text: &str) -> u32 {
    let mut first = [0; 4];
    first.copy_from_slice(&blake3::hash(text.trim().as_bytes()).as_bytes()[..4]);
    u32::from_be_bytes(first) >> 1
}

/// Returns the header of a record whose schema has this id.
pub fn frame(id: u32) -> [u8; 5] {
    let mut header = [0; 5];
    header[1..].copy_from_slice(&id.to_be_bytes());
    header
}

/// Splits a framed record into schema id and body; `None` if the bytes are not framed.
pub fn unframe(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (header, body) = bytes.split_first_chunk::<5>()?;
    let [0, id @ ..] = header else { return None };
    Some((u32::from_be_bytes(*id), body))
}
