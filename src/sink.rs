//! The windowed sink's loop: records of three tables into batches, each planned in the log, written in one warehouse transaction,
//! and only then committed.
//!
//! Invariant: plan, write, commit, in this order; after a restart the newest plan decides, so a batch that may have been written is
//! made again from its ranges and recognised by its id.
//! Not here: the window, the plan and the warehouse themselves (crate `sinks`).
mod audit;
mod halving;
mod measured;
mod recovery;
mod rejects;

use self::halving::Sent;
use crate::{pipeline::Destination, topology::SINK, warehouse::Place};
use anyhow::{Context, Result};
use runtime::{
    Chunk, Commit, Halt, Member, Wake,
    engine::Breaker,
    log::At,
    member::{Reader, Signals},
    metrics as m,
};
use schemas::{Instant, ops::LedgerEntry, wire};
use sinks::{
    Batch, BatchPlan, Change, Counters, Dates, Input, Limits, Position, Warehouse, WarehouseError, Window,
    Writer, Written, plan::Positions,
};
use std::{sync::Arc, time::Duration};

/// The sink as a reader of the log.
pub fn reader(upstream: &[Reader]) -> Reader {
    Reader {
        name: SINK,
        group: SINK.to_owned(),
        inputs: crate::topology::sink_inputs(),
        outputs: vec![topics::SINK_BATCHES.info],
        is_view: false,
        is_alone: true,
        upstream: upstream.iter().map(|reader| reader.name).collect(),
    }
}

/// The clock, for write times only: nothing that is written depends on it.
pub fn now() -> Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Instant(since.as_millis() as i64)
}

/// How the sink closes its batches.
#[derive(Clone, Copy)]
pub struct Windowing {
    pub limits: Limits,
    /// Close as soon as there is nothing left to read, since nobody waits for more.
    pub until_caught_up: bool,
    /// How often the warehouse is held against the log; never when zero.
    pub audit_every: Duration,
    /// When it stops because too much of what it reads makes no row.
    pub breaker: Breaker,
}

/// It was told to stop while it waited for the warehouse, for this reason. What it was about to write is planned in the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Stopped(String);

/// How long a run that ends by itself waits for the warehouse to take the last of it.
const PATIENCE: Duration = Duration::from_secs(120);

/// One sink over one log and one warehouse.
pub struct Sink {
    member: Box<dyn Member>,
    warehouse: Box<dyn Warehouse>,
    writer: Writer,
    signals: Arc<Signals>,
    adopting: bool,
    /// How often the log was begun to be read again; the version of the sink's account.
    pass: i64,
    /// What of the warehouse's counts is in the metrics.
    counted: Counters,
    /// The days whose games are written; all when `None`.
    dates: Option<Dates>,
    /// Partitions are assigned: no other instance writes.
    is_writer: bool,
    /// Until when the warehouse is waited for although the process ends.
    patience: Option<std::time::Instant>,
    /// When the warehouse is next held against the log; never when `None`.
    audit_due: Option<std::time::Instant>,
    rejects: rejects::Rejects,
    /// Records that a batch may have at most, once one was too large; for as long as this process runs.
    most: Option<usize>,
}

