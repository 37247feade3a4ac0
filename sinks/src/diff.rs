//! Comparison of the live warehouse with the warehouse of a replay, row by row in the order of the keys.
//!
//! Invariant: only the columns that content hashes cover are compared, never source columns; every key of either warehouse is counted
//! once per table.
//! Not here: reading rows (`sqlite::snapshot`), printing differences.
use crate::{
    date_filter::DateRange,
    rows::{Cell, Row},
    tables::{PREDICTIONS, TABLES, Table},
    warehouse::WarehouseError,
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{cmp::Ordering, collections::BTreeMap};

/// Column with the model version. Rows that differ in this column alone are counted separately.
const VERSION: &str = "model_version";

/// Reads the rows of a warehouse.
pub trait RowSource {
    /// Returns the live rows of a table whose game is in this date range, in the order of the key.
    fn rows<'a>(
        &'a self,
        table: &'a Table,
        dates: DateRange,
    ) -> Box<dyn Iterator<Item = Result<Row<'static>, WarehouseError>> + 'a>;
}

/// Result of comparing the live row of a key with the row of the replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowDiff {
    Equal,
    Changed,
    /// The rows are equal except for the model version.
    Version,
    OnlyLive,
    OnlyReplay,
}

/// Number of rows by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub equal: u64,
    pub changed: u64,
    pub version: u64,
    pub only_live: u64,
    pub only_replay: u64,
}
impl Counts {
    fn add(&mut self, kind: RowDiff) {
        match kind {
            RowDiff::Equal => self.equal += 1,
            RowDiff::Changed => self.changed += 1,
            RowDiff::Version => self.version += 1,
            RowDiff::OnlyLive => self.only_live += 1,
            RowDiff::OnlyReplay => self.only_replay += 1,
        }
    }
    /// True if all rows are equal.
    pub const fn are_equal(&self) -> bool {
        self.listed() + self.version == 0
    }
    /// Returns the number of rows that only one warehouse has or that differ in more than the model version.
    pub const fn listed(&self) -> u64 {
        self.changed + self.only_live + self.only_replay
    }
}

/// A column in which two rows differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    pub field: &'static str,
    pub live: Value,
    pub replay: Value,
}
/// Two rows with the same key that differ, or a row that only one warehouse has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    pub table: &'static str,
    pub kind: RowDiff,
    pub key: Map<String, Value>,
    pub player: String,
    /// Empty for a row that only one warehouse has.
    pub fields: Vec<Field>,
}
/// Row counts of one player over all tables.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Player {
    pub player_id: i64,
    pub player_name: String,
    #[serde(flatten)]
    pub counts: Counts,
}

/// Result of comparing two warehouses.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    pub tables: BTreeMap<&'static str, Counts>,
    /// Row counts over all tables by game day; if the two rows of a key have different days, the day of the replay's row is used.
    pub dates: BTreeMap<String, Counts>,
    /// Row counts of the predictions by prediction system.
    pub systems: BTreeMap<String, Counts>,
    /// Players for whom a row differs or is missing in one warehouse.
    pub players: Vec<Player>,
    /// The first rows that only one warehouse has or that differ in more than the model version.
    pub rows: Vec<Difference>,
    /// Number of rows of this kind that `rows` omits because of the limit.
    pub more: u64,
}
impl Comparison {
    pub fn is_equal(&self) -> bool {
        self.tables.values().all(Counts::are_equal)
    }
}

