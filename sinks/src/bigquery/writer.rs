//! `Writer`: writes a batch, and changes the writer state with the same jobs and lease.
//!
//! Invariant: rows are converted and checked before anything is sent; a batch counts as written only after its batch record has been read
//! back and its counts add up.
//! Not here: sending jobs (`job_runner`), the SQL statements (`sql`), the changes of the writer state (`ownership`).
use super::{
    api_client::ApiClient,
    bad_row_search::BadRowSearch,
    call_end::CallEnd,
    config::BigQueryConfig,
    encode::encode,
    error::ApiError,
    job::{FailedJob, FinishedJob, JobKind, SendResult, Stop},
    job_runner::JobRunner,
    ownership::{Ownership, is_continued},
    pending_batch::PendingBatch,
    queries::Queries,
    retry_policy::RetryPolicy,
    schema::Names,
    shared_counters::SharedCounters,
    sql::{self, Source},
    staging::{Staging, table_of},
};
use crate::{
    plan::BatchPlan,
    warehouse::{WarehouseError, WriterState},
    window::Batch,
    write_summary::WriteSummary,
};
use std::sync::Arc;

/// How a batch is sent.
struct WriteMode {
    /// True if the rows are first loaded into a staging table.
    is_staged: bool,
    /// True if the rows were loaded again in this call because the staging table was missing. This is done at most once per call.
    is_reloaded: bool,
}
/// True if the job failed because the staging table of this batch does not exist.
fn is_staging_table_of(failed: &FailedJob, job_prefix: &str) -> bool {
    failed.response.message.contains(&table_of(job_prefix))
}

