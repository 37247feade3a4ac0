//! Statements that define the tables and views of a dataset, in the order in which they must run.
//!
//! Invariant: each statement can be repeated, and contains the description of every column.
//! Not here: comparing the definitions with an existing dataset (`provisioning`).
use super::{
    schema::{
        BATCH_INPUT, Field, Names, PREDICTIONS_COLUMN, RECORDS, Type, WRITER, fields, input_name, input_of,
        ladder_columns, sql_type,
    },
    sql_text::literal,
};
use crate::{
    tables::{BATCH_COLUMNS, BATCHES, BATCHES_DOC, Column, PLAYER_GAMES, PREDICTIONS, SLATE, TABLES, Table},
    views,
};
use std::fmt::Write;

/// Name of a table or view, and the statement that defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub name: &'static str,
    pub is_sql_view: bool,
    pub statement: String,
}

/// Returns all definitions of a dataset.
pub fn definitions(names: &Names) -> Vec<Definition> {
    let view = |name, statement| Definition { name, is_sql_view: true, statement };
    let mut all = vec![Definition { name: RECORDS, is_sql_view: false, statement: records(names) }];
    let writer = format!(
        "CREATE TABLE IF NOT EXISTS {} (\n  `job` STRING OPTIONS(description='Always empty')\n)\nOPTIONS(description={})",
        names.table(WRITER),
        literal(
            "Writer lease: a table without rows whose label `job` has the id of the last DML job, so that only one DML job is in flight over all instances of the sink"
        ),
    );
    all.push(Definition { name: WRITER, is_sql_view: false, statement: writer });
    all.extend(TABLES.iter().map(|table| view(table.name, live_rows(names, table))));
    all.push(view(BATCHES, batches(names)));
    all.push(view(views::COVERAGE, coverage(names)));
    all
}

fn description(doc: &str) -> String {
    format!(" OPTIONS(description={})", literal(doc))
}

fn column(field: &Field) -> String {
    let field_type = if field.field_type == Type::LineLadder {
        let column =
            |c: &Column| format!("`{}` {}{}", c.name, sql_type(c.column_type).sql(), description(c.doc));
        let columns: Vec<_> = ladder_columns().iter().map(column).collect();
        format!("ARRAY<STRUCT<{}>>", columns.join(", "))
    } else {
        field.field_type.sql()
    };
    let not_null = if field.is_required { " NOT NULL" } else { "" };
    format!("`{}` {field_type}{not_null}{}", field.name, description(field.doc))
}

/// Returns the definition of the table that the sink writes. Each season is a partition, so a write or a filtered read scans only the
/// seasons of its games, and there are few partitions.
fn records(names: &Names) -> String {
    let columns: Vec<_> = fields().iter().map(|field| format!("  {}", column(field))).collect();
    format!(
        "CREATE TABLE IF NOT EXISTS {} (\n{}\n)\nPARTITION BY RANGE_BUCKET(season_start, GENERATE_ARRAY(0, 2200, 1))\nCLUSTER BY input, game_id, player_id\nOPTIONS(description={})",
        names.table(RECORDS),
        columns.join(",\n"),
        literal(
            "Newest record per input topic and player-game, batch records and writer state. Only the fastbreak sink writes to this table; query the views instead"
        ),
    )
}
/// Returns the statement that adds a column to the table if the table lacks it.
pub fn add_column(names: &Names, field: &Field) -> String {
    format!("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {}", names.table(RECORDS), column(field))
}

/// Returns the definition of a view. `columns` must be in the order of the SELECT.
fn view_definition(names: &Names, name: &str, doc: &str, columns: &[&Column], select: &str) -> String {
    let mut statement = format!("CREATE OR REPLACE VIEW {} (\n", names.table(name));
    for (n, column) in columns.iter().enumerate() {
        let comma = if n + 1 < columns.len() { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(statement, "  `{}`{}{comma}", column.name, description(column.doc));
    }
    let _ = write!(statement, ")\nOPTIONS(description={})\nAS {select}", literal(doc));
    statement
}

/// Returns the definition of the view that shows the live rows of a table. If a reader filters on `season_start`, the filter also prunes
/// the partitions of the stored table.
fn live_rows(names: &Names, table: &Table) -> String {
    let is_predictions = table.name == PREDICTIONS.name;
    let ladder = if is_predictions { ladder_columns() } else { &[] };
    let expression = |column: &&Column| {
        let alias = if ladder.iter().any(|c| c.name == column.name) { "q" } else { "t" };
        format!("{alias}.`{}`", column.name)
    };
    let columns: Vec<&Column> = table.view_columns().collect();
    let expressions: Vec<_> = columns.iter().map(expression).collect();
    let unnested =
        if is_predictions { format!(", UNNEST(t.`{PREDICTIONS_COLUMN}`) AS q") } else { String::new() };
    let select = format!(
        "SELECT {}\nFROM {} AS t{unnested}\nWHERE t.`input` = {} AND t.`season_start` > 0 AND NOT t.`deleted`",
        expressions.join(", "),
        names.table(RECORDS),
        literal(input_name(input_of(table))),
    );
    view_definition(names, table.name, table.doc, &columns, &select)
}

fn batches(names: &Names) -> String {
    let columns: Vec<&Column> = BATCH_COLUMNS.iter().collect();
    let expressions: Vec<_> = columns.iter().map(|column| format!("t.`{}`", column.name)).collect();
    let select = format!(
        "SELECT {}\nFROM {} AS t\nWHERE t.`season_start` = 0 AND t.`input` = {}",
        expressions.join(", "),
        names.table(RECORDS),
        literal(BATCH_INPUT),
    );
    view_definition(names, BATCHES, BATCHES_DOC, &columns, &select)
}

fn coverage(names: &Names) -> String {
    let columns: Vec<&Column> = views::COVERAGE_COLUMNS.iter().collect();
    let select = views::coverage_select(&names.table(SLATE.name), &names.table(PLAYER_GAMES.name));
    view_definition(names, views::COVERAGE, views::COVERAGE_DOC, &columns, &select)
}
