//! Sending a job under a deterministic id, and resolving its outcome.
//!
//! Invariant: at most one job exists per (id, attempt), however often and by whichever instance it is sent: a job that exists is reused. A
//! new attempt follows only a failed one. Every function returns in bounded time, so the caller can stop between calls.
//! Not here: the statement or data of a job (`sql`, `staging`); the writer lease (`writer_lease`); retry delay and
//! remediation (`retry_policy`).
use super::{
    BigQuery,
    error::{ApiError, ErrorClass, ErrorResponse},
};
use crate::warehouse::WarehouseError;
use gcp_bigquery_client::model::job::Job;
use serde_json::Value;
use std::time::Duration;

/// A job that is done and did not fail.
#[derive(Clone, Debug)]
pub struct FinishedJob {
    /// Number of changed rows, from the statistics of the job.
    pub affected: u64,
    /// True if the job existed before it was sent.
    pub is_reused: bool,
    pub id: String,
}

/// Reason why a job did not succeed.
pub enum Stop {
    /// Retry later, or the operator must act.
    Error(WarehouseError),
    /// A row cannot be converted.
    BadRow(FailedJob),
    /// The request or the job is too large.
    Size(FailedJob),
    /// A table that the job reads does not exist.
    Missing(FailedJob),
}
/// A job that was rejected or failed.
pub struct FailedJob {
    pub response: ErrorResponse,
    /// Job id without the number of the attempt.
    pub job_prefix: String,
    /// True if another instance sent the job, possibly long ago, so that the cause of the failure may have been fixed since then.
    pub is_earlier: bool,
}
impl From<WarehouseError> for Stop {
    fn from(error: WarehouseError) -> Stop {
        Stop::Error(error)
    }
}

/// Kind of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// The job runs DML on the table of the records: it needs the writer lease.
    Leased,
    /// The job changes nothing that other instances read.
    Unleased,
}

const MIN_POLL_INTERVAL: Duration = Duration::from_millis(250);
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(4);
/// Time limit of one call that waits for a job.
pub(super) const MAX_JOB_WAIT_MS: i64 = 30_000;

impl BigQuery {
    /// Sends a job with `send` under the id of the current attempt, and waits for it.
    pub(super) fn run(
        &mut self,
        job_prefix: &str,
        kind: JobKind,
        send: &mut dyn FnMut(&mut BigQuery, &str) -> SendResult,
    ) -> Result<FinishedJob, Stop> {
        loop {
            let attempt = self.attempt(job_prefix);
            let id = format!("{job_prefix}{attempt}");
            self.throttle(kind);
            if kind == JobKind::Leased {
                self.acquire_lease(&id)?;
                self.counters.get_mut().attempts += 1;
            }
            self.last_done.take_if(|done| *done == id);
            let sent = send(self, &id);
            match self.resolve_attempt(job_prefix, &id, sent) {
                Ok(done) => {
                    if !done.is_reused {
                        // A pending query started before this write, so its result is outdated.
                        self.pending_query.take();
                    }
                    self.counters.get_mut().reused += u64::from(done.is_reused);
                    return Ok(done);
                }
                // A reused job that failed earlier: continue with the next attempt.
                Err(AttemptEnd::NextAttempt) => continue,
                Err(AttemptEnd::Stop(stop)) => return Err(stop),
            }
        }
    }
    /// Returns the number of the current attempt, starting at 0.
    fn attempt(&self, job_prefix: &str) -> u32 {
        self.attempts.get(job_prefix).copied().unwrap_or(0)
    }
    pub(super) fn next_attempt(&mut self, job_prefix: &str) {
        // Entries of earlier jobs are not needed. The attempt of a job without an entry is found again by trying all attempts from 0.
        if self.attempts.len() > 64 {
            self.attempts.clear();
        }
        *self.attempts.entry(job_prefix.to_owned()).or_default() += 1;
    }

