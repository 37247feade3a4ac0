//! The definitions as statements, in the order in which they are to be run.
//!
//! Invariant: each can be run again. Every column has its description.
//! Not here: finding out what is missing (`provisioning`).
use super::schema::{
    BATCH_COLUMNS, BATCH_INPUT, BATCHES, COVERAGE, Field, Names, PREDICTIONS_COLUMN, RECORDS, Type, WRITER,
    fields, input_of, rung_columns, sql_type,
};
use crate::tables::{Column, PREDICTION_SHARED, PREDICTIONS, TABLES, Table};
use std::fmt::Write;

/// A table or view, and the statement that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub name: &'static str,
    pub is_view: bool,
    pub statement: String,
}

/// Everything in a dataset.
pub fn definitions(names: &Names) -> Vec<Definition> {
    let view = |name, statement| Definition { name, is_view: true, statement };
    let mut all = vec![Definition { name: RECORDS, is_view: false, statement: records(names) }];
    let writer = format!(
        "CREATE TABLE IF NOT EXISTS {} (\n  `job` STRING OPTIONS(description='always empty')\n)\nOPTIONS(description={})",
        names.table(WRITER),
        literal(
            "No rows: its label `job` names the statement that an instance of the sink sent last, so that one is in flight at a time"
        ),
    );
    all.push(Definition { name: WRITER, is_view: false, statement: writer });
    all.extend(TABLES.iter().map(|table| view(table.name, current(names, table))));
    all.push(view(BATCHES, batches(names)));
    all.push(view(COVERAGE, coverage(names)));
    all
}

/// Text as a literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', " "))
}
fn described(doc: &str) -> String {
    if doc.is_empty() { String::new() } else { format!(" OPTIONS(description={})", literal(doc)) }
}

fn column(field: &Field) -> String {
    let of = match field.of {
        Type::LineLadder => {
            let of =
                |c: &Column| format!("`{}` {}{}", c.name, sql_type(c.column_type).sql(), described(doc(c)));
            let columns: Vec<_> = rung_columns().iter().map(of).collect();
            format!("ARRAY<STRUCT<{}>>", columns.join(", "))
        }
        other => other.sql(),
    };
    let null = if field.is_required { " NOT NULL" } else { "" };
    let doc = if field.doc.is_empty() { field.name } else { field.doc };
    format!("`{}` {of}{null}{}", field.name, described(doc))
}
/// A column's meaning; one whose name says it all has no other.
fn doc(column: &Column) -> &'static str {
    if column.doc.is_empty() { column.name } else { column.doc }
}

/// The table: a season is a partition, so a write prunes to the seasons of its games, and grows nothing by the day.
fn records(names: &Names) -> String {
    let columns: Vec<_> = fields().iter().map(|field| format!("  {}", column(field))).collect();
    format!(
        "CREATE TABLE IF NOT EXISTS {} (\n{}\n)\nPARTITION BY RANGE_BUCKET(season_start, GENERATE_ARRAY(0, 2200, 1))\nCLUSTER BY input, game_id, player_id\nOPTIONS(description={})",
        names.table(RECORDS),
        columns.join(",\n"),
        literal(
            "The newest record of each input about a player's game, and the batches that brought them. Written by the fastbreak sink alone: read the views"
        ),
    )
}
/// The statement that adds a column to a table that lacks it.
pub fn add_column(names: &Names, field: &Field) -> String {
    format!("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {}", names.table(RECORDS), column(field))
}

/// How a view shows a column: days, instants and yes or no as what they are.
fn shown(name: &str, from: &str) -> String {
    match name {
        "game_date" => format!("CAST({from}.`{name}` AS DATE)"),
        "tip_off" | "known_at" => format!("CAST({from}.`{name}` AS TIMESTAMP)"),
        "is_home" => format!("({from}.`{name}` = 1)"),
        _ => format!("{from}.`{name}`"),
    }
}
fn view(names: &Names, name: &str, doc: &str, columns: &[(&str, &str)], select: &str) -> String {
    let mut statement = format!("CREATE OR REPLACE VIEW {} (\n", names.table(name));
    for (n, (column, doc)) in columns.iter().enumerate() {
        let comma = if n + 1 < columns.len() { "," } else { "" };
        let doc = if doc.is_empty() { column } else { doc };
        // Writing to a string cannot fail.
        let _ = writeln!(statement, "  `{column}`{}{comma}", described(doc));
    }
    let _ = write!(statement, ")\nOPTIONS(description={})\nAS {select}", literal(doc));
    statement
}

/// The current rows of a table, as the local warehouse has them.
fn current(names: &Names, table: &Table) -> String {
    let is_predictions = table.name == PREDICTIONS.name;
    let expression = |(n, column): (usize, &Column)| {
        let from = if is_predictions && n >= PREDICTION_SHARED { "q" } else { "t" };
        format!("{} AS `{}`", shown(column.name, from), column.name)
    };
    let expressions: Vec<_> = table.columns.iter().enumerate().map(expression).collect();
    let unnested =
        if is_predictions { format!(", UNNEST(t.`{PREDICTIONS_COLUMN}`) AS q") } else { String::new() };
    let select = format!(
        "SELECT {}, t.`epoch`, t.`partition`, t.`offset`, t.`batch_id`\nFROM {} AS t{unnested}\nWHERE t.`input` = {} AND t.`season_start` > 0 AND NOT t.`deleted`",
        expressions.join(", "),
        names.table(RECORDS),
        literal(super::sql::input_name(input_of(table))),
    );
    let source = [
        ("epoch", "the epoch of the log that wrote the row"),
        ("partition", "the partition of the record that wrote it"),
        ("offset", "the offset of that record"),
        ("batch_id", "the batch that wrote it, see sink_batches"),
    ];
    let columns: Vec<_> = table.columns.iter().map(|c| (c.name, c.doc)).chain(source).collect();
    view(names, table.name, table.doc, &columns, &select)
}

fn batches(names: &Names) -> String {
    let mut columns = vec![("batch_id", "hash of writer, epoch and ranges")];
    columns.extend(BATCH_COLUMNS.iter().map(|field| (field.name, field.doc)));
    columns.extend([("log", "the log that it was read from"), ("epoch", "the epoch of that log")]);
    let expressions: Vec<_> = columns.iter().map(|(name, _)| format!("t.`{name}`")).collect();
    let select = format!(
        "SELECT {}\nFROM {} AS t\nWHERE t.`season_start` = 0 AND t.`input` = {}",
        expressions.join(", "),
        names.table(RECORDS),
        literal(BATCH_INPUT),
    );
    view(names, BATCHES, "Every batch written, by the statement that wrote it", &columns, &select)
}

fn coverage(names: &Names) -> String {
    let select = format!(
        "SELECT s.game_date, s.status, COUNT(*) AS players\nFROM {slate} AS s\nGROUP BY s.game_date, s.status\nUNION ALL\nSELECT g.game_date, 'not_a_candidate', COUNT(*)\nFROM {games} AS g LEFT JOIN {slate} AS s ON s.game_id = g.game_id AND s.player_id = g.player_id\nWHERE g.minutes > 0 AND s.player_id IS NULL\nGROUP BY g.game_date",
        slate = names.table("player_slate"),
        games = names.table("player_games"),
    );
    let columns = [
        ("game_date", "US Eastern day"),
        ("status", "predicted, the reason why not, or not_a_candidate: he played and nobody expected it"),
        ("players", "how many"),
    ];
    view(names, COVERAGE, "How the candidates of each day ended", &columns, &select)
}
