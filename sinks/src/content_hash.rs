//! Content hash of a record: a warehouse recognizes a repeated content by it without reading the stored rows.
//!
//! Invariant: the hash is equal in every warehouse; two different contents have equal hashes with a probability of 2⁻⁶⁴.
//! Not here: the effect of a repetition; each warehouse decides it.
use crate::{
    record::RecordChange,
    rows::{Cell, PredictionRows},
};
use schemas::PlayerGameId;

/// Checks that the event belongs to the key of its record.
///
/// # Errors
/// The event has another player or game than the key.
pub(crate) fn check_key(change: &RecordChange) -> Result<(), String> {
    let key = match change {
        RecordChange::Prediction(_, event) => event.as_ref().map(|event| (event.player, event.game)),
        RecordChange::Features(_, event) => event.as_ref().map(|event| (event.player, event.game)),
        RecordChange::PlayerGame(_, event) => event.as_ref().map(|event| (event.player, event.game)),
    };
    match (change.id(), key) {
        (id, Some((player, game))) if id != (PlayerGameId { player, game }) => {
            Err(format!("the record of {id} holds an event of {}", PlayerGameId { player, game }))
        }
        _ => Ok(()),
    }
}

/// Hashes cells. `bytes` is a buffer that the caller reuses.
///
/// # Errors
/// A real number is infinite or NaN: a database would store NULL.
pub(crate) fn hash_cells<'a>(
    bytes: &mut Vec<u8>,
    cells: impl Iterator<Item = &'a Cell<'a>>,
) -> Result<i64, String> {
    bytes.clear();
    for cell in cells {
        if matches!(cell, Cell::Real(value) if !value.is_finite()) {
            return Err("it holds a number that is not finite".into());
        }
        cell.encode(bytes);
    }
    let hash = blake3::hash(bytes);
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    Ok(i64::from_le_bytes(first))
}

/// Hashes a prediction: the row of the slate, and of the rows of the systems the columns that the slate does not have.
///
/// # Errors
/// As [`hash_cells`].
pub(crate) fn hash_prediction(rows: &PredictionRows<'_>, bytes: &mut Vec<u8>) -> Result<i64, String> {
    let systems = rows
        .systems
        .iter()
        .flat_map(|(system, line_ladder)| system.iter().chain(line_ladder.iter().flatten()));
    hash_cells(bytes, rows.slate.iter().chain(systems))
}
