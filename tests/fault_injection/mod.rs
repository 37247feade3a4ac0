//! Runs a sink on a log that it has not read yet, and makes one of its commits fail.
//!
//! Invariant: exactly one commit of the given kind fails, before or after it is durable; the next run starts from the durable state.
//! Not here: the fake of BigQuery (`fakebq`).
use crate::{
    common::{self, Fastbreak},
    fakebq::{self, Fake},
};
use fastbreak::{
    config::{BigQueryOptions, Config},
    topology,
    warehouse::WarehouseTarget,
};
use processors::predictor::Predictor;
use runtime::{
    Commit, CommitError, GroupMember, LogAdmin, LogBackend, LogReader, LogWriter, RecordBatch, Restored,
    RuntimeError, TaskEvent,
    engine::{AcceptedRecords, DlqLimits},
    subscription::{ReadLimits, RunContext},
};
use runtime_embedded::EmbeddedLog;
use schemas::{PlayerGameDateId, PlayerId, prediction::Prediction, raw::DeadLetter, wire};
use serde_json::Value;
use sinks::{
    SINK, subscription,
    task::{SinkConfig, WarehouseFactory, sink_task},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};
use topics::{Offsets, TopicPartition};

/// What a commit of the sink stores: the plan of a batch, dead letters, the result of a written batch (`Done`), or the offsets from
/// which the log is read again (`Begin`). The function `kind` derives it from the topics to which the commit appends records.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CommitKind {
    Plan,
    DeadLetters,
    Done,
    Begin,
}
fn kind(commit: &Commit) -> CommitKind {
    let has = |topic: &str| commit.records.keys().any(|partition| partition.topic == topic);
    match (has(topics::SINK_BATCHES.info.name), has(topics::LEDGER.info.name)) {
        (true, true) => CommitKind::Begin,
        (true, false) => CommitKind::Plan,
        (false, true) => CommitKind::Done,
        (false, false) => CommitKind::DeadLetters,
    }
}
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// The commit fails and is not durable; the process ends, as on a full disk.
    NotCommitted,
    /// The commit is durable, but the process is killed before the log confirms it.
    CommittedThenCrashed,
    /// The instance lost its assignment: the commit is not durable, and the partitions are assigned again.
    Aborted,
}

/// A group member that makes one commit fail.
struct FaultyMember {
    inner: Box<dyn GroupMember>,
    run_context: Arc<RunContext>,
    /// The kind of the commit that fails, the number of commits of this kind that succeed before it, and the fault; `None` after the fault
    /// has occurred.
    fault: Option<(CommitKind, usize, Fault)>,
    reassign: bool,
}
impl GroupMember for FaultyMember {
    fn next_event(&mut self) -> TaskEvent {
        if std::mem::take(&mut self.reassign) {
            return TaskEvent::Assigned((0..topics::PARTITIONS).collect());
        }
        let event = self.inner.next_event();
        if matches!(event, TaskEvent::Idle) && self.inner.is_caught_up() {
            self.run_context.stop();
        }
        event
    }
    fn restore(&mut self, partition: i32) -> Result<Option<Restored>, RuntimeError> {
        self.inner.restore(partition)
    }
    fn commit(&mut self, commit: Commit) -> Result<(), CommitError> {
        match &mut self.fault {
            Some((faulty, after, _)) if *faulty == kind(&commit) && *after > 0 => *after -= 1,
            Some((faulty, _, fault)) if *faulty == kind(&commit) => {
                let fault = *fault;
                self.fault = None;
                return Err(match fault {
                    Fault::Aborted => {
                        self.reassign = true;
                        CommitError::aborted("partitions lost")
                    }
                    Fault::NotCommitted => disk_full().into(),
                    Fault::CommittedThenCrashed => {
                        self.inner.commit(commit)?;
                        disk_full().into()
                    }
                });
            }
            _ => {}
        }
        self.inner.commit(commit)
    }
    fn seek(&mut self, next: Offsets) {
        self.inner.seek(next);
    }
    fn is_caught_up(&self) -> bool {
        self.inner.is_caught_up()
    }
    fn log(&mut self) -> &mut dyn LogBackend {
        self.inner.log()
    }
}
fn disk_full() -> RuntimeError {
    RuntimeError::Storage {
        path: "log.db".into(),
        reason: "database or disk is full".into(),
        next: "make room".into(),
    }
}

