//! Parsing the JSON of payloads and rows.
//!
//! Invariant: a payload that is not JSON and a payload that has an unexpected shape are rejected with different codes; a row that cannot be
//! parsed affects no other row.
//! Not here: single values of a row (`cell`).
use super::loaded::Reject;
use schemas::raw::RejectCode;
use serde::Deserialize;
use serde_json::{error::Category, value::RawValue};

/// Parses a payload, or the part of it that contains the rows.
pub fn parse_payload<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Reject> {
    serde_json::from_str(json).map_err(|error| {
        let code = match error.classify() {
            Category::Data => RejectCode::BadPayload,
            Category::Syntax | Category::Eof | Category::Io => RejectCode::NotJson,
        };
        Reject { code, reason: error.to_string() }
    })
}

/// Parses one row.
pub fn parse_row<'a, T: Deserialize<'a>>(row: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(row.get()).map_err(|error| error.to_string())
}
