//! A member on Kafka: one processor instance in its consumer group, with its transactions.
//!
//! Invariant: every commit carries positions and the generation in which its input was assigned, so one from an instance that no longer
//! holds its partitions is refused. A partition that comes back keeps its memory only if nobody has written since.
//! Not here: joining (`rejoin`), librdkafka's queues (`poll`), the loop (`log::run`).
mod markers;
mod rejoin;

use super::{
    client::Context,
    originals,
    poll::{Command, Inbox, Rebalance},
    reader::{self, Place},
    storage::KafkaStorage,
    transaction::Transactions,
};
use crate::{
    engine::changelog_of,
    log::{At, Commit, Halt, Log, Member, Restored, Source, Storage, Wake},
    member::{self, Limits, Signals},
};
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, ConsumerGroupMetadata},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// A queue that has been silent for so long has run dry.
const QUIET: Duration = Duration::from_millis(4);
/// How often the client is asked how far it is while nothing comes in: what is aborted comes without a record.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// A processor instance's place in its group.
pub struct KafkaMember {
    storage: KafkaStorage,
    signals: Arc<Signals>,
    reader: member::Reader,
    limits: Limits,
    inbox: Arc<Inbox>,
    context: Context,
    /// `None` until the first wake, so that members start side by side.
    clients: Option<Clients>,
    /// `None` until partitions were handed out for the first time, and after they were lost.
    generation: Option<Arc<ConsumerGroupMetadata>>,
    held: BTreeSet<i32>,
    next: BTreeMap<At, i64>,
    committed: BTreeMap<At, i64>,
    /// Where the records end that were handed out since the partitions were.
    handed_out: BTreeMap<At, i64>,
    /// Partitions that were given back with their memory kept, and where their changelogs ended then.
    stood: BTreeMap<i32, i64>,
    step: Step,
    waiting_since: Option<Instant>,
    /// When the client was last asked how far it is although nothing came in.
    asked: Instant,
    /// Since when it has held no partitions, or has looked at why.
    absent_since: Option<Instant>,
}
struct Clients {
    consumer: Arc<BaseConsumer<Context>>,
    transactions: Transactions,
}
/// What is to be done about the assignment before anything is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    None,
    /// The node has restored: fetch from its positions.
    Fetch,
    /// The node has committed: give the partitions back.
    GiveBack,
    /// The same, and nothing of the memory stands.
    LetGo,
    /// A commit was not confirmed: hand out what is held once more.
    HandOut,
}

