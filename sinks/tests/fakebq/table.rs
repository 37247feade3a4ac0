//! The rows of the records, and what each statement does to them. Written from BigQuery's rules, not from the sink's code.
//!
//! Invariant: a statement that fails changes nothing.
//! Not here: when a statement runs (`jobs`).
use super::statement::{Statement, input_of};
use serde_json::{Value, json, value::RawValue};
use sinks::{
    bigquery::{
        schema::{self, KEY, Type, rung_columns, sql_type},
        sql::Source,
    },
    tables::TABLES,
};
use std::collections::{BTreeMap, BTreeSet};

/// All columns that are not NULL.
pub type Row = BTreeMap<String, Value>;
pub type Parameters = BTreeMap<String, String>;

#[derive(Default)]
pub struct Records {
    pub rows: Vec<Row>,
    index: BTreeMap<(i64, String, String, i64), Vec<usize>>,
    /// Players whose rows BigQuery cannot read, whatever the reason.
    pub bad_rows: BTreeSet<i64>,
}

/// Reason and message.
pub type Failed = (&'static str, String);

pub fn int(row: &Row, column: &str) -> Option<i64> {
    row.get(column).and_then(Value::as_i64)
}
pub fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}
fn key(row: &Row) -> (i64, String, String, i64) {
    (
        int(row, "season_start").unwrap_or(-1),
        text(row, "input").to_owned(),
        text(row, "game_id").to_owned(),
        int(row, "player_id").unwrap_or(-1),
    )
}

/// Raw text, since numbers are what their digits say, to the last one.
fn cast(raw: &RawValue, of: Type) -> Result<Value, Failed> {
    let text = match raw.get().starts_with('"') {
        true => serde_json::from_str(raw.get()).unwrap(),
        false => raw.get().to_owned(),
    };
    let bad = |kind: &str| ("invalidQuery", format!("Bad {kind} value: {text}"));
    Ok(match of {
        Type::Int64 => json!(text.parse::<i64>().map_err(|_| bad("int64"))?),
        Type::Float64 => json!(text.parse::<f64>().map_err(|_| bad("double"))?),
        Type::Bool => json!(text.parse::<bool>().map_err(|_| bad("bool"))?),
        _ => json!(text),
    })
}

