//! Conversion of a batch to the rows that are sent to BigQuery: one JSON object per record.
//!
//! Invariant: equal records give equal bytes, in whatever order they were read: columns are in the order of the table, records in the order
//! of the key. Values that BigQuery would reject are found here, before anything is sent.
//! Not here: sending the rows (`job_runner`, `staging`).
use super::{
    schema::{KEY, PREDICTIONS_COLUMN, input_name, ladder_columns},
    sql::PruningBounds,
};
use crate::{
    content_hash::{check_key, hash_cells, hash_prediction},
    record::{Record, RecordChange, RowKey},
    rows::{self, Cell, Row},
    tables::{ColumnType, FEATURE_ROWS, PLAYER_GAMES, SLATE, Table},
    warehouse::BadRecord,
    window::Batch,
};

/// The rows of a batch.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    /// Coordinates and JSON object of each record.
    pub rows: Vec<(crate::TopicPartitionOffset, String)>,
    pub bounds: PruningBounds,
    /// Hash of all rows and of the batch's counts, in hexadecimal.
    pub hash: String,
    /// Number of view rows that the batch writes.
    pub row_count: usize,
    /// Size in bytes of all rows as one JSON array inside a JSON request, in which each quote and backslash is escaped and takes two bytes.
    pub request_bytes: usize,
}
impl Encoded {
    /// Returns the rows as one JSON array.
    pub fn json_array(&self) -> String {
        let bytes = self.rows.iter().map(|(_, row)| row.len() + 1).sum::<usize>();
        let mut array = String::with_capacity(bytes + 2);
        array.push('[');
        for (n, (_, row)) in self.rows.iter().enumerate() {
            if n > 0 {
                array.push(',');
            }
            array.push_str(row);
        }
        array.push(']');
        array
    }
}

/// Converts a batch.
///
/// # Errors
/// Returns all records that cannot be converted.
pub fn encode(batch: &Batch) -> Result<Encoded, Vec<BadRecord>> {
    let mut sorted: Vec<&Record> = batch.records.iter().collect();
    sorted.sort_unstable_by_key(|record| (record.coordinates.input, record.change.key()));
    let (mut encoded, mut bad, mut bytes) = (Encoded::default(), Vec::new(), Vec::new());
    let mut hasher = blake3::Hasher::new();
    for record in sorted {
        match row(record, &mut bytes) {
            Ok((row, row_count)) => {
                hasher.update(row.as_bytes()).update(b"\n");
                let quotes = row.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
                encoded.request_bytes += row.len() + quotes + 1;
                encoded.row_count += row_count + 1;
                let game = record.change.key().game;
                encoded.bounds.seasons.insert(game.season().0);
                let game = game.to_string();
                let games = encoded.bounds.games.get_or_insert_with(|| (game.clone(), game.clone()));
                if game < games.0 {
                    games.0 = game;
                } else if game > games.1 {
                    games.1 = game;
                }
                encoded.rows.push((record.coordinates, row));
            }
            Err(reason) => bad.push(BadRecord { coordinates: record.coordinates, reason }),
        }
    }
    hasher.update(format!("{} {} {}", batch.superseded, batch.rejected, batch.filtered).as_bytes());
    encoded.hash = hasher.finalize().to_hex().to_string();
    if bad.is_empty() { Ok(encoded) } else { Err(bad) }
}

