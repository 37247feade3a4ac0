//! The statements.
//!
//! A batch is one MERGE. Its source reads the rows from one JSON text, keeps the newest of each key, weighs each against what stands
//! (applied, unchanged, stale), and adds the row of the batch with the counts of it; all of it only when the writer's log and epoch
//! are those of the writer state, and the batch is not there yet. So a batch and its ledger are durable together or not at all, a
//! repetition changes nothing, and what is older never overwrites. Seasons and games are literals: only those prune for certain.
//!
//! Invariant: a statement's text depends on its arguments only; values of records are in parameters.
//! Not here: running them.
use super::{
    ddl::literal,
    schema::{
        BATCH_COLUMNS, BATCH_INPUT, Field, KEY, Names, PREDICTIONS_COLUMN, RECORDS, Type,
        WRITER_STATE_COLUMNS, WRITER_STATE_INPUT, content, fields, input_of, rung_columns, sql_type,
    },
};
use crate::{
    record::SinkTopic,
    tables::{PREDICTION_SHARED, PREDICTIONS, Table},
};
use std::collections::BTreeSet;

/// What the column `input` says of a record.
pub const fn input_name(input: SinkTopic) -> &'static str {
    match input {
        SinkTopic::Predictions => "predictions",
        SinkTopic::Features => "features",
        SinkTopic::PlayerGames => "player-games",
    }
}

/// Where a batch's rows are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The parameter `rows`, a JSON list.
    Parameter,
    /// A loaded table of one column `r`, a JSON object each.
    Staged(String),
}
impl Source {
    fn rows(&self) -> String {
        match self {
            Source::Parameter => "UNNEST(JSON_QUERY_ARRAY(@rows)) AS r".into(),
            Source::Staged(table) => table.clone(),
        }
    }
}

/// Which part of the table a batch can reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruningBounds {
    pub seasons: BTreeSet<i16>,
    /// The first and the last game id.
    pub games: Option<(String, String)>,
}
impl PruningBounds {
    /// The seasons, with that of the sink's own rows.
    fn seasons(&self) -> String {
        let seasons: Vec<_> = std::iter::once(0).chain(self.seasons.iter().copied()).collect();
        seasons.iter().map(i16::to_string).collect::<Vec<_>>().join(", ")
    }
    fn games(&self, of: &str) -> String {
        match &self.games {
            Some((first, last)) => format!("{of}`game_id` BETWEEN {} AND {}", literal(first), literal(last)),
            None => "FALSE".into(),
        }
    }
}

