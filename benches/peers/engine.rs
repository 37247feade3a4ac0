//! The chain as a node of Fastbreak's runtime: the loop, the member and the transactions that every processor runs on.
//!
//! Each commit is one transaction of the records that came out, the forms that changed, and the positions.
//! Invariant: killed at any instant and started again, it goes on from its last transaction.
//! Not here: views, whose memory is of typed events (crate `processors`).
use crate::{
    LINES,
    chain::{Chain, PLAYERS},
    kafka::Outcome,
    measure::Watch,
};
use processors::materialized_view::ParkedItem;
use runtime::{
    Commit, LogBackend, ProcessorNode, RecordBatch, Restored, RuntimeError,
    engine::changelog_topic,
    kafka::{KafkaConfig, KafkaLog},
    log::TopicPartition,
    subscription::{ReadLimits, RunContext, Subscription},
};
use std::{collections::BTreeMap, sync::Arc};
use topics::{Policy, TopicInfo};

const NAME: &str = "peers-engine";

struct Peer {
    chain: Chain,
    /// Where a player's form belongs, once a line changed it.
    changed: Vec<Option<i32>>,
    out: BTreeMap<(String, i32), RecordBatch>,
    next: BTreeMap<TopicPartition, i64>,
    scratch: Vec<u8>,
    watch: Watch,
    read: u64,
    records: u64,
    partitions: i32,
    run_context: Arc<RunContext>,
}

impl Peer {
    fn broken(&self, partition: i32, offset: i64, reason: String) -> RuntimeError {
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
        vec![TopicInfo { name: "peers.engine", ..self.inputs()[0] }]
    }
    fn is_view(&self) -> bool {
        true
    }
    fn assign(&mut self, partition: i32, restored: Restored) -> Result<(), RuntimeError> {
        for record_batch in &restored.changelog {
            for record in record_batch.records() {
                let record = record?;
                let (Ok(player), Some(form)) = (record.key.parse::<usize>(), record.value) else { continue };
                let form = serde_json::from_slice(form);
                *self.chain.form(player) =
                    form.map_err(|error| self.broken(partition, record.offset, error.to_string()))?;
            }
        }
        Ok(())
    }
    fn revoke(&mut self, _: i32) {}
    fn reset(&mut self) {
        self.chain = Chain::new();
        self.changed = vec![None; PLAYERS];
        self.out.clear();
        self.next.clear();
    }
    fn process(&mut self, _: &str, partition: i32, record_batch: &RecordBatch) -> Result<(), RuntimeError> {
        for record in record_batch.records() {
            let record = record?;
            let line = record.value.unwrap_or_default();
            let player = self.chain.step(line, &mut self.scratch);
            let player = player.map_err(|error| self.broken(partition, record.offset, error.to_string()))?;
            self.changed[player] = Some(partition);
            let at = ("peers.engine".to_owned(), partition);
            self.out.entry(at).or_default().push(record.key, Some(&self.scratch));
        }
        self.read += u64::from(record_batch.len());
        self.next.insert((LINES, partition), record_batch.next());
        let seen = self.watch.seen(self.read);
        seen.map_err(|error| self.broken(partition, 0, error.to_string()))?;
        if self.read >= self.records {
            self.run_context.stop();
        }
        Ok(())
    }
    fn has_pending(&self) -> bool {
        !self.next.is_empty()
    }
    fn take_commit(&mut self) -> Result<Commit, RuntimeError> {
        let mut out = std::mem::take(&mut self.out);
        for (player, partition) in self.changed.iter_mut().enumerate() {
            let Some(partition) = partition.take() else { continue };
            let form = serde_json::to_vec(self.chain.form(player)).unwrap_or_default();
            out.entry((changelog_topic(NAME), partition)).or_default().push(&player.to_string(), Some(&form));
        }
        Ok(Commit { group: self.group(), out, next: std::mem::take(&mut self.next), ..Commit::default() })
    }
    fn parked(&self) -> (i64, Vec<ParkedItem>) {
        (0, Vec::new())
    }
}

/// Runs the node on the brokers until it has read so many records.
pub fn run(brokers: &str, records: u64, warm: u64) -> Outcome<()> {
    let settings =
        KafkaConfig { brokers: brokers.into(), instance: "peers".into(), ..KafkaConfig::default() };
    let mut storage = KafkaLog::open(settings)?;
    let run_context = Arc::new(RunContext::default());
    let mut node = Peer {
        chain: Chain::new(),
        changed: vec![None; PLAYERS],
        out: BTreeMap::new(),
        next: BTreeMap::new(),
        scratch: Vec::new(),
        watch: Watch::after(warm),
        read: 0,
        records,
        partitions: topics::PARTITIONS,
        run_context: run_context.clone(),
    };
    let reader = Subscription {
        name: NAME,
        group: node.group(),
        inputs: node.inputs(),
        outputs: node.outputs(),
        is_view: true,
        is_alone: false,
        upstream: Vec::new(),
    };
    let mut member = storage.subscribe(reader, ReadLimits::default(), run_context)?;
    runtime::log::run(&mut node, member.as_mut())?;
    node.watch.report(records)
}
