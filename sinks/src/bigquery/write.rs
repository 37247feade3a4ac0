//! Writing a batch, and changing the writer state.
//!
//! Invariant: rows are converted and checked before anything is sent; a batch counts as written only after its batch record has been read
//! back and its counts add up.
//! Not here: sending jobs (`jobs`), the SQL statements (`sql`).
use super::{
    BigQuery,
    encode::{Encoded, encode},
    error::ApiError,
    jobs::{FailedJob, FinishedJob, JobKind, Reply, SendResult, Stop, job},
    sql::{self, Source},
};
use crate::{
    plan::BatchPlan,
    warehouse::{WarehouseError, WriterState},
    window::Batch,
    write_summary::WriteSummary,
};
use gcp_bigquery_client::model::{
    job_configuration_query::JobConfigurationQuery, query_parameter::QueryParameter,
    query_parameter_type::QueryParameterType, query_parameter_value::QueryParameterValue,
};

/// A batch that is being written.
struct PendingBatch<'a> {
    /// Prefix of the batch's job ids; the number of the attempt follows it.
    job_prefix: String,
    encoded: &'a Encoded,
    batch: &'a Batch,
    plan: &'a BatchPlan,
}

/// How a batch is sent.
struct WriteMode {
    /// True if the rows are first loaded into a staging table.
    is_staged: bool,
    /// True if the rows were loaded again in this call.
    is_reloaded: bool,
}
/// True if the job failed because the staging table of this batch does not exist.
fn is_staging_table_of(failed: &FailedJob, job_prefix: &str) -> bool {
    failed.response.message.contains(&super::staging::table_of(job_prefix))
}

/// Returns the number of the attempt in a job id, starting at 1.
fn attempts(id: &str) -> u64 {
    let number = id.rsplit("_m").next().and_then(|number| number.parse::<u64>().ok());
    number.map_or(1, |number| number + 1)
}

/// Returns the parameters of [`sql::merge_sql`] except `rows`.
fn batch_parameters(pending: &PendingBatch<'_>, job_id: &str) -> Vec<Parameter> {
    let PendingBatch { encoded, batch, plan, .. } = pending;
    let number = |n: usize| n.to_string();
    vec![
        ("batch", "STRING", plan.id.to_string()),
        ("log_id", "STRING", plan.writer.log.clone()),
        ("epoch", "INT64", plan.writer.epoch.to_string()),
        ("input_ranges", "STRING", serde_json::Value::from(plan.event().ranges).to_string()),
        ("records", "INT64", number(batch.read())),
        ("filtered", "INT64", number(batch.filtered)),
        ("superseded", "INT64", number(batch.superseded)),
        ("rejected", "INT64", number(batch.rejected)),
        ("close_reason", "STRING", plan.reason.name().to_owned()),
        ("job_id", "STRING", job_id.to_owned()),
        ("attempts", "INT64", attempts(job_id).to_string()),
        ("request_bytes", "INT64", number(encoded.request_bytes)),
        ("planned_at", "TIMESTAMP", plan.planned_at.to_string()),
    ]
}

/// Name, type and value of a query parameter.
pub(super) type Parameter = (&'static str, &'static str, String);

