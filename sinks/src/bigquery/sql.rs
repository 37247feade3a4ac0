//! The SQL statements that the sink sends.
//!
//! One MERGE writes a batch. Its source reads the rows from one JSON text, selects the newest row of each key, compares each with the
//! stored row (applied, unchanged, stale), and adds the batch record with the counts. The source is empty if the batch's log or epoch
//! differs from the writer state, or if the batch is already stored. So a batch and its batch record are written atomically, a repeated
//! statement changes nothing, and an older record never overwrites a newer one. Seasons and games are literals, since only literals prune
//! partitions reliably.
//!
//! Invariant: the text of a statement depends only on its arguments; values of records are in parameters.
//! Not here: running the statements (`job_runner`, `queries`).
use super::{
    schema::{
        BATCH_INPUT, Field, KEY, KEY_PART, Names, PREDICTIONS_COLUMN, RECORDS, Type, WRITER_STATE_FIELDS,
        WRITER_STATE_INPUT, batch_fields, content_fields, fields, input_name, input_of, ladder_columns,
        sql_type,
    },
    sql_text::{ident, list, literal},
};
use crate::tables::{Column, PREDICTION_SHARED, PREDICTIONS, Table};
use std::collections::BTreeSet;

/// Source from which a statement reads the rows of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The parameter `rows`, a JSON array.
    Parameter,
    /// A staging table with one column `r`, a JSON object per row.
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

/// Seasons and range of game ids of a batch. A statement with these bounds scans only the partitions and blocks that can have the batch's
/// rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruningBounds {
    pub seasons: BTreeSet<i16>,
    /// First and last game id.
    pub games: Option<(String, String)>,
}
impl PruningBounds {
    /// Returns the list of seasons, including 0, which is the season of batch records and of the writer state.
    fn seasons(&self) -> String {
        let seasons: Vec<_> = std::iter::once(0).chain(self.seasons.iter().copied()).collect();
        seasons.iter().map(i16::to_string).collect::<Vec<_>>().join(", ")
    }
    fn games(&self, alias: &str) -> String {
        match &self.games {
            Some((first, last)) => {
                format!("{alias}`game_id` BETWEEN {} AND {}", literal(first), literal(last))
            }
            None => "FALSE".into(),
        }
    }
}

/// Returns the expression that reads a value in a JSON text as a column of this type.
fn json_field(json: &str, path: &str, field_type: Type) -> String {
    match field_type {
        Type::String => format!("JSON_VALUE({json}, '{path}')"),
        Type::Json => format!("PARSE_JSON(JSON_QUERY({json}, '{path}'))"),
        other => format!("CAST(JSON_VALUE({json}, '{path}') AS {})", other.sql()),
    }
}
fn null(field_type: Type) -> String {
    match field_type {
        // BigQuery has no cast to JSON.
        Type::Json => "PARSE_JSON(CAST(NULL AS STRING))".into(),
        Type::LineLadder => format!("{}[]", field_type.sql()),
        other => format!("CAST(NULL AS {})", other.sql()),
    }
}

/// Returns the columns that a record sets, in order.
fn record_fields() -> Vec<Field> {
    let all = fields();
    let find = |name: &str| all.iter().find(|field| field.name == name).copied();
    let source = ["partition", "offset", "content_hash", "row_count"].into_iter().filter_map(find);
    KEY.into_iter().chain(source).chain(content_fields()).chain(find(PREDICTIONS_COLUMN)).collect()
}

/// Returns a SELECT of the newest row of each key in the source.
fn incoming_sql(source: &Source) -> String {
    let read = |field: Field| {
        let path = format!("$.{}", field.name);
        let value = if field.field_type == Type::LineLadder {
            let cell = |(n, column): (usize, &Column)| {
                let value = json_field("q", &format!("$[{n}]"), sql_type(column.column_type));
                format!("{value} AS `{}`", column.name)
            };
            format!(
                "ARRAY(SELECT AS STRUCT {} FROM UNNEST(JSON_QUERY_ARRAY(r, '{path}')) AS q WITH OFFSET AS nth ORDER BY nth)",
                list(ladder_columns().iter().enumerate().map(cell)),
            )
        } else {
            json_field("r", &path, field.field_type)
        };
        format!("{value} AS `{}`", field.name)
    };
    format!(
        "SELECT {}\n    FROM {}\n    WHERE TRUE\n    QUALIFY ROW_NUMBER() OVER (PARTITION BY `input`, `game_id`, `player_id`, `key_part` ORDER BY `offset` DESC) = 1",
        list(record_fields().into_iter().map(read)),
        source.rows(),
    )
}

