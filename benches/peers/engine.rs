//! The chain as a processor of Fastbreak's runtime, with the same task, group member and transactions as every other processor.
//!
//! Each commit is one transaction with output records, changed forms and offsets.
//! Invariant: after a kill at any instant, a restart resumes from the last transaction.
//! Not here: materialized views of typed events (crate `processors`).
use crate::{
    LINES,
    chain::{Chain, PLAYERS},
    kafka::Outcome,
    measure::Watch,
};
use processors::materialized_view::ParkedItem;
use runtime::{
    Commit, LogBackend, ProcessorNode, RecordBatch, Restored, RuntimeError,
    engine::{ProcessorKind, changelog_topic},
    subscription::{ReadLimits, RunContext, Subscription},
    task,
};
use runtime_kafka::{KafkaConfig, KafkaLog};
use std::sync::Arc;
use topics::{Policy, TopicInfo, TopicPartition};

const NAME: &str = "peers-engine";
const OUTPUT: &str = "peers.engine";

struct Peer {
    chain: Chain,
    /// One entry per player: the partition of the player's lines if the form has changed since the last commit; otherwise `None`.
    changed: Vec<Option<i32>>,
    commit: Commit,
    scratch: Vec<u8>,
    watch: Watch,
    read: u64,
    records: u64,
    partitions: i32,
    run_context: Arc<RunContext>,
}

impl Peer {
    fn undecodable(&self, partition: i32, offset: i64, reason: String) -> RuntimeError {
        RuntimeError::Undecodable { processor: NAME.into(), topic: LINES.into(), partition, offset, reason }
    }
}

impl ProcessorNode for Peer {
    fn name(&self) -> &'static str {
        NAME
    }
    fn group(&self) -> String {
        format!("{NAME}-{}", std::process::id())
    }
    fn inputs(&self) -> Vec<TopicInfo> {
        vec![TopicInfo {
            name: LINES,
            key: "player",
            event: "line",
            partitions: self.partitions,
            policy: Policy::Delete,
        }]
    }
    fn outputs(&self) -> Vec<TopicInfo> {
        vec![TopicInfo { name: OUTPUT, ..self.inputs()[0] }]
    }
    fn kind(&self) -> ProcessorKind {
        ProcessorKind::MaterializedView
    }
    fn assign(&mut self, partition: i32, restored: Restored) -> Result<(), RuntimeError> {
        for record_batch in &restored.changelog {
            for record in record_batch.records() {
                let record = record?;
                let (Ok(player), Some(form)) = (record.key.parse::<usize>(), record.value) else { continue };
                let form = serde_json::from_slice(form);
                *self.chain.form(player) =
                    form.map_err(|error| self.undecodable(partition, record.offset, error.to_string()))?;
            }
        }
        Ok(())
    }
    fn revoke(&mut self, _: i32) {}
    fn reset(&mut self) {
        self.chain = Chain::new();
        self.changed = vec![None; PLAYERS];
        self.commit = Commit::default();
    }
    fn process(&mut self, input: TopicPartition, record_batch: &RecordBatch) -> Result<(), RuntimeError> {
        let partition = input.partition;
        for record in record_batch.records() {
            let record = record?;
            let line = record.value.unwrap_or_default();
            let player = self.chain.step(line, &mut self.scratch);
            let player =
                player.map_err(|error| self.undecodable(partition, record.offset, error.to_string()))?;
            self.changed[player] = Some(partition);
            let output = TopicPartition::new(OUTPUT, partition);
            self.commit.append(output, record.key, Some(&self.scratch));
        }
        self.read += u64::from(record_batch.len());
        self.commit.offsets.insert(input, record_batch.next());
        let measured = self.watch.record_count(self.read);
        measured.map_err(|error| self.undecodable(partition, 0, error.to_string()))?;
        if self.read >= self.records {
            self.run_context.stop();
        }
        Ok(())
    }
    fn has_pending(&self) -> bool {
        !self.commit.offsets.is_empty()
    }
    fn take_commit(&mut self) -> Result<Commit, RuntimeError> {
        let mut commit = std::mem::take(&mut self.commit);
        for (player, partition) in self.changed.iter_mut().enumerate() {
            let Some(partition) = partition.take() else { continue };
            let form = serde_json::to_vec(self.chain.form(player)).unwrap_or_default();
            let changelog = TopicPartition::new(changelog_topic(NAME), partition);
            commit.append(changelog, &player.to_string(), Some(&form));
        }
        Ok(Commit { group: self.group(), ..commit })
    }
    fn parked(&self) -> (i64, Vec<ParkedItem>) {
        (0, Vec::new())
    }
}

/// Runs the processor on the brokers until it has read this many records.
pub fn run(brokers: &str, records: u64, warm: u64) -> Outcome<()> {
    let config = KafkaConfig { brokers: brokers.into(), instance: "peers".into(), ..KafkaConfig::default() };
    let mut log = KafkaLog::open(config)?;
    let run_context = Arc::new(RunContext::default());
    let mut node = Peer {
        chain: Chain::new(),
        changed: vec![None; PLAYERS],
        commit: Commit::default(),
        scratch: Vec::new(),
        watch: Watch::after(warm),
        read: 0,
        records,
        partitions: topics::PARTITIONS,
        run_context: run_context.clone(),
    };
    let subscription = Subscription {
        name: NAME,
        group: node.group(),
        kind: node.kind(),
        inputs: node.inputs(),
        outputs: node.outputs(),
        upstream: Vec::new(),
    };
    let mut member = log.subscribe(subscription, ReadLimits::default(), run_context)?;
    task::run(&mut node, member.as_mut())?;
    node.watch.report(records)
}