impl Records {
    /// The rows of the source, as typed columns.
    fn incoming(&self, rows: &[String]) -> Result<Vec<Row>, Failed> {
        let fields = schema::fields();
        let mut incoming: Vec<Row> = Vec::new();
        for text in rows {
            let object: BTreeMap<String, &RawValue> =
                serde_json::from_str(text).map_err(|_| ("invalidQuery", "Invalid JSON".to_owned()))?;
            let mut row = Row::new();
            for (name, value) in object {
                // What a statement does not ask for is not read; the sink should not send it.
                let field = fields.iter().find(|field| field.name == name).expect("a column of the table");
                if value.get() == "null" {
                    continue;
                }
                let value = match field.of {
                    Type::LineLadder => {
                        let mut line_ladder = Vec::new();
                        for ladder_line in serde_json::from_str::<Vec<&RawValue>>(value.get()).unwrap() {
                            let cells: Vec<&RawValue> = serde_json::from_str(ladder_line.get()).unwrap();
                            assert_eq!(cells.len(), rung_columns().len());
                            let cells = cells.iter().zip(rung_columns());
                            let cells: Result<Vec<Value>, Failed> = cells
                                .map(|(cell, column)| cast(cell, sql_type(column.column_type)))
                                .collect();
                            line_ladder.push(Value::Array(cells?));
                        }
                        Value::Array(line_ladder)
                    }
                    of => cast(value, of)?,
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
        let mut newest: BTreeMap<(String, String, i64), Row> = BTreeMap::new();
        for row in incoming {
            let (_, input, game, player) = key(&row);
            let held = newest.entry((input, game, player)).or_insert_with(|| row.clone());
            if int(held, "offset") < int(&row, "offset") {
                *held = row;
            }
        }
        Ok(newest.into_values().collect())
    }
    /// A second row of the key of a live one.
    pub fn double(&mut self, nth: usize) {
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

    /// Runs a statement that changes rows; how many it did.
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
                    ("log".into(), json!(parameters["log"])),
                    ("rebuilding".into(), json!(false)),
                ]));
                Ok(1)
            }
            Statement::TakeOwnership => {
                let mut changed = 0;
                for row in &mut self.rows {
                    if text(row, "input") == "writer-state" && int(row, "epoch") == Some(epoch()) {
                        row.insert("log".into(), json!(parameters["log"]));
                        row.insert("epoch".into(), json!(epoch() + 1));
                        row.insert("rebuilding".into(), json!(true));
                        changed += 1;
                    }
                }
                Ok(changed)
            }
            Statement::DeleteStaleEpochs => {
                let is_own =
                    |row: &&Row| int(row, "epoch") == Some(epoch()) && text(row, "log") == parameters["log"];
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
            other => panic!("{other:?} changes nothing"),
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
        let is_own = |row: &&Row| int(row, "epoch") == Some(epoch) && text(row, "log") == parameters["log"];
        let is_guarded = self.find("writer-state").iter().filter(|row| is_own(row)).count() == 1;
        if !is_guarded || self.find("batches").iter().any(|row| text(row, "game_id") == batch) {
            return Ok(0);
        }
        let (mut changed, mut puts) = (1, Vec::new());
        let (mut applied, mut unchanged, mut stale, mut written) = (0, 0, 0, 0);
        for row in incoming {
            // What lies outside of the pruned part is not seen.
            let is_reached = seasons.contains(&int(&row, "season_start").unwrap())
                && games.is_some_and(|(first, last)| {
                    (first.as_str()..=last.as_str()).contains(&text(&row, "game_id"))
                });
            let held =
                if is_reached { self.index.get(&key(&row)).cloned().unwrap_or_default() } else { vec![] };
            if held.len() > 1 {
                let message = "UPDATE/MERGE must match at most one source row for each target row";
                return Err(("invalidQuery", message.into()));
            }
            let old = held.first().map(|at| &self.rows[*at]);
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
        for (at, mut row) in puts {
            row.insert("deleted".into(), json!(!row.contains_key("content_hash")));
            row.insert("epoch".into(), json!(epoch));
            row.insert("batch_id".into(), json!(batch));
            match at {
                Some(at) => self.rows[at] = row,
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
            ("job_id".into(), json!(parameters["job"])),
            ("committed_at".into(), json!(now)),
        ]);
        for name in ["records", "superseded", "rejected", "attempts", "bytes"] {
            batch_record.insert(name.into(), json!(parameters[name].parse::<i64>().unwrap()));
        }
        for name in ["ranges", "reason", "log", "planned_at"] {
            batch_record.insert(name.into(), json!(parameters[name]));
        }
        self.insert(batch_record);
        Ok(changed)
    }

    /// The rows of an answer, as the API has them.
    pub fn select(&self, statement: &Statement, parameters: &Parameters) -> Vec<Value> {
        let pick = |row: &Row, columns: &[&str]| json!({"f": columns.iter().map(|column| json!({"v": shown(row.get(*column))})).collect::<Vec<_>>()});
        match statement {
            Statement::WriterState => self
                .find("writer-state")
                .iter()
                .map(|row| pick(row, &["log", "epoch", "rebuilding"]))
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
            Statement::ExistingKeys => {
                let keys: Vec<String> = serde_json::from_str(&parameters["keys"]).unwrap();
                let live = self
                    .rows
                    .iter()
                    .filter(|row| int(row, "season_start") > Some(0) && row["deleted"] == false);
                let key = |row: &Row| {
                    format!(
                        "{}/{}/{}",
                        text(row, "input"),
                        text(row, "game_id"),
                        int(row, "player_id").unwrap()
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
                    TABLES[*table].columns.len() - if is_predictions { rung_columns().len() } else { 0 };
                let mut columns: Vec<&str> =
                    TABLES[*table].columns[..own].iter().map(|column| column.name).collect();
                columns.extend(is_predictions.then_some("predictions"));
                let is_live = |row: &&Row| {
                    int(row, "season_start") > Some(0)
                        && text(row, "input") == input_of(*table)
                        && row["deleted"] == false
                };
                let mut rows: Vec<&Row> = self.rows.iter().filter(is_live).collect();
                rows.sort_by_key(|row| (text(row, "game_id"), int(row, "player_id")));
                rows.into_iter().map(|row| pick(row, &columns)).collect()
            }
            other => panic!("{other:?} has no rows"),
        }
    }
    /// The rows that a source stands for.
    pub fn source(
        source: &Source,
        parameters: &Parameters,
        staged: Option<&Vec<String>>,
    ) -> Result<Vec<String>, Failed> {
        match source {
            Source::Parameter => {
                let list: Vec<&RawValue> = serde_json::from_str(&parameters["rows"]).expect("a JSON list");
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
    let keep = ["season_start", "input", "game_id", "player_id", "epoch", "partition", "offset", "batch_id"];
    let kept =
        row.iter().filter(|(name, _)| keep.contains(&name.as_str())).map(|(n, v)| (n.clone(), v.clone()));
    kept.chain([("deleted".to_owned(), json!(true)), ("row_count".to_owned(), json!(0))]).collect()
}

/// A value as the API shows it: everything is text, lists and structs are nested.
fn shown(value: Option<&Value>) -> Value {
    match value {
        None | Some(Value::Null) => Value::Null,
        Some(Value::String(text)) => json!(text),
        Some(Value::Array(line_ladder)) => {
            let cell = |cell: &Value| json!({"v": shown(Some(cell))});
            let ladder_line = |ladder_line: &Value| json!({"v": {"f": ladder_line.as_array().unwrap().iter().map(cell).collect::<Vec<_>>()}});
            Value::Array(line_ladder.iter().map(ladder_line).collect())
        }
        Some(other) => json!(other.to_string()),
    }
}
