//! `RetryPolicy`: maps an error class to a retry delay and alert, or to the remediation for the operator.
//!
//! Invariant: a transient class is retried without end, with growing pauses; the error of any other class states what to do next.
//! Not here: classifying a failure (`error`); the attempts before an error is returned (`job_runner`, `writer`).
use super::{
    call_end::CallEnd,
    clock::Clock,
    config::BigQueryConfig,
    error::{ApiError, ErrorClass},
    schema::{Names, RECORDS},
    shared_counters::SharedCounters,
};
use crate::{
    retry::{Backoff, FailureWindow},
    warehouse::WarehouseError,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

const QUOTA_PAUSE: Duration = Duration::from_secs(600);
const DML_QUEUE_FULL_PAUSE: Duration = Duration::from_secs(10);
const RESTART_OR_REPORT: &str =
    "start `fastbreak run` again: it makes another attempt; report this error if it occurs again";

/// Decides how the warehouse and its caller react to an error.
pub struct RetryPolicy {
    backoff: Backoff,
    names: Names,
    location: String,
    clock: Arc<dyn Clock>,
    counters: SharedCounters,
    /// Recent failures; a successful operation resets the number of consecutive failures.
    failures: Mutex<FailureWindow>,
}
impl RetryPolicy {
    pub fn new(config: &BigQueryConfig, counters: SharedCounters) -> RetryPolicy {
        RetryPolicy {
            backoff: config.backoff.clone(),
            names: config.names(),
            location: config.location.clone(),
            clock: config.clock.clone(),
            counters,
            failures: Mutex::default(),
        }
    }
    /// Resets the number of consecutive failures after a successful operation.
    pub fn clear_failures(&self) {
        self.failures().clear();
    }
    /// Converts an error of a job to the error that the warehouse returns.
    pub fn to_error(&self, class: ErrorClass, api_error: &ApiError, id: &str) -> WarehouseError {
        self.classify_error(class, format!("{api_error} (job {id})"), id)
    }
    /// Converts the early end of a query to that of the call that ran it.
    pub fn query_end(&self, end: CallEnd<ApiError>) -> CallEnd {
        end.map_error(|api_error| self.query_error(&api_error))
    }
    /// Converts an error of a query to the error that the warehouse returns.
    pub fn query_error(&self, api_error: &ApiError) -> WarehouseError {
        let class = match api_error.class() {
            // A query writes no rows, so there is no batch to split and no duplicate row to delete. Both errors become `Fatal`.
            ErrorClass::Size | ErrorClass::DuplicateRow => ErrorClass::BadRow,
            class => class,
        };
        self.classify_error(class, api_error.to_string(), "query")
    }
    fn classify_error(&self, class: ErrorClass, what: String, seed: &str) -> WarehouseError {
        self.counters.count_error(class);
        match class {
            ErrorClass::InvalidTarget | ErrorClass::AccessOrBilling => {
                WarehouseError::Config { what, next: self.remediation(class) }
            }
            ErrorClass::BadRow | ErrorClass::DuplicateRow | ErrorClass::UnexpectedResult => {
                WarehouseError::Fatal { what, next: self.remediation(class) }
            }
            ErrorClass::Size => WarehouseError::Size { what, next: self.remediation(class) },
            _ => self.retry_after(class, what, seed),
        }
    }
    /// Returns the remediation for a class that no retry resolves.
    fn remediation(&self, class: ErrorClass) -> String {
        match class {
            ErrorClass::InvalidTarget => "`fastbreak warehouse plan` shows what is missing in the dataset, `fastbreak warehouse apply` creates it".into(),
            ErrorClass::AccessOrBilling => format!(
                "allow the service account to read and write dataset {} and to run jobs in project {} (roles bigquery.dataEditor and bigquery.jobUser, billing enabled), then start `fastbreak run` again: it resumes where it stopped",
                self.names.dataset, self.names.project
            ),
            ErrorClass::DuplicateRow => format!(
                "find keys with two rows: SELECT season_start, input, game_id, player_id, COUNT(*) FROM {} GROUP BY 1, 2, 3, 4 HAVING COUNT(*) > 1; delete the older row of each key, then start `fastbreak run` again",
                self.names.table(RECORDS)
            ),
            ErrorClass::UnexpectedResult => "run `fastbreak sink rebuild`: it writes all rows again from the log; report this error if it occurs again".into(),
            _ => RESTART_OR_REPORT.into(),
        }
    }
    /// Returns a `Retry` with the delay of the class, and an alert after repeated failures.
    fn retry_after(&self, class: ErrorClass, what: String, seed: &str) -> WarehouseError {
        let is_rate_limit =
            matches!(class, ErrorClass::Throttle | ErrorClass::Quota | ErrorClass::DmlQueueFull);
        self.counters.update(|counters| counters.rate_limit_hits += u64::from(is_rate_limit));
        let backoff = &self.backoff;
        let mut failure_window = self.failures();
        let failures = failure_window.add(self.clock.now_ms());
        let pause = backoff.pause(failures, seed);
        let after = match class {
            ErrorClass::Quota => pause.max(QUOTA_PAUSE),
            ErrorClass::DmlQueueFull => pause.max(DML_QUEUE_FULL_PAUSE),
            _ => pause,
        };
        let is_certain = matches!(class, ErrorClass::Quota | ErrorClass::DmlQueueFull | ErrorClass::Auth);
        let alert = failure_window.is_alarming(backoff) || (is_certain && backoff.is_alerting);
        drop(failure_window);
        WarehouseError::Retry { what: what + &self.alert_hint(class, alert), after, alert }
    }
    fn failures(&self) -> MutexGuard<'_, FailureWindow> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Returns a hint for the operator, which is appended to the message.
    fn alert_hint(&self, class: ErrorClass, alert: bool) -> String {
        match class {
            ErrorClass::DmlQueueFull => format!(
                "; other DML jobs run on {}; find them: SELECT user_email, job_id FROM `region-{}`.INFORMATION_SCHEMA.JOBS WHERE state <> 'DONE' AND statement_type IN ('MERGE', 'UPDATE', 'DELETE')",
                self.names.table(RECORDS),
                self.location.to_lowercase()
            ),
            ErrorClass::Quota => "; no data is lost: the sink resumes when the quota allows it".into(),
            ErrorClass::Auth => "; `fastbreak doctor` shows the credentials in use".into(),
            _ if alert => "; `fastbreak doctor` tests the connection to the warehouse. No data is lost: the sink resumes by itself".into(),
            _ => String::new(),
        }
    }
}
