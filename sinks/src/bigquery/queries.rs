//! `Queries`: reads the writer state, batch records, existing keys, control totals and the content of the tables.
//!
//! Invariant: a query only reads, so it can be repeated at any time. A query that is still running after the time limit of one call is
//! `CallEnd::Pending`, and the next call with an equal query continues it.
//! Not here: the SQL statements (`sql`); the conversion of rows (`response_rows`).
use super::{
    api_client::ApiClient,
    call_end::CallEnd,
    clock::Clock,
    config::BigQueryConfig,
    error::{ApiError, ErrorClass},
    job::{MAX_JOB_WAIT_MS, failure},
    response_rows::{cell, cells, integer, ladder_line},
    schema::{Names, input_name, ladder_columns},
    sql,
};
use crate::{
    control_totals::{ControlTotals, ControlTotalsByGame},
    plan::{BatchId, StoredBatch},
    record::{RowKey, SinkTopic},
    rows::Row,
    tables::{PREDICTIONS, Table},
    warehouse::{ContentHash, WriterState},
    write_summary::WriteSummary,
};
use schemas::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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

/// A query that was still running after the time limit of one call. The next call with an equal request waits for its job.
struct PendingQuery {
    request_hash: blake3::Hash,
    job: String,
    /// Time of the last poll, in milliseconds.
    polled_ms: i64,
}

