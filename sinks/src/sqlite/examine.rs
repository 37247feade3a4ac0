//! Examines a warehouse file: every page, and the content of every live row against the content hash that was stored with it.
//!
//! A row that was changed by hand or by a defect of the disk has another hash than the record from which the sink wrote it.
//! Invariant: read-only. During a rebuild, rows of older epochs may have other columns than their hash covers, so only pages are examined.
//! Not here: comparing rows with the log (`reconciler`), which rows are hashed together (`content_hash`).
use super::{
    content::cell,
    ddl::{self, rows_table},
    queries::connect_read_only,
};
use crate::{
    content_hash::hash_cells,
    rows::Cell,
    tables::{
        FEATURE_ROWS, PLAYER_GAMES, PREDICTION_SHARED, PREDICTION_SYSTEM, PREDICTIONS, SLATE, TABLES, Table,
    },
    warehouse::WarehouseError,
};
use rusqlite::{Connection, Row};
use schemas::prediction::System;
use std::{collections::BTreeMap, path::Path};

/// At most this many problems are listed for each table.
const MAX_PROBLEMS: usize = 10;

/// What was found in a warehouse file.
#[derive(Debug, Default)]
pub struct WarehouseExamination {
    /// Number of live rows whose content was compared with their hash.
    pub rows: u64,
    /// The first problems; empty if there are none.
    pub problems: Vec<String>,
}

/// Examines the warehouse at this path. If `is_quick`, only its structure.
///
/// # Errors
/// The file is not a database, or cannot be read.
pub fn examine(path: &Path, is_quick: bool) -> Result<WarehouseExamination, WarehouseError> {
    let (db, change_check) = connect_read_only(path)?;
    let mut examination = WarehouseExamination::default();
    let pragma = if is_quick { "PRAGMA quick_check(warehouse_meta)" } else { "PRAGMA integrity_check(10)" };
    let found = examine_pages(&db, pragma).and_then(|problems| {
        examination.problems.extend(problems);
        if is_quick { Ok(()) } else { examine_rows(&db, &mut examination) }
    });
    if let Err(error) = found {
        examination.problems.push(format!("it cannot be read completely: {error}"));
    }
    change_check.ensure_unchanged()?;
    Ok(examination)
}

fn examine_pages(db: &Connection, pragma: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare(pragma)?;
    let found: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(found.into_iter().filter(|text| text != "ok").map(|text| text.replace('\n', " ")).collect())
}

fn examine_rows(db: &Connection, examination: &mut WarehouseExamination) -> rusqlite::Result<()> {
    // One read transaction: the rows of a slate and its predictions are of one state.
    let tx = db.unchecked_transaction()?;
    let is_rebuilding: bool = tx.query_row("SELECT rebuilding FROM warehouse_meta", [], |row| row.get(0))?;
    if is_rebuilding {
        return Ok(());
    }
    examination.problems.extend(definition_problems(&tx)?);
    examination.problems.extend(epoch_problems(&tx)?);
    for table in [&PLAYER_GAMES, &FEATURE_ROWS] {
        examine_table(&tx, table, examination)?;
    }
    examine_predictions(&tx, examination)
}

