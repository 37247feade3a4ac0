//! Sending a job under a name that it always has, and finding out what became of it.
//!
//! Invariant: an (id, attempt) is one job at most, whoever sends it and however often: what is sent twice is adopted. A new attempt is
//! made only of one that has failed. Every way out is an answer, so a caller can stop in between.
//! Not here: what the job is (`sql`, `bulk`); whose turn it is (`turn`); what is said of a failure (`words`).
use super::{
    BigQuery,
    error::{Class, Refusal, Trouble},
};
use crate::warehouse::WarehouseError;
use gcp_bigquery_client::model::job::Job;
use serde_json::Value;
use std::time::Duration;

/// A job that is done.
#[derive(Clone, Debug)]
pub struct Done {
    /// Rows that it changed, as the job itself says.
    pub affected: u64,
    /// It had been sent before.
    pub is_adopted: bool,
    pub id: String,
}

/// Why a job is not done.
pub enum Stop {
    /// It is for the caller's caller: later, or the operator.
    Out(WarehouseError),
    /// A row cannot be read.
    Poison(Failed),
    /// It is too large as it is.
    Size(Failed),
    /// Something that it reads is not there.
    Missing(Failed),
}
/// A job that was refused, or that failed.
pub struct Failed {
    pub refusal: Refusal,
    /// Of its id.
    pub stem: String,
    /// Another instance had sent it, maybe long ago: what was wrong may have been put right since.
    pub is_earlier: bool,
}
impl From<WarehouseError> for Stop {
    fn from(error: WarehouseError) -> Stop {
        Stop::Out(error)
    }
}

/// What a job is to the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It changes the records: one at a time.
    Change,
    /// It changes nothing that anyone else can see.
    Aside,
}

const POLL: Duration = Duration::from_millis(250);
const LONGEST_POLL: Duration = Duration::from_secs(4);
/// How long a running job is watched before the caller is asked whether to go on.
pub(super) const WATCH_MS: i64 = 30_000;

impl BigQuery {
    /// Runs the job that `make` makes of an id, in the attempt that is due.
    pub(super) fn run(
        &mut self,
        stem: &str,
        kind: Kind,
        make: &mut dyn FnMut(&mut BigQuery, &str) -> Sending,
    ) -> Result<Done, Stop> {
        loop {
            let attempt = self.attempt(stem);
            let id = format!("{stem}{attempt}");
            self.slow_down(kind);
            if kind == Kind::Change {
                self.turn(&id)?;
                self.counters.get_mut().attempts += 1;
            }
            self.last_done.take_if(|done| *done == id);
            let answer = make(self, &id);
            let ended = self.settle(stem, &id, answer);
            match ended {
                Ok(done) => {
                    if !done.is_adopted {
                        // An answer that is open is of before.
                        self.asked.take();
                    }
                    self.counters.get_mut().adopted += u64::from(done.is_adopted);
                    return Ok(done);
                }
                // Adopted and failed before: walk up to the attempt that is due.
                Err(Ended::Stepped) => continue,
                Err(Ended::Stop(stop)) => return Err(stop),
            }
        }
    }
    /// The attempt that is due, of the job that was last asked for.
    fn attempt(&self, stem: &str) -> u32 {
        self.attempts.get(stem).copied().unwrap_or(0)
    }
    pub(super) fn step(&mut self, stem: &str) {
        // Only what is being worked on is remembered: anything else is found again by walking up.
        if self.attempts.len() > 64 {
            self.attempts.clear();
        }
        *self.attempts.entry(stem.to_owned()).or_default() += 1;
    }

