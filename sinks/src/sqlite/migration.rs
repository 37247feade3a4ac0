//! Creation of the tables of a new file, and migration of a file whose tables lack the date and the teams of a game in their keys, and the
//! columns of void rows.
//!
//! The rows are copied, so readers see them until the sink has written all rows again: the migration begins a rebuild in a new epoch,
//! because the sink now reads other topics.
//!
//! Invariant: every live row of the file is in the new tables.
//! Not here: the definitions of the tables (`ddl`).
use super::ddl::{self, coverage, rows_table, tables_and_views, version};
use crate::{
    tables::{PLAYER_GAMES, SLATE, SOURCE_COLUMNS, TABLES, TABLES_VERSION, Table},
    views,
    warehouse::WarehouseError,
};
use rusqlite::{Connection, TransactionBehavior};

/// The version of the tables that this migration reads.
const FORMER_VERSION: u32 = 1;

/// Creates the tables and views of a new file, or migrates those of an earlier version.
pub(super) fn create(db: &mut Connection) -> Result<(), WarehouseError> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match version(&tx)? {
        0 => tx.execute_batch(&ddl::statements())?,
        FORMER_VERSION => tx.execute_batch(&statements())?,
        _ => return ddl::check(&tx),
    }
    tx.pragma_update(None, "user_version", TABLES_VERSION)?;
    Ok(tx.commit()?)
}
/// Returns the statements that opening a file for writing executes: none if its tables are those of this program.
pub(super) fn pending_statements(db: &Connection) -> Result<Option<String>, WarehouseError> {
    match version(db)? {
        0 => Ok(Some(ddl::statements())),
        FORMER_VERSION => Ok(Some(statements())),
        _ => ddl::check(db).map(|()| None),
    }
}

/// Returns the statements of the migration.
fn statements() -> String {
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
        sql += &copy(table);
    }
    sql + "UPDATE warehouse_meta SET epoch = epoch + 1, rebuilding = 1;\n"
}

/// Returns the statements that move the live rows of a table from its former definition. A deleted row has no date, and is not needed in a
/// new epoch.
fn copy(table: &Table) -> String {
    let rows = rows_table(table);
    let content_hash = table.has_epoch_guard.then_some("content_hash");
    let names = table.columns.iter().chain(&SOURCE_COLUMNS).map(|column| column.name).chain(content_hash);
    let names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    let value = |name: &String| match name.as_str() {
        "\"voided\"" => "0".to_owned(),
        "\"voided_at\"" | "\"void_reason\"" => "NULL".to_owned(),
        // The first team of a pair is the one whose code is first in the alphabet, except that BOS comes before BKN.
        "\"matchup\"" => {
            "replace(min(team, opponent) || '-' || max(team, opponent), 'BKN-BOS', 'BOS-BKN')".to_owned()
        }
        _ => name.clone(),
    };
    let values: Vec<String> = names.iter().map(value).collect();
    format!(
        "INSERT INTO {rows} ({}) SELECT {} FROM {rows}_former WHERE deleted = 0;\nDROP TABLE {rows}_former;\n",
        names.join(", "),
        values.join(", ")
    )
}
