//! Creation of the tables of a new file, and migration of a file of an earlier version.
//!
//! The tables of version 1 lack the date and the teams of a game in their keys, and the columns of void rows; those of the versions 1 and 2
//! lack the features from index 33 on. The rows are copied, so readers see them until the sink has written all rows again: the migration
//! begins a rebuild in a new epoch.
//!
//! Invariant: every live row of the file is in the new tables.
//! Not here: the definitions of the tables (`ddl`).
use super::ddl::{self, coverage, rows_table, tables_and_views, version};
use crate::{
    feature_columns::FEATURE_COLUMNS,
    tables::{PLAYER_GAMES, SLATE, SOURCE_COLUMNS, TABLES, TABLES_VERSION, Table},
    views,
    warehouse::WarehouseError,
};
use rusqlite::{Connection, TransactionBehavior};

/// A version of the tables that the migration reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FormerVersion {
    One,
    Two,
}
impl FormerVersion {
    const fn of(version: u32) -> Option<Self> {
        match version {
            1 => Some(FormerVersion::One),
            2 => Some(FormerVersion::Two),
            _ => None,
        }
    }
}

/// Number of features in the tables of both versions.
const FORMER_FEATURES: usize = 33;

/// Creates the tables and views of a new file, or migrates those of an earlier version.
pub(super) fn create(db: &mut Connection) -> Result<(), WarehouseError> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = version(&tx)?;
    match FormerVersion::of(version) {
        Some(former) => tx.execute_batch(&statements(former))?,
        None if version == 0 => tx.execute_batch(&ddl::statements())?,
        None => return ddl::check(&tx),
    }
    tx.pragma_update(None, "user_version", TABLES_VERSION)?;
    Ok(tx.commit()?)
}
/// Returns the statements that opening a file for writing executes: none if its tables are those of this program.
pub(super) fn pending_statements(db: &Connection) -> Result<Option<String>, WarehouseError> {
    let version = version(db)?;
    match FormerVersion::of(version) {
        Some(former) => Ok(Some(statements(former))),
        None if version == 0 => Ok(Some(ddl::statements())),
        None => ddl::check(db).map(|()| None),
    }
}

/// Returns the statements of the migration.
fn statements(former: FormerVersion) -> String {
    let mut sql = format!("DROP VIEW {};\n", views::COVERAGE);
    for table in [&SLATE, &PLAYER_GAMES] {
        sql += &format!("DROP INDEX {}_by_date;\n", table.name);
    }
    for table in &TABLES {
        let rows = rows_table(table);
        sql += &format!("DROP VIEW {};\nALTER TABLE {rows} RENAME TO {rows}_former;\n", table.name);
    }
    sql += &tables_and_views();
    sql += &coverage();
    for table in &TABLES {
        sql += &copy(table, former);
    }
    sql + "UPDATE warehouse_meta SET epoch = epoch + 1, rebuilding = 1;\n"
}

/// Returns the statements that move the live rows of a table from its former definition. A deleted row is not needed in a new epoch (and has
/// no date in version 1). The new features are NULL until the sink has written the rows again.
fn copy(table: &Table, former: FormerVersion) -> String {
    let rows = rows_table(table);
    let content_hash = table.has_epoch_guard.then_some("content_hash");
    let names = table.columns.iter().chain(&SOURCE_COLUMNS).map(|column| column.name).chain(content_hash);
    let names: Vec<&str> = names.collect();
    let new_features = FEATURE_COLUMNS.iter().skip(FORMER_FEATURES).map(|column| column.name);
    let new_features: Vec<&str> = new_features.collect();
    let value = |name: &&str| match (*name, former) {
        (name, _) if new_features.contains(&name) => "NULL".to_owned(),
        ("voided", FormerVersion::One) => "0".to_owned(),
        ("voided_at" | "void_reason", FormerVersion::One) => "NULL".to_owned(),
        // The first team of a pair is the one whose code is first in the alphabet, except that BOS comes before BKN.
        ("matchup", FormerVersion::One) => {
            "replace(min(team, opponent) || '-' || max(team, opponent), 'BKN-BOS', 'BOS-BKN')".to_owned()
        }
        (name, _) => format!("\"{name}\""),
    };
    let values: Vec<String> = names.iter().map(value).collect();
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    format!(
        "INSERT INTO {rows} ({}) SELECT {} FROM {rows}_former WHERE deleted = 0;\nDROP TABLE {rows}_former;\n",
        names.join(", "),
        values.join(", ")
    )
}
