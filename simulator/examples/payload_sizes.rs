//! Reads events as JSONL from standard input, and prints the number of payloads, their bytes, and their bytes if each payload is compressed
//! singly with zstd level 3, as one line of JSON.
//!
//! Invariant: nothing but the payloads counts; the compressed size of a payload does not depend on other payloads.
//! Not here: the events (example `events`).
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use std::io::{BufRead, Error, Result, Write};

const LEVEL: i32 = 3;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    payload: &'a RawValue,
}

fn main() -> Result<()> {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
    let (mut payloads, mut bytes, mut compressed) = (0, 0, 0);
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let line: Line = serde_json::from_str(&line).map_err(Error::from)?;
        let payload = line.payload.get().as_bytes();
        payloads += 1;
        bytes += payload.len();
        compressed += compressor.compress(payload)?.len();
    }
    writeln!(std::io::stdout(), "{}", json!({"payloads": payloads, "bytes": bytes, "compressed": compressed}))
}