impl Sink {
    /// Opens the warehouse for this log.
    pub fn open(mut member: Box<dyn Member>, to: Destination, signals: Arc<Signals>) -> Result<Sink> {
        if let Place::Folder(folder) = &to.place {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("making the folder {}", folder.display()))?;
        }
        let warehouse = to.place.open()?;
        let log = member.storage().id()?;
        let writer = Writer { sink: SINK.to_owned(), log, epoch: 0 };
        Ok(Sink {
            member,
            warehouse,
            writer,
            signals,
            adopting: false,
            pass: 0,
            counted: Counters::default(),
            dates: to.dates,
            is_writer: false,
            patience: None,
            audit_due: None,
            rejects: rejects::Rejects::default(),
            most: None,
        })
    }
    fn seek(&mut self, positions: &Positions) {
        let next = positions.iter().map(|((input, partition), next)| ((input.topic(), *partition), *next));
        self.member.seek(next.collect());
    }
    fn commit(&mut self, next: &Positions, mut commit: Commit) -> Result<()> {
        commit.group = SINK.to_owned();
        commit.next =
            next.iter().map(|((input, partition), next)| ((input.topic(), *partition), *next)).collect();
        Ok(self.member.commit(commit)?)
    }
    /// Plans, writes and commits one batch.
    fn deliver(&mut self, batch: Batch) -> Result<()> {
        let plan = self.plan(&batch)?;
        self.write(batch, plan)
    }
    fn write(&mut self, batch: Batch, plan: BatchPlan) -> Result<()> {
        self.signals.metrics.set(m::SINK_IN_FLIGHT, &[SINK], 1.0);
        let written = self.write_in_parts(batch, plan);
        // Also when it failed: what is in flight is being written.
        self.signals.metrics.set(m::SINK_IN_FLIGHT, &[SINK], 0.0);
        written
    }
    /// Writes and commits a planned batch; the records that make no row are added to those that were set aside before.
    fn write_until_it_stands(
        &mut self,
        mut batch: Batch,
        plan: &BatchPlan,
        aside: &mut Vec<Position>,
    ) -> Result<Sent> {
        let mut commit = Commit::default();
        let written = loop {
            let narrowed =
                self.dates.map_or(Ok(()), |dates| dates.narrow(&mut batch, self.warehouse.as_ref()));
            let started = std::time::Instant::now();
            let attempt = narrowed.and_then(|()| self.warehouse.write(&batch, plan, now()));
            self.count_attempt(&attempt, started.elapsed());
            match attempt {
                Ok(written) => break written,
                Err(WarehouseError::Rows(bad)) => {
                    let places: Vec<Position> = bad.iter().map(|bad| bad.at).collect();
                    self.set_aside(&mut batch, plan, bad)?;
                    aside.extend(places);
                }
                Err(WarehouseError::Size { what, .. }) => return Ok(Sent::TooLarge(what)),
                Err(WarehouseError::Retry { what, after, alert }) => self.wait(what, after, alert)?,
                Err(error) => return Err(error.into()),
            }
        };
        self.rejects.count_used(&batch);
        let entry = LedgerEntry { version: self.pass, ..entry(written) };
        append(&mut commit, topics::LEDGER.info.name, SINK, &wire::encode(&entry)?);
        commit.account = Some(entry);
        self.commit(&plan.next(), commit)?;
        Ok(Sent::Stands)
    }
    /// Asks the warehouse until it is ready or the sink is told to stop.
    fn patiently<T>(
        &mut self,
        mut question: impl FnMut(&mut dyn Warehouse) -> Result<T, WarehouseError>,
    ) -> Result<T> {
        loop {
            let answer = question(self.warehouse.as_mut());
            self.count_failure(&answer);
            self.count();
            match answer {
                Err(WarehouseError::Retry { what, after, alert }) => self.wait(what, after, alert)?,
                other => return Ok(other?),
            }
        }
    }
    /// Waits before the same question is asked again: nothing is read on meanwhile, and nothing is dropped.
    fn wait(&self, reason: String, after: Duration, alert: bool) -> Result<(), Stopped> {
        let pause_ms = after.as_millis() as u64;
        match alert {
            _ if after.is_zero() => tracing::info!(reason, "the warehouse takes its time"),
            true => tracing::error!(reason, pause_ms, "the warehouse does not take what is written"),
            false => tracing::warn!(reason, pause_ms, "the warehouse is not ready"),
        }
        let until = std::time::Instant::now() + after;
        let is_patient = || self.patience.is_some_and(|end| std::time::Instant::now() < end);
        while !self.signals.is_stopping() || is_patient() {
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(200)));
        }
        Err(Stopped(reason))
    }
    /// Reads, gathers and delivers until told to stop.
    pub fn run(mut self, windowing: Windowing) -> Result<()> {
        let mut window = Window::new(windowing.limits);
        self.audit_due = self.next_audit(windowing.audit_every);
        loop {
            match self.turn(&mut window, windowing) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => match error.downcast::<Halt>() {
                    // The log hands everything out once more, from the positions that are durable.
                    Ok(Halt::Interrupted { reason, .. }) => {
                        tracing::warn!(reason, "a commit was not confirmed, going on from what is durable");
                        window = Window::new(windowing.limits);
                    }
                    Ok(halt) => return Err(halt.into()),
                    Err(error) => {
                        let Stopped(reason) = error.downcast::<Stopped>()?;
                        if windowing.until_caught_up {
                            return Err(Halt::Sink(format!("it ends before all is written: {reason}\nnext: the same command goes on with it")).into());
                        }
                        tracing::warn!(
                            reason,
                            "stopped while the warehouse does not take what is written: the next start goes on with it"
                        );
                        return Ok(());
                    }
                },
            }
        }
    }
    /// One wake; answers whether to go on.
    fn turn(&mut self, window: &mut Window, windowing: Windowing) -> Result<bool> {
        self.most.iter().for_each(|most| window.narrow(*most));
        match self.member.wake() {
            Wake::Assigned(partitions) => {
                window.forget();
                self.is_writer = !partitions.is_empty();
                self.rejects = rejects::Rejects::new(windowing.breaker);
                if self.is_writer {
                    self.take_over()?;
                }
            }
            Wake::Revoked(_) => {
                if let Some(batch) = window.close(sinks::CloseReason::Revoke) {
                    self.deliver(batch)?;
                }
                self.is_writer = false;
            }
            Wake::Lost => {
                window.forget();
                self.is_writer = false;
            }
            Wake::Records(chunks) => {
                for (at, chunk) in &chunks {
                    self.gather(window, at, chunk)?;
                }
                if windowing.until_caught_up
                    && let Some(batch) = window.close(sinks::CloseReason::CaughtUp)
                {
                    self.deliver(batch)?;
                }
            }
            Wake::Dry => {
                if let Some(batch) = window.tick(now().0) {
                    self.deliver(batch)?;
                }
                if window.is_empty() && self.member.is_caught_up() {
                    self.finish_adoption()?;
                    if self.is_writer && self.audit_due.is_some_and(|due| due <= std::time::Instant::now()) {
                        // Kafka forgets what was committed long ago of topics that a member is not subscribed to, as the sink is not.
                        let committed = self.committed()?;
                        self.commit(&committed, Commit::default())?;
                        self.audit();
                        self.audit_due = self.next_audit(windowing.audit_every);
                    }
                }
            }
            Wake::Shutdown => {
                if let Some(batch) = window.close(sinks::CloseReason::Shutdown) {
                    self.deliver(batch)?;
                }
                if windowing.until_caught_up {
                    // It was not told to stop: it has come to its end, which is worth some patience.
                    self.patience = std::time::Instant::now().checked_add(PATIENCE);
                }
                if self.member.is_caught_up() {
                    self.finish_adoption()?;
                    if windowing.until_caught_up && self.is_writer && self.audit_due.is_some() {
                        self.final_audit()?;
                    }
                }
                return Ok(false);
            }
            Wake::Failed(halt) => return Err(halt.into()),
        }
        Ok(true)
    }
    /// Once the log was read to its end, rows of older epochs are in it no more.
    fn finish_adoption(&mut self) -> Result<()> {
        if self.adopting && self.member.storage().is_caught_up(&[reader(&[])])? {
            self.adopting = false;
            let log = self.writer.log.clone();
            self.patiently(|warehouse| warehouse.finish_adoption(&log))?;
        }
        Ok(())
    }
    fn gather(&mut self, window: &mut Window, (topic, partition): &At, chunk: &Chunk) -> Result<()> {
        let input: Input = topic.parse().map_err(anyhow::Error::msg)?;
        for record in chunk.records() {
            let record = record?;
            let at = Position { input, partition: *partition, offset: record.offset };
            let change = change(input, record.key, record.value)?;
            let bytes = record.key.len() + record.value.map_or(0, <[u8]>::len);
            if let Some(batch) = window.push(now().0, at, change, bytes) {
                self.deliver(batch)?;
            }
        }
        Ok(())
    }
}