/// Runs the queries of one warehouse.
pub struct Queries {
    api: Arc<ApiClient>,
    clock: Arc<dyn Clock>,
    location: String,
    names: Names,
    /// At most one query per request.
    pending_queries: Mutex<Vec<PendingQuery>>,
}
impl Queries {
    pub fn new(config: &BigQueryConfig, api: Arc<ApiClient>) -> Queries {
        Queries {
            api,
            clock: config.clock.clone(),
            location: config.location.clone(),
            names: config.names(),
            pending_queries: Mutex::default(),
        }
    }
    /// Runs a query and calls `each` with the cells of every row. If `each` returns a reason, the result of the query is unexpected.
    pub fn query(
        &self,
        query: &str,
        parameters: &[(&str, &str)],
        each: &mut dyn FnMut(&[Value]) -> Result<(), String>,
    ) -> Result<(), CallEnd<ApiError>> {
        self.query_within(MAX_JOB_WAIT_MS, query, parameters, each)
    }
    /// Like [`query`](Self::query), but waits at most `wait_ms` for the result.
    fn query_within(
        &self,
        wait_ms: i64,
        query: &str,
        parameters: &[(&str, &str)],
        each: &mut dyn FnMut(&[Value]) -> Result<(), String>,
    ) -> Result<(), CallEnd<ApiError>> {
        let parameter = |(name, value): &(&str, &str)| json!({"name": name, "parameterType": {"type": "STRING"}, "parameterValue": {"value": value}});
        let request = json!({
            "query": query, "useLegacySql": false, "location": self.location, "timeoutMs": 10_000, "maxResults": PAGE_ROWS,
            "useQueryCache": false, "parameterMode": "NAMED", "queryParameters": parameters.iter().map(parameter).collect::<Vec<_>>(),
            "labels": {"sink": "fastbreak"},
        });
        let request_hash = blake3::hash(request.to_string().as_bytes());
        let mut response = match self.take_pending_query(request_hash) {
            Some(job) => self.page(&job, None)?,
            None => self.with_retries(|| self.api.query(&request))?,
        };
        let job = response["jobReference"]["jobId"].as_str().unwrap_or_default().to_owned();
        let started_ms = self.clock.now_ms();
        loop {
            self.check_job_error(&response, &job)?;
            let mut next = None;
            if response["jobComplete"] == true {
                for row in response["rows"].as_array().into_iter().flatten() {
                    let cells: Vec<Value> = cells(row);
                    each(&cells).map_err(|reason| ApiError::UnexpectedResult { job: job.clone(), reason })?;
                }
                next = response["pageToken"].as_str().map(str::to_owned);
                if next.is_none() {
                    return Ok(());
                }
            } else {
                let now = self.clock.now_ms();
                if now - started_ms > wait_ms {
                    let what = format!("query {job} is still running");
                    self.pending_queries().push(PendingQuery { request_hash, job, polled_ms: now });
                    return Err(CallEnd::Pending(what));
                }
                self.clock.sleep(Duration::from_millis(250));
            }
            response = self.page(&job, next.as_deref())?;
        }
    }
    fn page(&self, job: &str, from: Option<&str>) -> Result<Value, ApiError> {
        self.with_retries(|| self.api.page(job, from, PAGE_ROWS))
    }
    /// Removes and returns the job id of the pending query whose request has this hash. A job that was last polled long ago is discarded,
    /// since its result may be outdated.
    fn take_pending_query(&self, request_hash: blake3::Hash) -> Option<String> {
        let now = self.clock.now_ms();
        let mut pending_queries = self.pending_queries();
        pending_queries.retain(|pending| now - pending.polled_ms < 2 * MAX_JOB_WAIT_MS);
        let index = pending_queries.iter().position(|pending| pending.request_hash == request_hash)?;
        Some(pending_queries.swap_remove(index).job)
    }
    /// Discards all pending queries. It must be called after a write, which makes the results of earlier queries outdated.
    pub fn discard_pending_queries(&self) {
        self.pending_queries().clear();
    }
    fn pending_queries(&self) -> MutexGuard<'_, Vec<PendingQuery>> {
        self.pending_queries.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Fails if the job failed. The errors in a response may be warnings; only the job itself shows whether it failed.
    fn check_job_error(&self, response: &Value, job: &str) -> Result<(), ApiError> {
        if response["errors"].as_array().is_none_or(Vec::is_empty) {
            return Ok(());
        }
        let job = self.with_retries(|| self.api.job(job))?;
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

    /// Returns the writer state, if a log has acquired the warehouse.
    pub fn read_writer_state(&self) -> Result<Option<WriterState>, CallEnd<ApiError>> {
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
    pub fn committed_batch(&self, id: &BatchId) -> Result<Option<WriteSummary>, CallEnd<ApiError>> {
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

    /// Returns the batch of this epoch that was stored last.
    pub fn newest_batch(&self, epoch: i64) -> Result<Option<StoredBatch>, CallEnd<ApiError>> {
        let mut found = None;
        let epoch = epoch.to_string();
        self.query(&sql::newest_batch_sql(&self.names), &[("epoch", &epoch)], &mut |row| {
            let [id, planned_at] = row else {
                return Err("the query of the newest batch returned unexpected columns".into());
            };
            found = Some(StoredBatch {
                id: BatchId::from_stored(id.as_str().unwrap_or_default()),
                planned_at: Timestamp(integer(planned_at)?),
            });
            Ok(())
        })?;
        Ok(found)
    }

    /// Returns those of the given keys that have a live row.
    pub fn read_existing_keys(
        &self,
        keys: &[(SinkTopic, RowKey)],
    ) -> Result<HashSet<(SinkTopic, RowKey)>, CallEnd<ApiError>> {
        let text = |(input, id): &(SinkTopic, RowKey)| {
            format!("{}/{}/{}/{}", input_name(*input), id.game, id.player, id.part)
        };
        // Sorted, so that equal keys give an equal request, whose pending query the next call continues.
        let requested: BTreeMap<String, (SinkTopic, RowKey)> =
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
    pub fn read_control_totals(&self) -> Result<ControlTotalsByGame, CallEnd<ApiError>> {
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
    pub fn live_rows(
        &self,
        table: &'static Table,
        each: &mut dyn FnMut(Row<'_>) -> Result<(), String>,
    ) -> Result<(), CallEnd<ApiError>> {
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
    pub fn hash(&self, table: &'static Table) -> Result<ContentHash, CallEnd<ApiError>> {
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
}