/// Creates a log of half a season, which all processors except the sink have read.
pub fn log() -> Fastbreak {
    part(2)
}
/// Creates a log of the first 1/`divisor` of a season, which all processors except the sink have read.
pub fn part(divisor: usize) -> Fastbreak {
    static PREPARED: Mutex<BTreeMap<usize, Fastbreak>> = Mutex::new(BTreeMap::new());
    let mut prepared = PREPARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let prepared = prepared.entry(divisor).or_insert_with(|| {
        let fastbreak = Fastbreak::new();
        let season = common::season();
        fastbreak.ingest(&season[..season.len() / divisor]);
        let nodes = topology::topology(Predictor::new(None));
        let mut arguments = vec!["run", "--until-caught-up"];
        for node in &nodes {
            arguments.extend(["--only", node.name()]);
        }
        fastbreak.json(&arguments);
        fastbreak
    });
    let own = Fastbreak::new();
    for file in std::fs::read_dir(prepared.folder.path()).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), own.folder.path().join(file.file_name())).unwrap();
        }
    }
    own
}

/// Runs the sink alone until it has caught up or fails.
pub fn deliver(
    fastbreak: &Fastbreak,
    bigquery: Option<&Fake>,
    records: usize,
    fault: Option<(CommitKind, usize, Fault)>,
) -> Result<Arc<RunContext>, RuntimeError> {
    let run_context = Arc::new(RunContext::default());
    deliver_within(fastbreak, bigquery, (records, DlqLimits::default()), fault, run_context.clone())?;
    Ok(run_context)
}
/// Does the same as [`deliver`], with the given DLQ limits and run context.
pub fn deliver_within(
    fastbreak: &Fastbreak,
    bigquery: Option<&Fake>,
    (records, dlq_limits): (usize, DlqLimits),
    fault: Option<(CommitKind, usize, Fault)>,
    run_context: Arc<RunContext>,
) -> Result<(), RuntimeError> {
    let local = WarehouseTarget::Folder(fastbreak.folder.path().to_owned());
    let warehouse = bigquery.map_or(local, |fake| {
        WarehouseTarget::Dataset(BigQueryOptions {
            project: fakebq::PROJECT.into(),
            dataset: fakebq::DATASET.into(),
            endpoint: Some(fake.endpoint()),
            credentials: "none".into(),
            ..Config::defaults().unwrap().bigquery
        })
    });
    let sink_config = SinkConfig { dlq_limits, ..sink_config(records) };
    deliver_to(fastbreak, warehouse.factory(), sink_config, fault, run_context)
}
/// Returns the configuration of a sink task that runs until it has caught up.
pub fn sink_config(records: usize) -> SinkConfig {
    SinkConfig {
        warehouse: "warehouse.db".to_owned(),
        limits: sinks::BatchLimits { records, ..sinks::BatchLimits::default() },
        dates: None,
        until_caught_up: true,
        reconcile_interval: Duration::from_secs(3600),
        dlq_limits: DlqLimits::default(),
        accepted: AcceptedRecords::default(),
    }
}
/// Does the same as [`deliver_within`], with the warehouse that `open_warehouse` opens.
pub fn deliver_to(
    fastbreak: &Fastbreak,
    open_warehouse: WarehouseFactory,
    sink_config: SinkConfig,
    fault: Option<(CommitKind, usize, Fault)>,
    run_context: Arc<RunContext>,
) -> Result<(), RuntimeError> {
    let mut storage = EmbeddedLog::open(fastbreak.folder.path())?;
    storage.acquire_run_lock()?;
    storage.run_maintenance(&run_context.board)?;
    let limits = ReadLimits {
        max_upstream_wait: Duration::ZERO,
        idle_interval: Duration::from_millis(5),
        batch_bytes: 1 << 18,
        ..ReadLimits::default()
    };
    let inner = storage.subscribe(subscription::subscription(&[]), limits, run_context.clone())?;
    let member = FaultyMember { inner, run_context: run_context.clone(), fault, reassign: false };
    sink_task(open_warehouse, run_context, sink_config)(Box::new(member))
}
/// Returns the sink's committed offset in each partition of its inputs.
pub fn sink_offsets(fastbreak: &Fastbreak) -> Offsets {
    let inputs: Vec<&str> = subscription::INPUTS.iter().map(|topic| topic.name).collect();
    EmbeddedLog::open(fastbreak.folder.path()).unwrap().committed_offsets(SINK, &inputs).unwrap()
}
pub fn committed_offsets(fastbreak: &Fastbreak) -> i64 {
    sink_offsets(fastbreak).values().sum()
}
pub fn fake() -> Fake {
    let fake = Fake::start();
    fake.tick();
    fake.with(|service| service.takes_ms = 10);
    fake
}
/// Counts the batch records in the warehouse.
pub fn batches(fake: &Fake) -> usize {
    fake.with(|service| {
        service.records.rows.iter().filter(|row| fakebq::text(row, "input") == "batches").count()
    })
}
/// Returns the content of the tables after a run without faults.
pub fn undisturbed() -> &'static Value {
    static CONTENT: OnceLock<Value> = OnceLock::new();
    CONTENT.get_or_init(|| {
        let fastbreak = log();
        deliver(&fastbreak, None, 10_000, None).unwrap();
        fastbreak.content()
    })
}

