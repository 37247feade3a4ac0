//! A batch's way into the table, and who may take it.
//!
//! Invariant: rows are made and checked before anything is sent; a batch counts as written when its ledger row is read back and adds up.
//! Not here: sending (`submit`), the statements (`sql`).
use super::{
    BigQuery,
    encode::{Encoded, encode},
    error::Trouble,
    sql::{self, Source},
    submit::{Done, Failed, Kind, Reply, Sending, Stop, job},
};
use crate::{
    plan::BatchPlan,
    warehouse::{Standing, WarehouseError, Written},
    window::Batch,
};
use gcp_bigquery_client::model::{
    job_configuration_query::JobConfigurationQuery, query_parameter::QueryParameter,
    query_parameter_type::QueryParameterType, query_parameter_value::QueryParameterValue,
};

/// A batch on its way.
struct Sent<'a> {
    /// Of the ids of its jobs.
    stem: String,
    encoded: &'a Encoded,
    batch: &'a Batch,
    plan: &'a BatchPlan,
}

/// How a batch is sent.
struct Way {
    /// Its rows are loaded first.
    is_staged: bool,
    /// They were loaded again in this call.
    is_reloaded: bool,
}
/// Whether it is the loaded rows of the batch of this stem that are not there.
fn is_of(failed: &Failed, stem: &str) -> bool {
    failed.refusal.message.contains(&super::bulk::table_of(stem))
}

/// Which job of its stem this is, from 1.
fn attempts(id: &str) -> u64 {
    let number = id.rsplit("_m").next().and_then(|number| number.parse::<u64>().ok());
    number.map_or(1, |number| number + 1)
}

/// Name, type and value of a parameter.
pub(super) type Parameter = (&'static str, &'static str, String);

impl BigQuery {
    pub(super) fn write_batch(&mut self, batch: &Batch, plan: &BatchPlan) -> Result<Written, WarehouseError> {
        let encoded = encode(batch).map_err(WarehouseError::Rows)?;
        self.sweep()?;
        // All that is sent: another statement or another word of the ledger is another job.
        let statement = sql::merge(&self.names, &Source::Parameter, &encoded.reach);
        let body = blake3::hash(
            format!("{}\n{}\n{}\n{statement}", encoded.hash, plan.reason, plan.planned_at.0).as_bytes(),
        )
        .to_hex();
        let stem = format!("fb_{}_{}_m", plan.id, &body[..12]);
        let is_known = self.oversized.as_ref() == Some(&stem);
        let is_staged = is_known || encoded.request_bytes > self.settings.inline_bytes;
        let sent = Sent { stem, encoded: &encoded, batch, plan };
        let mut way = Way { is_staged, is_reloaded: false };
        loop {
            let done = match self.merge(&sent, way.is_staged) {
                Ok(done) => done,
                Err(stop) => {
                    self.go_round(&sent, stop, &mut way)?;
                    continue;
                }
            };
            match self.recorded(&plan.id) {
                Ok(Some(written)) => return self.accounted(&sent, written, &done, way.is_staged),
                Ok(None) => {
                    // The statement writes only in the name of the standing.
                    self.stands()?.admit(&plan.writer.log, Some(plan.writer.epoch))?;
                    if !done.is_adopted {
                        return Err(WarehouseError::Fatal {
                            what: format!(
                                "job {} is done and batch {} is not in the ledger",
                                done.id, plan.id
                            ),
                            next: "report this with the job's id; `fastbreak run` makes the batch again"
                                .into(),
                        });
                    }
                    // Done by a job of earlier, in a table that has been made anew since.
                    self.step(&sent.stem);
                }
                Err(trouble) => return Err(self.later(trouble.class(), &trouble, &done.id)),
            }
        }
    }
    /// Finds another way past what stopped the batch; the error when there is none.
    fn go_round(&mut self, sent: &Sent<'_>, stop: Stop, way: &mut Way) -> Result<(), WarehouseError> {
        let failed = match stop {
            Stop::Out(error) => return Err(error),
            Stop::Size(failed) if !way.is_staged => {
                // Sent in another way it is another body; what was refused outright has left its id free.
                if failed.refusal.status.is_none() {
                    self.step(&failed.stem);
                }
                self.oversized = Some(sent.stem.clone());
                way.is_staged = true;
                return Ok(());
            }
            // The staged rows have expired since they were loaded. What else is not there, no load brings back.
            Stop::Missing(failed) if !way.is_reloaded && is_of(&failed, &sent.stem) => {
                if failed.refusal.status.is_none() {
                    self.step(&failed.stem);
                }
                way.is_reloaded = true;
                return Ok(());
            }
            Stop::Missing(failed) => failed,
            Stop::Poison(mut failed) => match self.find_bad(&sent.stem, sent.encoded, &failed) {
                Ok(bad) if bad.is_empty() => {
                    failed.refusal.message += "; and yet every row alone can be read";
                    failed
                }
                Ok(bad) => return Err(WarehouseError::Rows(bad)),
                Err(Stop::Out(error)) => return Err(error),
                Err(Stop::Poison(failed) | Stop::Size(failed) | Stop::Missing(failed)) => failed,
            },
            Stop::Size(failed) => failed,
        };
        // It failed so before, and whoever started the sink again may have put it right.
        if failed.is_earlier {
            self.step(&failed.stem);
            return Ok(());
        }
        let class = failed.refusal.class();
        Err(self.later(class, &Trouble::Refused(failed.refusal), &failed.stem))
    }

