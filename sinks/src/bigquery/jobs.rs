//! Sending a job under a name that it always has, and finding out what became of it.
//!
//! Invariant: an (id, attempt) is one job at most, whoever sends it and however often: what is sent twice is adopted. A new attempt is
//! made only of one that has failed. Every way out is an answer, so a caller can stop in between.
//! Not here: what the job is (`sql`, `staging`); whose turn it is (`writer_lease`); what is said of a failure (`retry_policy`).
use super::{
    BigQuery,
    error::{ApiError, ErrorClass, ErrorResponse},
};
use crate::warehouse::WarehouseError;
use gcp_bigquery_client::model::job::Job;
use serde_json::Value;
use std::time::Duration;

/// A job that is done.
#[derive(Clone, Debug)]
pub struct FinishedJob {
    /// Rows that it changed, as the job itself says.
    pub affected: u64,
    /// It had been sent before.
    pub is_reused: bool,
    pub id: String,
}

/// Why a job is not done.
pub enum Stop {
    /// It is for the caller's caller: later, or the operator.
    Error(WarehouseError),
    /// A row cannot be read.
    BadRow(FailedJob),
    /// It is too large as it is.
    Size(FailedJob),
    /// Something that it reads is not there.
    Missing(FailedJob),
}
/// A job that was refused, or that failed.
pub struct FailedJob {
    pub response: ErrorResponse,
    /// Of its id.
    pub stem: String,
    /// Another instance had sent it, maybe long ago: what was wrong may have been put right since.
    pub is_earlier: bool,
}
impl From<WarehouseError> for Stop {
    fn from(error: WarehouseError) -> Stop {
        Stop::Error(error)
    }
}

/// What a job is to the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// It changes the records: one at a time.
    Leased,
    /// It changes nothing that anyone else can see.
    Unleased,
}

const MIN_POLL_INTERVAL: Duration = Duration::from_millis(250);
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(4);
/// How long a running job is watched before the caller is asked whether to go on.
pub(super) const MAX_JOB_WAIT_MS: i64 = 30_000;

impl BigQuery {
    /// Runs the job that `make` makes of an id, in the attempt that is due.
    pub(super) fn run(
        &mut self,
        stem: &str,
        kind: JobKind,
        make: &mut dyn FnMut(&mut BigQuery, &str) -> SendResult,
    ) -> Result<FinishedJob, Stop> {
        loop {
            let attempt = self.attempt(stem);
            let id = format!("{stem}{attempt}");
            self.throttle(kind);
            if kind == JobKind::Leased {
                self.acquire_lease(&id)?;
                self.counters.get_mut().attempts += 1;
            }
            self.last_done.take_if(|done| *done == id);
            let answer = make(self, &id);
            let ended = self.resolve_attempt(stem, &id, answer);
            match ended {
                Ok(done) => {
                    if !done.is_reused {
                        // An answer that is open is of before.
                        self.open_query.take();
                    }
                    self.counters.get_mut().reused += u64::from(done.is_reused);
                    return Ok(done);
                }
                // Adopted and failed before: walk up to the attempt that is due.
                Err(AttemptEnd::NextAttempt) => continue,
                Err(AttemptEnd::Stop(stop)) => return Err(stop),
            }
        }
    }
    /// The attempt that is due, of the job that was last asked for.
    fn attempt(&self, stem: &str) -> u32 {
        self.attempts.get(stem).copied().unwrap_or(0)
    }
    pub(super) fn next_attempt(&mut self, stem: &str) {
        // Only what is being worked on is remembered: anything else is found again by walking up.
        if self.attempts.len() > 64 {
            self.attempts.clear();
        }
        *self.attempts.entry(stem.to_owned()).or_default() += 1;
    }

