//! `WriterLease`: lets only one instance at a time send a DML job on the table `sink_records`.
//!
//! A label of a table without rows has the id of the last DML job. An instance that wants to send a job waits until that job is done, and
//! replaces the id by its own with a compare-and-set on the ETag. This needs no DML job on the records.
//!
//! Invariant: an instance sends a DML job only while no other DML job runs. If the job in the label was never sent, an instance waits
//! until the sender of that job has certainly stopped.
//! Not here: protection from two concurrent DML jobs; the statement (`sql`) of the second job changes only rows for which it has newer
//! records.
use super::{
    api_client::ApiClient,
    call_end::CallEnd,
    clock::Clock,
    config::BigQueryConfig,
    job::is_done,
    retry_policy::RetryPolicy,
    schema::{Names, WRITER},
    shared_counters::SharedCounters,
};
use crate::{retry::RateLimiter, warehouse::WarehouseError};
use serde_json::json;
use std::{sync::Arc, time::Duration};

const LABEL: &str = "job";
/// If the job in the label still does not exist this long after the first lookup, it is assumed to have never been sent.
const ABANDONED_AFTER_MS: i64 = 60_000;
/// Time limit of one call that waits for the lease.
const MAX_LEASE_WAIT_MS: i64 = 30_000;

/// Acquires the writer lease for the jobs of one instance.
pub struct WriterLease {
    api: Arc<ApiClient>,
    clock: Arc<dyn Clock>,
    names: Names,
    counters: SharedCounters,
    retry_policy: Arc<RetryPolicy>,
    /// Limits the label updates of this process to 4 within 10 s, because BigQuery allows 5 metadata updates per table in this time.
    labels: RateLimiter,
    /// Id of a job that holds the lease but does not exist, and time in milliseconds of the first lookup that did not find the job.
    missing_holder: Option<(String, i64)>,
}
impl WriterLease {
    pub fn new(
        config: &BigQueryConfig,
        api: Arc<ApiClient>,
        retry_policy: Arc<RetryPolicy>,
        counters: SharedCounters,
    ) -> WriterLease {
        WriterLease {
            api,
            clock: config.clock.clone(),
            names: config.names(),
            counters,
            retry_policy,
            labels: RateLimiter::new(4, 10_000),
            missing_holder: None,
        }
    }
    /// Acquires the lease for this job. `last_done` is the id of the last job of this instance that is known to be done.
    ///
    /// # Errors
    /// `Pending` if another job still holds the lease after the time limit.
    pub fn acquire(&mut self, id: &str, last_done: Option<&str>) -> Result<(), CallEnd> {
        let (started_ms, mut pause) = (self.clock.now_ms(), Duration::from_millis(250));
        loop {
            let dataset = self.names.dataset.clone();
            let table = match self.api.table(&dataset, WRITER) {
                Ok(table) => table,
                Err(api_error) => {
                    return Err(self.retry_policy.to_error(api_error.class(), &api_error, id).into());
                }
            };
            let holder = table["labels"][LABEL].as_str().unwrap_or_default().to_owned();
            if holder == id {
                return Ok(());
            }
            let is_holder_done = last_done == Some(holder.as_str()) || self.is_holder_done(&holder, id)?;
            match is_holder_done.then(|| self.labels.take(self.clock.now_ms())) {
                None => {}
                // The rate limiter allows no label update now. The holder may change during the pause, so it is read again.
                Some(Err(wait_ms)) => pause = Duration::from_millis(wait_ms as u64),
                Some(Ok(())) => {
                    let etag = table["etag"].as_str().unwrap_or_default();
                    let body = json!({"labels": {LABEL: id}});
                    match self.api.patch(&dataset, WRITER, etag, &body) {
                        Ok(_) => return Ok(()),
                        // Another instance was first: the label shows the new holder.
                        Err(api_error) if api_error.is_status(412) => {}
                        Err(api_error) => {
                            return Err(self.retry_policy.to_error(api_error.class(), &api_error, id).into());
                        }
                    }
                }
            }
            let waited = self.clock.now_ms() - started_ms;
            if waited > MAX_LEASE_WAIT_MS {
                return Err(CallEnd::Pending(format!("DML job {holder} of another writer is in flight")));
            }
            self.clock.sleep(pause);
            self.counters.update(|counters| counters.waited_ms += pause.as_millis() as u64);
            pause = (pause * 2).min(Duration::from_secs(4));
        }
    }
    /// True if the job in the label is done, or is assumed to have never been sent.
    fn is_holder_done(&mut self, holder: &str, id: &str) -> Result<bool, WarehouseError> {
        if holder.is_empty() {
            return Ok(true);
        }
        match self.api.job(holder) {
            Ok(job) => {
                self.missing_holder = None;
                Ok(is_done(&job))
            }
            Err(api_error) if api_error.is_not_found() => {
                let now = self.clock.now_ms();
                match &self.missing_holder {
                    Some((job, since)) if job == holder => Ok(now - since > ABANDONED_AFTER_MS),
                    _ => {
                        self.missing_holder = Some((holder.to_owned(), now));
                        Ok(false)
                    }
                }
            }
            Err(api_error) => Err(self.retry_policy.to_error(api_error.class(), &api_error, id)),
        }
    }
}