/// Compares all tables and lists the first `limit` rows that differ.
///
/// # Errors
/// Rows of one of the warehouses cannot be read.
pub fn compare(
    live: &dyn RowSource,
    replay: &dyn RowSource,
    dates: DateRange,
    limit: usize,
) -> Result<Comparison, WarehouseError> {
    let mut comparison = Comparison::default();
    let mut players = BTreeMap::new();
    for table in &TABLES {
        comparison.tables.insert(table.name, Counts::default());
        let column_index = ColumnIndex::new(table);
        let (mut live_rows, mut replay_rows) = (live.rows(table, dates), replay.rows(table, dates));
        let (mut left, mut right) = (live_rows.next().transpose()?, replay_rows.next().transpose()?);
        loop {
            let order = match (&left, &right) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => column_index.order(left, right),
            };
            let live_row = if order.is_le() { left.take() } else { None };
            let replay_row = if order.is_ge() { right.take() } else { None };
            add_row(
                &mut comparison,
                &mut players,
                &column_index,
                (live_row.as_ref(), replay_row.as_ref()),
                limit,
            );
            if order.is_le() {
                left = live_rows.next().transpose()?;
            }
            if order.is_ge() {
                right = replay_rows.next().transpose()?;
            }
        }
    }
    let differing = players.into_values().filter(|player: &Player| !player.counts.are_equal());
    comparison.players = differing.collect();
    Ok(comparison)
}

/// Counts a row that only one warehouse has, or two rows with the same key.
fn add_row(
    comparison: &mut Comparison,
    players: &mut BTreeMap<i64, Player>,
    column_index: &ColumnIndex,
    rows: (Option<&Row<'static>>, Option<&Row<'static>>),
    limit: usize,
) {
    let Some(row) = rows.1.or(rows.0) else { return };
    let fields = match rows {
        (Some(live), Some(replay)) => column_index.fields(live, replay),
        _ => Vec::new(),
    };
    let kind = match rows {
        (Some(_), None) => RowDiff::OnlyLive,
        (None, _) => RowDiff::OnlyReplay,
        _ if fields.is_empty() => RowDiff::Equal,
        _ if fields.iter().all(|field| field.field == VERSION) => RowDiff::Version,
        _ => RowDiff::Changed,
    };
    let table = column_index.table.name;
    comparison.tables.entry(table).or_default().add(kind);
    comparison.dates.entry(column_index.text(row, "game_date")).or_default().add(kind);
    if table == PREDICTIONS.name {
        comparison.systems.entry(column_index.text(row, "system")).or_default().add(kind);
    }
    let player_id = match column_index.cell(row, "player_id") {
        Some(Cell::Integer(id)) => *id,
        _ => 0,
    };
    let player_name = column_index.text(row, "player_name");
    let player = players.entry(player_id).or_insert_with(|| Player {
        player_id,
        player_name: player_name.clone(),
        counts: Counts::default(),
    });
    player.counts.add(kind);
    if matches!(kind, RowDiff::Equal | RowDiff::Version) {
        return;
    }
    if comparison.rows.len() >= limit {
        comparison.more += 1;
        return;
    }
    let key = column_index
        .table
        .key
        .iter()
        .map(|name| ((*name).to_owned(), column_index.cell(row, name).map_or(Value::Null, value)));
    comparison.rows.push(Difference { table, kind, key: key.collect(), player: player_name, fields });
}

/// A table and the indexes of its key columns; returns the cells of a row by column name.
struct ColumnIndex<'a> {
    table: &'a Table,
    key: Vec<usize>,
}
impl<'a> ColumnIndex<'a> {
    fn new(table: &'a Table) -> Self {
        let position = |name: &&str| table.columns.iter().position(|column| column.name == *name);
        ColumnIndex { table, key: table.key.iter().filter_map(position).collect() }
    }
    fn cell<'r>(&self, row: &'r Row<'static>, name: &str) -> Option<&'r Cell<'static>> {
        row.get(self.table.columns.iter().position(|column| column.name == name)?)
    }
    fn text(&self, row: &Row<'static>, name: &str) -> String {
        match self.cell(row, name) {
            Some(Cell::Text(text)) => text.clone().into_owned(),
            _ => String::new(),
        }
    }
    /// Compares the keys of two rows as a database orders them.
    fn order(&self, a: &Row<'static>, b: &Row<'static>) -> Ordering {
        let cells = self.key.iter().map(|&position| match (&a[position], &b[position]) {
            (Cell::Integer(a), Cell::Integer(b)) => a.cmp(b),
            (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
            // A key column has one type and is never null.
            _ => Ordering::Equal,
        });
        cells.fold(Ordering::Equal, Ordering::then)
    }
    fn fields(&self, live: &Row<'static>, replay: &Row<'static>) -> Vec<Field> {
        let pairs = self.table.columns.iter().zip(live.iter().zip(replay));
        let differing = pairs.filter(|(_, (live, replay))| !is_same(live, replay));
        let field = |(column, (live, replay)): (&crate::tables::Column, (&Cell<'_>, &Cell<'_>))| Field {
            field: column.name,
            live: value(live),
            replay: value(replay),
        };
        differing.map(field).collect()
    }
}

