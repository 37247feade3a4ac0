//! A column of a table: its name, its type, and its description.
//!
//! Invariant: every column has a description, which states the unit if the column name does not.
//! Not here: the columns of each table (`tables`), the column types of SQLite and BigQuery.

/// Type of a column. Every column outside the key may be NULL, because a deleted row retains only its key and its source columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    Integer,
    Real,
    Text,
    /// Stored as `Cell::Integer`, 0 or 1.
    Boolean,
    /// Stored as `Cell::Text`, `YYYY-MM-DD`.
    Date,
    /// Stored as `Cell::Text`, RFC 3339 in UTC; the fraction of a second is omitted if it is zero.
    Timestamp,
    /// Stored as `Cell::Text`, JSON without whitespace and with sorted object keys.
    Json,
}

#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub column_type: ColumnType,
    pub doc: &'static str,
}
pub(crate) const fn integer(name: &'static str, doc: &'static str) -> Column {
    Column { name, column_type: ColumnType::Integer, doc }
}
pub(crate) const fn real(name: &'static str, doc: &'static str) -> Column {
    Column { name, column_type: ColumnType::Real, doc }
}
pub(crate) const fn text(name: &'static str, doc: &'static str) -> Column {
    Column { name, column_type: ColumnType::Text, doc }
}
pub(crate) const fn boolean(name: &'static str, doc: &'static str) -> Column {
    Column { name, column_type: ColumnType::Boolean, doc }
}
pub(crate) const fn date(name: &'static str, doc: &'static str) -> Column {
    Column { name, column_type: ColumnType::Date, doc }
}
pub(crate) const fn timestamp(name: &'static str, doc: &'static str) -> Column {
    Column { name, column_type: ColumnType::Timestamp, doc }
}
pub(crate) const fn json(name: &'static str, doc: &'static str) -> Column {
    Column { name, column_type: ColumnType::Json, doc }
}
