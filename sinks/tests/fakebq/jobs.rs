//! Jobs of the fake: an id is accepted once, at most two DML jobs run on the table and twenty wait, and a job takes effect when it ends.
//!
//! Invariant: BigQuery's documented limits hold: 2 running and 20 queued DML jobs per table, 25 DML statements per table within 10 s, 10 MB
//! per request, 1,500 load jobs per table name and day; of two concurrent DML jobs on the same rows the second fails.
//! Not here: HTTP (`calls`).
use super::{
    statement::Statement,
    table::{Failed, Parameters, Records},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

pub const RUNNING: usize = 2;
pub const QUEUED: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    Pending,
    /// Time of the start and of the end of the job, in milliseconds of the test clock.
    Running(i64, i64),
    Done,
}
/// What a job does.
pub enum Work {
    Change {
        statement: Statement,
        parameters: Parameters,
    },
    /// A DML job of another writer on the same table.
    Foreign,
    Probe {
        rows: Vec<String>,
    },
    Load {
        table: String,
        rows: Result<Vec<String>, Failed>,
        bytes: usize,
    },
}
pub struct Job {
    pub state: State,
    pub work: Work,
    pub failed: Option<Failed>,
    pub affected: u64,
    /// Hash of the request body: all requests with the same id must have the same body.
    pub body: blake3::Hash,
}
impl Job {
    fn is_change(&self) -> bool {
        matches!(self.work, Work::Change { .. } | Work::Foreign)
    }
    pub fn show(&self, id: &str, project: &str) -> Value {
        let state = match self.state {
            State::Pending => "PENDING",
            State::Running(..) => "RUNNING",
            State::Done => "DONE",
        };
        let mut status = json!({"state": state});
        if let Some((reason, message)) = &self.failed {
            let error = json!({"reason": reason, "message": message, "location": "query"});
            status["errorResult"] = error.clone();
            status["errors"] = json!([error]);
        }
        json!({
            "kind": "bigquery#job", "id": format!("{project}:US.{id}"), "status": status,
            "jobReference": {"projectId": project, "jobId": id, "location": "US"},
            "statistics": {"query": {"numDmlAffectedRows": self.affected.to_string(), "statementType": "MERGE"}},
        })
    }
}

/// Statistics for the assertions of tests.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Maximum number of DML jobs of the sink that ran or waited at one time.
    pub max_in_flight: usize,
    /// Number of jobs that failed with "Too many DML statements outstanding".
    pub too_many: usize,
    /// Number of DML jobs of the sink.
    pub changes: usize,
    pub merges: usize,
    /// Number of merges that changed a row.
    pub effective_merges: usize,
    pub loads: usize,
    /// Sum of the changed rows of all jobs.
    pub affected: u64,
    pub requests: usize,
    /// Number of requests whose job id already exists with a different request body.
    pub mixed_ids: usize,
    pub duplicates: usize,
}

#[derive(Default)]
pub struct Service {
    pub records: Records,
    /// Staging tables: rows and creation time.
    pub staged: BTreeMap<String, (Vec<String>, i64)>,
    pub jobs: BTreeMap<String, Job>,
    pub queue: VecDeque<String>,
    pub statements: VecDeque<i64>,
    pub loads: BTreeMap<String, Vec<i64>>,
    pub statistics: Statistics,
    /// Duration of a DML job in milliseconds.
    pub takes_ms: i64,
    /// Outcomes of the next DML jobs of the sink, in order; `None`: the job succeeds.
    pub outcomes: VecDeque<Option<Failed>>,
    /// Maximum number of rows of a merge, and of a load.
    pub max_merged_rows: usize,
    pub max_loaded_rows: usize,
    pub last_end: i64,
    /// True if the next DML job succeeds without an effect.
    pub ignores_next_change: bool,
}

const TOO_MANY: &str = "Resources exceeded during query execution: Too many DML statements outstanding against table fastbreak:predictions.sink_records, limit is 20.";

fn check_row_limit(max_rows: usize, rows: Vec<String>) -> Result<Vec<String>, Failed> {
    let message =
        "Resources exceeded during query execution: The query could not be executed in the allotted memory.";
    if rows.len() > max_rows { Err(("resourcesExceeded", message.into())) } else { Ok(rows) }
}

