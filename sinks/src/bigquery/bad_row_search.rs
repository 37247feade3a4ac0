//! `BadRowSearch`: search for the rows of a batch that BigQuery cannot convert.
//!
//! Read-only queries probe halves of the rows, so no part of the batch is written, and no DML job is used. Each half has a deterministic
//! job id, so an interrupted search resumes.
//!
//! Invariant: the result has exactly the rows that fail when each row is probed alone.
//! Not here: sending the rows to the dead-letter queue (the sink task).
use super::{
    call_end::CallEnd,
    clock::Clock,
    config::BigQueryConfig,
    encode::Encoded,
    job::{FailedJob, JobKind, MAX_JOB_WAIT_MS, SendResult, Stop},
    job_runner::JobRunner,
    sql::{self, Source},
};
use crate::{
    TopicPartitionOffset,
    warehouse::{BadRecord, WarehouseError, max_bad_records},
};
use std::{ops::Range, sync::Arc};

/// State of a search, kept between calls.
struct Search {
    job_prefix: String,
    /// Parts that are still to be probed: suffix of the job id, and range of rows. The halves of part `0c` have the suffixes `0c0` and
    /// `0c1`. The last part in this list is probed next.
    open: Vec<(String, Range<usize>)>,
    bad: Vec<BadRecord>,
}
impl Search {
    /// Cuts the rows into parts that fit into a query parameter.
    fn new(job_prefix: String, encoded: &Encoded, inline_bytes: usize) -> Search {
        let mut search = Search { job_prefix, open: Vec::new(), bad: Vec::new() };
        let mut from = 0;
        while from < encoded.rows.len() {
            let (mut bytes, mut to) = (0, from);
            for (_, row) in &encoded.rows[from..] {
                bytes += 2 * row.len();
                if to > from && bytes > inline_bytes {
                    break;
                }
                to += 1;
            }
            search.open.push((format!("{}c", search.open.len()), from..to));
            from = to;
        }
        search
    }
}

/// Searches for the rows that BigQuery cannot convert.
pub struct BadRowSearch {
    clock: Arc<dyn Clock>,
    /// Maximum size in bytes of the rows of one query.
    inline_bytes: usize,
    /// The search that the last call did not finish.
    interrupted: Option<Search>,
}
impl BadRowSearch {
    pub fn new(config: &BigQueryConfig) -> BadRowSearch {
        BadRowSearch { clock: config.clock.clone(), inline_bytes: config.inline_bytes, interrupted: None }
    }
    /// Returns the rows that make the job fail; the result is empty if each row can be converted on its own.
    pub fn find_bad_rows(
        &mut self,
        runner: &mut JobRunner,
        job_prefix: &str,
        encoded: &Encoded,
        failed_job: &FailedJob,
    ) -> Result<Vec<BadRecord>, Stop> {
        let job_prefix = format!("{}_x", job_prefix.trim_end_matches("_m"));
        let interrupted = self.interrupted.take_if(|search| search.job_prefix == job_prefix);
        let mut search = interrupted.unwrap_or_else(|| Search::new(job_prefix, encoded, self.inline_bytes));
        let found = self.continue_search(runner, &mut search, encoded, failed_job);
        match found {
            Ok(()) => Ok(search.bad),
            // The state is kept for the next call, so that the search ends even if it takes many calls.
            Err(stop) => {
                self.interrupted = Some(search);
                Err(stop)
            }
        }
    }
    fn continue_search(
        &self,
        runner: &mut JobRunner,
        search: &mut Search,
        encoded: &Encoded,
        failed_job: &FailedJob,
    ) -> Result<(), Stop> {
        let max_bad = max_bad_records(encoded.rows.len());
        let started_ms = self.clock.now_ms();
        while let Some((path, part)) = search.open.last().cloned() {
            if self.clock.now_ms() - started_ms > MAX_JOB_WAIT_MS {
                let what = format!(
                    "the search for rows that BigQuery cannot convert is in progress ({})",
                    search.job_prefix
                );
                return Err(CallEnd::Pending(what).into());
            }
            let rows = &encoded.rows[part.clone()];
            let probed = probe(runner, &format!("{}{path}_m", search.job_prefix), rows);
            let failed = match probed {
                Ok(()) => None,
                Err(Stop::BadRow(failed)) => Some(failed),
                Err(other) => return Err(other),
            };
            search.open.pop();
            match (failed, rows) {
                (None, _) => {}
                (Some(failed), [(coordinates, _)]) => {
                    search.bad.push(BadRecord { coordinates: *coordinates, reason: failed.response.message });
                }
                (Some(_), rows) => {
                    let middle = part.start + rows.len() / 2;
                    search.open.push((format!("{path}1"), middle..part.end));
                    search.open.push((format!("{path}0"), part.start..middle));
                }
            }
            if search.bad.len() > max_bad {
                return Err(Stop::from(WarehouseError::Config {
                    what: format!(
                        "BigQuery cannot convert more than {max_bad} of {} rows, which indicates a schema mismatch; first error: {}",
                        encoded.rows.len(),
                        failed_job.response.message
                    ),
                    next: "run `fastbreak warehouse plan` to compare the dataset with this version of the program; nothing was written"
                        .into(),
                }));
            }
        }
        Ok(())
    }
}

/// Runs the query that fails if one of the rows cannot be converted.
fn probe(
    runner: &mut JobRunner,
    job_prefix: &str,
    rows: &[(TopicPartitionOffset, String)],
) -> Result<(), Stop> {
    let rows = Encoded { rows: rows.to_vec(), ..Encoded::default() }.json_array();
    let mut send = |runner: &mut JobRunner, id: &str| -> SendResult {
        runner.insert(id, sql::probe_sql(&Source::Parameter), &[("rows", "STRING", rows.clone())])
    };
    runner.run(job_prefix, JobKind::Unleased, &mut send).map(drop)
}