    fn merge(&mut self, sent: &Sent<'_>, is_staged: bool) -> Result<Done, Stop> {
        let Sent { stem, encoded, batch, plan } = sent;
        let source = if is_staged { Source::Staged(self.staged(stem, encoded)?) } else { Source::Parameter };
        let query = sql::merge(&self.names, &source, &encoded.reach);
        let rows = (!is_staged).then(|| encoded.list());
        let number = |n: usize| n.to_string();
        let mut send = |sink: &mut BigQuery, id: &str| -> Sending {
            let mut parameters = vec![
                ("batch", "STRING", plan.id.to_string()),
                ("log", "STRING", plan.writer.log.clone()),
                ("epoch", "INT64", plan.writer.epoch.to_string()),
                ("ranges", "STRING", serde_json::Value::from(plan.event().ranges).to_string()),
                ("records", "INT64", number(batch.read())),
                ("outside", "INT64", number(batch.outside)),
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
        let done = self.run(stem, Kind::Change, &mut send)?;
        if let Source::Staged(_) = source {
            let table = super::bulk::table_of(stem);
            self.unstage(&table);
        }
        Ok(done)
    }
    /// The loaded rows. A statement that was sent before has read them: they need not be there any more.
    fn staged(&mut self, stem: &str, encoded: &Encoded) -> Result<String, Stop> {
        let table = super::bulk::table_of(stem);
        let quoted = format!("`{}.{}.{table}`", self.names.project, self.names.staging());
        let id = format!("{stem}{}", self.attempts.get(stem).copied().unwrap_or(0));
        match self.look(&id) {
            Ok(job) if super::submit::failure(&job).is_none() => return Ok(quoted),
            Ok(_) => {}
            Err(trouble) if trouble.is_not_found() => {}
            Err(trouble) => return Err(self.later(trouble.class(), &trouble, &id).into()),
        }
        self.stage(stem, encoded)?;
        Ok(quoted)
    }

    /// Counts that do not add up stop the sink: rows would be lost otherwise, and nobody would know.
    fn accounted(
        &mut self,
        sent: &Sent<'_>,
        written: Written,
        done: &Done,
        is_staged: bool,
    ) -> Result<Written, WarehouseError> {
        let Sent { encoded, batch, plan, .. } = sent;
        let outside = batch.outside as u64;
        let Written { records, applied, unchanged, stale, superseded, rejected, .. } = written;
        let sum = applied + unchanged + stale + superseded + rejected;
        let is_repeated = done.is_adopted || done.affected == 0;
        // A batch of earlier may have had other records: those since compacted away, those rejected.
        let is_sent = is_repeated || applied + unchanged + stale == encoded.rows.len() as u64 + outside;
        let is_changed = is_repeated || done.affected + outside == applied + unchanged + 1;
        if records != sum || !is_sent || !is_changed {
            self.counters.get_mut().drifts += 1;
            return Err(WarehouseError::Fatal {
                what: format!(
                    "batch {} does not add up: {records} records read, {applied} applied, {unchanged} unchanged, {stale} stale, {superseded} superseded, {rejected} rejected; {} rows sent, {} changed (job {})",
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
        self.own.clear();
        if !is_repeated {
            self.counters.get_mut().batches += 1;
            self.counters.get_mut().account(&written);
        }
        Ok(Written { repeated: is_repeated, ..written })
    }

    /// Sends a statement as a job.
    pub(super) fn insert(&mut self, id: &str, query: String, parameters: &[Parameter]) -> Sending {
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
        let mut job = job(id, &self.names.project, &self.settings.location, self.settings.job_timeout);
        if let Some(configuration) = &mut job.configuration {
            configuration.query = Some(JobConfigurationQuery {
                query,
                use_legacy_sql: Some(false),
                parameter_mode: Some("NAMED".into()),
                query_parameters: Some(parameters.iter().map(parameter).collect()),
                ..JobConfigurationQuery::default()
            });
        }
        self.runtime.block_on(self.http.insert(&job)).map(Reply::Taken)
    }
    /// A statement about the standing, of which the log and the epoch say everything.
    fn change_standing(
        &mut self,
        what: &str,
        query: String,
        log: &str,
        epoch: i64,
    ) -> Result<Done, WarehouseError> {
        let hash = blake3::hash(format!("{log}\n{epoch}\n{query}").as_bytes()).to_hex();
        let stem = format!("fb_{what}_{}_m", &hash[..24]);
        let mut send = |sink: &mut BigQuery, id: &str| -> Sending {
            let parameters = [("log", "STRING", log.to_owned()), ("epoch", "INT64", epoch.to_string())];
            let many = if what == "claim" { 1 } else { 2 };
            sink.insert(id, query.clone(), &parameters[..many])
        };
        loop {
            match self.run(&stem, Kind::Change, &mut send) {
                // Done by a job of earlier, and to be done again: the table has been made anew since.
                Ok(done) if done.is_adopted && self.is_undone(what, log, epoch)? => self.step(&stem),
                Ok(done) => return Ok(done),
                Err(Stop::Out(error)) => return Err(error),
                Err(Stop::Poison(failed) | Stop::Size(failed)) if failed.is_earlier => self.step(&stem),
                Err(Stop::Poison(failed) | Stop::Size(failed) | Stop::Missing(failed)) => {
                    return Err(self.later(failed.refusal.class(), &Trouble::Refused(failed.refusal), &stem));
                }
            }
        }
    }
    fn is_undone(&self, what: &str, log: &str, epoch: i64) -> Result<bool, WarehouseError> {
        let found = self.read_standing().map_err(|trouble| self.unanswered(&trouble))?;
        Ok(match (what, found) {
            (_, None) => true,
            ("claim", Some(_)) => false,
            ("adopt", Some(standing)) => standing.epoch == epoch,
            (_, Some(standing)) => {
                standing.adopting && standing.epoch == epoch && standing.log.as_deref() == Some(log)
            }
        })
    }
    /// Who writes; nobody, when there is no row that says so.
    pub(super) fn stands(&self) -> Result<Standing, WarehouseError> {
        let found = self.read_standing().map_err(|trouble| self.unanswered(&trouble))?;
        Ok(found.unwrap_or(Standing { log: None, epoch: 1, adopting: false }))
    }
    pub(super) fn begin(&mut self, log: &str) -> Result<i64, WarehouseError> {
        if !self.is_prepared {
            self.prepare()?;
            self.sweep()?;
            self.is_prepared = true;
        }
        let found = self.stands()?;
        found.admit(log, None)?;
        if found.log.is_some() {
            return Ok(found.epoch);
        }
        self.become_writer(log)?;
        let found = self.stands()?;
        found.admit(log, None)?;
        Ok(found.epoch)
    }
    pub(super) fn become_writer(&mut self, log: &str) -> Result<(), WarehouseError> {
        self.change_standing("claim", sql::claim(&self.names), log, 0).map(drop)
    }
    pub(super) fn take_over(&mut self, log: &str) -> Result<i64, WarehouseError> {
        if !self.is_prepared {
            self.prepare()?;
            self.is_prepared = true;
        }
        if self.stands()?.log.is_none() {
            self.become_writer(log)?;
        }
        let before = self.stands()?;
        self.change_standing("adopt", sql::adopt(&self.names), log, before.epoch)?;
        let after = self.stands()?;
        after.admit(log, Some(before.epoch + 1))?;
        Ok(after.epoch)
    }
    pub(super) fn finish(&mut self, log: &str) -> Result<u64, WarehouseError> {
        let found = self.stands()?;
        found.admit(log, Some(found.epoch))?;
        if !found.adopting {
            return Ok(0);
        }
        let done = self.change_standing("finish", sql::finish(&self.names), log, found.epoch)?;
        // One of them is the row of the standing itself.
        Ok(done.affected.saturating_sub(1))
    }
}
