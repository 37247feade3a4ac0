//! What a record says, as one number: a repetition is known by it without a look at the rows.
//!
//! Invariant: the number is the same wherever the record is written; records that say different things have different numbers but
//! for one chance in 2⁶⁴.
//! Not here: what a warehouse does with a repetition.
use crate::{
    record::RecordChange,
    rows::{Cell, PredictionRows},
};
use schemas::PlayerGameId;

/// Refuses an event of another key than its record's.
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

/// A hash of the cells. A number that is none is refused: a database would turn it into NULL.
pub(crate) fn of_cells<'a>(
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

/// What a prediction says: the slate's row, and the rows of the systems without what they share with it.
pub(crate) fn of_prediction(rows: &PredictionRows<'_>, bytes: &mut Vec<u8>) -> Result<i64, String> {
    let systems = rows
        .systems
        .iter()
        .flat_map(|(system, line_ladder)| system.iter().chain(line_ladder.iter().flatten()));
    of_cells(bytes, rows.slate.iter().chain(systems))
}