/// True if two cells are equal in a content hash.
fn is_same(a: &Cell<'_>, b: &Cell<'_>) -> bool {
    match (a, b) {
        (Cell::Real(a), Cell::Real(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}
fn value(cell: &Cell<'_>) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(value) => Value::from(*value),
        Cell::Real(value) => Value::from(*value),
        Cell::Text(text) => Value::from(text.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::SLATE;
    use proptest::prelude::*;
    use schemas::EasternDate;

    /// Status and model version of each slate row, by game and player.
    type SlateRows = BTreeMap<(String, i64), (i32, i32)>;
    struct Side(SlateRows);
    impl RowSource for Side {
        fn rows<'a>(
            &'a self,
            table: &'a Table,
            _: DateRange,
        ) -> Box<dyn Iterator<Item = Result<Row<'static>, WarehouseError>> + 'a> {
            let row = move |((game, player), (status, version)): (&(String, i64), &(i32, i32))| {
                let cell = |name| match name {
                    "game_id" => Cell::from(game.clone()),
                    "player_id" => Cell::Integer(*player),
                    "status" => Cell::from(*status),
                    VERSION => Cell::from(*version),
                    _ => Cell::Null,
                };
                Ok(table.columns.iter().map(|column| cell(column.name)).collect())
            };
            let is_slate = table.name == SLATE.name;
            Box::new(self.0.iter().filter(move |_| is_slate).map(row))
        }
    }
    fn side() -> impl Strategy<Value = SlateRows> {
        prop::collection::btree_map(("[ab]{1,2}", 0..12i64), (0..2, 0..2), 0..30)
    }

    proptest! {
        #[test]
        fn every_row_is_counted_once_and_rows_that_differ_are_listed(live in side(), replay in side(), limit in 0..20usize) {
            let dates = DateRange { from: EasternDate(0), to: EasternDate(0) };
            let found = compare(&Side(live.clone()), &Side(replay.clone()), dates, limit).unwrap();
            let keys: std::collections::BTreeSet<_> = live.keys().chain(replay.keys()).collect();
            let (mut counts, mut listed) = (Counts::default(), Vec::new());
            for key in keys {
                let kind = match (live.get(key), replay.get(key)) {
                    (Some(a), Some(b)) if a == b => RowDiff::Equal,
                    (Some(a), Some(b)) if a.0 == b.0 => RowDiff::Version,
                    (Some(_), Some(_)) => RowDiff::Changed,
                    (Some(_), None) => RowDiff::OnlyLive,
                    _ => RowDiff::OnlyReplay,
                };
                counts.add(kind);
                if !matches!(kind, RowDiff::Equal | RowDiff::Version) {
                    listed.push((kind, key.0.clone(), key.1));
                }
            }
            prop_assert_eq!(found.tables[SLATE.name], counts);
            prop_assert_eq!(found.is_equal(), live == replay);
            prop_assert_eq!(found.more as usize, listed.len().saturating_sub(limit));
            listed.truncate(limit);
            let rows = found.rows.iter().map(|row| {
                (row.kind, row.key["game_id"].as_str().unwrap().to_owned(), row.key["player_id"].as_i64().unwrap())
            });
            prop_assert_eq!(rows.collect::<Vec<_>>(), listed);
        }
    }
}