/// Returns the expressions for the columns of a batch record, in the order of the fields.
fn batch_values(batch_fields: &[Field]) -> impl Iterator<Item = String> {
    let value = |field: &Field| match field.name {
        "applied" | "stale" | "rows_written" => format!("c.`{}`", field.name),
        // Filtered records change nothing, so they count as unchanged.
        "unchanged" => "c.`unchanged` + @filtered".into(),
        "committed_at" => "CURRENT_TIMESTAMP()".into(),
        name if field.field_type == Type::Json => format!("PARSE_JSON(@{name})"),
        name => format!("@{name}"),
    };
    batch_fields.iter().map(value)
}

/// Returns the statement that writes a batch. Its parameters are `rows` (unless the rows are staged), `batch`, `log_id`, `epoch`,
/// `input_ranges`, `records`, `filtered`, `superseded`, `rejected`, `close_reason`, `job_id`, `attempts`, `request_bytes` and `planned_at`.
pub fn merge_sql(names: &Names, source: &Source, bounds: &PruningBounds) -> String {
    let record_fields = record_fields();
    let mut batch_fields = batch_fields();
    batch_fields.push(WRITER_STATE_FIELDS[0]);
    let written: Vec<&str> = record_fields.iter().chain(&batch_fields).map(|field| field.name).collect();
    let (sets, columns, values) = assignments(&written);
    let (select_records, select_batch) = merge_rows(&record_fields, &batch_fields);
    format!(
        "MERGE {table} AS T
USING (
  WITH {compared}
  SELECT {select_records} FROM compared WHERE outcome <> 'stale'
  UNION ALL
  SELECT {select_batch} FROM counts AS c CROSS JOIN guard
) AS S
ON T.`season_start` IN ({seasons}) AND (T.`season_start` = 0 OR {games}) AND {keys}
WHEN MATCHED AND S.`season_start` > 0 AND (T.`epoch` < @epoch OR (T.`epoch` = @epoch AND T.`offset` < S.`offset`)) THEN
  UPDATE SET {sets}
WHEN NOT MATCHED BY TARGET THEN
  INSERT ({columns}) VALUES ({values})",
        table = names.table(RECORDS),
        compared = compared_sql(names, source, bounds),
        seasons = bounds.seasons(),
        games = bounds.games("T."),
        keys = keys_equal("T", "S"),
    )
}
/// Returns the condition that the keys of a stored row `a` and a row of the source `b` are equal.
fn keys_equal(a: &str, b: &str) -> String {
    let equal = |key: &Field| match key.name {
        KEY_PART => format!("IFNULL({a}.`{KEY_PART}`, '') = {b}.`{KEY_PART}`"),
        name => format!("{a}.`{name}` = {b}.`{name}`"),
    };
    KEY.iter().map(equal).collect::<Vec<_>>().join(" AND ")
}
/// Returns the table expressions `incoming` (newest row per key), `guard` (one row if the batch may be written, else none), `compared`
/// (outcome per row) and `counts` (rows by outcome).
fn compared_sql(names: &Names, source: &Source, bounds: &PruningBounds) -> String {
    format!(
        "incoming AS (
    {incoming}
  ), guard AS (
    SELECT COUNT(*) AS n FROM {table}
    WHERE `season_start` = 0 AND `input` IN ({writer_state}, {batches})
    HAVING COUNTIF(`input` = {writer_state} AND `log_id` = @log_id AND `epoch` = @epoch) = 1
       AND COUNTIF(`input` = {batches} AND `game_id` = @batch) = 0
  ), compared AS (
    SELECT G.*, H.`row_count` AS existing_rows, CASE
      WHEN H.`epoch` > @epoch OR (H.`epoch` = @epoch AND H.`offset` >= G.`offset`) THEN 'stale'
      WHEN H.`epoch` = @epoch AND (H.`content_hash` = G.`content_hash` OR (H.`content_hash` IS NULL AND G.`content_hash` IS NULL)) THEN 'unchanged'
      ELSE 'applied' END AS outcome
    FROM incoming AS G CROSS JOIN guard LEFT JOIN (
      SELECT {key}, `epoch`, `offset`, `content_hash`, `row_count` FROM {table}
      WHERE `season_start` IN ({seasons}) AND {games}
    ) AS H ON {keys}
  ), counts AS (
    SELECT COUNTIF(outcome = 'applied') AS `applied`, COUNTIF(outcome = 'unchanged') AS `unchanged`,
      COUNTIF(outcome = 'stale') AS `stale`, IFNULL(SUM(IF(outcome = 'applied', 1 + `row_count` + IFNULL(existing_rows, 0), 0)), 0) AS `rows_written`
    FROM compared
  )",
        incoming = incoming_sql(source),
        table = names.table(RECORDS),
        writer_state = literal(WRITER_STATE_INPUT),
        batches = literal(BATCH_INPUT),
        key = list(KEY.iter().map(|key| ident(key.name))),
        seasons = bounds.seasons(),
        games = bounds.games(""),
        keys = keys_equal("H", "G"),
    )
}
/// Returns the select lists for the rows of records and for the batch record.
fn merge_rows(record_fields: &[Field], batch_fields: &[Field]) -> (String, String) {
    let no_batch = batch_fields.iter().map(|field| format!("{} AS `{}`", null(field.field_type), field.name));
    let records = record_fields.iter().map(|field| ident(field.name)).chain(no_batch);
    let no_record = |field: &Field| match field.name {
        "season_start" | "player_id" | "offset" | "row_count" => "0".into(),
        "input" => literal(BATCH_INPUT),
        "game_id" => "@batch".into(),
        KEY_PART => literal(""),
        _ => null(field.field_type),
    };
    let batch = record_fields.iter().map(no_record).chain(batch_values(batch_fields));
    (list(records), list(batch))
}
/// Returns the SET list, the column list and the VALUES list of a MERGE that writes these columns.
fn assignments(written: &[&str]) -> (String, String, String) {
    let source_values = [
        ("deleted", "(S.`content_hash` IS NULL AND S.`season_start` > 0)"),
        ("epoch", "@epoch"),
        ("batch_id", "@batch"),
    ];
    let is_key = |name: &&&str| KEY.iter().any(|key| key.name == **name);
    let own = written.iter().filter(|name| !is_key(name)).map(|name| format!("`{name}` = S.`{name}`"));
    let sets = list(own.chain(source_values.iter().map(|(name, value)| format!("`{name}` = {value}"))));
    let columns = list(written.iter().copied().chain(source_values.iter().map(|(name, _)| *name)).map(ident));
    let values = written.iter().map(|name| format!("S.`{name}`"));
    let values = list(values.chain(source_values.iter().map(|(_, value)| (*value).to_owned())));
    (sets, columns, values)
}

