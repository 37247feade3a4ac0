//! Parser of the statements that the sink sends. Any other statement is a syntax error.
//!
//! Invariant: a statement is recognized only if its complete text equals that which the sink generates.
//! Not here: the effect of a statement (`table`).
use sinks::{
    SinkTopic,
    bigquery::{
        Names, definitions,
        schema::{self, RECORDS},
        sql::{self, PruningBounds, Source},
    },
    tables::TABLES,
};

#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    Merge {
        source: Source,
        seasons: Vec<i64>,
        games: Option<(String, String)>,
    },
    Probe,
    WriterState,
    BatchRecord,
    NewestBatch,
    ExistingKeys,
    ControlTotals,
    Acquire,
    TakeOwnership,
    BeginRebuild,
    DeleteStaleEpochs,
    /// Query for the content of the table with this index in `TABLES`.
    Content(usize),
    /// Definition of this table or view.
    Define {
        name: &'static str,
        is_sql_view: bool,
    },
    AddColumn(String),
}
impl Statement {
    /// True for a DML statement.
    pub fn is_mutating(&self) -> bool {
        matches!(
            self,
            Statement::Merge { .. }
                | Statement::Acquire
                | Statement::TakeOwnership
                | Statement::BeginRebuild
                | Statement::DeleteStaleEpochs
        )
    }
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    text.split_once(begin)?.1.split_once(end).map(|(inside, _)| inside)
}

pub fn parse(text: &str, names: &Names) -> Option<Statement> {
    let fixed = [
        (sql::writer_state_sql(names), Statement::WriterState),
        (sql::batch_sql(names), Statement::BatchRecord),
        (sql::newest_batch_sql(names), Statement::NewestBatch),
        (sql::existing_keys_sql(names), Statement::ExistingKeys),
        (sql::control_totals_sql(names), Statement::ControlTotals),
        (sql::acquire_sql(names), Statement::Acquire),
        (sql::take_ownership_sql(names), Statement::TakeOwnership),
        (sql::begin_rebuild_sql(names), Statement::BeginRebuild),
        (sql::delete_stale_epochs_sql(names), Statement::DeleteStaleEpochs),
        (sql::probe_sql(&Source::Parameter), Statement::Probe),
    ];
    if let Some((_, statement)) = fixed.into_iter().find(|(known, _)| known == text) {
        return Some(statement);
    }
    if text.starts_with("MERGE ") {
        return merge(text, names);
    }
    if let Some(n) = TABLES.iter().position(|table| sql::content_sql(names, table) == text) {
        return Some(Statement::Content(n));
    }
    if let Some(found) = definitions(names).into_iter().find(|definition| definition.statement == text) {
        return Some(Statement::Define { name: found.name, is_sql_view: found.is_sql_view });
    }
    let added =
        text.strip_prefix(&format!("ALTER TABLE {} ADD COLUMN IF NOT EXISTS `", names.table(RECORDS)))?;
    Some(Statement::AddColumn(added.split('`').next()?.to_owned()))
}

fn merge(text: &str, names: &Names) -> Option<Statement> {
    let seasons = between(text, "WHERE `season_start` IN (0", ")")?;
    let seasons: Vec<i64> =
        seasons.split(", ").filter(|s| !s.is_empty()).map(|s| s.parse().unwrap()).collect();
    let games = between(text, "AND `game_id` BETWEEN '", "'\n")
        .and_then(|games| games.split_once("' AND '"))
        .map(|(first, last)| (first.to_owned(), last.to_owned()));
    let source = match between(text, &format!("FROM `{}.{}.", names.project, names.staging()), "`") {
        Some(table) => Source::Staged(format!("`{}.{}.{table}`", names.project, names.staging())),
        None => Source::Parameter,
    };
    let bounds = PruningBounds { seasons: seasons.iter().map(|s| *s as i16).collect(), games: games.clone() };
    (sql::merge_sql(names, &source, &bounds) == text).then_some(Statement::Merge { source, seasons, games })
}

/// Returns the value of the column `input` for the table with this index.
pub fn input_of(table: usize) -> &'static str {
    match TABLES[table].name {
        "player_games" => schema::input_name(SinkTopic::PlayerGames),
        "features" => schema::input_name(SinkTopic::Features),
        _ => schema::input_name(SinkTopic::Predictions),
    }
}