impl Service {
    fn in_flight(&self) -> impl Iterator<Item = (&String, &Job)> {
        self.jobs.iter().filter(|(_, job)| job.is_change() && job.state != State::Done)
    }
    /// Starts and ends the jobs that are due until this time.
    pub fn advance(&mut self, now: i64) {
        loop {
            let due = self.jobs.iter().filter_map(|(id, job)| match job.state {
                State::Running(_, until) if until <= now => Some((until, id.clone())),
                _ => None,
            });
            let Some((until, id)) = due.min() else { break };
            self.end(&id, until);
            self.start_next(until);
        }
        self.start_next(now);
    }
    fn start_next(&mut self, now: i64) {
        while self
            .jobs
            .values()
            .filter(|job| job.is_change() && matches!(job.state, State::Running(..)))
            .count()
            < RUNNING
        {
            let Some(id) = self.queue.pop_front() else { return };
            let takes = self.takes_ms;
            if let Some(job) = self.jobs.get_mut(&id) {
                job.state = State::Running(now, now + takes);
            }
        }
    }
    fn end(&mut self, id: &str, at: i64) {
        let Some(mut job) = self.jobs.remove(id) else { return };
        let State::Running(since, _) = job.state else { panic!("job {id} is not running") };
        job.state = State::Done;
        let outcome = match job.work {
            Work::Change { .. } => self.outcomes.pop_front().flatten(),
            _ => None,
        };
        let conflict = || {
            ("invalidQuery", "Could not serialize access to table fastbreak:predictions.sink_records due to concurrent update".to_owned())
        };
        let result: Result<u64, Failed> = match (&job.work, outcome) {
            (_, Some(failed)) => Err(failed),
            (Work::Foreign, None) => Ok(0),
            (Work::Change { .. }, None) if self.last_end > since => Err(conflict()),
            (Work::Change { .. }, None) if std::mem::take(&mut self.ignores_next_change) => Ok(0),
            (Work::Change { statement, parameters }, None) => {
                let rows = match statement {
                    Statement::Merge { source, .. } => {
                        let staged = match source {
                            sinks::bigquery::sql::Source::Staged(table) => {
                                let name = table.trim_matches('`').rsplit('.').next().unwrap();
                                self.staged.get(name).map(|(rows, _)| rows)
                            }
                            sinks::bigquery::sql::Source::Parameter => None,
                        };
                        Records::source(source, parameters, staged)
                    }
                    _ => Ok(vec![]),
                };
                let rows = rows.and_then(|rows| check_row_limit(self.max_merged_rows, rows));
                rows.and_then(|rows| self.records.change(statement, &rows, parameters, at))
            }
            (Work::Probe { rows }, None) => self.records.probe(rows).map(|()| 0),
            (Work::Load { table, rows, .. }, None) => {
                rows.clone().and_then(|rows| check_row_limit(self.max_loaded_rows, rows)).map(|rows| {
                    let made = self.staged.get(table).map_or(at, |(_, made)| *made);
                    self.staged.insert(table.clone(), (rows, made));
                    0
                })
            }
        };
        match result {
            Ok(affected) => {
                job.affected = affected;
                self.statistics.affected += affected;
                if job.is_change() && affected > 0 {
                    self.last_end = at;
                    self.statistics.effective_merges += usize::from(matches!(
                        &job.work,
                        Work::Change { statement: Statement::Merge { .. }, .. }
                    ));
                }
            }
            Err(failed) => job.failed = Some(failed),
        }
        self.jobs.insert(id.to_owned(), job);
    }

    /// Creates a job, or returns the status, reason and message of an error.
    pub fn insert(
        &mut self,
        id: &str,
        work: Work,
        body: &[u8],
        now: i64,
    ) -> Result<(), (u16, &'static str, String)> {
        self.advance(now);
        let body_hash = blake3::hash(body);
        if let Some(existing) = self.jobs.get(id) {
            self.statistics.duplicates += 1;
            self.statistics.mixed_ids += usize::from(existing.body != body_hash);
            return Err((409, "duplicate", format!("Already Exists: Job fastbreak:US.{id}")));
        }
        if body.len() > 10 * 1024 * 1024 && !matches!(work, Work::Load { .. }) {
            return Err((400, "invalid", "Request payload size exceeds the limit: 10485760 bytes.".into()));
        }
        let mut job =
            Job { state: State::Running(now, now), work, failed: None, affected: 0, body: body_hash };
        if job.is_change() {
            while self.statements.front().is_some_and(|at| *at <= now - 10_000) {
                self.statements.pop_front();
            }
            if self.statements.len() >= 25 {
                let message = "Exceeded rate limits: too many table dml insert operations for this table.";
                return Err((403, "rateLimitExceeded", message.into()));
            }
            self.statements.push_back(now);
            let is_own = matches!(job.work, Work::Change { .. });
            self.statistics.changes += usize::from(is_own);
            self.statistics.merges +=
                usize::from(matches!(&job.work, Work::Change { statement: Statement::Merge { .. }, .. }));
            let waiting = self.queue.len();
            let running = self.in_flight().count() - waiting;
            match (running < RUNNING, waiting < QUEUED) {
                (true, _) => job.state = State::Running(now, now + self.takes_ms),
                (false, true) => {
                    job.state = State::Pending;
                    self.queue.push_back(id.to_owned());
                }
                (false, false) => {
                    self.statistics.too_many += 1;
                    job.state = State::Done;
                    job.failed = Some(("resourcesExceeded", TOO_MANY.into()));
                }
            }
        } else if let Work::Load { table, .. } = &job.work {
            let day = self.loads.entry(table.clone()).or_default();
            day.retain(|at| *at > now - 86_400_000);
            day.push(now);
            self.statistics.loads += 1;
            if day.len() > 1_500 {
                let message =
                    "Quota exceeded: Your table exceeded quota for imports or query appends per table.";
                return Err((403, "quotaExceeded", message.into()));
            }
        }
        if !job.is_change() {
            job.state = State::Running(now, now + self.takes_ms / 2);
        }
        self.jobs.insert(id.to_owned(), job);
        let own = self.in_flight().filter(|(_, job)| matches!(job.work, Work::Change { .. })).count();
        self.statistics.max_in_flight = self.statistics.max_in_flight.max(own);
        self.advance(now);
        Ok(())
    }
    /// Queues `count` DML jobs of another writer, and starts those that may run now. The started jobs run for `takes_ms`, the others for
    /// the default duration.
    pub fn occupy(&mut self, count: usize, takes_ms: i64, now: i64) {
        let own = std::mem::replace(&mut self.takes_ms, takes_ms);
        for n in 0..count {
            let job = Job {
                state: State::Pending,
                work: Work::Foreign,
                failed: None,
                affected: 0,
                body: blake3::hash(b""),
            };
            let id = format!("foreign_{now}_{n}");
            self.jobs.insert(id.clone(), job);
            self.queue.push_back(id);
        }
        self.start_next(now);
        // The jobs that are still queued run for the default duration when they start.
        self.takes_ms = own;
    }
}
