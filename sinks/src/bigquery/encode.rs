//! A batch as the rows that are sent: a JSON object a record.
//!
//! Invariant: the same records make the same bytes, in whatever order they were read: columns in the table's order, records by key.
//! What BigQuery would refuse is found here, before anything is sent.
//! Not here: how the rows travel (`jobs`, `staging`).
use super::{
    schema::PREDICTIONS_COLUMN,
    sql::{PruningBounds, input_name},
};
use crate::{
    content_hash,
    record::{Record, RecordChange},
    rows::{self, Cell, Row},
    tables::{FEATURE_ROWS, PLAYER_GAMES, SLATE, Table},
    warehouse::BadRecord,
    window::Batch,
};
use schemas::PlayerGameId;

/// The rows of a batch.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    /// A JSON object a record, with where it came from.
    pub rows: Vec<(crate::TopicPartitionOffset, String)>,
    pub bounds: PruningBounds,
    /// Of everything that the rows say, in hex.
    pub hash: String,
    /// Rows of the views that the batch makes.
    pub row_count: usize,
    /// As one JSON list inside a JSON request: every quote of it is two bytes there.
    pub request_bytes: usize,
}
impl Encoded {
    /// The rows as one JSON list.
    pub fn list(&self) -> String {
        let bytes = self.rows.iter().map(|(_, row)| row.len() + 1).sum::<usize>();
        let mut list = String::with_capacity(bytes + 2);
        for (n, (_, row)) in self.rows.iter().enumerate() {
            list.push(if n == 0 { '[' } else { ',' });
            list.push_str(row);
        }
        if self.rows.is_empty() {
            list.push('[');
        }
        list.push(']');
        list
    }
}

/// Fails with all records that no row can be made of.
pub fn encode(batch: &Batch) -> Result<Encoded, Vec<BadRecord>> {
    let mut sorted: Vec<&Record> = batch.records.iter().collect();
    sorted.sort_unstable_by_key(|record| {
        let PlayerGameId { player, game } = record.change.id();
        (record.at.input, game, player)
    });
    let (mut encoded, mut bad, mut bytes) = (Encoded::default(), Vec::new(), Vec::new());
    let mut hasher = blake3::Hasher::new();
    for record in sorted {
        match row(record, &mut bytes) {
            Ok((row, row_count)) => {
                hasher.update(row.as_bytes()).update(b"\n");
                let quotes = row.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
                encoded.request_bytes += row.len() + quotes + 1;
                encoded.row_count += row_count + 1;
                let game = record.change.id().game;
                encoded.bounds.seasons.insert(game.season().0);
                let game = game.to_string();
                let games = encoded.bounds.games.get_or_insert_with(|| (game.clone(), game.clone()));
                if game < games.0 {
                    games.0 = game;
                } else if game > games.1 {
                    games.1 = game;
                }
                encoded.rows.push((record.at, row));
            }
            Err(reason) => bad.push(BadRecord { at: record.at, reason }),
        }
    }
    hasher.update(format!("{} {} {}", batch.superseded, batch.rejected, batch.filtered).as_bytes());
    encoded.hash = hasher.finalize().to_hex().to_string();
    if bad.is_empty() { Ok(encoded) } else { Err(bad) }
}

/// A record's row, and how many predictions it makes.
fn row(record: &Record, bytes: &mut Vec<u8>) -> Result<(String, usize), String> {
    content_hash::check_key(&record.change)?;
    match &record.change {
        RecordChange::Prediction(_, None) => Ok((start(record, None, 0), 0)),
        RecordChange::Prediction(_, Some(event)) => {
            let rows = rows::prediction(event)?;
            let content_hash = content_hash::of_prediction(&rows, bytes)?;
            let row_count = rows.systems.iter().map(|(_, line_ladder)| line_ladder.len()).sum();
            let mut json = start(record, Some(content_hash), row_count);
            put(&mut json, &SLATE, &rows.slate);
            name(&mut json, PREDICTIONS_COLUMN);
            json.push('[');
            for (system, line_ladder) in &rows.systems {
                for ladder_line in line_ladder {
                    if !json.ends_with('[') {
                        json.push(',');
                    }
                    for (n, value) in system.iter().chain(ladder_line).enumerate() {
                        json.push(if n == 0 { '[' } else { ',' });
                        cell(&mut json, value);
                    }
                    json.push(']');
                }
            }
            json.push_str("]}");
            Ok((json, row_count))
        }
        RecordChange::Features(_, event) => {
            plain(record, &FEATURE_ROWS, event.as_ref().map(rows::features), bytes)
        }
        RecordChange::PlayerGame(_, event) => {
            let row = event.as_ref().map(rows::player_game).transpose()?.flatten();
            plain(record, &PLAYER_GAMES, row, bytes)
        }
    }
}
fn plain(
    record: &Record,
    table: &Table,
    row: Option<Row<'_>>,
    bytes: &mut Vec<u8>,
) -> Result<(String, usize), String> {
    let Some(row) = row else { return Ok((start(record, None, 0), 0)) };
    let mut json = start(record, Some(content_hash::of_cells(bytes, row.iter())?), 0);
    put(&mut json, table, &row);
    json.push('}');
    Ok((json, 0))
}

/// Key and stamp; of a deleted one that is all, and the object is closed; else what follows is appended to it without its end.
fn start(record: &Record, content_hash: Option<i64>, row_count: usize) -> String {
    let id = record.change.id();
    let (season, input) = (id.game.season().0, input_name(record.at.input));
    let (game, player) = (id.game, id.player.0);
    let (partition, offset) = (record.at.partition, record.at.offset);
    // Integers beyond 2⁵³ as text: a JSON number is a float to some who read it.
    let content_hash =
        content_hash.map_or_else(String::new, |content_hash| format!(",\"content_hash\":\"{content_hash}\""));
    let open = format!(
        "{{\"season_start\":{season},\"input\":\"{input}\",\"game_id\":\"{game}\",\"player_id\":{player},\"partition\":{partition},\"offset\":\"{offset}\"{content_hash},\"row_count\":{row_count}"
    );
    if content_hash.is_empty() { open + "}" } else { open }
}
/// The columns that have a value, but for those of the key.
fn put(json: &mut String, table: &Table, row: &Row<'_>) {
    for (column, value) in table.columns.iter().zip(row) {
        if matches!(value, Cell::Null) || table.key.contains(&column.name) {
            continue;
        }
        name(json, column.name);
        cell(json, value);
    }
}
fn name(json: &mut String, name: &str) {
    json.push_str(",\"");
    json.push_str(name);
    json.push_str("\":");
}
fn cell(json: &mut String, cell: &Cell<'_>) {
    use std::fmt::Write;
    // Writing to a string cannot fail; every number was found finite, and the shortest text that reads back as it is written.
    let _ = match cell {
        Cell::Null => write!(json, "null"),
        Cell::Integer(value) => write!(json, "{value}"),
        Cell::Real(value) => write!(json, "{value:?}"),
        Cell::Text(text) if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') => {
            json.push('"');
            json.push_str(text);
            json.push('"');
            Ok(())
        }
        Cell::Text(text) => write!(json, "{}", serde_json::Value::from(text.as_ref())),
    };
}