impl KafkaMember {
    pub fn new(storage: KafkaStorage, reader: member::Reader, limits: Limits, signals: Arc<Signals>) -> Self {
        let context = Context { rebalances: Some(Arc::new(Mutex::new(Vec::new()))), ..Context::default() };
        KafkaMember {
            storage,
            signals,
            reader,
            limits,
            inbox: Arc::new(Inbox::default()),
            context,
            clients: None,
            generation: None,
            held: BTreeSet::new(),
            next: BTreeMap::new(),
            committed: BTreeMap::new(),
            handed_out: BTreeMap::new(),
            stood: BTreeMap::new(),
            step: Step::None,
            waiting_since: None,
            asked: Instant::now(),
            absent_since: None,
        }
    }
    fn is_upstream_dry(&self) -> bool {
        self.reader
            .upstream
            .iter()
            .all(|name| self.signals.board.is_dry(name) || self.signals.board.state(name).is_none())
    }
    fn changelog(&self, partition: i32) -> Place {
        (self.storage.settings().topic(&changelog_of(self.reader.name)).into_owned(), partition)
    }
    /// This partition of all inputs.
    fn inputs_in(&self, partition: i32) -> Vec<Place> {
        let settings = self.storage.settings();
        self.reader.inputs.iter().map(|t| (settings.topic(t.name).into_owned(), partition)).collect()
    }
    /// Where the changelogs of what is held end.
    fn changelog_ends(&self) -> Result<BTreeMap<i32, i64>, Halt> {
        if !self.reader.is_view {
            return Ok(self.held.iter().map(|partition| (*partition, 0)).collect());
        }
        let places: Vec<Place> = self.held.iter().map(|partition| self.changelog(*partition)).collect();
        let highs = self.storage.reader().highs(&places)?;
        Ok(highs.into_iter().map(|((_, partition), high)| (partition, high)).collect())
    }
    /// Carries out what the last wake asked for.
    fn finish_step(&mut self) -> Result<Option<Wake>, Halt> {
        match std::mem::replace(&mut self.step, Step::None) {
            Step::None => Ok(None),
            Step::Fetch => {
                self.storage.rest();
                self.handed_out.clear();
                let inputs = &self.reader.inputs;
                let places = self.held.iter().flat_map(|p| inputs.iter().map(move |topic| (topic.name, *p)));
                let positions =
                    places.map(|at| (at, self.next.get(&at).copied().filter(|next| *next > 0))).collect();
                self.inbox.command(Command::Assign(positions));
                Ok(None)
            }
            step @ (Step::GiveBack | Step::LetGo) => {
                self.stood = if step == Step::GiveBack { self.changelog_ends()? } else { BTreeMap::new() };
                self.held.clear();
                self.inbox.command(Command::Unassign);
                Ok(None)
            }
            Step::HandOut => {
                self.renew()?;
                self.stood.clear();
                if self.signals.is_stopping() || !self.inbox.lock().rebalances.is_empty() {
                    // What is held here is over: whatever was done again in its generation would be refused again.
                    self.held.clear();
                    return Ok(None);
                }
                // Not `Unassign`: a client that waits for its partitions to be taken up hears of their loss only once they were.
                self.inbox.command(Command::Assign(Vec::new()));
                self.inbox.lock().clear();
                self.step = Step::Fetch;
                Ok(Some(Wake::Assigned(self.held.iter().copied().collect())))
            }
        }
    }
    /// A new epoch for the commits: what the old one still has on its way to the brokers is refused there. They may be away for a while.
    fn renew(&mut self) -> Result<(), Halt> {
        let Some(clients) = &mut self.clients else { return Ok(()) };
        loop {
            std::thread::sleep(Duration::from_millis(500));
            if let Some(halt) = self.inbox.lock().failed.take() {
                return Err(halt);
            }
            match clients.transactions.renew() {
                Err(Halt::Unreachable { reason, .. }) if !self.signals.is_stopping() => {
                    tracing::warn!(processor = self.reader.name, reason, "waiting for the brokers");
                }
                done => return done,
            }
        }
    }
    fn rebalance(&mut self, happened: Rebalance) -> Wake {
        match happened {
            Rebalance::Assigned(partitions, generation) => {
                self.generation = Some(Arc::new(generation));
                self.held = match self.reader.is_alone && !partitions.is_empty() {
                    true => self.reader.inputs.iter().flat_map(|topic| 0..topic.partitions).collect(),
                    false => partitions.into_iter().collect(),
                };
                self.step = Step::Fetch;
                Wake::Assigned(self.held.iter().copied().collect())
            }
            Rebalance::Revoked => {
                self.step = Step::GiveBack;
                Wake::Revoked(self.held.iter().copied().collect())
            }
            Rebalance::Lost => {
                self.lose();
                self.inbox.command(Command::Unassign);
                Wake::Lost
            }
        }
    }
    fn lose(&mut self) {
        self.generation = None;
        self.held.clear();
        self.stood.clear();
        self.next.clear();
        self.committed.clear();
        self.step = Step::None;
    }
    fn wait(&mut self) -> Result<Wake, Halt> {
        if self.clients.is_none() {
            self.start()?;
        }
        self.join_again_if_cut_off()?;
        if let Some(wake) = self.finish_step()? {
            return Ok(wake);
        }
        let since = Instant::now();
        loop {
            let inbox = self.inbox.clone();
            let mut state = inbox.lock();
            if self.signals.is_stopping() {
                let passed = state.passed.take().filter(|_| state.is_idle());
                drop(state);
                self.pass(&passed.unwrap_or_default())?;
                return Ok(Wake::Shutdown);
            }
            if let Some(halt) = state.failed.take() {
                return Err(halt);
            }
            if let Some(happened) = state.rebalances.pop_front() {
                // What was fetched and not handed on is fetched again by whoever holds it next.
                state.clear();
                drop(state);
                return Ok(self.rebalance(happened));
            }
            if state.pending > 0 {
                drop(inbox.wait(state, self.limits.tick));
                continue;
            }
            let quiet = state.newest.map(|newest| newest.elapsed());
            let Some(quiet) = quiet.filter(|_| !state.records.is_empty()) else {
                self.waiting_since = None;
                if self.generation.is_some() {
                    self.signals.board.set_dry(self.reader.name, true);
                }
                if since.elapsed() >= self.limits.tick {
                    let passed = state.passed.take();
                    if self.asked.elapsed() >= ASK_EVERY {
                        (state.is_asked, self.asked) = (true, Instant::now());
                    }
                    drop(state);
                    self.pass(&passed.unwrap_or_default())?;
                    return Ok(Wake::Dry);
                }
                drop(inbox.wait(state, self.limits.tick.saturating_sub(since.elapsed())));
                continue;
            };
            self.signals.board.set_dry(self.reader.name, false);
            let age = state.first.map_or(Duration::ZERO, |first| first.elapsed());
            if quiet < QUIET && state.bytes < self.limits.batch_bytes && age < self.limits.commit_interval {
                drop(inbox.wait(state, QUIET - quiet));
                continue;
            }
            let waiting = *self.waiting_since.get_or_insert_with(Instant::now);
            if !self.is_upstream_dry()
                && state.bytes < self.limits.batch_bytes
                && waiting.elapsed() < self.limits.patience
            {
                drop(inbox.wait(state, QUIET));
                continue;
            }
            self.waiting_since = None;
            let records = std::mem::take(&mut state.records);
            state.clear();
            state.is_asked = true;
            Inbox::resume(&state);
            self.handed_out.extend(records.iter().map(|(at, chunk)| (*at, chunk.next())));
            return Ok(Wake::Records(records));
        }
    }
    /// The positions of a commit; one that stands already when it moves none, since the coordinator looks at positions only.
    fn positions(&self, next: &BTreeMap<At, i64>) -> Result<TopicPartitionList, Halt> {
        let mut held = self.held.iter().flat_map(|p| self.reader.inputs.iter().map(|topic| (topic.name, *p)));
        let standing = held.next().filter(|_| next.is_empty());
        let standing = standing.map(|at| (at, self.committed.get(&at).copied().unwrap_or(0)));
        let moved = next.iter().map(|(at, next)| (*at, *next)).chain(standing);
        let places: Vec<(Place, i64)> = moved
            .map(|((topic, partition), next)| {
                ((self.storage.settings().topic(topic).into_owned(), partition), next)
            })
            .collect();
        let list = reader::list(places.iter().map(|(place, next)| (place, *next)));
        list.map_err(|error| Halt::Interrupted {
            processor: self.reader.name.into(),
            reason: error.to_string(),
        })
    }
    /// Whether what is held in memory of a partition is what a fresh start would make.
    fn stands(&mut self, partition: i32) -> Result<bool, Halt> {
        let Some(end) = self.stood.remove(&partition) else { return Ok(false) };
        let places = self.inputs_in(partition);
        let committed = self.storage.committed(&self.reader.group, &places)?;
        let same = self.reader.inputs.iter().zip(&places).all(|(topic, place)| {
            self.committed.get(&(topic.name, partition)).copied().unwrap_or(0)
                == committed.get(place).copied().unwrap_or(0)
        });
        let changelog = self.changelog(partition);
        Ok(same
            && (!self.reader.is_view
                || self.storage.reader().highs(std::slice::from_ref(&changelog))?.get(&changelog)
                    == Some(&end)))
    }
    /// What a partition's memory is made from, unless what is held of it stands.
    fn take_up(&mut self, partition: i32) -> Result<Option<Restored>, Halt> {
        if self.stands(partition)? {
            return Ok(None);
        }
        let places = self.inputs_in(partition);
        let committed = self.storage.committed(&self.reader.group, &places)?;
        let mut restored = self.storage.restore_from(&self.reader, partition, &committed)?;
        self.storage.pass_deleted_markers(&mut restored.next, partition)?;
        for (topic, next) in &restored.next {
            self.next.insert((topic, partition), *next);
            self.committed.insert((topic, partition), *next);
        }
        for (topic, chunks) in &restored.tables {
            let next = self.next.entry((topic, partition)).or_default();
            *next = chunks.last().map_or(0, crate::Chunk::next).max(*next);
        }
        Ok(Some(restored))
    }
}