fn ident(name: &str) -> String {
    format!("`{name}`")
}
fn list(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
fn cast(value: &str, of: Type) -> String {
    if of == Type::String { value.to_owned() } else { format!("CAST({value} AS {})", of.sql()) }
}

/// The columns that a record brings, in their order.
fn record_columns() -> Vec<Field> {
    let all = fields();
    let find = |name: &str| all.iter().find(|field| field.name == name).copied();
    let source = ["partition", "offset", "content_hash", "row_count"].into_iter().filter_map(find);
    KEY.into_iter().chain(source).chain(content()).chain(find(PREDICTIONS_COLUMN)).collect()
}

/// A `SELECT` that reads the rows of the source.
fn incoming_sql(source: &Source) -> String {
    let read = |field: Field| {
        let value = match field.of {
            Type::LineLadder => {
                let cell = |(n, c): (usize, &crate::tables::Column)| {
                    let value = cast(&format!("JSON_VALUE(q, '$[{n}]')"), sql_type(c.column_type));
                    format!("{value} AS `{}`", c.name)
                };
                format!(
                    "ARRAY(SELECT AS STRUCT {} FROM UNNEST(JSON_QUERY_ARRAY(r, '$.{}')) AS q WITH OFFSET AS nth ORDER BY nth)",
                    list(rung_columns().iter().enumerate().map(cell)),
                    field.name
                )
            }
            of => cast(&format!("JSON_VALUE(r, '$.{}')", field.name), of),
        };
        format!("{value} AS `{}`", field.name)
    };
    format!(
        "SELECT {}\n    FROM {}\n    WHERE TRUE\n    QUALIFY ROW_NUMBER() OVER (PARTITION BY `input`, `game_id`, `player_id` ORDER BY `offset` DESC) = 1",
        list(record_columns().into_iter().map(read)),
        source.rows(),
    )
}

/// Writes a batch. Parameters: `rows` unless staged, `batch`, `log`, `epoch`, `ranges`, `records`, `filtered`, `superseded`, `rejected`, `reason`,
/// `job`, `attempts`, `bytes`, `planned_at`.
pub fn merge_sql(names: &Names, source: &Source, bounds: &PruningBounds) -> String {
    let table = names.table(RECORDS);
    let record_columns = record_columns();
    let batch_values = |of: &str| -> Vec<String> {
        let value = |field: &Field| match field.name {
            "applied" | "stale" | "rows_written" => format!("{of}`{}`", field.name),
            // What is of no day that is written changes nothing.
            "unchanged" => format!("{of}`unchanged` + @filtered"),
            "job_id" => "@job".into(),
            "committed_at" => "CURRENT_TIMESTAMP()".into(),
            name => format!("@{name}"),
        };
        BATCH_COLUMNS.iter().map(value).chain(["@log".into()]).collect()
    };
    let absent = |field: &Field| format!("CAST(NULL AS {})", field.of.sql());
    let own: Vec<Field> = BATCH_COLUMNS.into_iter().chain([WRITER_STATE_COLUMNS[0]]).collect();
    let of_records = list(
        record_columns
            .iter()
            .map(|f| ident(f.name))
            .chain(own.iter().map(|f| format!("{} AS `{}`", absent(f), f.name))),
    );
    let of_batch = list(
        record_columns
            .iter()
            .map(|field| match (field.name, field.of) {
                ("season_start" | "player_id" | "offset" | "row_count", _) => "0".into(),
                ("input", _) => literal(BATCH_INPUT),
                ("game_id", _) => "@batch".into(),
                (_, Type::LineLadder) => format!("{}[]", field.of.sql()),
                _ => absent(field),
            })
            .chain(batch_values("c.")),
    );
    let written: Vec<&str> = record_columns.iter().chain(&own).map(|field| field.name).collect();
    let is_key = |name: &&str| KEY.iter().any(|key| key.name == *name);
    let source_values = [
        ("deleted", "(S.`content_hash` IS NULL AND S.`season_start` > 0)"),
        ("epoch", "@epoch"),
        ("batch_id", "@batch"),
    ];
    let sets = list(
        written
            .iter()
            .filter(|name| !is_key(name))
            .map(|name| format!("`{name}` = S.`{name}`"))
            .chain(source_values.iter().map(|(name, value)| format!("`{name}` = {value}"))),
    );
    let columns = list(written.iter().copied().chain(source_values.iter().map(|(name, _)| *name)).map(ident));
    let values = list(
        written
            .iter()
            .map(|name| format!("S.`{name}`"))
            .chain(source_values.iter().map(|(_, v)| (*v).to_owned())),
    );
    let keys = |a: &str, b: &str| {
        KEY.iter().map(|key| format!("{a}.`{0}` = {b}.`{0}`", key.name)).collect::<Vec<_>>().join(" AND ")
    };
    format!(
        "MERGE {table} AS T
USING (
  WITH incoming AS (
    {incoming}
  ), guard AS (
    SELECT COUNT(*) AS n FROM {table}
    WHERE `season_start` = 0 AND `input` IN ({writer_state}, {batches})
    HAVING COUNTIF(`input` = {writer_state} AND `log` = @log AND `epoch` = @epoch) = 1
       AND COUNTIF(`input` = {batches} AND `game_id` = @batch) = 0
  ), compared AS (
    SELECT G.*, H.`row_count` AS existing_rows, CASE
      WHEN H.`epoch` > @epoch OR (H.`epoch` = @epoch AND H.`offset` >= G.`offset`) THEN 'stale'
      WHEN H.`epoch` = @epoch AND (H.`content_hash` = G.`content_hash` OR (H.`content_hash` IS NULL AND G.`content_hash` IS NULL)) THEN 'unchanged'
      ELSE 'applied' END AS outcome
    FROM incoming AS G CROSS JOIN guard LEFT JOIN (
      SELECT {key}, `epoch`, `offset`, `content_hash`, `row_count` FROM {table}
      WHERE `season_start` IN ({seasons}) AND {games}
    ) AS H ON {g_is_h}
  ), counts AS (
    SELECT COUNTIF(outcome = 'applied') AS `applied`, COUNTIF(outcome = 'unchanged') AS `unchanged`,
      COUNTIF(outcome = 'stale') AS `stale`, IFNULL(SUM(IF(outcome = 'applied', 1 + `row_count` + IFNULL(existing_rows, 0), 0)), 0) AS `rows_written`
    FROM compared
  )
  SELECT {of_records} FROM compared WHERE outcome <> 'stale'
  UNION ALL
  SELECT {of_batch} FROM counts AS c CROSS JOIN guard
) AS S
ON T.`season_start` IN ({seasons}) AND (T.`season_start` = 0 OR {t_games}) AND {t_is_s}
WHEN MATCHED AND S.`season_start` > 0 AND (T.`epoch` < @epoch OR (T.`epoch` = @epoch AND T.`offset` < S.`offset`)) THEN
  UPDATE SET {sets}
WHEN NOT MATCHED BY TARGET THEN
  INSERT ({columns}) VALUES ({values})",
        incoming = incoming_sql(source),
        writer_state = literal(WRITER_STATE_INPUT),
        batches = literal(BATCH_INPUT),
        key = list(KEY.iter().map(|key| ident(key.name))),
        seasons = bounds.seasons(),
        games = bounds.games(""),
        t_games = bounds.games("T."),
        g_is_h = keys("H", "G"),
        t_is_s = keys("T", "S"),
    )
}

/// Reads the rows of the source as a merge would, and changes nothing: it fails when one of them cannot be read.
pub fn probe_sql(source: &Source) -> String {
    format!(
        "SELECT COUNT(*) AS n, BIT_XOR(FARM_FINGERPRINT(TO_JSON_STRING(g))) AS hash FROM (\n    {}\n) AS g",
        incoming_sql(source)
    )
}

/// Log, epoch, rebuilding; no row: nobody writes yet.
pub fn writer_state_sql(names: &Names) -> String {
    format!(
        "SELECT `log`, `epoch`, `rebuilding` FROM {} WHERE `season_start` = 0 AND `input` = {}",
        names.table(RECORDS),
        literal(WRITER_STATE_INPUT)
    )
}
/// The row of batch `batch`.
pub fn batch_sql(names: &Names) -> String {
    format!(
        "SELECT `records`, `applied`, `unchanged`, `stale`, `superseded`, `rejected`, `rows_written`, `job_id` FROM {} WHERE `season_start` = 0 AND `input` = {} AND `game_id` = @batch",
        names.table(RECORDS),
        literal(BATCH_INPUT)
    )
}
/// Which of the keys of the JSON list `keys`, `input/game/player` each, have a live row.
pub fn existing_keys_sql(names: &Names) -> String {
    format!(
        "SELECT k FROM (SELECT CONCAT(`input`, '/', `game_id`, '/', CAST(`player_id` AS STRING)) AS k FROM {} WHERE `season_start` > 0 AND NOT `deleted`) WHERE k IN UNNEST(JSON_VALUE_ARRAY(@keys))",
        names.table(RECORDS)
    )
}
/// Input, game, live rows and the sum of their offsets.
pub fn control_totals_sql(names: &Names) -> String {
    format!(
        "SELECT `input`, `game_id`, COUNT(*) AS n, SUM(`offset`) AS offsets FROM {} WHERE `season_start` > 0 AND NOT `deleted` GROUP BY `input`, `game_id`",
        names.table(RECORDS)
    )
}
/// Makes `log` the writer where there is none.
pub fn acquire_sql(names: &Names) -> String {
    format!(
        "MERGE {table} AS T USING (SELECT @log AS `log`) AS S
ON T.`season_start` = 0 AND T.`input` = {writer_state}
WHEN NOT MATCHED BY TARGET THEN
  INSERT (`season_start`, `input`, `game_id`, `player_id`, `deleted`, `epoch`, `log`, `rebuilding`)
  VALUES (0, {writer_state}, '', 0, FALSE, 1, S.`log`, FALSE)",
        table = names.table(RECORDS),
        writer_state = literal(WRITER_STATE_INPUT)
    )
}
/// Makes `log` the writer in the epoch after `epoch`.
pub fn take_ownership_sql(names: &Names) -> String {
    format!(
        "UPDATE {} SET `log` = @log, `epoch` = @epoch + 1, `rebuilding` = TRUE WHERE `season_start` = 0 AND `input` = {} AND `epoch` = @epoch",
        names.table(RECORDS),
        literal(WRITER_STATE_INPUT)
    )
}
/// Deletes the rows of epochs older than `epoch`, that of `log`, and ends the adoption: the row of the writer state is one of those changed.
pub fn delete_stale_epochs_sql(names: &Names) -> String {
    let table = names.table(RECORDS);
    let nothing = content().into_iter().map(|field| format!("`{}` = NULL", field.name));
    let gone = [
        format!("`{PREDICTIONS_COLUMN}` = {}[]", Type::LineLadder.sql()),
        "`content_hash` = NULL".into(),
        "`row_count` = 0".into(),
        "`deleted` = (`season_start` > 0)".into(),
        "`rebuilding` = IF(`season_start` > 0, NULL, FALSE)".into(),
    ];
    format!(
        "UPDATE {table} SET {sets}
WHERE ((`season_start` > 0 AND `epoch` < @epoch AND NOT `deleted`) OR (`season_start` = 0 AND `input` = {writer_state} AND `rebuilding`))
  AND EXISTS (SELECT 1 FROM {table} WHERE `season_start` = 0 AND `input` = {writer_state} AND `log` = @log AND `epoch` = @epoch)",
        sets = list(gone.into_iter().chain(nothing)),
        writer_state = literal(WRITER_STATE_INPUT),
    )
}
/// The live rows of a table by key; of the predictions what they share, and then the array of the rest.
pub fn content_sql(names: &Names, table: &Table) -> String {
    let is_predictions = table.name == PREDICTIONS.name;
    let own = if is_predictions { PREDICTION_SHARED } else { table.columns.len() };
    let columns = table.columns[..own].iter().map(|column| ident(column.name));
    let columns = list(columns.chain(is_predictions.then(|| ident(PREDICTIONS_COLUMN))));
    format!(
        "SELECT {columns} FROM {} WHERE `season_start` > 0 AND `input` = {} AND NOT `deleted` ORDER BY `game_id`, `player_id`",
        names.table(RECORDS),
        literal(input_name(input_of(table)))
    )
}
