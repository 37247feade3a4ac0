//! A batch's way into the table, and who may take it.
//!
//! Invariant: rows are made and checked before anything is sent; a batch counts as written when its batch record is read back and adds up.
//! Not here: sending (`jobs`), the statements (`sql`).
use super::{
    BigQuery,
    encode::{Encoded, encode},
    error::ApiError,
    jobs::{FailedJob, FinishedJob, JobKind, Reply, SendResult, Stop, job},
    sql::{self, Source},
};
use crate::{
    plan::BatchPlan,
    warehouse::{WarehouseError, WriteSummary, WriterState},
    window::Batch,
};
use gcp_bigquery_client::model::{
    job_configuration_query::JobConfigurationQuery, query_parameter::QueryParameter,
    query_parameter_type::QueryParameterType, query_parameter_value::QueryParameterValue,
};

/// A batch on its way.
struct PendingBatch<'a> {
    /// Of the ids of its jobs.
    stem: String,
    encoded: &'a Encoded,
    batch: &'a Batch,
    plan: &'a BatchPlan,
}

/// How a batch is sent.
struct WriteMode {
    /// Its rows are loaded first.
    is_staged: bool,
    /// They were loaded again in this call.
    is_reloaded: bool,
}
/// Whether it is the loaded rows of the batch of this stem that are not there.
fn is_staging_table_of(failed: &FailedJob, stem: &str) -> bool {
    failed.response.message.contains(&super::staging::table_of(stem))
}

/// Which job of its stem this is, from 1.
fn attempts(id: &str) -> u64 {
    let number = id.rsplit("_m").next().and_then(|number| number.parse::<u64>().ok());
    number.map_or(1, |number| number + 1)
}

/// Name, type and value of a parameter.
pub(super) type Parameter = (&'static str, &'static str, String);

