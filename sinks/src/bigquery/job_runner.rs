//! `JobRunner`: sends a job under a deterministic id, and resolves its outcome.
//!
//! Invariant: at most one job exists per (id, attempt), however often and by whichever instance it is sent: a job that exists is reused. A
//! new attempt follows only a failed one. Every function returns in bounded time, so the caller can stop between calls.
//! Not here: the statement or data of a job (`sql`, `staging`); the writer lease (`writer_lease`); retry delay and
//! remediation (`retry_policy`).
use super::{
    api_client::ApiClient,
    call_end::CallEnd,
    clock::Clock,
    config::BigQueryConfig,
    error::{ApiError, ErrorClass},
    job::{
        FailedJob, FinishedJob, JobKind, JobTemplate, MAX_JOB_WAIT_MS, Parameter, Reply, SendResult, Stop,
        affected, failure, is_done,
    },
    queries::Queries,
    retry_policy::RetryPolicy,
    shared_counters::SharedCounters,
    writer_lease::WriterLease,
};
use crate::{retry::RateLimiter, warehouse::WarehouseError};
use gcp_bigquery_client::model::job::Job;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

const MIN_POLL_INTERVAL: Duration = Duration::from_millis(250);
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(4);

/// Sends the jobs of this instance.
pub struct JobRunner {
    api: Arc<ApiClient>,
    clock: Arc<dyn Clock>,
    counters: SharedCounters,
    retry_policy: Arc<RetryPolicy>,
    queries: Arc<Queries>,
    lease: WriterLease,
    template: JobTemplate,
    /// Limits the DML jobs of this process to 20 within 10 s, because BigQuery allows 25 per table in this time.
    statements: RateLimiter,
    /// Limits the jobs that this process creates to 8 per second.
    inserts: RateLimiter,
    /// Number of the current attempt, by job id without this number. A job without an entry is at its first attempt.
    attempts: BTreeMap<String, u32>,
    /// Ids of the jobs that this instance has sent for the current operation, for example to write a batch.
    sent_jobs: BTreeSet<String>,
    /// Id of the last job of this instance that is known to be done.
    last_done: Option<String>,
}
impl JobRunner {
    pub fn new(
        config: &BigQueryConfig,
        api: Arc<ApiClient>,
        queries: Arc<Queries>,
        retry_policy: Arc<RetryPolicy>,
        counters: SharedCounters,
    ) -> JobRunner {
        JobRunner {
            lease: WriterLease::new(config, api.clone(), retry_policy.clone(), counters.clone()),
            api,
            clock: config.clock.clone(),
            counters,
            retry_policy,
            queries,
            template: JobTemplate::new(config),
            statements: RateLimiter::new(20, 10_000),
            inserts: RateLimiter::new(8, 1_000),
            attempts: BTreeMap::new(),
            sent_jobs: BTreeSet::new(),
            last_done: None,
        }
    }
    /// Sends a job with `send` under the id of the current attempt, and waits for it. After `CallEnd::Pending`, the next call finds the job
    /// under the same id.
    pub fn run(
        &mut self,
        job_prefix: &str,
        kind: JobKind,
        send: &mut dyn FnMut(&mut JobRunner, &str) -> SendResult,
    ) -> Result<FinishedJob, Stop> {
        loop {
            let id = self.current_id(job_prefix);
            self.throttle(kind);
            if kind == JobKind::Leased {
                self.lease.acquire(&id, self.last_done.as_deref())?;
                self.counters.update(|counters| counters.attempts += 1);
            }
            self.last_done.take_if(|done| *done == id);
            let sent = send(self, &id);
            match self.resolve_attempt(job_prefix, &id, sent) {
                Ok(done) => {
                    if !done.is_reused {
                        // The pending queries started before this write, so their results are outdated.
                        self.queries.discard_pending_queries();
                    }
                    self.counters.update(|counters| counters.reused += u64::from(done.is_reused));
                    return Ok(done);
                }
                // The reused job failed earlier, so the next attempt is sent.
                Err(AttemptEnd::NextAttempt) => continue,
                Err(AttemptEnd::Stop(stop)) => return Err(stop),
            }
        }
    }
    /// Returns the job id of the current attempt.
    pub fn current_id(&self, job_prefix: &str) -> String {
        format!("{job_prefix}{}", self.attempt(job_prefix))
    }
    /// Returns the number of the current attempt, starting at 0.
    fn attempt(&self, job_prefix: &str) -> u32 {
        self.attempts.get(job_prefix).copied().unwrap_or(0)
    }
    /// Makes the next job with this prefix a new attempt.
    pub fn next_attempt(&mut self, job_prefix: &str) {
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
                self.counters.count_error(ErrorClass::Ambiguous);
                match self.get_job(id) {
                    Ok(job) => Ok((job, true)),
                    Err(lookup_error) if lookup_error.is_not_found() => {
                        Err(self.retry_policy.to_error(ErrorClass::Ambiguous, &api_error, id).into())
                    }
                    Err(lookup_error) => {
                        Err(self.retry_policy.to_error(lookup_error.class(), &lookup_error, id).into())
                    }
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
                return Err(self.retry_policy.to_error(ErrorClass::Ambiguous, &api_error, id).into());
            }
            Err(api_error) => {
                return Err(self.retry_policy.to_error(api_error.class(), &api_error, id).into());
            }
        };
        let Some(job) = job else {
            return Err(CallEnd::Pending(format!("job {id} is still running")).into());
        };
        self.last_done = Some(id.to_owned());
        // If a job of this instance takes longer than one call, the next call reuses the job. If that job fails, its failure is new and
        // does not count as an earlier one.
        let is_earlier = is_reused && !self.sent_jobs.contains(id);
        match failure(&job) {
            None => Ok(FinishedJob { affected: affected(&job), is_reused, is_earlier, id: id.to_owned() }),
            Some(response) => match response.class() {
                // The cause of an earlier failure may have been fixed since then, so send another attempt. After `BadRow` and `Size`, send
                // none: equal rows fail again for the same reason.
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
    /// Decides what to do after an error response to the call or a failure of the job.
    fn handle_error_response(
        &mut self,
        job_prefix: &str,
        id: &str,
        api_error: ApiError,
        is_earlier: bool,
    ) -> AttemptEnd {
        let class = api_error.class();
        let ApiError::Response(response) = &api_error else {
            return self.retry_policy.to_error(class, &api_error, id).into();
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
            _ => return self.retry_policy.to_error(class, &api_error, id).into(),
        };
        self.counters.count_error(class);
        AttemptEnd::Stop(stop(FailedJob {
            response: response.clone(),
            job_prefix: job_prefix.to_owned(),
            is_earlier,
        }))
    }

    /// Looks up a job. A new job may not be visible immediately.
    pub fn get_job(&self, id: &str) -> Result<Value, ApiError> {
        self.api.job(id)
    }
    /// Waits until the job is done; `None` after the time limit.
    fn await_job(&self, id: &str, mut job: Value) -> Result<Option<Value>, ApiError> {
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
    /// Waits until the rate limiters for DML jobs and for new jobs allow this job.
    fn throttle(&mut self, kind: JobKind) {
        let dml = (kind == JobKind::Leased).then_some(&mut self.statements);
        for limiter in dml.into_iter().chain([&mut self.inserts]) {
            while let Err(wait) = limiter.take(self.clock.now_ms()) {
                self.counters.update(|counters| counters.waited_ms += wait as u64);
                self.clock.sleep(Duration::from_millis(wait as u64));
            }
        }
    }

    /// Sends a statement as a job.
    pub fn insert(&self, id: &str, query: String, parameters: &[Parameter]) -> SendResult {
        self.api.insert(&self.template.query_job(id, query, parameters)).map(Reply::Inserted)
    }
    /// Returns a job with the configuration that all jobs share.
    pub fn new_job(&self, id: &str) -> Job {
        self.template.job(id)
    }
    /// Clears the list of sent jobs at the end of an operation, because none of these jobs belongs to the next one.
    pub fn clear_sent_jobs(&mut self) {
        self.sent_jobs.clear();
    }
}

/// End of an attempt that did not succeed.
enum AttemptEnd {
    NextAttempt,
    Stop(Stop),
}
impl From<CallEnd> for AttemptEnd {
    fn from(end: CallEnd) -> AttemptEnd {
        AttemptEnd::Stop(end.into())
    }
}
impl From<WarehouseError> for AttemptEnd {
    fn from(error: WarehouseError) -> AttemptEnd {
        AttemptEnd::Stop(error.into())
    }
}