fn change(input: Input, key: &str, value: Option<&[u8]>) -> Result<Change> {
    let id = key.parse().map_err(anyhow::Error::msg).with_context(|| format!("a record key of {input}"))?;
    Ok(match input {
        Input::Predictions => Change::Prediction(id, value.map(wire::decode).transpose()?),
        Input::Features => Change::Features(id, value.map(wire::decode).transpose()?),
        Input::PlayerGames => Change::PlayerGame(id, value.map(wire::decode).transpose()?),
    })
}

fn append(commit: &mut Commit, topic: &str, key: &str, value: &[u8]) {
    commit.out.entry((topic.to_owned(), 0)).or_default().push(key, Some(value));
}

/// What became of a batch's records. One written before, which a crash kept from being committed, counts as it did then.
fn entry(written: Written) -> LedgerEntry {
    LedgerEntry {
        processor: SINK.to_owned(),
        read: written.records as i64,
        applied: written.applied as i64,
        unchanged: (written.unchanged + written.stale + written.superseded) as i64,
        rejected: written.rejected as i64,
        published: written.rows as i64,
        ..LedgerEntry::default()
    }
}

/// The sink's work, for the supervisor.
pub fn work(to: Destination, signals: Arc<Signals>, windowing: Windowing) -> runtime::supervisor::Extra {
    Box::new(move |member| {
        let sink = Sink::open(member, to, signals).and_then(|sink| sink.run(windowing));
        sink.map_err(|error| match error.downcast::<Halt>() {
            Ok(halt) => halt,
            Err(error) => match error.downcast::<WarehouseError>() {
                Ok(WarehouseError::Config { what, next }) => {
                    Halt::Refused { what: "the sink".into(), reason: what, next }
                }
                Ok(error) => Halt::Sink(error.to_string()),
                Err(error) => Halt::Sink(crate::cli::chain(&error)),
            },
        })
    })
}