/// Writes batches to a warehouse.
pub struct Writer {
    runner: JobRunner,
    staging: Staging,
    bad_row_search: BadRowSearch,
    ownership: Ownership,
    queries: Arc<Queries>,
    retry_policy: Arc<RetryPolicy>,
    counters: SharedCounters,
    names: Names,
    /// Maximum size in bytes of rows sent as a query parameter.
    inline_bytes: usize,
    /// Job id prefix of the last batch that BigQuery rejected as too large for a parameter. This batch is staged in all later calls.
    oversized_job_prefix: Option<String>,
}
impl Writer {
    pub fn new(
        config: &BigQueryConfig,
        api: Arc<ApiClient>,
        queries: Arc<Queries>,
        retry_policy: Arc<RetryPolicy>,
        counters: SharedCounters,
    ) -> Writer {
        Writer {
            staging: Staging::new(config, api.clone(), retry_policy.clone(), counters.clone()),
            runner: JobRunner::new(config, api, queries.clone(), retry_policy.clone(), counters.clone()),
            bad_row_search: BadRowSearch::new(config),
            ownership: Ownership::new(config, queries.clone(), retry_policy.clone()),
            queries,
            retry_policy,
            counters,
            names: config.names(),
            inline_bytes: config.inline_bytes,
            oversized_job_prefix: None,
        }
    }
    /// Returns the writer state; it has no log if no log has acquired the warehouse yet.
    pub fn writer_state(&self) -> Result<WriterState, CallEnd> {
        self.ownership.load_writer_state()
    }
    /// Makes the log the owner if no log owns the warehouse, and returns the epoch.
    pub fn acquire(&mut self, log: &str) -> Result<i64, CallEnd> {
        let acquired = self.ownership.acquire(&mut self.runner, log);
        self.forget_sent_jobs_at_end(acquired)
    }
    /// Makes the log the owner, and raises and returns the epoch.
    pub fn take_ownership(&mut self, log: &str) -> Result<i64, CallEnd> {
        let taken = self.ownership.take_ownership(&mut self.runner, log);
        self.forget_sent_jobs_at_end(taken)
    }
    /// Deletes the rows of older epochs, and returns their number.
    pub fn delete_stale_epochs(&mut self, log: &str) -> Result<u64, CallEnd> {
        let deleted = self.ownership.delete_stale_epochs(&mut self.runner, log);
        self.forget_sent_jobs_at_end(deleted)
    }
    /// Clears the list of sent jobs if the operation has ended: a later operation may find their effect undone, because the table was deleted
    /// and created again.
    fn forget_sent_jobs_at_end<T>(&mut self, result: Result<T, CallEnd>) -> Result<T, CallEnd> {
        if !is_continued(&result) {
            self.runner.clear_sent_jobs();
        }
        result
    }
    /// Deletes expired staging tables in the first call, and later at most once an hour.
    pub fn delete_expired_staging(&mut self) -> Result<(), WarehouseError> {
        self.staging.delete_expired_staging()
    }
    /// Writes a batch, unless a batch with the id of the plan is stored already.
    pub fn write_batch(&mut self, batch: &Batch, plan: &BatchPlan) -> Result<WriteSummary, CallEnd> {
        let encoded = encode(batch).map_err(WarehouseError::Rows)?;
        self.delete_expired_staging()?;
        // A job id identifies everything that is sent, including the fields of the batch record.
        let statement = sql::merge_sql(&self.names, &Source::Parameter, &encoded.bounds);
        let body = blake3::hash(
            format!("{}\n{}\n{}\n{statement}", encoded.hash, plan.reason, plan.planned_at.0).as_bytes(),
        )
        .to_hex();
        let job_prefix = format!("fb_{}_{}_m", plan.id, &body[..12]);
        let is_known = self.oversized_job_prefix.as_ref() == Some(&job_prefix);
        let is_staged = is_known || encoded.request_bytes > self.inline_bytes;
        let pending = PendingBatch { job_prefix, encoded: &encoded, batch, plan };
        let mut mode = WriteMode { is_staged, is_reloaded: false };
        loop {
            let done = match self.run_merge(&pending, mode.is_staged) {
                Ok(done) => done,
                Err(stop) => {
                    self.resolve_stop(&pending, stop, &mut mode)?;
                    continue;
                }
            };
            match self.queries.committed_batch(&plan.id) {
                Ok(Some(written)) => {
                    return Ok(self.verify_counts(&pending, written, &done, mode.is_staged)?);
                }
                Ok(None) => {
                    // The MERGE writes nothing if log or epoch of the plan differ from the writer state.
                    self.ownership
                        .load_writer_state()?
                        .check_writer(&plan.writer.log, Some(plan.writer.epoch))?;
                    if !done.is_reused {
                        return Err(WarehouseError::Fatal {
                            what: format!(
                                "job {} is done, but batch {} is not in sink_batches",
                                done.id, plan.id
                            ),
                            next: "report this with the job id; `fastbreak run` writes the batch again"
                                .into(),
                        }
                        .into());
                    }
                    // An earlier job wrote the batch into a table that was deleted and created again since then.
                    self.runner.next_attempt(&pending.job_prefix);
                }
                Err(end) => {
                    return Err(end.map_error(|api_error| {
                        self.retry_policy.to_error(api_error.class(), &api_error, &done.id)
                    }));
                }
            }
        }
    }
    /// Prepares another attempt after a failed one, or ends the call if none can be made now.
    fn resolve_stop(
        &mut self,
        pending: &PendingBatch<'_>,
        stop: Stop,
        mode: &mut WriteMode,
    ) -> Result<(), CallEnd> {
        let failed = match stop {
            Stop::End(end) => return Err(end),
            Stop::Size(failed) if !mode.is_staged => {
                // A staged batch has a different request body, which needs a job id that is not in use. A job that failed uses its id, so
                // the next attempt follows; a rejected request created no job, so its id is still free.
                if failed.response.status.is_none() {
                    self.runner.next_attempt(&failed.job_prefix);
                }
                self.oversized_job_prefix = Some(pending.job_prefix.clone());
                mode.is_staged = true;
                return Ok(());
            }
            // The staging table expired after the load. If a different table is missing, loading again does not help.
            Stop::Missing(failed)
                if !mode.is_reloaded && is_staging_table_of(&failed, &pending.job_prefix) =>
            {
                if failed.response.status.is_none() {
                    self.runner.next_attempt(&failed.job_prefix);
                }
                mode.is_reloaded = true;
                return Ok(());
            }
            Stop::Missing(failed) => failed,
            Stop::BadRow(mut failed) => {
                match self.bad_row_search.find_bad_rows(
                    &mut self.runner,
                    &pending.job_prefix,
                    pending.encoded,
                    &failed,
                ) {
                    Ok(bad) if bad.is_empty() => {
                        failed.response.message += "; but each row can be read on its own";
                        failed
                    }
                    Ok(bad) => return Err(WarehouseError::Rows(bad).into()),
                    Err(Stop::End(end)) => return Err(end),
                    Err(Stop::BadRow(failed) | Stop::Size(failed) | Stop::Missing(failed)) => failed,
                }
            }
            Stop::Size(failed) => failed,
        };
        // The job failed in an earlier run; the operator may have fixed the cause before this run.
        if failed.is_earlier {
            self.runner.next_attempt(&failed.job_prefix);
            return Ok(());
        }
        let class = failed.response.class();
        let api_error = ApiError::Response(failed.response);
        Err(self.retry_policy.to_error(class, &api_error, &failed.job_prefix).into())
    }

