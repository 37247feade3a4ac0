//! Which rows of a batch cannot be read, when BigQuery says that one cannot.
//!
//! The rows are read in halves by statements that change nothing, so nothing of a batch is ever written in part, and no statement of
//! the table's own limits is spent. Each half has its name, so that a search goes on where it was.
//!
//! Invariant: the rows found are those that alone make the statement fail.
//! Not here: what becomes of them (the dead-letter topic).
use super::{
    BigQuery,
    encode::Encoded,
    jobs::{FailedJob, JobKind, MAX_JOB_WAIT_MS, SendResult, Stop},
    sql::{self, Source},
};
use crate::{
    TopicPartitionOffset,
    warehouse::{BadRecord, WarehouseError, max_bad_records},
};
use std::ops::Range;

/// How far a search is.
pub struct Search {
    stem: String,
    /// The parts not read yet, the next one last: path and rows.
    open: Vec<(String, Range<usize>)>,
    bad: Vec<BadRecord>,
}
impl Search {
    /// Each part must fit into a parameter by itself.
    fn new(stem: String, encoded: &Encoded, inline_bytes: usize) -> Search {
        let mut search = Search { stem, open: Vec::new(), bad: Vec::new() };
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

impl BigQuery {
    /// The rows that make the job of this stem fail as it did; none when every row alone can be read.
    pub(super) fn find_bad_rows(
        &mut self,
        stem: &str,
        encoded: &Encoded,
        failed_job: &FailedJob,
    ) -> Result<Vec<BadRecord>, Stop> {
        let max_bad = max_bad_records(encoded.rows.len());
        let stem = format!("{}_x", stem.trim_end_matches("_m"));
        let earlier = self.search.take_if(|search| search.stem == stem);
        let mut search = earlier.unwrap_or_else(|| Search::new(stem, encoded, self.config.inline_bytes));
        let found = self.continue_search(&mut search, encoded, max_bad, failed_job);
        match found {
            Ok(()) => Ok(search.bad),
            // It goes on where it was, so that it ends however short each call of it is.
            Err(stop) => {
                self.search = Some(search);
                Err(stop)
            }
        }
    }
    fn continue_search(
        &mut self,
        search: &mut Search,
        encoded: &Encoded,
        max_bad: usize,
        failed_job: &FailedJob,
    ) -> Result<(), Stop> {
        let since = self.clock.now_ms();
        while let Some((path, part)) = search.open.last().cloned() {
            if self.clock.now_ms() - since > MAX_JOB_WAIT_MS {
                let what = format!("the rows that BigQuery cannot read are looked for ({})", search.stem);
                return Err(WarehouseError::pending(what).into());
            }
            let rows = &encoded.rows[part.clone()];
            let probed = self.probe(&format!("{}{path}_m", search.stem), rows);
            let failed = match probed {
                Ok(()) => None,
                Err(Stop::BadRow(failed)) => Some(failed),
                Err(other) => return Err(other),
            };
            search.open.pop();
            match (failed, rows) {
                (None, _) => {}
                (Some(failed), [(at, _)]) => {
                    search.bad.push(BadRecord { at: *at, reason: failed.response.message });
                }
                (Some(_), rows) => {
                    let middle = part.start + rows.len() / 2;
                    search.open.push((format!("{path}1"), middle..part.end));
                    search.open.push((format!("{path}0"), part.start..middle));
                }
            }
            if search.bad.len() > max_bad {
                return Err(Stop::Error(WarehouseError::Config {
                    what: format!(
                        "more than {max_bad} of {} rows cannot be read by BigQuery, so it is not the rows; the first: {}",
                        encoded.rows.len(),
                        failed_job.response.message
                    ),
                    next: "compare the program's version with the dataset's: `fastbreak warehouse plan`; nothing was written"
                        .into(),
                }));
            }
        }
        Ok(())
    }
    fn probe(&mut self, stem: &str, rows: &[(TopicPartitionOffset, String)]) -> Result<(), Stop> {
        let list = Encoded { rows: rows.to_vec(), ..Encoded::default() }.list();
        let mut send = |sink: &mut BigQuery, id: &str| -> SendResult {
            sink.insert(id, sql::probe_sql(&Source::Parameter), &[("rows", "STRING", list.clone())])
        };
        self.run(stem, JobKind::Unleased, &mut send).map(drop)
    }
}
