//! What is said of a failure, by its class: when to come back, or what the operator has to do.
//!
//! Invariant: a class that nobody can mend but time waits, for ever and in growing pauses; any other says what to run next.
//! Not here: which class a failure is of (`error`), what is tried before it is said (`submit`, `write`).
use super::{
    BigQuery,
    error::{Class, Trouble},
    schema::RECORDS,
};
use crate::warehouse::WarehouseError;
use std::time::Duration;

const QUOTA_PAUSE: Duration = Duration::from_secs(600);
const CROWDED_PAUSE: Duration = Duration::from_secs(10);
const ONCE_MORE: &str = "start `fastbreak run` again, it tries once more; report this when it says the same";

impl BigQuery {
    /// The error for the caller, of a job.
    pub(super) fn later(&self, class: Class, trouble: &Trouble, id: &str) -> WarehouseError {
        match trouble {
            Trouble::Open(what) => WarehouseError::waits(what.clone()),
            _ => self.put_off(class, format!("{trouble} (job {id})"), id),
        }
    }
    /// The same, of what is no job of the sink's own names.
    pub(super) fn unanswered(&self, trouble: &Trouble) -> WarehouseError {
        if let Trouble::Open(what) = trouble {
            return WarehouseError::waits(what.clone());
        }
        let class = match trouble.class() {
            // Nothing of a batch is in a question.
            Class::Size | Class::Bug => Class::Poison,
            class => class,
        };
        self.put_off(class, trouble.to_string(), "question")
    }
    fn put_off(&self, class: Class, what: String, draw: &str) -> WarehouseError {
        self.count(class);
        match class {
            Class::Config | Class::Fatal => WarehouseError::Config { what, next: self.remedy(class) },
            Class::Poison | Class::Bug => WarehouseError::Fatal { what, next: self.remedy(class) },
            Class::Size => WarehouseError::Size { what, next: self.remedy(class) },
            _ => self.come_back(class, what, draw),
        }
    }
    /// What the operator has to do about what no waiting mends.
    fn remedy(&self, class: Class) -> String {
        match class {
            Class::Config => "`fastbreak warehouse plan` shows what the dataset lacks, `fastbreak warehouse apply` makes it".into(),
            Class::Fatal => format!(
                "let the sink's account read and write dataset {} and run jobs in project {} (roles bigquery.dataEditor and bigquery.jobUser, billing on), then start `fastbreak run` again: it goes on where it was",
                self.names.dataset, self.names.project
            ),
            Class::Bug => format!(
                "see whether the table has two rows of a key: SELECT season_start, input, game_id, player_id, COUNT(*) FROM {} GROUP BY 1, 2, 3, 4 HAVING COUNT(*) > 1; delete the older ones, then start `fastbreak run` again",
                self.names.table(RECORDS)
            ),
            _ => ONCE_MORE.into(),
        }
    }
    /// The same write later: after how long, and whether somebody should look.
    fn come_back(&self, class: Class, what: String, draw: &str) -> WarehouseError {
        let mut counted = self.failures.borrow_mut();
        let failures = counted.add(self.clock.now_ms());
        self.counters.borrow_mut().rate_limit_hits +=
            u64::from(matches!(class, Class::Throttle | Class::Quota | Class::Crowded));
        let backoff = &self.settings.backoff;
        let pause = backoff.pause(failures, draw);
        let after = match class {
            Class::Quota => pause.max(QUOTA_PAUSE),
            Class::Crowded => pause.max(CROWDED_PAUSE),
            _ => pause,
        };
        let is_sure = matches!(class, Class::Quota | Class::Crowded | Class::Auth);
        let alert = counted.is_alarming(backoff) || (is_sure && backoff.is_alerting);
        WarehouseError::Retry { what: what + &self.meanwhile(class, alert), after, alert }
    }
    /// What somebody who looks can do while it waits.
    fn meanwhile(&self, class: Class, alert: bool) -> String {
        match class {
            Class::Crowded => format!(
                "; somebody else changes {}: SELECT user_email, job_id FROM `region-{}`.INFORMATION_SCHEMA.JOBS WHERE state <> 'DONE' AND statement_type IN ('MERGE', 'UPDATE', 'DELETE') finds out who",
                self.names.table(RECORDS),
                self.settings.location.to_lowercase()
            ),
            Class::Quota => "; nothing is dropped: it goes on when the quota allows it".into(),
            Class::Auth => "; `fastbreak check` says which credentials are used".into(),
            _ if alert => "; `fastbreak check` says whether the warehouse can be reached. Nothing is dropped: the sink goes on by itself".into(),
            _ => String::new(),
        }
    }
}