    /// Returns the job that was sent, and whether it existed before. The job is null if it must be looked up.
    fn resolve_send(
        &mut self,
        job_prefix: &str,
        id: &str,
        sent: SendResult,
    ) -> Result<(Value, bool), AttemptEnd> {
        let api_error = match sent {
            Ok(Reply::Inserted(job)) => {
                self.sent_jobs.insert(id.to_owned());
                return Ok((job, false));
            }
            Ok(Reply::Existing(job)) => return Ok((job, true)),
            Err(api_error) => api_error,
        };
        match api_error.class() {
            ErrorClass::JobExists => Ok((Value::Null, true)),
            ErrorClass::Ambiguous => {
                self.count(ErrorClass::Ambiguous);
                match self.get_job(id) {
                    Ok(job) => Ok((job, true)),
                    Err(lookup_error) if lookup_error.is_not_found() => {
                        Err(self.to_error(ErrorClass::Ambiguous, &api_error, id).into())
                    }
                    Err(lookup_error) => Err(self.to_error(lookup_error.class(), &lookup_error, id).into()),
                }
            }
            _ => {
                if matches!(api_error, ApiError::Response(_)) {
                    // The request was rejected, so no job was created.
                    self.last_done = Some(id.to_owned());
                }
                Err(self.handle_error_response(job_prefix, id, api_error, false))
            }
        }
    }
    /// Waits for the job of an attempt, and decides what follows.
    fn resolve_attempt(
        &mut self,
        job_prefix: &str,
        id: &str,
        sent: SendResult,
    ) -> Result<FinishedJob, AttemptEnd> {
        let (job, is_reused) = self.resolve_send(job_prefix, id, sent)?;
        let job = match self.await_job(id, job) {
            Ok(job) => job,
            // The job was accepted just now, so a later lookup finds it.
            Err(api_error) if api_error.is_not_found() => {
                return Err(self.to_error(ErrorClass::Ambiguous, &api_error, id).into());
            }
            Err(api_error) => return Err(self.to_error(api_error.class(), &api_error, id).into()),
        };
        let Some(job) = job else {
            return Err(WarehouseError::pending(format!("job {id} is still running")).into());
        };
        self.last_done = Some(id.to_owned());
        // A job of this instance that takes longer than one call is reused by the next call; its failure is not an earlier failure.
        let is_earlier = is_reused && !self.sent_jobs.contains(id);
        match failure(&job) {
            None => Ok(FinishedJob { affected: affected(&job), is_reused, id: id.to_owned() }),
            Some(response) => match response.class() {
                // The cause of an earlier failure may be gone, so send another attempt. But after `BadRow` and `Size` do not, since
                // equal rows fail again for the same reason.
                class if is_earlier && !matches!(class, ErrorClass::BadRow | ErrorClass::Size) => {
                    self.next_attempt(job_prefix);
                    Err(AttemptEnd::NextAttempt)
                }
                _ => {
                    Err(self.handle_error_response(job_prefix, id, ApiError::Response(response), is_earlier))
                }
            },
        }
    }
    /// Decides what follows an error response to the call or an error of the job.
    fn handle_error_response(
        &mut self,
        job_prefix: &str,
        id: &str,
        api_error: ApiError,
        is_earlier: bool,
    ) -> AttemptEnd {
        let class = api_error.class();
        let ApiError::Response(response) = &api_error else {
            return self.to_error(class, &api_error, id).into();
        };
        if response.status.is_none() || class == ErrorClass::DmlQueueFull {
            match class {
                ErrorClass::RetryableJob
                | ErrorClass::Conflict
                | ErrorClass::DmlQueueFull
                | ErrorClass::Throttle
                | ErrorClass::Quota => {
                    self.next_attempt(job_prefix);
                }
                _ => {}
            }
        }
        let is_missing = response.reason == "notFound";
        let stop = match class {
            ErrorClass::BadRow => Stop::BadRow,
            ErrorClass::Size => Stop::Size,
            ErrorClass::InvalidTarget if is_missing => Stop::Missing,
            _ => return self.to_error(class, &api_error, id).into(),
        };
        self.count(class);
        AttemptEnd::Stop(stop(FailedJob {
            response: response.clone(),
            job_prefix: job_prefix.to_owned(),
            is_earlier,
        }))
    }