impl BigQuery {
    pub(super) fn write_batch(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
    ) -> Result<WriteSummary, WarehouseError> {
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
        let is_staged = is_known || encoded.request_bytes > self.config.inline_bytes;
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
            match self.committed_batch(&plan.id) {
                Ok(Some(written)) => return self.verify_counts(&pending, written, &done, mode.is_staged),
                Ok(None) => {
                    // The MERGE writes nothing if log or epoch of the plan differ from the writer state.
                    self.load_writer_state()?.check_writer(&plan.writer.log, Some(plan.writer.epoch))?;
                    if !done.is_reused {
                        return Err(WarehouseError::Fatal {
                            what: format!(
                                "job {} is done, but batch {} is not in sink_batches",
                                done.id, plan.id
                            ),
                            next: "report this with the job id; `fastbreak run` writes the batch again"
                                .into(),
                        });
                    }
                    // An earlier job wrote the batch into a table that was deleted and created again since then.
                    self.next_attempt(&pending.job_prefix);
                }
                Err(api_error) => return Err(self.to_error(api_error.class(), &api_error, &done.id)),
            }
        }
    }
    /// Prepares another attempt after a failed one, or returns the error if no other attempt can succeed.
    fn resolve_stop(
        &mut self,
        pending: &PendingBatch<'_>,
        stop: Stop,
        mode: &mut WriteMode,
    ) -> Result<(), WarehouseError> {
        let failed = match stop {
            Stop::Error(error) => return Err(error),
            Stop::Size(failed) if !mode.is_staged => {
                // A staged batch has a different request body, which needs a different id. A rejected request did not use its id.
                if failed.response.status.is_none() {
                    self.next_attempt(&failed.job_prefix);
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
                    self.next_attempt(&failed.job_prefix);
                }
                mode.is_reloaded = true;
                return Ok(());
            }
            Stop::Missing(failed) => failed,
            Stop::BadRow(mut failed) => {
                match self.find_bad_rows(&pending.job_prefix, pending.encoded, &failed) {
                    Ok(bad) if bad.is_empty() => {
                        failed.response.message += "; but each row can be read on its own";
                        failed
                    }
                    Ok(bad) => return Err(WarehouseError::Rows(bad)),
                    Err(Stop::Error(error)) => return Err(error),
                    Err(Stop::BadRow(failed) | Stop::Size(failed) | Stop::Missing(failed)) => failed,
                }
            }
            Stop::Size(failed) => failed,
        };
        // The job failed in an earlier run; the operator may have fixed the cause before this run.
        if failed.is_earlier {
            self.next_attempt(&failed.job_prefix);
            return Ok(());
        }
        let class = failed.response.class();
        Err(self.to_error(class, &ApiError::Response(failed.response), &failed.job_prefix))
    }

    fn run_merge(&mut self, pending: &PendingBatch<'_>, is_staged: bool) -> Result<FinishedJob, Stop> {
        let PendingBatch { job_prefix, encoded, .. } = pending;
        let source =
            if is_staged { Source::Staged(self.staged(job_prefix, encoded)?) } else { Source::Parameter };
        let query = sql::merge_sql(&self.names, &source, &encoded.bounds);
        let rows = (!is_staged).then(|| encoded.json_array());
        let mut send = |sink: &mut BigQuery, id: &str| -> SendResult {
            let mut parameters = batch_parameters(pending, id);
            if let Some(rows) = &rows {
                parameters.push(("rows", "STRING", rows.clone()));
            }
            sink.insert(id, query.clone(), &parameters)
        };
        let done = self.run(job_prefix, JobKind::Leased, &mut send)?;
        if let Source::Staged(_) = source {
            let table = super::staging::table_of(job_prefix);
            self.unstage(&table);
        }
        Ok(done)
    }
    /// Returns the name of the staging table. Loads the table unless the merge was already sent, since that job reads the rows of an
    /// earlier load.
    fn staged(&mut self, job_prefix: &str, encoded: &Encoded) -> Result<String, Stop> {
        let table = super::staging::table_of(job_prefix);
        let staging_table = format!("`{}.{}.{table}`", self.names.project, self.names.staging());
        let id = format!("{job_prefix}{}", self.attempts.get(job_prefix).copied().unwrap_or(0));
        match self.get_job(&id) {
            Ok(job) if super::jobs::failure(&job).is_none() => return Ok(staging_table),
            Ok(_) => {}
            Err(api_error) if api_error.is_not_found() => {}
            Err(api_error) => return Err(self.to_error(api_error.class(), &api_error, &id).into()),
        }
        self.load_staging_table(job_prefix, encoded)?;
        Ok(staging_table)
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
            self.counters.get_mut().divergences += 1;
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
        self.counters.get_mut().bytes += encoded.request_bytes as u64;
        self.counters.get_mut().staged += u64::from(is_staged);
        self.sent_jobs.clear();
        if !is_already_committed {
            self.counters.get_mut().batches += 1;
            self.counters.get_mut().add(&written);
        }
        Ok(WriteSummary { already_committed: is_already_committed, ..written })
    }

    /// Sends a statement as a job.
    pub(super) fn insert(&mut self, id: &str, query: String, parameters: &[Parameter]) -> SendResult {
        let parameter = |(name, of, value): &Parameter| QueryParameter {
            name: Some((*name).to_owned()),
            parameter_type: Some(QueryParameterType {
                r#type: (*of).to_owned(),
                ..QueryParameterType::default()
            }),
            parameter_value: Some(QueryParameterValue {
                value: Some(value.clone()),
                ..QueryParameterValue::default()
            }),
        };
        let mut job = job(id, &self.names.project, &self.config.location, self.config.job_timeout);
        if let Some(configuration) = &mut job.configuration {
            configuration.query = Some(JobConfigurationQuery {
                query,
                use_legacy_sql: Some(false),
                parameter_mode: Some("NAMED".into()),
                query_parameters: Some(parameters.iter().map(parameter).collect()),
                ..JobConfigurationQuery::default()
            });
        }
        self.api_client.insert(&job).map(Reply::Inserted)
    }
    /// Runs a DML statement on the writer state. `name`, log, epoch and statement determine its job id.
    fn change_writer_state(
        &mut self,
        name: &str,
        query: String,
        log: &str,
        epoch: i64,
    ) -> Result<FinishedJob, WarehouseError> {
        let hash = blake3::hash(format!("{log}\n{epoch}\n{query}").as_bytes()).to_hex();
        let job_prefix = format!("fb_{name}_{}_m", &hash[..24]);
        let mut send = |sink: &mut BigQuery, id: &str| -> SendResult {
            let parameters = [("log_id", "STRING", log.to_owned()), ("epoch", "INT64", epoch.to_string())];
            let parameter_count = if name == "acquire" { 1 } else { 2 };
            sink.insert(id, query.clone(), &parameters[..parameter_count])
        };
        loop {
            match self.run(&job_prefix, JobKind::Leased, &mut send) {
                // An earlier job made this change, but the table was deleted and created again since then.
                Ok(done) if done.is_reused && self.is_undone(name, log, epoch)? => {
                    self.next_attempt(&job_prefix)
                }
                Ok(done) => return Ok(done),
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::BadRow(failed) | Stop::Size(failed)) if failed.is_earlier => {
                    self.next_attempt(&job_prefix)
                }
                Err(Stop::BadRow(failed) | Stop::Size(failed) | Stop::Missing(failed)) => {
                    return Err(self.to_error(
                        failed.response.class(),
                        &ApiError::Response(failed.response),
                        &job_prefix,
                    ));
                }
            }
        }
    }
    /// True if the writer state does not show the effect of the statement.
    fn is_undone(&self, name: &str, log: &str, epoch: i64) -> Result<bool, WarehouseError> {
        let found = self.read_writer_state().map_err(|api_error| self.query_error(&api_error))?;
        Ok(match (name, found) {
            (_, None) => true,
            ("acquire", Some(_)) => false,
            ("take_ownership", Some(writer_state)) => writer_state.epoch == epoch,
            (_, Some(writer_state)) => {
                writer_state.rebuilding
                    && writer_state.epoch == epoch
                    && writer_state.log.as_deref() == Some(log)
            }
        })
    }
    /// Returns the writer state; it has no log if no log has acquired the warehouse yet.
    pub(super) fn load_writer_state(&self) -> Result<WriterState, WarehouseError> {
        let found = self.read_writer_state().map_err(|api_error| self.query_error(&api_error))?;
        Ok(found.unwrap_or(WriterState { log: None, epoch: 1, rebuilding: false }))
    }
    pub(super) fn run_acquire(&mut self, log: &str) -> Result<i64, WarehouseError> {
        if !self.is_prepared {
            self.prepare()?;
            self.delete_expired_staging()?;
            self.is_prepared = true;
        }
        let found = self.load_writer_state()?;
        found.check_writer(log, None)?;
        if found.log.is_some() {
            return Ok(found.epoch);
        }
        self.become_writer(log)?;
        let found = self.load_writer_state()?;
        found.check_writer(log, None)?;
        Ok(found.epoch)
    }
    pub(super) fn become_writer(&mut self, log: &str) -> Result<(), WarehouseError> {
        self.change_writer_state("acquire", sql::acquire_sql(&self.names), log, 0).map(drop)
    }
    pub(super) fn run_take_ownership(&mut self, log: &str) -> Result<i64, WarehouseError> {
        if !self.is_prepared {
            self.prepare()?;
            self.is_prepared = true;
        }
        if self.load_writer_state()?.log.is_none() {
            self.become_writer(log)?;
        }
        let before = self.load_writer_state()?;
        self.change_writer_state("take_ownership", sql::take_ownership_sql(&self.names), log, before.epoch)?;
        let after = self.load_writer_state()?;
        after.check_writer(log, Some(before.epoch + 1))?;
        Ok(after.epoch)
    }
    pub(super) fn run_delete_stale_epochs(&mut self, log: &str) -> Result<u64, WarehouseError> {
        let found = self.load_writer_state()?;
        found.check_writer(log, Some(found.epoch))?;
        if !found.rebuilding {
            return Ok(0);
        }
        let done = self.change_writer_state(
            "delete_stale_epochs",
            sql::delete_stale_epochs_sql(&self.names),
            log,
            found.epoch,
        )?;
        // The writer state is one of the changed rows, but not one of the deleted rows.
        Ok(done.affected.saturating_sub(1))
    }
}
