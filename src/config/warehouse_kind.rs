//! The kinds of warehouses.
//!
//! Invariant: parsing the `name` of a value returns the same value.
//! Not here: opening a warehouse (`warehouse`).
use std::str::FromStr;

/// Kind of a warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarehouseKind {
    /// A SQLite file in the data folder.
    Sqlite,
    BigQuery,
}
impl WarehouseKind {
    pub const ALL: [WarehouseKind; 2] = [WarehouseKind::Sqlite, WarehouseKind::BigQuery];
    pub const fn name(self) -> &'static str {
        match self {
            WarehouseKind::Sqlite => "sqlite",
            WarehouseKind::BigQuery => "bigquery",
        }
    }
}
impl FromStr for WarehouseKind {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        WarehouseKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or("must be sqlite or bigquery")
    }
}