impl Source for KafkaMember {
    fn wake(&mut self) -> Wake {
        match self.wait() {
            Err(fenced @ Halt::Fenced { .. }) => self.stand_aside(fenced),
            woken => woken,
        }
        .unwrap_or_else(Wake::Failed)
    }
}

impl Log for KafkaMember {
    fn restore(&mut self, partition: i32) -> Result<Option<Restored>, Halt> {
        let restored = self.take_up(partition);
        // Of a member that was fenced meanwhile that is the reason.
        restored.map_err(|halt| self.inbox.lock().failed.take().unwrap_or(halt))
    }
    fn commit(&mut self, commit: Commit) -> Result<(), Halt> {
        let interrupted =
            |reason: &str| Halt::Interrupted { processor: self.reader.name.into(), reason: reason.into() };
        let Some(generation) = self.generation.clone() else {
            return Err(interrupted("its partitions were lost"));
        };
        let list = self.positions(&commit.next)?;
        let originals = originals::of(self.storage.reader(), self.storage.settings(), &commit.out);
        let originals = originals.map_err(|halt| match halt {
            // As long as they are away the batch is made again.
            Halt::Unreachable { reason, .. } => interrupted(&reason),
            halt => halt,
        });
        let Some(clients) = &mut self.clients else { return Err(interrupted("it has not joined yet")) };
        let done = originals.and_then(|originals| {
            clients.transactions.commit(commit.out, Some((list, generation)), originals)
        });
        match done {
            Ok(()) => {
                for (at, next) in commit.next {
                    self.committed.insert(at, next);
                    self.next.insert(at, next);
                }
                self.signals.board.wake();
                Ok(())
            }
            Err(halt) => {
                if matches!(halt, Halt::Interrupted { .. }) {
                    // The memory goes with it, so it must not be taken for what stands.
                    let is_given_back = matches!(self.step, Step::GiveBack | Step::LetGo);
                    self.step = if is_given_back { Step::LetGo } else { Step::HandOut };
                }
                Err(halt)
            }
        }
    }
}

impl Member for KafkaMember {
    fn seek(&mut self, next: BTreeMap<At, i64>) {
        // Others may have committed since this instance did: an empty commit must not move what stands back.
        self.committed.extend(next.iter().map(|(at, next)| (*at, *next)));
        self.next = next;
    }
    fn is_caught_up(&self) -> bool {
        self.is_upstream_dry() && self.inbox.lock().records.is_empty() && self.generation.is_some()
    }
    fn storage(&mut self) -> &mut dyn Storage {
        &mut self.storage
    }
}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        self.inbox.command(Command::Leave);
        if let Some(clients) = self.clients.take() {
            rejoin::abandon(clients.consumer);
        }
    }
}