/// Appends a record that cannot be converted to a row, a prediction whose key refers to a different player-game; returns its topic,
/// partition and offset.
pub fn spoil(fastbreak: &Fastbreak) -> (&'static str, i32, i64) {
    append(fastbreak, 1_000_000, |_, _| {})
}
/// Copies the first prediction, changes the copy with `change`, and appends it with the key of another player, whose id is higher by
/// `id_offset`; returns its topic, partition and offset.
pub fn append(
    fastbreak: &Fastbreak,
    id_offset: u32,
    change: impl FnOnce(&mut Prediction, PlayerId),
) -> (&'static str, i32, i64) {
    let mut storage = EmbeddedLog::open(fastbreak.folder.path()).unwrap();
    let topic = topics::PREDICTIONS.info.name;
    let partition = TopicPartition::new(topic, 0);
    let record_batches = storage.read(partition, 0, usize::MAX).unwrap();
    let record = record_batches.iter().flat_map(RecordBatch::records).next().unwrap().unwrap();
    let own: PlayerGameDateId = record.key.parse().unwrap();
    let other = PlayerGameDateId { player: PlayerId(own.player.0 + id_offset), ..own };
    let mut event: Prediction = wire::decode(record.value.unwrap()).unwrap();
    change(&mut event, other.player);
    let offset = storage.end_offsets(&[topic]).unwrap()[&partition];
    let mut commit = Commit { group: "no-group".into(), ..Commit::default() };
    commit.append(partition, &other.to_string(), Some(&wire::encode(&event).unwrap()));
    storage.append(commit).unwrap();
    (topic, 0, offset)
}
pub fn dead_letters(fastbreak: &Fastbreak) -> Vec<DeadLetter> {
    let mut storage = EmbeddedLog::open(fastbreak.folder.path()).unwrap();
    let records = LogReader::dead_letters(&mut storage, SINK, 0, 0).unwrap();
    records.into_iter().map(|record| record.dead_letter).collect()
}
