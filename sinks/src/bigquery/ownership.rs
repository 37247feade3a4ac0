//! `Ownership`: reads and changes the writer state: the log that owns the warehouse, and the warehouse epoch.
//!
//! Invariant: a change is repeated until the writer state shows its effect, even if the table was deleted and created again.
//! Not here: sending jobs (`job_runner`), the SQL statements (`sql`).
use super::{
    call_end::CallEnd,
    config::BigQueryConfig,
    error::ApiError,
    job::{FinishedJob, JobKind, SendResult, Stop},
    job_runner::JobRunner,
    queries::Queries,
    retry_policy::RetryPolicy,
    schema::Names,
    sql,
};
use crate::warehouse::{WarehouseError, WriterState};
use std::sync::Arc;

/// Name and DML statement of a change of the writer state.
struct WriterStateChange {
    name: &'static str,
    query: String,
}

/// Reads and changes the writer state of a warehouse.
pub struct Ownership {
    queries: Arc<Queries>,
    retry_policy: Arc<RetryPolicy>,
    names: Names,
    /// Epoch before the change of owner that the last call did not finish. Without it, the next call would raise the epoch again.
    unfinished_take_over: Option<i64>,
}
impl Ownership {
    pub fn new(config: &BigQueryConfig, queries: Arc<Queries>, retry_policy: Arc<RetryPolicy>) -> Ownership {
        Ownership { queries, retry_policy, names: config.names(), unfinished_take_over: None }
    }
    /// Runs a change of the writer state as a DML job. The job id is derived from the change's name, its statement, the log and the epoch.
    fn change_writer_state(
        &self,
        runner: &mut JobRunner,
        change: &WriterStateChange,
        log: &str,
        epoch: i64,
    ) -> Result<FinishedJob, CallEnd> {
        let WriterStateChange { name, query } = change;
        let hash = blake3::hash(format!("{log}\n{epoch}\n{query}").as_bytes()).to_hex();
        let job_prefix = format!("fb_{name}_{}_m", &hash[..24]);
        let mut send = |runner: &mut JobRunner, id: &str| -> SendResult {
            let parameters = [("log_id", "STRING", log.to_owned()), ("epoch", "INT64", epoch.to_string())];
            let parameter_count = if *name == "acquire" { 1 } else { 2 };
            runner.insert(id, query.clone(), &parameters[..parameter_count])
        };
        loop {
            match runner.run(&job_prefix, JobKind::Leased, &mut send) {
                // An earlier job made this change, but the table was deleted and created again since then.
                Ok(done) if done.is_earlier && self.is_undone(name, log, epoch)? => {
                    runner.next_attempt(&job_prefix)
                }
                Ok(done) => return Ok(done),
                Err(Stop::End(end)) => return Err(end),
                Err(Stop::BadRow(failed) | Stop::Size(failed)) if failed.is_earlier => {
                    runner.next_attempt(&job_prefix)
                }
                Err(Stop::BadRow(failed) | Stop::Size(failed) | Stop::Missing(failed)) => {
                    let class = failed.response.class();
                    let api_error = ApiError::Response(failed.response);
                    return Err(self.retry_policy.to_error(class, &api_error, &job_prefix).into());
                }
            }
        }
    }
    /// True if the writer state does not show the effect of the change `name`.
    fn is_undone(&self, name: &str, log: &str, epoch: i64) -> Result<bool, CallEnd> {
        let found = self.read_writer_state()?;
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
    fn read_writer_state(&self) -> Result<Option<WriterState>, CallEnd> {
        self.queries.read_writer_state().map_err(|end| self.retry_policy.query_end(end))
    }
    /// Returns the writer state; it has no log if no log has acquired the warehouse yet.
    pub fn load_writer_state(&self) -> Result<WriterState, CallEnd> {
        let found = self.read_writer_state()?;
        Ok(found.unwrap_or(WriterState { log: None, epoch: 1, rebuilding: false }))
    }
    /// Makes the log the owner if no log owns the warehouse, and returns the epoch.
    ///
    /// # Errors
    /// `Config` if another log owns the warehouse.
    pub fn acquire(&self, runner: &mut JobRunner, log: &str) -> Result<i64, CallEnd> {
        let found = self.load_writer_state()?;
        found.check_writer(log, None)?;
        if found.log.is_some() {
            return Ok(found.epoch);
        }
        self.become_writer(runner, log)?;
        let found = self.load_writer_state()?;
        found.check_writer(log, None)?;
        Ok(found.epoch)
    }
    fn become_writer(&self, runner: &mut JobRunner, log: &str) -> Result<(), CallEnd> {
        let change = WriterStateChange { name: "acquire", query: sql::acquire_sql(&self.names) };
        self.change_writer_state(runner, &change, log, 0).map(drop)
    }
    /// Makes the log the owner, and raises and returns the epoch.
    pub fn take_ownership(&mut self, runner: &mut JobRunner, log: &str) -> Result<i64, CallEnd> {
        let taken = self.start_or_continue_take_over(runner, log);
        if !is_continued(&taken) {
            self.unfinished_take_over = None;
        }
        taken
    }
    fn start_or_continue_take_over(&mut self, runner: &mut JobRunner, log: &str) -> Result<i64, CallEnd> {
        let before = match self.unfinished_take_over {
            Some(epoch) => epoch,
            None => {
                let mut found = self.load_writer_state()?;
                if found.log.is_none() {
                    self.become_writer(runner, log)?;
                    found = self.load_writer_state()?;
                }
                *self.unfinished_take_over.insert(found.epoch)
            }
        };
        let change =
            WriterStateChange { name: "take_ownership", query: sql::take_ownership_sql(&self.names) };
        self.change_writer_state(runner, &change, log, before)?;
        let after = self.load_writer_state()?;
        after.check_writer(log, Some(before + 1))?;
        Ok(after.epoch)
    }
    /// Deletes the rows of older epochs, ends the rebuild, and returns the number of deleted rows.
    pub fn delete_stale_epochs(&self, runner: &mut JobRunner, log: &str) -> Result<u64, CallEnd> {
        let found = self.load_writer_state()?;
        found.check_writer(log, Some(found.epoch))?;
        if !found.rebuilding {
            return Ok(0);
        }
        let change = WriterStateChange {
            name: "delete_stale_epochs",
            query: sql::delete_stale_epochs_sql(&self.names),
        };
        let done = self.change_writer_state(runner, &change, log, found.epoch)?;
        // The writer state is one of the changed rows, but not one of the deleted rows.
        Ok(done.affected.saturating_sub(1))
    }
}

/// True if the next call continues the operation: it is still running, or the caller must retry it.
pub fn is_continued<T>(result: &Result<T, CallEnd>) -> bool {
    matches!(result, Err(CallEnd::Pending(_) | CallEnd::Error(WarehouseError::Retry { .. })))
}
