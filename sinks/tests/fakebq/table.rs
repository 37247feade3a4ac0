//! Rows of the table `sink_records`, and the effect of each statement on them, implemented by BigQuery's rules, independently of the sink.
//!
//! Invariant: a statement that fails changes nothing.
//! Not here: when a statement runs (`jobs`).
use super::statement::{Statement, input_of};
use schemas::{EasternDate, Timestamp};
use serde_json::{Value, json, value::RawValue};
use sinks::{
    bigquery::{
        schema::{self, KEY, Type, ladder_columns, sql_type},
        sql::Source,
    },
    tables::TABLES,
};
use std::collections::{BTreeMap, BTreeSet};

/// The columns of a row that are not NULL. A timestamp is stored in milliseconds, JSON as text.
pub type Row = BTreeMap<String, Value>;
pub type Parameters = BTreeMap<String, String>;

#[derive(Default)]
pub struct Records {
    pub rows: Vec<Row>,
    index: BTreeMap<Key, Vec<usize>>,
    /// Players whose rows BigQuery rejects.
    pub bad_rows: BTreeSet<i64>,
}

/// Reason and message of an error.
pub type Failed = (&'static str, String);

pub fn int(row: &Row, column: &str) -> Option<i64> {
    row.get(column).and_then(Value::as_i64)
}
pub fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}
type Key = (i64, String, String, i64, String);
fn key(row: &Row) -> Key {
    (
        int(row, "season_start").unwrap_or(-1),
        text(row, "input").to_owned(),
        text(row, "game_id").to_owned(),
        int(row, "player_id").unwrap_or(-1),
        text(row, "key_part").to_owned(),
    )
}

