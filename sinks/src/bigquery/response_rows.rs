//! Conversion of the rows in API responses to canonical cells.
//!
//! Invariant: a cell has the same bytes as the cell that SQLite returns for the same record.
//! Not here: reading the responses (`queries`).
use super::schema::ladder_columns;
use crate::{
    rows::{Cell, Row, canonical_json, timestamp},
    tables::{Column, ColumnType},
};
use schemas::Timestamp;
use serde_json::Value;

/// Converts an element of the array of predictions to its system and line offset, and all of its cells.
pub fn ladder_line(value: &Value) -> Result<((String, i64), Row<'static>), String> {
    let (mut key, mut row) = ((String::new(), 0), Row::new());
    for (value, column) in cells(&value["v"]).iter().zip(ladder_columns()) {
        match column.name {
            "system" => key.0 = value.as_str().unwrap_or_default().to_owned(),
            "line_offset" => key.1 = integer(value)?,
            _ => {}
        }
        row.push(cell(value, column)?.into_owned());
    }
    Ok((key, row))
}

/// Returns the values of a row, which has the form `{"f": [{"v": …}]}`.
pub fn cells(row: &Value) -> Vec<Value> {
    row["f"].as_array().into_iter().flatten().map(|cell| cell["v"].clone()).collect()
}
/// Converts a value in an API response to an integer.
pub fn integer(value: &Value) -> Result<i64, String> {
    let text = value.as_str().ok_or_else(|| format!("{value} is not an integer"))?;
    text.parse().map_err(|_| format!("'{text}' is not an integer"))
}
/// Converts a value in an API response to its canonical cell.
pub fn cell<'a>(value: &'a Value, column: &Column) -> Result<Cell<'a>, String> {
    let Some(text) = value.as_str() else { return Ok(Cell::Null) };
    Ok(match column.column_type {
        ColumnType::Integer => Cell::Integer(integer(value)?),
        ColumnType::Real => Cell::Real(text.parse().map_err(|_| format!("'{text}' is not a number"))?),
        ColumnType::Text | ColumnType::Date => Cell::from(text),
        ColumnType::Boolean => Cell::from(i32::from(text == "true")),
        // `sql::content_sql` selects a timestamp in milliseconds.
        ColumnType::Timestamp => timestamp(Timestamp(integer(value)?)),
        ColumnType::Json => canonical_json(text)?,
    })
}