    /// Looks up a job. A new job may not be visible immediately.
    pub(super) fn get_job(&mut self, id: &str) -> Result<Value, ApiError> {
        self.api_client.job(id)
    }
    /// Waits until the job is done; `None` after the time limit.
    fn await_job(&mut self, id: &str, mut job: Value) -> Result<Option<Value>, ApiError> {
        let (started_ms, mut pause) = (self.clock.now_ms(), MIN_POLL_INTERVAL);
        loop {
            if is_done(&job) {
                return Ok(Some(job));
            }
            if !job.is_null() {
                self.clock.sleep(pause);
                pause = (pause * 2).min(MAX_POLL_INTERVAL);
            }
            if self.clock.now_ms() - started_ms > MAX_JOB_WAIT_MS {
                return Ok(None);
            }
            job = self.get_job(id)?;
        }
    }
    /// Waits for the rate limiters of DML on the table and of job insertions.
    fn throttle(&mut self, kind: JobKind) {
        let dml = (kind == JobKind::Leased).then_some(&mut self.statements);
        for limiter in dml.into_iter().chain([&mut self.inserts]) {
            while let Err(wait) = limiter.take(self.clock.now_ms()) {
                self.counters.get_mut().waited_ms += wait as u64;
                self.clock.sleep(Duration::from_millis(wait as u64));
            }
        }
    }

    pub(super) fn count(&self, class: ErrorClass) {
        *self.counters.borrow_mut().errors.entry(class.name()).or_default() += 1;
    }
}

/// Result of sending a job.
pub type SendResult = Result<Reply, ApiError>;
pub enum Reply {
    /// The job was created.
    Inserted(Value),
    /// The job existed and was not sent again.
    Existing(Value),
}

enum AttemptEnd {
    NextAttempt,
    Stop(Stop),
}
impl From<WarehouseError> for AttemptEnd {
    fn from(error: WarehouseError) -> AttemptEnd {
        AttemptEnd::Stop(Stop::Error(error))
    }
}

/// Returns a job with the configuration that all jobs share.
pub fn job(id: &str, project: &str, location: &str, timeout: Duration) -> Job {
    use gcp_bigquery_client::model::{job_configuration::JobConfiguration, job_reference::JobReference};
    // The value of the label is the batch id in `fb_<batch>_…`, so that the jobs of a batch can be found. There is only one label, because
    // the client serializes several labels in random order, but equal ids need equal request bodies.
    let batch = id.split('_').nth(1).unwrap_or_default().to_owned();
    Job {
        job_reference: Some(JobReference {
            job_id: Some(id.to_owned()),
            location: Some(location.to_owned()),
            project_id: Some(project.to_owned()),
        }),
        configuration: Some(JobConfiguration {
            job_timeout_ms: Some(timeout.as_millis().to_string()),
            labels: Some([("fastbreak".to_owned(), batch)].into()),
            ..JobConfiguration::default()
        }),
        ..Job::default()
    }
}

pub fn is_done(job: &Value) -> bool {
    job["status"]["state"] == "DONE"
}
/// Returns the error of a failed job. A job that is done may have failed; only `errorResult` shows it.
pub fn failure(job: &Value) -> Option<ErrorResponse> {
    let error = &job["status"]["errorResult"];
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    (!error.is_null()).then(|| ErrorResponse {
        status: None,
        reason: text("reason"),
        message: text("message"),
    })
}
/// Returns the number of changed rows.
fn affected(job: &Value) -> u64 {
    job["statistics"]["query"]["numDmlAffectedRows"].as_str().and_then(|n| n.parse().ok()).unwrap_or(0)
}