    fn settle(&mut self, stem: &str, id: &str, answer: Sending) -> Result<Done, Ended> {
        let (job, is_adopted) = match answer {
            Ok(Reply::Taken(job)) => {
                self.own.insert(id.to_owned());
                (job, false)
            }
            Ok(Reply::Held(job)) => (job, true),
            Err(trouble) => match trouble.class() {
                Class::Duplicate => (Value::Null, true),
                Class::Ambiguous => {
                    self.count(Class::Ambiguous);
                    match self.look(id) {
                        Ok(job) => (job, true),
                        Err(again) if again.is_not_found() => {
                            return Err(self.later(Class::Ambiguous, &trouble, id).into());
                        }
                        Err(again) => return Err(self.later(again.class(), &again, id).into()),
                    }
                }
                _ => {
                    if matches!(trouble, Trouble::Refused(_)) {
                        // There is no such job, and there was none.
                        self.last_done = Some(id.to_owned());
                    }
                    return Err(self.refused(stem, id, trouble, false));
                }
            },
        };
        let (job, is_adopted) = match self.watch(id, job) {
            Ok(job) => (job, is_adopted),
            // It was taken a moment ago, so it will be seen.
            Err(trouble) if trouble.is_not_found() => {
                return Err(self.later(Class::Ambiguous, &trouble, id).into());
            }
            Err(trouble) => return Err(self.later(trouble.class(), &trouble, id).into()),
        };
        let Some(job) = job else {
            return Err(WarehouseError::waits(format!("job {id} is still running")).into());
        };
        self.last_done = Some(id.to_owned());
        // A job of this instance may take longer than one call, and is adopted by the next. What it fails with is news all the same.
        let is_earlier = is_adopted && !self.own.contains(id);
        match failure(&job) {
            None => Ok(Done { affected: affected(&job), is_adopted, id: id.to_owned() }),
            Some(refusal) => match refusal.class() {
                // It failed before: what was wrong may have been put right, or have passed. But the same rows fail in the same way,
                // whoever asks, until something else is known of them.
                class if is_earlier && !matches!(class, Class::Poison | Class::Size) => {
                    self.step(stem);
                    Err(Ended::Stepped)
                }
                _ => Err(self.refused(stem, id, Trouble::Refused(refusal), is_earlier)),
            },
        }
    }
    /// What to do about a refusal, of the call or of the job.
    fn refused(&mut self, stem: &str, id: &str, trouble: Trouble, is_earlier: bool) -> Ended {
        let class = trouble.class();
        let Trouble::Refused(refusal) = &trouble else { return self.later(class, &trouble, id).into() };
        if refusal.status.is_none() || class == Class::Crowded {
            match class {
                Class::Again | Class::Conflict | Class::Crowded | Class::Throttle | Class::Quota => {
                    self.step(stem);
                }
                _ => {}
            }
        }
        let is_missing = refusal.reason == "notFound";
        let stop = match class {
            Class::Poison => Stop::Poison,
            Class::Size => Stop::Size,
            Class::Config if is_missing => Stop::Missing,
            _ => return self.later(class, &trouble, id).into(),
        };
        self.count(class);
        Ended::Stop(stop(Failed { refusal: refusal.clone(), stem: stem.to_owned(), is_earlier }))
    }

    /// The job, whose creation may not be seen everywhere at once.
    pub(super) fn look(&mut self, id: &str) -> Result<Value, Trouble> {
        self.runtime.block_on(self.http.job(id))
    }
    /// Waits until the job is done; `None` when it takes long.
    fn watch(&mut self, id: &str, mut job: Value) -> Result<Option<Value>, Trouble> {
        let (since, mut pause) = (self.clock.now_ms(), POLL);
        loop {
            if is_done(&job) {
                return Ok(Some(job));
            }
            if !job.is_null() {
                self.clock.sleep(pause);
                pause = (pause * 2).min(LONGEST_POLL);
            }
            if self.clock.now_ms() - since > WATCH_MS {
                return Ok(None);
            }
            job = self.look(id)?;
        }
    }
    /// Keeps to fewer statements than the table, and fewer jobs than the project, can take.
    fn slow_down(&mut self, kind: Kind) {
        let change = (kind == Kind::Change).then_some(&mut self.statements);
        for bucket in change.into_iter().chain([&mut self.inserts]) {
            while let Err(wait) = bucket.take(self.clock.now_ms()) {
                self.counters.get_mut().waited_ms += wait as u64;
                self.clock.sleep(Duration::from_millis(wait as u64));
            }
        }
    }

    pub(super) fn count(&self, class: Class) {
        *self.counters.borrow_mut().errors.entry(class.name()).or_default() += 1;
    }
}

/// What sending a job answered.
pub type Sending = Result<Reply, Trouble>;
pub enum Reply {
    /// The job, sent now.
    Taken(Value),
    /// The job, which was there before and was not sent again.
    Held(Value),
}

enum Ended {
    Stepped,
    Stop(Stop),
}
impl From<WarehouseError> for Ended {
    fn from(error: WarehouseError) -> Ended {
        Ended::Stop(Stop::Out(error))
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
pub fn failure(job: &Value) -> Option<Refusal> {
    let error = &job["status"]["errorResult"];
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    (!error.is_null()).then(|| Refusal { status: None, reason: text("reason"), message: text("message") })
}
fn affected(job: &Value) -> u64 {
    job["statistics"]["query"]["numDmlAffectedRows"].as_str().and_then(|n| n.parse().ok()).unwrap_or(0)
}