/// Converts a JSON value as the statements of the sink do. It reads the raw text, so that no digit of a number is lost.
fn cast(raw: &RawValue, column_type: Type) -> Result<Value, Failed> {
    if column_type == Type::Json {
        return Ok(json!(stored_json(raw.get())));
    }
    // JSON_VALUE returns the text of a scalar, and NULL for an array or object.
    let text: String = if raw.get().starts_with('"') {
        serde_json::from_str(raw.get()).unwrap()
    } else if raw.get().starts_with(['[', '{']) {
        return Ok(Value::Null);
    } else {
        raw.get().to_owned()
    };
    let bad = |name: &str| ("invalidQuery", format!("Bad {name} value: {text}"));
    Ok(match column_type {
        Type::Int64 => json!(text.parse::<i64>().map_err(|_| bad("int64"))?),
        Type::Float64 => json!(text.parse::<f64>().map_err(|_| bad("double"))?),
        Type::Bool => json!(text.parse::<bool>().map_err(|_| bad("bool"))?),
        Type::Date => json!(text.parse::<EasternDate>().map_err(|_| bad("date"))?.to_string()),
        Type::Timestamp => json!(text.parse::<Timestamp>().map_err(|_| bad("timestamp"))?.0),
        _ => json!(text),
    })
}
/// Returns JSON as BigQuery does, which does not keep the order of keys: the fake reverses it.
fn stored_json(text: &str) -> String {
    match serde_json::from_str::<Value>(text).expect("valid JSON") {
        Value::Object(entries) => {
            let entries = entries.iter().rev().map(|(key, value)| format!("{}: {value}", json!(key)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

impl Records {
    /// Returns the newest row of each key in the source, with typed columns.
    fn incoming(&self, rows: &[String]) -> Result<Vec<Row>, Failed> {
        let fields = schema::fields();
        let mut incoming: Vec<Row> = Vec::new();
        for text in rows {
            let object: BTreeMap<String, &RawValue> =
                serde_json::from_str(text).map_err(|_| ("invalidQuery", "Invalid JSON".to_owned()))?;
            let mut row = Row::new();
            for (name, value) in object {
                // The statements of the sink ignore any name that is not a column, so the sink must not send such a name.
                let field = fields
                    .iter()
                    .find(|field| field.name == name)
                    .expect("the sink sends only columns of the table");
                if value.get() == "null" {
                    continue;
                }
                let value = match field.field_type {
                    Type::LineLadder => {
                        let mut line_ladder = Vec::new();
                        for ladder_line in serde_json::from_str::<Vec<&RawValue>>(value.get()).unwrap() {
                            let cells: Vec<&RawValue> = serde_json::from_str(ladder_line.get()).unwrap();
                            assert_eq!(cells.len(), ladder_columns().len());
                            let cells = cells.iter().zip(ladder_columns());
                            let cells: Result<Vec<Value>, Failed> = cells
                                .map(|(cell, column)| cast(cell, sql_type(column.column_type)))
                                .collect();
                            line_ladder.push(Value::Array(cells?));
                        }
                        Value::Array(line_ladder)
                    }
                    column_type => cast(value, column_type)?,
                };
                row.insert(name, value);
            }
            if int(&row, "player_id").is_some_and(|player| self.bad_rows.contains(&player)) {
                return Err(("invalidQuery", "Bad double value: abc".into()));
            }
            for field in KEY {
                if !row.contains_key(field.name) {
                    return Err(("invalidQuery", format!("Required field {} cannot be null", field.name)));
                }
            }
            incoming.push(row);
        }
        let mut newest: BTreeMap<Key, Row> = BTreeMap::new();
        for row in incoming {
            let held = newest.entry(key(&row)).or_insert_with(|| row.clone());
            if int(held, "offset") < int(&row, "offset") {
                *held = row;
            }
        }
        Ok(newest.into_values().collect())
    }
    /// Inserts a copy of the nth live row.
    pub fn duplicate(&mut self, nth: usize) {
        let live =
            self.rows.iter().filter(|row| int(row, "season_start") > Some(0)).nth(nth).unwrap().clone();
        self.insert(live);
    }
    pub fn probe(&self, rows: &[String]) -> Result<(), Failed> {
        self.incoming(rows).map(drop)
    }
    fn insert(&mut self, row: Row) {
        self.index.entry(key(&row)).or_default().push(self.rows.len());
        self.rows.push(row);
    }
    fn find(&self, input: &str) -> Vec<&Row> {
        self.rows
            .iter()
            .filter(|row| text(row, "input") == input && int(row, "season_start") == Some(0))
            .collect()
    }

    /// Runs a DML statement, and returns the number of changed rows.
    pub fn change(
        &mut self,
        statement: &Statement,
        rows: &[String],
        parameters: &Parameters,
        now: i64,
    ) -> Result<u64, Failed> {
        let epoch = || parameters["epoch"].parse::<i64>().unwrap();
        match statement {
            Statement::Acquire => {
                if !self.find("writer-state").is_empty() {
                    return Ok(0);
                }
                self.insert(Row::from([
                    ("season_start".into(), json!(0)),
                    ("input".into(), json!("writer-state")),
                    ("game_id".into(), json!("")),
                    ("player_id".into(), json!(0)),
                    ("deleted".into(), json!(false)),
                    ("epoch".into(), json!(1)),
                    ("log_id".into(), json!(parameters["log_id"])),
                    ("rebuilding".into(), json!(false)),
                ]));
                Ok(1)
            }
            Statement::TakeOwnership => {
                let mut changed = 0;
                for row in &mut self.rows {
                    if text(row, "input") == "writer-state" && int(row, "epoch") == Some(epoch()) {
                        row.insert("log_id".into(), json!(parameters["log_id"]));
                        row.insert("epoch".into(), json!(epoch() + 1));
                        row.insert("rebuilding".into(), json!(true));
                        changed += 1;
                    }
                }
                Ok(changed)
            }
            Statement::BeginRebuild => {
                let mut changed = 0;
                for row in self.rows.iter_mut().filter(|row| text(row, "input") == "writer-state") {
                    let next = int(row, "epoch").unwrap() + 1;
                    row.insert("epoch".into(), json!(next));
                    row.insert("rebuilding".into(), json!(true));
                    changed += 1;
                }
                Ok(changed)
            }
            Statement::DeleteStaleEpochs => {
                let is_own = |row: &&Row| {
                    int(row, "epoch") == Some(epoch()) && text(row, "log_id") == parameters["log_id"]
                };
                if !self.find("writer-state").iter().any(is_own) {
                    return Ok(0);
                }
                let mut changed = 0;
                for row in &mut self.rows {
                    let (season, row_epoch) = (int(row, "season_start"), int(row, "epoch"));
                    if season > Some(0) && row_epoch < Some(epoch()) && row["deleted"] == false {
                        *row = tombstone(row);
                        changed += 1;
                    } else if text(row, "input") == "writer-state" && row["rebuilding"] == true {
                        row.insert("rebuilding".into(), json!(false));
                        changed += 1;
                    }
                }
                Ok(changed)
            }
            Statement::Merge { seasons, games, .. } => {
                self.merge((seasons, games.as_ref()), rows, parameters, now)
            }
            other => panic!("{other:?} is not a DML statement"),
        }
    }

    fn merge(
        &mut self,
        (seasons, games): (&[i64], Option<&(String, String)>),
        rows: &[String],
        parameters: &Parameters,
        now: i64,
    ) -> Result<u64, Failed> {
        let epoch: i64 = parameters["epoch"].parse().unwrap();
        let batch = &parameters["batch"];
        let incoming = self.incoming(rows)?;
        let is_own =
            |row: &&Row| int(row, "epoch") == Some(epoch) && text(row, "log_id") == parameters["log_id"];
        let is_guarded = self.find("writer-state").iter().filter(|row| is_own(row)).count() == 1;
        if !is_guarded || self.find("batches").iter().any(|row| text(row, "game_id") == batch) {
            return Ok(0);
        }
        let (mut changed, mut puts) = (1, Vec::new());
        let (mut applied, mut unchanged, mut stale, mut written) = (0, 0, 0, 0);
        for row in incoming {
            // As in BigQuery, rows outside of the pruning bounds are not found.
            let is_in_bounds = seasons.contains(&int(&row, "season_start").unwrap())
                && games.is_some_and(|(first, last)| {
                    (first.as_str()..=last.as_str()).contains(&text(&row, "game_id"))
                });
            let held =
                if is_in_bounds { self.index.get(&key(&row)).cloned().unwrap_or_default() } else { vec![] };
            if held.len() > 1 {
                let message = "UPDATE/MERGE must match at most one source row for each target row";
                return Err(("invalidQuery", message.into()));
            }
            let old = held.first().map(|index| &self.rows[*index]);
            let sequence = |row: &Row| (int(row, "epoch"), int(row, "offset"));
            if old.is_some_and(|old| sequence(old) >= (Some(epoch), int(&row, "offset"))) {
                stale += 1;
                continue;
            }
            match old {
                Some(old)
                    if int(old, "epoch") == Some(epoch)
                        && int(old, "content_hash") == int(&row, "content_hash") =>
                {
                    unchanged += 1
                }
                _ => {
                    applied += 1;
                    let row_count = |row: &Row| int(row, "row_count").unwrap_or(0);
                    written += 1 + row_count(&row) + old.map_or(0, row_count);
                }
            }
            changed += 1;
            puts.push((held.first().copied(), row));
        }
        for (index, mut row) in puts {
            row.insert("deleted".into(), json!(!row.contains_key("content_hash")));
            row.insert("epoch".into(), json!(epoch));
            row.insert("batch_id".into(), json!(batch));
            match index {
                Some(index) => self.rows[index] = row,
                None => self.insert(row),
            }
        }
        let mut batch_record = Row::from([
            ("season_start".into(), json!(0)),
            ("input".into(), json!("batches")),
            ("game_id".into(), json!(batch)),
            ("player_id".into(), json!(0)),
            ("epoch".into(), json!(epoch)),
            ("applied".into(), json!(applied)),
            ("unchanged".into(), json!(unchanged + parameters["filtered"].parse::<i64>().unwrap())),
            ("stale".into(), json!(stale)),
            ("rows_written".into(), json!(written)),
            ("committed_at".into(), json!(now)),
        ]);
        for name in ["records", "superseded", "rejected", "attempts", "request_bytes"] {
            batch_record.insert(name.into(), json!(parameters[name].parse::<i64>().unwrap()));
        }
        for name in ["input_ranges", "close_reason", "job_id", "log_id", "planned_at"] {
            batch_record.insert(name.into(), json!(parameters[name]));
        }
        self.insert(batch_record);
        Ok(changed)
    }

    /// Returns the rows of a query in the format of the API.
    pub fn select(&self, statement: &Statement, parameters: &Parameters) -> Vec<Value> {
        let pick = |row: &Row, columns: &[&str]| json!({"f": columns.iter().map(|column| json!({"v": api_value(row.get(*column))})).collect::<Vec<_>>()});
        match statement {
            Statement::WriterState => self
                .find("writer-state")
                .iter()
                .map(|row| pick(row, &["log_id", "epoch", "rebuilding"]))
                .collect(),
            Statement::BatchRecord => {
                let columns = [
                    "records",
                    "applied",
                    "unchanged",
                    "stale",
                    "superseded",
                    "rejected",
                    "rows_written",
                    "job_id",
                ];
                let found = self
                    .find("batches")
                    .into_iter()
                    .filter(|row| text(row, "game_id") == parameters["batch"]);
                found.map(|row| pick(row, &columns)).collect()
            }
            Statement::NewestBatch => {
                let epoch: i64 = parameters["epoch"].parse().unwrap();
                let batches = self.find("batches").into_iter().filter(|row| int(row, "epoch") == Some(epoch));
                let newest = batches.max_by_key(|row| int(row, "committed_at"));
                let planned_at =
                    |row: &Row| text(row, "planned_at").parse::<Timestamp>().unwrap().0.to_string();
                let row = |row: &Row| json!({"f": [{"v": row["game_id"]}, {"v": planned_at(row)}]});
                newest.into_iter().map(row).collect()
            }
            Statement::ExistingKeys => {
                let keys: Vec<String> = serde_json::from_str(&parameters["keys"]).unwrap();
                let live = self
                    .rows
                    .iter()
                    .filter(|row| int(row, "season_start") > Some(0) && row["deleted"] == false);
                let key = |row: &Row| {
                    format!(
                        "{}/{}/{}/{}",
                        text(row, "input"),
                        text(row, "game_id"),
                        int(row, "player_id").unwrap(),
                        text(row, "key_part")
                    )
                };
                let held = live.map(key).filter(|key| keys.contains(key));
                held.map(|key| json!({"f": [{"v": key}]})).collect()
            }
            Statement::ControlTotals => {
                let mut control_totals: BTreeMap<(&str, &str), (i64, i64)> = BTreeMap::new();
                for row in &self.rows {
                    if int(row, "season_start") > Some(0) && row["deleted"] == false {
                        let totals =
                            control_totals.entry((text(row, "input"), text(row, "game_id"))).or_default();
                        *totals = (totals.0 + 1, totals.1 + int(row, "offset").unwrap());
                    }
                }
                let row = |((input, game), (rows, offsets)): (_, (i64, i64))| json!({"f": [{"v": input}, {"v": game}, {"v": rows.to_string()}, {"v": offsets.to_string()}]});
                control_totals.into_iter().map(row).collect()
            }
            Statement::Content(table) => {
                let is_predictions = TABLES[*table].name == "player_prop_predictions";
                let own =
                    TABLES[*table].columns.len() - if is_predictions { ladder_columns().len() } else { 0 };
                let mut columns: Vec<&str> =
                    TABLES[*table].columns[..own].iter().map(|column| column.name).collect();
                columns.extend(is_predictions.then_some("predictions"));
                let is_live = |row: &&Row| {
                    int(row, "season_start") > Some(0)
                        && text(row, "input") == input_of(*table)
                        && row["deleted"] == false
                };
                let mut rows: Vec<&Row> = self.rows.iter().filter(is_live).collect();
                rows.sort_by_key(|row| (text(row, "game_id"), int(row, "player_id"), text(row, "key_part")));
                rows.into_iter().map(|row| pick(row, &columns)).collect()
            }
            other => panic!("{other:?} has no rows"),
        }
    }
    /// Returns the rows of a source as JSON texts.
    pub fn source(
        source: &Source,
        parameters: &Parameters,
        staged: Option<&Vec<String>>,
    ) -> Result<Vec<String>, Failed> {
        match source {
            Source::Parameter => {
                let list: Vec<&RawValue> =
                    serde_json::from_str(&parameters["rows"]).expect("the parameter rows is a JSON array");
                Ok(list.iter().map(|row| row.get().to_owned()).collect())
            }
            Source::Staged(table) => staged.cloned().ok_or_else(|| {
                (
                    "notFound",
                    format!("Not found: Table {} was not found in location US", table.replace('`', "")),
                )
            }),
        }
    }
}

fn tombstone(row: &Row) -> Row {
    let names = [
        "season_start",
        "input",
        "game_id",
        "player_id",
        "key_part",
        "epoch",
        "partition",
        "offset",
        "batch_id",
    ];
    let source_columns =
        row.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(n, v)| (n.clone(), v.clone()));
    source_columns.chain([("deleted".to_owned(), json!(true)), ("row_count".to_owned(), json!(0))]).collect()
}

/// Converts a value to its form in an API response: a scalar is text, arrays and structs are nested.
fn api_value(value: Option<&Value>) -> Value {
    match value {
        None | Some(Value::Null) => Value::Null,
        Some(Value::String(text)) => json!(text),
        Some(Value::Array(line_ladder)) => {
            let cell = |cell: &Value| json!({"v": api_value(Some(cell))});
            let ladder_line = |ladder_line: &Value| json!({"v": {"f": ladder_line.as_array().unwrap().iter().map(cell).collect::<Vec<_>>()}});
            Value::Array(line_ladder.iter().map(ladder_line).collect())
        }
        Some(other) => json!(other.to_string()),
    }
}