/// Returns a query that reads the rows of the source as the MERGE does, without writing. It fails if a row cannot be converted.
pub fn probe_sql(source: &Source) -> String {
    format!(
        "SELECT COUNT(*) AS n, BIT_XOR(FARM_FINGERPRINT(TO_JSON_STRING(g))) AS hash FROM (\n    {}\n) AS g",
        incoming_sql(source)
    )
}

/// Returns the query that reads the writer state: log, epoch, and whether a rebuild is unfinished. It finds no row until a log has acquired
/// the warehouse.
pub fn writer_state_sql(names: &Names) -> String {
    format!(
        "SELECT `log_id`, `epoch`, `rebuilding` FROM {} WHERE `season_start` = 0 AND `input` = {}",
        names.table(RECORDS),
        literal(WRITER_STATE_INPUT)
    )
}
/// Returns the query for the batch record whose batch id is the parameter `batch`.
pub fn batch_sql(names: &Names) -> String {
    format!(
        "SELECT `records`, `applied`, `unchanged`, `stale`, `superseded`, `rejected`, `rows_written`, `job_id` FROM {} WHERE `season_start` = 0 AND `input` = {} AND `game_id` = @batch",
        names.table(RECORDS),
        literal(BATCH_INPUT)
    )
}
/// Returns the query for the id and the planning time, in milliseconds, of the batch that was stored last in the epoch that the parameter
/// `epoch` has as text. Only one DML job runs at a time, so the times of the batches ascend.
pub fn newest_batch_sql(names: &Names) -> String {
    format!(
        "SELECT `game_id`, UNIX_MILLIS(`planned_at`) AS `planned_at` FROM {} WHERE `season_start` = 0 AND `input` = {} AND `epoch` = CAST(@epoch AS INT64) ORDER BY `committed_at` DESC LIMIT 1",
        names.table(RECORDS),
        literal(BATCH_INPUT)
    )
}
/// Returns the query that selects the keys with a live row. Its parameter `keys` is a JSON array of texts `input/game/player/part`.
pub fn existing_keys_sql(names: &Names) -> String {
    format!(
        "SELECT k FROM (SELECT CONCAT(`input`, '/', `game_id`, '/', CAST(`player_id` AS STRING), '/', IFNULL(`key_part`, '')) AS k FROM {} WHERE `season_start` > 0 AND NOT `deleted`) WHERE k IN UNNEST(JSON_VALUE_ARRAY(@keys))",
        names.table(RECORDS)
    )
}
/// Returns the query for the control totals: number of live rows and sum of their offsets, per input topic and game.
pub fn control_totals_sql(names: &Names) -> String {
    format!(
        "SELECT `input`, `game_id`, COUNT(*) AS n, SUM(`offset`) AS offsets FROM {} WHERE `season_start` > 0 AND NOT `deleted` GROUP BY `input`, `game_id`",
        names.table(RECORDS)
    )
}
/// Returns the statement that makes the parameter `log_id` the writer if there is no writer state.
pub fn acquire_sql(names: &Names) -> String {
    format!(
        "MERGE {table} AS T USING (SELECT @log_id AS `log_id`) AS S
ON T.`season_start` = 0 AND T.`input` = {writer_state}
WHEN NOT MATCHED BY TARGET THEN
  INSERT (`season_start`, `input`, `game_id`, `player_id`, `deleted`, `epoch`, `log_id`, `rebuilding`)
  VALUES (0, {writer_state}, '', 0, FALSE, 1, S.`log_id`, FALSE)",
        table = names.table(RECORDS),
        writer_state = literal(WRITER_STATE_INPUT)
    )
}
/// Returns the statement that makes the parameter `log_id` the writer and raises the warehouse epoch by one, if the epoch still equals the
/// parameter `epoch`.
pub fn take_ownership_sql(names: &Names) -> String {
    format!(
        "UPDATE {} SET `log_id` = @log_id, `epoch` = @epoch + 1, `rebuilding` = TRUE WHERE `season_start` = 0 AND `input` = {} AND `epoch` = @epoch",
        names.table(RECORDS),
        literal(WRITER_STATE_INPUT)
    )
}
/// Returns the statement that begins a rebuild by the current writer in a new epoch.
pub fn begin_rebuild_sql(names: &Names) -> String {
    format!(
        "UPDATE {} SET `epoch` = `epoch` + 1, `rebuilding` = TRUE WHERE `season_start` = 0 AND `input` = {}",
        names.table(RECORDS),
        literal(WRITER_STATE_INPUT)
    )
}
/// Returns the statement that deletes the rows of epochs older than the parameter `epoch` and ends the rebuild, if the parameter `log_id`
/// owns the warehouse in this epoch. The writer state is one of the rows that the statement changes.
pub fn delete_stale_epochs_sql(names: &Names) -> String {
    let table = names.table(RECORDS);
    let content = content_fields().into_iter().map(|field| format!("`{}` = NULL", field.name));
    let guard = [
        format!("`{PREDICTIONS_COLUMN}` = {}[]", Type::LineLadder.sql()),
        "`content_hash` = NULL".into(),
        "`row_count` = 0".into(),
        "`deleted` = (`season_start` > 0)".into(),
        "`rebuilding` = IF(`season_start` > 0, NULL, FALSE)".into(),
    ];
    format!(
        "UPDATE {table} SET {sets}
WHERE ((`season_start` > 0 AND `epoch` < @epoch AND NOT `deleted`) OR (`season_start` = 0 AND `input` = {writer_state} AND `rebuilding`))
  AND EXISTS (SELECT 1 FROM {table} WHERE `season_start` = 0 AND `input` = {writer_state} AND `log_id` = @log_id AND `epoch` = @epoch)",
        sets = list(guard.into_iter().chain(content)),
        writer_state = literal(WRITER_STATE_INPUT),
    )
}
/// Returns the query for the live rows of a table in key order. For predictions it selects the shared columns and then the array of
/// predictions. A timestamp is selected in milliseconds, since the API returns a TIMESTAMP as a float.
pub fn content_sql(names: &Names, table: &Table) -> String {
    let is_predictions = table.name == PREDICTIONS.name;
    let own = if is_predictions { PREDICTION_SHARED } else { table.columns.len() };
    let columns = table.columns[..own].iter().map(|column| match sql_type(column.column_type) {
        Type::Timestamp => format!("UNIX_MILLIS(`{0}`) AS `{0}`", column.name),
        _ => ident(column.name),
    });
    let columns = list(columns.chain(is_predictions.then(|| ident(PREDICTIONS_COLUMN))));
    format!(
        "SELECT {columns} FROM {} WHERE `season_start` > 0 AND `input` = {} AND NOT `deleted` ORDER BY `game_id`, `player_id`, `key_part`",
        names.table(RECORDS),
        literal(input_name(input_of(table)))
    )
}