/// Returns the JSON object of a record, and its number of predictions.
fn row(record: &Record, bytes: &mut Vec<u8>) -> Result<(String, usize), String> {
    check_key(&record.change)?;
    match &record.change {
        RecordChange::Prediction(_, None) => Ok((start_object(record, None, 0), 0)),
        RecordChange::Prediction(_, Some(event)) => {
            let rows = rows::prediction(event)?;
            let content_hash = hash_prediction(&rows, bytes)?;
            let row_count = rows.systems.iter().map(|(_, line_ladder)| line_ladder.len()).sum();
            let mut json = start_object(record, Some(content_hash), row_count);
            put_columns(&mut json, &SLATE, &rows.slate);
            put_predictions(&mut json, &rows.systems);
            json.push('}');
            Ok((json, row_count))
        }
        RecordChange::Features(_, event) => {
            row_without_predictions(record, &FEATURE_ROWS, event.as_ref().map(rows::features), bytes)
        }
        RecordChange::PlayerGame(_, event) => {
            let row = event.as_ref().map(rows::player_game).transpose()?.flatten();
            row_without_predictions(record, &PLAYER_GAMES, row, bytes)
        }
    }
}
fn row_without_predictions(
    record: &Record,
    table: &Table,
    row: Option<Row<'_>>,
    bytes: &mut Vec<u8>,
) -> Result<(String, usize), String> {
    let Some(row) = row else { return Ok((start_object(record, None, 0), 0)) };
    let mut json = start_object(record, Some(hash_cells(bytes, row.iter())?), 0);
    put_columns(&mut json, table, &row);
    json.push('}');
    Ok((json, 0))
}

/// Starts a JSON object with the key and source columns. The object of a deleted row has nothing else and is closed; any other object is
/// left open for the content columns.
fn start_object(record: &Record, content_hash: Option<i64>, row_count: usize) -> String {
    let RowKey { game, player, part } = record.change.key();
    let (season, input) = (game.season().0, input_name(record.coordinates.input));
    let (partition, offset) = (record.coordinates.partition, record.coordinates.offset);
    // Integers that may exceed 2⁵³ are sent as text, since a JSON parser may read a number as a float.
    let content_hash =
        content_hash.map_or_else(String::new, |content_hash| format!(",\"content_hash\":\"{content_hash}\""));
    let open = format!(
        "{{\"season_start\":{season},\"input\":\"{input}\",\"game_id\":\"{game}\",\"player_id\":{player},\"key_part\":\"{part}\",\"partition\":{partition},\"offset\":\"{offset}\"{content_hash},\"row_count\":{row_count}"
    );
    if content_hash.is_empty() { open + "}" } else { open }
}
/// Appends the columns that have a value, except the key columns.
fn put_columns(json: &mut String, table: &Table, row: &Row<'_>) {
    for (column, value) in table.columns.iter().zip(row) {
        let is_key = KEY.iter().any(|key| key.name == column.name);
        if matches!(value, Cell::Null) || is_key {
            continue;
        }
        put_name(json, column.name);
        put_cell(json, value, column.column_type);
    }
}
/// Appends the array of predictions. Each prediction is an array of the cells of [`ladder_columns`].
fn put_predictions(json: &mut String, systems: &[(Row<'_>, Vec<Row<'_>>)]) {
    put_name(json, PREDICTIONS_COLUMN);
    json.push('[');
    for (system, line_ladder) in systems {
        for ladder_line in line_ladder {
            if !json.ends_with('[') {
                json.push(',');
            }
            let cells = system.iter().chain(ladder_line).zip(ladder_columns());
            for (n, (value, column)) in cells.enumerate() {
                json.push(if n == 0 { '[' } else { ',' });
                put_cell(json, value, column.column_type);
            }
            json.push(']');
        }
    }
    json.push(']');
}
fn put_name(json: &mut String, name: &str) {
    json.push_str(",\"");
    json.push_str(name);
    json.push_str("\":");
}
/// Appends a cell: a JSON column as the JSON value itself, a boolean as true or false.
fn put_cell(json: &mut String, cell: &Cell<'_>, column_type: ColumnType) {
    use std::fmt::Write;
    // Writing to a string cannot fail. Every number is finite, and `{:?}` writes the shortest text that is parsed to the same number.
    let _ = match cell {
        Cell::Null => write!(json, "null"),
        Cell::Integer(value) if column_type == ColumnType::Boolean => write!(json, "{}", *value != 0),
        Cell::Integer(value) => write!(json, "{value}"),
        Cell::Real(value) => write!(json, "{value:?}"),
        Cell::Text(text) if column_type == ColumnType::Json => write!(json, "{text}"),
        Cell::Text(text) if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') => {
            write!(json, "\"{text}\"")
        }
        Cell::Text(text) => write!(json, "{}", serde_json::Value::from(text.as_ref())),
    };
}
