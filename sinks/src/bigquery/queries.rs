//! Queries: writer state, batch records, existing keys, content of the tables.
//!
//! Invariant: a query only reads, so it can be repeated at any time.
//! Not here: the SQL statements (`sql`).
use super::{
    BigQuery,
    error::{ApiError, ErrorClass, ErrorResponse},
    jobs::{MAX_JOB_WAIT_MS, failure},
    schema::{input_name, ladder_columns},
    sql,
};
use crate::{
    control_totals::{ControlTotals, ControlTotalsByGame},
    plan::BatchId,
    record::SinkTopic,
    rows::{Cell, Row, canonical_json, timestamp},
    sqlite::{QueryCopy, WarehouseQueries},
    tables::{Column, ColumnType, PREDICTIONS, TABLES, Table},
    warehouse::{ContentHash, WarehouseError, WriterState},
    write_summary::WriteSummary,
};
use schemas::{PlayerGameId, Timestamp};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

/// Maximum number of rows in a page: BigQuery limits a page to 10 MB, and a row with predictions has about 3 kB.
const PAGE_ROWS: usize = 2_500;
/// Time limit for reading a whole table.
const MAX_TABLE_READ_MS: i64 = 20 * 60_000;

/// Number of repetitions of a call before its error is returned.
const MAX_RETRIES: u32 = 4;
const fn is_retryable(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Transient | ErrorClass::Ambiguous | ErrorClass::Throttle)
}

impl BigQuery {
    /// Runs a query and calls `each` with the cells of every row.
    pub(super) fn query(
        &self,
        query: &str,
        parameters: &[(&str, &str)],
        each: &mut dyn FnMut(&[Value]) -> Result<(), String>,
    ) -> Result<(), ApiError> {
        self.query_within(MAX_JOB_WAIT_MS, query, parameters, each)
    }
    /// Like [`query`](Self::query), but waits at most `wait_ms` for the result.
    fn query_within(
        &self,
        wait_ms: i64,
        query: &str,
        parameters: &[(&str, &str)],
        each: &mut dyn FnMut(&[Value]) -> Result<(), String>,
    ) -> Result<(), ApiError> {
        let parameter = |(name, value): &(&str, &str)| json!({"name": name, "parameterType": {"type": "STRING"}, "parameterValue": {"value": value}});
        let request = json!({
            "query": query, "useLegacySql": false, "location": self.config.location, "timeoutMs": 10_000, "maxResults": PAGE_ROWS,
            "useQueryCache": false, "parameterMode": "NAMED", "queryParameters": parameters.iter().map(parameter).collect::<Vec<_>>(),
            "labels": {"sink": "fastbreak"},
        });
        let request_hash = blake3::hash(request.to_string().as_bytes());
        let mut response = match self.take_pending_query(request_hash) {
            Some(job) => self.page(&job, None)?,
            None => self.with_retries(|| self.api_client.query(&request))?,
        };
        let job = response["jobReference"]["jobId"].as_str().unwrap_or_default().to_owned();
        let started_ms = self.clock.now_ms();
        loop {
            self.check_job_error(&response, &job)?;
            let mut next = None;
            if response["jobComplete"] == true {
                for row in response["rows"].as_array().into_iter().flatten() {
                    let cells: Vec<Value> = cells(row);
                    each(&cells).map_err(|reason| {
                        ApiError::Response(ErrorResponse {
                            status: None,
                            reason: "notFound".into(),
                            message: reason,
                        })
                    })?;
                }
                next = response["pageToken"].as_str().map(str::to_owned);
                if next.is_none() {
                    return Ok(());
                }
            } else {
                let now = self.clock.now_ms();
                if now - started_ms > wait_ms {
                    let what = format!("query {job} is still running");
                    self.pending_query.replace(Some((request_hash, job, now)));
                    return Err(ApiError::Pending(what));
                }
                self.clock.sleep(Duration::from_millis(250));
            }
            response = self.page(&job, next.as_deref())?;
        }
    }
    fn page(&self, job: &str, from: Option<&str>) -> Result<Value, ApiError> {
        self.with_retries(|| self.api_client.page(job, from, PAGE_ROWS))
    }
    /// Takes the job id of the pending query if its request has this hash. A job that was last polled long ago is not used, since its
    /// result may be outdated.
    fn take_pending_query(&self, request_hash: blake3::Hash) -> Option<String> {
        let now = self.clock.now_ms();
        let (_, job, polled_ms) =
            self.pending_query.borrow_mut().take_if(|(hash, ..)| *hash == request_hash)?;
        (now - polled_ms < 2 * MAX_JOB_WAIT_MS).then_some(job)
    }
    /// Fails if the job failed. The errors in a response may be warnings; only the job itself shows whether it failed.
    fn check_job_error(&self, response: &Value, job: &str) -> Result<(), ApiError> {
        if response["errors"].as_array().is_none_or(Vec::is_empty) {
            return Ok(());
        }
        let job = self.with_retries(|| self.api_client.job(job))?;
        failure(&job).map_or(Ok(()), |response| Err(ApiError::Response(response)))
    }

