//! What is said of a failure, by its class: when to come back, or what the operator has to do.
//!
//! Invariant: a class that nobody can mend but time waits, for ever and in growing pauses; any other says what to run next.
//! Not here: which class a failure is of (`error`), what is tried before it is said (`jobs`, `write`).
use super::{
    BigQuery,
    error::{ApiError, ErrorClass},
    schema::RECORDS,
};
use crate::warehouse::WarehouseError;
use std::time::Duration;

const QUOTA_PAUSE: Duration = Duration::from_secs(600);
const DML_QUEUE_FULL_PAUSE: Duration = Duration::from_secs(10);
const RESTART_OR_REPORT: &str =
    "start `fastbreak run` again, it tries once more; report this when it says the same";

impl BigQuery {
    /// The error for the caller, of a job.
    pub(super) fn to_error(&self, class: ErrorClass, api_error: &ApiError, id: &str) -> WarehouseError {
        match api_error {
            ApiError::Pending(what) => WarehouseError::pending(what.clone()),
            _ => self.classify_error(class, format!("{api_error} (job {id})"), id),
        }
    }
    /// The same, of what is no job of the sink's own names.
    pub(super) fn query_error(&self, api_error: &ApiError) -> WarehouseError {
        if let ApiError::Pending(what) = api_error {
            return WarehouseError::pending(what.clone());
        }
        let class = match api_error.class() {
            // Nothing of a batch is in a question.
            ErrorClass::Size | ErrorClass::DuplicateRow => ErrorClass::BadRow,
            class => class,
        };
        self.classify_error(class, api_error.to_string(), "query")
    }
    fn classify_error(&self, class: ErrorClass, what: String, draw: &str) -> WarehouseError {
        self.count(class);
        match class {
            ErrorClass::InvalidTarget | ErrorClass::AccessOrBilling => {
                WarehouseError::Config { what, next: self.remediation(class) }
            }
            ErrorClass::BadRow | ErrorClass::DuplicateRow => {
                WarehouseError::Fatal { what, next: self.remediation(class) }
            }
            ErrorClass::Size => WarehouseError::Size { what, next: self.remediation(class) },
            _ => self.retry_after(class, what, draw),
        }
    }
    /// What the operator has to do about what no waiting mends.
    fn remediation(&self, class: ErrorClass) -> String {
        match class {
            ErrorClass::InvalidTarget => "`fastbreak warehouse plan` shows what the dataset lacks, `fastbreak warehouse apply` makes it".into(),
            ErrorClass::AccessOrBilling => format!(
                "let the sink's account read and write dataset {} and run jobs in project {} (roles bigquery.dataEditor and bigquery.jobUser, billing on), then start `fastbreak run` again: it goes on where it was",
                self.names.dataset, self.names.project
            ),
            ErrorClass::DuplicateRow => format!(
                "see whether the table has two rows of a key: SELECT season_start, input, game_id, player_id, COUNT(*) FROM {} GROUP BY 1, 2, 3, 4 HAVING COUNT(*) > 1; delete the older ones, then start `fastbreak run` again",
                self.names.table(RECORDS)
            ),
            _ => RESTART_OR_REPORT.into(),
        }
    }
    /// The same write later: after how long, and whether somebody should look.
    fn retry_after(&self, class: ErrorClass, what: String, draw: &str) -> WarehouseError {
        let mut counted = self.failures.borrow_mut();
        let failures = counted.add(self.clock.now_ms());
        self.counters.borrow_mut().rate_limit_hits +=
            u64::from(matches!(class, ErrorClass::Throttle | ErrorClass::Quota | ErrorClass::DmlQueueFull));
        let backoff = &self.config.backoff;
        let pause = backoff.pause(failures, draw);
        let after = match class {
            ErrorClass::Quota => pause.max(QUOTA_PAUSE),
            ErrorClass::DmlQueueFull => pause.max(DML_QUEUE_FULL_PAUSE),
            _ => pause,
        };
        let is_sure = matches!(class, ErrorClass::Quota | ErrorClass::DmlQueueFull | ErrorClass::Auth);
        let alert = counted.is_alarming(backoff) || (is_sure && backoff.is_alerting);
        WarehouseError::Retry { what: what + &self.alert_hint(class, alert), after, alert }
    }
    /// What somebody who looks can do while it waits.
    fn alert_hint(&self, class: ErrorClass, alert: bool) -> String {
        match class {
            ErrorClass::DmlQueueFull => format!(
                "; somebody else changes {}: SELECT user_email, job_id FROM `region-{}`.INFORMATION_SCHEMA.JOBS WHERE state <> 'DONE' AND statement_type IN ('MERGE', 'UPDATE', 'DELETE') finds out who",
                self.names.table(RECORDS),
                self.config.location.to_lowercase()
            ),
            ErrorClass::Quota => "; nothing is dropped: it goes on when the quota allows it".into(),
            ErrorClass::Auth => "; `fastbreak check` says which credentials are used".into(),
            _ if alert => "; `fastbreak check` says whether the warehouse can be reached. Nothing is dropped: the sink goes on by itself".into(),
            _ => String::new(),
        }
    }
}