/// Returns the views that are not those of this version: they would show other rows than the sink wrote.
fn definition_problems(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let views = |db: &Connection| -> rusqlite::Result<BTreeMap<String, String>> {
        let mut statement = db.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'view'")?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    let expected = Connection::open_in_memory()?;
    expected.execute_batch(&ddl::statements())?;
    let found = views(db)?;
    let is_other = |(name, sql): &(String, String)| found.get(name) != Some(sql);
    let other = views(&expected)?.into_iter().filter(is_other);
    Ok(other
        .map(|(name, _)| format!("the definition of the view {name} is not that of this version"))
        .collect())
}

/// Returns the tables that have live rows of another epoch than the current one, or rows of a later one: no newer record could replace them.
fn epoch_problems(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut problems = Vec::new();
    for table in &TABLES {
        let sql = format!(
            "SELECT count(*) FROM {}, warehouse_meta m WHERE {1}.epoch > m.epoch OR {1}.epoch < m.epoch AND deleted = 0",
            rows_table(table),
            rows_table(table)
        );
        let count: i64 = db.query_row(&sql, [], |row| row.get(0))?;
        if count > 0 {
            problems.push(format!("{count} rows of table {} have a wrong epoch", table.name));
        }
    }
    Ok(problems)
}

/// Returns the names of the columns of a table, separated by commas.
fn column_names(table: &Table) -> String {
    table.columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

fn cells<'a>(row: &'a Row<'_>, from: usize, to: usize) -> rusqlite::Result<Vec<Cell<'a>>> {
    (from..to).map(|column| cell(row.get_ref(column)?)).collect()
}

/// Returns the key of a row, to be shown to an operator. Every table has player and game in its first two columns.
fn key_text(row: &Row<'_>) -> rusqlite::Result<String> {
    let text =
        |column| Ok::<_, rusqlite::Error>(format!("{:?}", row.get_ref(column)?.as_str().unwrap_or("?")));
    Ok(format!("player {:?}, game {}", row.get_ref(0)?.as_i64().unwrap_or_default(), text(1)?))
}

fn examine_table(
    db: &Connection,
    table: &Table,
    examination: &mut WarehouseExamination,
) -> rusqlite::Result<()> {
    let columns = table.columns.len();
    let sql =
        format!("SELECT {}, content_hash FROM {} WHERE deleted = 0", column_names(table), rows_table(table));
    let mut statement = db.prepare(&sql)?;
    let (mut rows, mut bytes, mut wrong) = (statement.query([])?, Vec::new(), 0);
    while let Some(row) = rows.next()? {
        examination.rows += 1;
        let stored: Option<i64> = row.get(columns)?;
        if hash_cells(&mut bytes, cells(row, 0, columns)?.iter()).ok() != stored {
            wrong += 1;
            if wrong <= MAX_PROBLEMS {
                examination.problems.push(changed_row(table, &key_text(row)?));
            }
        }
    }
    Ok(())
}

fn changed_row(table: &Table, key: &str) -> String {
    format!("the row of {key} in table {} is not the one that the sink wrote", table.name)
}

/// Compares each row of the slate, together with its predictions, with its content hash. One hash covers them, as one record does.
fn examine_predictions(db: &Connection, examination: &mut WarehouseExamination) -> rusqlite::Result<()> {
    let columns = SLATE.columns.len();
    let sql = format!(
        "SELECT {}, content_hash FROM {} WHERE deleted = 0",
        column_names(&SLATE),
        rows_table(&SLATE)
    );
    let mut slate = db.prepare(&sql)?;
    let mut predictions = db.prepare(&format!(
        "SELECT {} FROM {} WHERE game_id = ? AND player_id = ? AND game_date = ? AND deleted = 0",
        column_names(&PREDICTIONS),
        rows_table(&PREDICTIONS)
    ))?;
    let key_columns = ["game_id", "player_id", "game_date"].map(|name| slate_column(name).unwrap_or(0));
    let (mut rows, mut bytes, mut wrong, mut covered) = (slate.query([])?, Vec::new(), 0, 0);
    while let Some(row) = rows.next()? {
        examination.rows += 1;
        let slate_cells = cells(row, 0, columns)?;
        let [game, player, date] = key_columns.map(|column| row.get_ref(column));
        let mut found = predictions.query((game?.as_str()?, player?.as_i64()?, date?.as_str()?))?;
        let (mut ladders, mut is_equal) = (Vec::new(), true);
        while let Some(prediction) = found.next()? {
            covered += 1;
            is_equal &= has_shared_cells(prediction, &slate_cells)?;
            ladders.push(LadderCells::read(prediction)?);
        }
        let stored: Option<i64> = row.get(columns)?;
        if !is_equal || hash_with_ladders(&mut bytes, &slate_cells, ladders) != stored {
            wrong += 1;
            if wrong <= MAX_PROBLEMS {
                let key = key_text(row)?;
                examination.problems.push(format!(
                    "the rows of {key} in tables {} and {} are not those that the sink wrote",
                    SLATE.name, PREDICTIONS.name
                ));
            }
        }
    }
    let sql = format!("SELECT count(*) FROM {} WHERE deleted = 0", rows_table(&PREDICTIONS));
    let all: i64 = db.query_row(&sql, [], |row| row.get(0))?;
    if all != covered {
        examination.problems.push(format!(
            "{} rows of table {} have no row in table {}",
            all - covered,
            PREDICTIONS.name,
            SLATE.name
        ));
    }
    Ok(())
}

fn slate_column(name: &str) -> Option<usize> {
    SLATE.columns.iter().position(|column| column.name == name)
}

/// True if the columns that a prediction shares with its row of the slate are equal.
fn has_shared_cells(prediction: &Row<'_>, slate: &[Cell<'_>]) -> rusqlite::Result<bool> {
    for (column, shared) in PREDICTIONS.columns[..PREDICTION_SHARED].iter().enumerate() {
        if let Some(expected) = slate_column(shared.name).and_then(|column| slate.get(column))
            && cell(prediction.get_ref(column)?)? != *expected
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The columns of a prediction that its row of the slate does not have.
struct LadderCells {
    /// The position of the system among all systems, and the line offset: the order in which a record has its predictions.
    order: (usize, i64),
    system: Vec<Cell<'static>>,
    line: Vec<Cell<'static>>,
}
impl LadderCells {
    fn read(prediction: &Row<'_>) -> rusqlite::Result<LadderCells> {
        let line = PREDICTION_SHARED + PREDICTION_SYSTEM;
        let name = prediction.get_ref(PREDICTION_SHARED)?.as_str()?;
        let system = System::ALL.iter().position(|system| system.name() == name).unwrap_or(System::ALL.len());
        let owned = |from, to| -> rusqlite::Result<Vec<Cell<'static>>> {
            Ok(cells(prediction, from, to)?.into_iter().map(Cell::into_owned).collect())
        };
        Ok(LadderCells {
            order: (system, prediction.get(line)?),
            system: owned(PREDICTION_SHARED, line)?,
            line: owned(line, PREDICTIONS.columns.len())?,
        })
    }
}

/// Returns the hash of a row of the slate and its predictions, as `hash_prediction` computes it from a record. It covers the columns of a
/// system once, although each line of the system repeats them; `None` if the lines have different ones.
fn hash_with_ladders(bytes: &mut Vec<u8>, slate: &[Cell<'_>], mut ladders: Vec<LadderCells>) -> Option<i64> {
    ladders.sort_by_key(|ladder| ladder.order);
    let mut all = slate.to_vec();
    let mut first: Option<(usize, Vec<Cell<'static>>)> = None;
    for ladder in ladders {
        match &first {
            Some((position, system)) if *position == ladder.order.0 => {
                if *system != ladder.system {
                    return None;
                }
            }
            _ => {
                all.extend(ladder.system.iter().cloned());
                first = Some((ladder.order.0, ladder.system));
            }
        }
        all.extend(ladder.line);
    }
    hash_cells(bytes, all.iter()).ok()
}