    /// Repeats a failed read a few times, so that a long result is not lost because one of its pages failed.
    fn with_retries(&self, call: impl Fn() -> Result<Value, ApiError>) -> Result<Value, ApiError> {
        let (started_ms, mut pause) = (self.clock.now_ms(), Duration::from_millis(250));
        for _ in 0..MAX_RETRIES {
            match call() {
                Err(api_error)
                    if is_retryable(api_error.class())
                        && self.clock.now_ms() - started_ms < MAX_JOB_WAIT_MS =>
                {
                    self.clock.sleep(pause);
                }
                other => return other,
            }
            pause *= 2;
        }
        call()
    }

    pub(super) fn read_writer_state(&self) -> Result<Option<WriterState>, ApiError> {
        let mut found = None;
        self.query(&sql::writer_state_sql(&self.names), &[], &mut |row| {
            let [log, epoch, rebuilding] = row else {
                return Err("the query of the writer state returned unexpected columns".into());
            };
            found = Some(WriterState {
                log: log.as_str().map(str::to_owned),
                epoch: integer(epoch)?,
                rebuilding: rebuilding == "true",
            });
            Ok(())
        })?;
        Ok(found)
    }

    /// Returns the batch record of a committed batch.
    pub(super) fn committed_batch(&self, id: &BatchId) -> Result<Option<WriteSummary>, ApiError> {
        let mut found = None;
        self.query(&sql::batch_sql(&self.names), &[("batch", id.as_str())], &mut |row| {
            let count = |n: usize| integer(row.get(n).unwrap_or(&Value::Null)).map(|count| count as u64);
            found = Some(WriteSummary {
                records: count(0)?,
                applied: count(1)?,
                unchanged: count(2)?,
                stale: count(3)?,
                superseded: count(4)?,
                rejected: count(5)?,
                rows: count(6)?,
                already_committed: false,
            });
            Ok(())
        })?;
        Ok(found)
    }

    /// Returns those of the given keys that have a live row.
    pub(super) fn read_existing_keys(
        &self,
        keys: &[(SinkTopic, PlayerGameId)],
    ) -> Result<HashSet<(SinkTopic, PlayerGameId)>, ApiError> {
        let text = |(input, id): &(SinkTopic, PlayerGameId)| {
            format!("{}/{}/{}", input_name(*input), id.game, id.player.0)
        };
        let requested: HashMap<String, (SinkTopic, PlayerGameId)> =
            keys.iter().map(|key| (text(key), *key)).collect();
        let list = Value::from(requested.keys().cloned().collect::<Vec<_>>()).to_string();
        let mut existing = HashSet::new();
        self.query(&sql::existing_keys_sql(&self.names), &[("keys", &list)], &mut |row| {
            let key = row.first().and_then(Value::as_str).and_then(|key| requested.get(key));
            existing.insert(*key.ok_or("the query of existing keys returned an unknown key")?);
            Ok(())
        })?;
        Ok(existing)
    }

    /// Returns the number of live rows and the sum of their offsets, by input topic and game.
    pub(super) fn read_control_totals(&self) -> Result<ControlTotalsByGame, ApiError> {
        let mut control_totals = ControlTotalsByGame::new();
        self.query(&sql::control_totals_sql(&self.names), &[], &mut |row| {
            let [input, game, rows, offsets] = row else {
                return Err("the query of the control totals returned unexpected columns".into());
            };
            let name = input.as_str().unwrap_or_default();
            let input = SinkTopic::ALL.into_iter().find(|input| input_name(*input) == name);
            let input = input.ok_or_else(|| format!("'{name}' is not a valid value of column input"))?;
            let game = game
                .as_str()
                .unwrap_or_default()
                .parse()
                .map_err(|error| format!("invalid game id: {error}"))?;
            control_totals.insert(
                (input, game),
                ControlTotals { rows: integer(rows)? as u64, offsets: integer(offsets)? },
            );
            Ok(())
        })?;
        Ok(control_totals)
    }

