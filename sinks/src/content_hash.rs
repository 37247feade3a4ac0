//! Content hash of a record: with it a warehouse recognizes unchanged content without comparing all columns of the stored rows.
//!
//! Invariant: equal content has the same hash in every warehouse; two different contents have the same hash with a probability of 2⁻⁶⁴.
//! Not here: what a warehouse does with a record whose content is unchanged (`sqlite::write`, `bigquery::sql`).
use crate::{
    record::{RecordChange, RowKey},
    rows::{Cell, PredictionRows},
};
use schemas::Row;

/// Checks that the event belongs to the key of its record.
///
/// # Errors
/// The fields of the event give another key.
pub(crate) fn check_key(change: &RecordChange) -> Result<(), String> {
    let key: Option<RowKey> = match change {
        RecordChange::Prediction(_, event) => event.as_ref().and_then(Row::row_id).map(RowKey::from),
        RecordChange::Features(_, event) => event.as_ref().and_then(Row::row_id).map(RowKey::from),
        RecordChange::PlayerGame(_, event) => event.as_ref().and_then(Row::row_id).map(RowKey::from),
    };
    match (change.key(), key) {
        (key, Some(other)) if key != other => {
            Err(format!("the record has the key {key}, but its event has the key {other}"))
        }
        _ => Ok(()),
    }
}

/// Hashes cells. `bytes` is a buffer that the caller reuses.
///
/// # Errors
/// A real number is infinite or NaN, which a database may store as NULL.
pub(crate) fn hash_cells<'a>(
    bytes: &mut Vec<u8>,
    cells: impl Iterator<Item = &'a Cell<'a>>,
) -> Result<i64, String> {
    bytes.clear();
    for cell in cells {
        if matches!(cell, Cell::Real(value) if !value.is_finite()) {
            return Err("the record has a number that is infinite or NaN".into());
        }
        cell.encode(bytes);
    }
    let hash = blake3::hash(bytes);
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    Ok(i64::from_le_bytes(first))
}

/// Hashes a prediction: its slate row, and those columns of its system rows that the slate row does not have.
///
/// # Errors
/// A real number is infinite or NaN, as in [`hash_cells`].
pub(crate) fn hash_prediction(rows: &PredictionRows<'_>, bytes: &mut Vec<u8>) -> Result<i64, String> {
    let systems = rows
        .systems
        .iter()
        .flat_map(|(system, line_ladder)| system.iter().chain(line_ladder.iter().flatten()));
    hash_cells(bytes, rows.slate.iter().chain(systems))
}