impl BigQuery {
    pub(super) fn write_batch(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
    ) -> Result<WriteSummary, WarehouseError> {
        let encoded = encode(batch).map_err(WarehouseError::Rows)?;
        self.delete_expired_staging()?;
        // All that is sent: another statement or another word of the ledger is another job.
        let statement = sql::merge_sql(&self.names, &Source::Parameter, &encoded.bounds);
        let body = blake3::hash(
            format!("{}\n{}\n{}\n{statement}", encoded.hash, plan.reason, plan.planned_at.0).as_bytes(),
        )
        .to_hex();
        let stem = format!("fb_{}_{}_m", plan.id, &body[..12]);
        let is_known = self.oversized_stem.as_ref() == Some(&stem);
        let is_staged = is_known || encoded.request_bytes > self.config.inline_bytes;
        let pending = PendingBatch { stem, encoded: &encoded, batch, plan };
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
                    // The statement writes only in the name of the writer state.
                    self.load_writer_state()?.check_writer(&plan.writer.log, Some(plan.writer.epoch))?;
                    if !done.is_reused {
                        return Err(WarehouseError::Fatal {
                            what: format!(
                                "job {} is done and batch {} is not in sink_batches",
                                done.id, plan.id
                            ),
                            next: "report this with the job's id; `fastbreak run` makes the batch again"
                                .into(),
                        });
                    }
                    // Done by a job of earlier, in a table that has been made anew since.
                    self.next_attempt(&pending.stem);
                }
                Err(api_error) => return Err(self.to_error(api_error.class(), &api_error, &done.id)),
            }
        }
    }
    /// Finds another way past what stopped the batch; the error when there is none.
    fn resolve_stop(
        &mut self,
        pending: &PendingBatch<'_>,
        stop: Stop,
        mode: &mut WriteMode,
    ) -> Result<(), WarehouseError> {
        let failed = match stop {
            Stop::Error(error) => return Err(error),
            Stop::Size(failed) if !mode.is_staged => {
                // Sent in another way it is another body; what was refused outright has left its id free.
                if failed.response.status.is_none() {
                    self.next_attempt(&failed.stem);
                }
                self.oversized_stem = Some(pending.stem.clone());
                mode.is_staged = true;
                return Ok(());
            }
            // The staged rows have expired since they were loaded. What else is not there, no load brings back.
            Stop::Missing(failed) if !mode.is_reloaded && is_staging_table_of(&failed, &pending.stem) => {
                if failed.response.status.is_none() {
                    self.next_attempt(&failed.stem);
                }
                mode.is_reloaded = true;
                return Ok(());
            }
            Stop::Missing(failed) => failed,
            Stop::BadRow(mut failed) => match self.find_bad_rows(&pending.stem, pending.encoded, &failed) {
                Ok(bad) if bad.is_empty() => {
                    failed.response.message += "; and yet every row alone can be read";
                    failed
                }
                Ok(bad) => return Err(WarehouseError::Rows(bad)),
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::BadRow(failed) | Stop::Size(failed) | Stop::Missing(failed)) => failed,
            },
            Stop::Size(failed) => failed,
        };
        // It failed so before, and whoever started the sink again may have put it right.
        if failed.is_earlier {
            self.next_attempt(&failed.stem);
            return Ok(());
        }
        let class = failed.response.class();
        Err(self.to_error(class, &ApiError::Response(failed.response), &failed.stem))
    }

    fn run_merge(&mut self, pending: &PendingBatch<'_>, is_staged: bool) -> Result<FinishedJob, Stop> {
        let PendingBatch { stem, encoded, batch, plan } = pending;
        let source = if is_staged { Source::Staged(self.staged(stem, encoded)?) } else { Source::Parameter };
        let query = sql::merge_sql(&self.names, &source, &encoded.bounds);
        let rows = (!is_staged).then(|| encoded.list());
        let number = |n: usize| n.to_string();
        let mut send = |sink: &mut BigQuery, id: &str| -> SendResult {
            let mut parameters = vec![
                ("batch", "STRING", plan.id.to_string()),
                ("log", "STRING", plan.writer.log.clone()),
                ("epoch", "INT64", plan.writer.epoch.to_string()),
                ("ranges", "STRING", serde_json::Value::from(plan.event().ranges).to_string()),
                ("records", "INT64", number(batch.read())),
                ("filtered", "INT64", number(batch.filtered)),
                ("superseded", "INT64", number(batch.superseded)),
                ("rejected", "INT64", number(batch.rejected)),
                ("reason", "STRING", plan.reason.name().to_owned()),
                ("job", "STRING", id.to_owned()),
                ("attempts", "INT64", attempts(id).to_string()),
                ("bytes", "INT64", number(encoded.request_bytes)),
                ("planned_at", "TIMESTAMP", plan.planned_at.to_string()),
            ];
            if let Some(rows) = &rows {
                parameters.push(("rows", "STRING", rows.clone()));
            }
            sink.insert(id, query.clone(), &parameters)
        };
        let done = self.run(stem, JobKind::Leased, &mut send)?;
        if let Source::Staged(_) = source {
            let table = super::staging::table_of(stem);
            self.unstage(&table);
        }
        Ok(done)
    }
    /// The loaded rows. A statement that was sent before has read them: they need not be there any more.
    fn staged(&mut self, stem: &str, encoded: &Encoded) -> Result<String, Stop> {
        let table = super::staging::table_of(stem);
        let staging_table = format!("`{}.{}.{table}`", self.names.project, self.names.staging());
        let id = format!("{stem}{}", self.attempts.get(stem).copied().unwrap_or(0));
        match self.get_job(&id) {
            Ok(job) if super::jobs::failure(&job).is_none() => return Ok(staging_table),
            Ok(_) => {}
            Err(api_error) if api_error.is_not_found() => {}
            Err(api_error) => return Err(self.to_error(api_error.class(), &api_error, &id).into()),
        }
        self.stage(stem, encoded)?;
        Ok(staging_table)
    }

    /// Counts that do not add up stop the sink: rows would be lost otherwise, and nobody would know.
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
        // A batch of earlier may have had other records: those since compacted away, those rejected.
        let is_sent =
            is_already_committed || applied + unchanged + stale == encoded.rows.len() as u64 + filtered;
        let is_changed = is_already_committed || done.affected + filtered == applied + unchanged + 1;
        if records != sum || !is_sent || !is_changed {
            self.counters.get_mut().divergences += 1;
            return Err(WarehouseError::Fatal {
                what: format!(
                    "batch {} does not add up: {records} records read, {applied} applied, {unchanged} unchanged, {stale} stale, {superseded} superseded, {rejected} rejected; {} rows pending, {} changed (job {})",
                    plan.id,
                    encoded.rows.len(),
                    done.affected,
                    done.id
                ),
                next: "compare the batch's row of sink_batches with the job; nothing was committed".into(),
            });
        }
        self.counters.get_mut().bytes += encoded.request_bytes as u64;
        self.counters.get_mut().staged += u64::from(is_staged);
        self.sent_jobs.clear();
        if !is_already_committed {
            self.counters.get_mut().batches += 1;
            self.counters.get_mut().account(&written);
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
        self.runtime.block_on(self.api_client.insert(&job)).map(Reply::Inserted)
    }
    /// A statement about the writer state, of which the log and the epoch say everything.
    fn change_writer_state(
        &mut self,
        what: &str,
        query: String,
        log: &str,
        epoch: i64,
    ) -> Result<FinishedJob, WarehouseError> {
        let hash = blake3::hash(format!("{log}\n{epoch}\n{query}").as_bytes()).to_hex();
        let stem = format!("fb_{what}_{}_m", &hash[..24]);
        let mut send = |sink: &mut BigQuery, id: &str| -> SendResult {
            let parameters = [("log", "STRING", log.to_owned()), ("epoch", "INT64", epoch.to_string())];
            let parameter_count = if what == "acquire" { 1 } else { 2 };
            sink.insert(id, query.clone(), &parameters[..parameter_count])
        };
        loop {
            match self.run(&stem, JobKind::Leased, &mut send) {
                // Done by a job of earlier, and to be done again: the table has been made anew since.
                Ok(done) if done.is_reused && self.is_undone(what, log, epoch)? => self.next_attempt(&stem),
                Ok(done) => return Ok(done),
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::BadRow(failed) | Stop::Size(failed)) if failed.is_earlier => {
                    self.next_attempt(&stem)
                }
                Err(Stop::BadRow(failed) | Stop::Size(failed) | Stop::Missing(failed)) => {
                    return Err(self.to_error(
                        failed.response.class(),
                        &ApiError::Response(failed.response),
                        &stem,
                    ));
                }
            }
        }
    }
    fn is_undone(&self, what: &str, log: &str, epoch: i64) -> Result<bool, WarehouseError> {
        let found = self.read_writer_state().map_err(|api_error| self.query_error(&api_error))?;
        Ok(match (what, found) {
            (_, None) => true,
            ("acquire", Some(_)) => false,
            ("take-ownership", Some(writer_state)) => writer_state.epoch == epoch,
            (_, Some(writer_state)) => {
                writer_state.rebuilding
                    && writer_state.epoch == epoch
                    && writer_state.log.as_deref() == Some(log)
            }
        })
    }
    /// Who writes; nobody, when there is no row that says so.
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
        self.change_writer_state("take-ownership", sql::take_ownership_sql(&self.names), log, before.epoch)?;
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
            "delete-stale-epochs",
            sql::delete_stale_epochs_sql(&self.names),
            log,
            found.epoch,
        )?;
        // One of them is the row of the writer state itself.
        Ok(done.affected.saturating_sub(1))
    }
}