    fn resolve_attempt(
        &mut self,
        stem: &str,
        id: &str,
        answer: SendResult,
    ) -> Result<FinishedJob, AttemptEnd> {
        let (job, is_reused) = match answer {
            Ok(Reply::Inserted(job)) => {
                self.sent_jobs.insert(id.to_owned());
                (job, false)
            }
            Ok(Reply::Existing(job)) => (job, true),
            Err(api_error) => match api_error.class() {
                ErrorClass::JobExists => (Value::Null, true),
                ErrorClass::Ambiguous => {
                    self.count(ErrorClass::Ambiguous);
                    match self.get_job(id) {
                        Ok(job) => (job, true),
                        Err(again) if again.is_not_found() => {
                            return Err(self.to_error(ErrorClass::Ambiguous, &api_error, id).into());
                        }
                        Err(again) => return Err(self.to_error(again.class(), &again, id).into()),
                    }
                }
                _ => {
                    if matches!(api_error, ApiError::Response(_)) {
                        // There is no such job, and there was none.
                        self.last_done = Some(id.to_owned());
                    }
                    return Err(self.handle_error_response(stem, id, api_error, false));
                }
            },
        };
        let (job, is_reused) = match self.await_job(id, job) {
            Ok(job) => (job, is_reused),
            // It was taken a moment ago, so it will be seen.
            Err(api_error) if api_error.is_not_found() => {
                return Err(self.to_error(ErrorClass::Ambiguous, &api_error, id).into());
            }
            Err(api_error) => return Err(self.to_error(api_error.class(), &api_error, id).into()),
        };
        let Some(job) = job else {
            return Err(WarehouseError::pending(format!("job {id} is still running")).into());
        };
        self.last_done = Some(id.to_owned());
        // A job of this instance may take longer than one call, and is adopted by the next. What it fails with is news all the same.
        let is_earlier = is_reused && !self.sent_jobs.contains(id);
        match failure(&job) {
            None => Ok(FinishedJob { affected: affected(&job), is_reused, id: id.to_owned() }),
            Some(response) => match response.class() {
                // It failed before: what was wrong may have been put right, or have passed. But the same rows fail in the same way,
                // whoever asks, until something else is known of them.
                class if is_earlier && !matches!(class, ErrorClass::BadRow | ErrorClass::Size) => {
                    self.next_attempt(stem);
                    Err(AttemptEnd::NextAttempt)
                }
                _ => Err(self.handle_error_response(stem, id, ApiError::Response(response), is_earlier)),
            },
        }
    }
    /// What to do about a refusal, of the call or of the job.
    fn handle_error_response(
        &mut self,
        stem: &str,
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
                    self.next_attempt(stem);
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
        AttemptEnd::Stop(stop(FailedJob { response: response.clone(), stem: stem.to_owned(), is_earlier }))
    }

    /// The job, whose creation may not be seen everywhere at once.
    pub(super) fn get_job(&mut self, id: &str) -> Result<Value, ApiError> {
        self.runtime.block_on(self.api_client.job(id))
    }
    /// Waits until the job is done; `None` when it takes long.
    fn await_job(&mut self, id: &str, mut job: Value) -> Result<Option<Value>, ApiError> {
        let (since, mut pause) = (self.clock.now_ms(), MIN_POLL_INTERVAL);
        loop {
            if is_done(&job) {
                return Ok(Some(job));
            }
            if !job.is_null() {
                self.clock.sleep(pause);
                pause = (pause * 2).min(MAX_POLL_INTERVAL);
            }
            if self.clock.now_ms() - since > MAX_JOB_WAIT_MS {
                return Ok(None);
            }
            job = self.get_job(id)?;
        }
    }
    /// Keeps to fewer statements than the table, and fewer jobs than the project, can take.
    fn throttle(&mut self, kind: JobKind) {
        let change = (kind == JobKind::Leased).then_some(&mut self.statements);
        for limiter in change.into_iter().chain([&mut self.inserts]) {
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

/// What sending a job answered.
pub type SendResult = Result<Reply, ApiError>;
pub enum Reply {
    /// The job, sent now.
    Inserted(Value),
    /// The job, which was there before and was not sent again.
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

/// What every job is sent with.
pub fn job(id: &str, project: &str, location: &str, timeout: Duration) -> Job {
    use gcp_bigquery_client::model::{job_configuration::JobConfiguration, job_reference::JobReference};
    // Of `fb_<batch>_…`, to find what a job was for. One label: the client keeps several in no order, and an id is of one body.
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
/// Done is not success: a failed job says so here, and only here.
pub fn failure(job: &Value) -> Option<ErrorResponse> {
    let error = &job["status"]["errorResult"];
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    (!error.is_null()).then(|| ErrorResponse {
        status: None,
        reason: text("reason"),
        message: text("message"),
    })
}
fn affected(job: &Value) -> u64 {
    job["statistics"]["query"]["numDmlAffectedRows"].as_str().and_then(|n| n.parse().ok()).unwrap_or(0)
}