    fn run_merge(&mut self, pending: &PendingBatch<'_>, is_staged: bool) -> Result<FinishedJob, Stop> {
        let PendingBatch { job_prefix, encoded, .. } = pending;
        let source = if is_staged {
            Source::Staged(self.staging.prepare_table(&mut self.runner, job_prefix, encoded)?)
        } else {
            Source::Parameter
        };
        let query = sql::merge_sql(&self.names, &source, &encoded.bounds);
        let rows = (!is_staged).then(|| encoded.json_array());
        let mut send = |runner: &mut JobRunner, id: &str| -> SendResult {
            let mut parameters = pending.parameters(id);
            if let Some(rows) = &rows {
                parameters.push(("rows", "STRING", rows.clone()));
            }
            runner.insert(id, query.clone(), &parameters)
        };
        let done = self.runner.run(job_prefix, JobKind::Leased, &mut send)?;
        if let Source::Staged(_) = source {
            self.staging.unstage(&table_of(job_prefix));
        }
        Ok(done)
    }

    /// Checks the counts of a written batch. Counts that do not add up stop the sink, since rows could be lost unnoticed.
    fn verify_counts(
        &mut self,
        pending: &PendingBatch<'_>,
        written: WriteSummary,
        done: &FinishedJob,
        is_staged: bool,
    ) -> Result<WriteSummary, WarehouseError> {
        let PendingBatch { encoded, batch, plan, .. } = pending;
        let filtered = batch.filtered as u64;
        let WriteSummary { records, applied, unchanged, stale, superseded, rejected, .. } = written;
        let sum = applied + unchanged + stale + superseded + rejected;
        let is_already_committed = done.is_reused || done.affected == 0;
        // A batch that was written earlier may have had more records: some may have been compacted away or rejected since then.
        let is_sent =
            is_already_committed || applied + unchanged + stale == encoded.rows.len() as u64 + filtered;
        let is_changed = is_already_committed || done.affected + filtered == applied + unchanged + 1;
        if records != sum || !is_sent || !is_changed {
            self.counters.update(|counters| counters.divergences += 1);
            return Err(WarehouseError::Fatal {
                what: format!(
                    "the counts of batch {} do not add up: {records} records read, {applied} applied, {unchanged} unchanged, {stale} stale, {superseded} superseded, {rejected} rejected; {} rows sent, {} changed (job {})",
                    plan.id,
                    encoded.rows.len(),
                    done.affected,
                    done.id
                ),
                next: "compare the row of the batch in sink_batches with the job; no offset was committed"
                    .into(),
            });
        }
        self.runner.clear_sent_jobs();
        self.counters.update(|counters| {
            counters.bytes += encoded.request_bytes as u64;
            counters.staged += u64::from(is_staged);
            if !is_already_committed {
                counters.batches += 1;
                counters.add(&written);
            }
        });
        Ok(WriteSummary { already_committed: is_already_committed, ..written })
    }
}