    /// Calls `each` with the live rows of a table, in the order of its key.
    pub(super) fn live_rows(
        &self,
        table: &'static Table,
        each: &mut dyn FnMut(Row<'_>) -> Result<(), String>,
    ) -> Result<(), ApiError> {
        let is_predictions = table.name == PREDICTIONS.name;
        let own =
            if is_predictions { table.columns.len() - ladder_columns().len() } else { table.columns.len() };
        self.query_within(MAX_TABLE_READ_MS, &sql::content_sql(&self.names, table), &[], &mut |row| {
            let shared = row.iter().zip(&table.columns[..own]).map(|(value, column)| cell(value, column));
            let shared: Row<'_> = shared.collect::<Result<_, _>>()?;
            if !is_predictions {
                return each(shared);
            }
            let line_ladder = row.get(own).and_then(Value::as_array).into_iter().flatten();
            let mut line_ladder = line_ladder.map(ladder_line).collect::<Result<Vec<_>, _>>()?;
            line_ladder.sort_by(|(one, _), (other, _)| one.cmp(other));
            line_ladder
                .into_iter()
                .try_for_each(|(_, ladder_line)| each(shared.iter().cloned().chain(ladder_line).collect()))
        })
    }
    /// Returns the content hash of a table, computed over the same bytes as in SQLite.
    pub(super) fn hash(&self, table: &'static Table) -> Result<ContentHash, ApiError> {
        let (mut hasher, mut bytes, mut rows) = (blake3::Hasher::new(), Vec::new(), 0);
        self.live_rows(table, &mut |row| {
            rows += 1;
            for cell in &row {
                cell.encode(&mut bytes);
            }
            hasher.update(&bytes);
            bytes.clear();
            Ok(())
        })?;
        Ok(ContentHash { table: table.name, rows, hash: hasher.finalize().to_hex().to_string() })
    }
    /// Copies all live rows into a temporary SQLite file, so that the read queries of SQLite run on them.
    pub fn copy_live_rows(&self) -> Result<WarehouseQueries, WarehouseError> {
        let copy = QueryCopy::new()?;
        let mut failed = None;
        for table in &TABLES {
            let read = self.live_rows(table, &mut |row| {
                copy.put(table, row).map_err(|error| {
                    let what = error.to_string();
                    failed = Some(error);
                    what
                })
            });
            match failed.take() {
                Some(error) => return Err(error),
                None => read.map_err(|api_error| self.query_error(&api_error))?,
            }
        }
        copy.finish()
    }
}

/// Converts an element of the array of predictions to its system and line offset, and all of its cells.
fn ladder_line(value: &Value) -> Result<((String, i64), Row<'static>), String> {
    let (mut key, mut row) = ((String::new(), 0), Row::new());
    for (value, column) in cells(&value["v"]).iter().zip(ladder_columns()) {
        match column.name {
            "system" => key.0 = value.as_str().unwrap_or_default().to_owned(),
            "line_offset" => key.1 = integer(value)?,
            _ => {}
        }
        row.push(cell(value, column)?.into_owned());
    }
    Ok((key, row))
}

/// Returns the values of a row, which has the form `{"f": [{"v": …}]}`.
fn cells(row: &Value) -> Vec<Value> {
    row["f"].as_array().into_iter().flatten().map(|cell| cell["v"].clone()).collect()
}
fn integer(value: &Value) -> Result<i64, String> {
    let text = value.as_str().ok_or_else(|| format!("{value} is not an integer"))?;
    text.parse().map_err(|_| format!("'{text}' is not an integer"))
}
/// Converts a value in an API response to its canonical cell.
fn cell<'a>(value: &'a Value, column: &Column) -> Result<Cell<'a>, String> {
    let Some(text) = value.as_str() else { return Ok(Cell::Null) };
    Ok(match column.column_type {
        ColumnType::Integer => Cell::Integer(integer(value)?),
        ColumnType::Real => Cell::Real(text.parse().map_err(|_| format!("'{text}' is not a number"))?),
        ColumnType::Text | ColumnType::Date => Cell::from(text),
        ColumnType::Boolean => Cell::from(i32::from(text == "true")),
        // `sql::content_sql` selects a timestamp in milliseconds.
        ColumnType::Timestamp => timestamp(Timestamp(integer(value)?)),
        ColumnType::Json => canonical_json(text)?,
    })
}
