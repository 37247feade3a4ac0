//! The poll thread: librdkafka's queues and callbacks, turned into what a member waits for.
//!
//! The consumer's own queue, with its callbacks, is polled always. Each assigned partition has a queue of its own, which is left alone
//! while the inbox is full: fetching stops at `queued.max.messages.kbytes`, heartbeats and rebalances go on, and nothing that was
//! fetched is thrown away.
//! Invariant: this thread alone assigns; it never waits for the processor.
//! Not here: what a rebalance means (`member`).
use super::{
    client::{Context, classify},
    queues, reader,
    settings::not_taken,
};
use crate::{
    chunk::Chunk,
    log::{At, Halt},
};
use rdkafka::{
    ClientConfig, Message,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata, base_consumer::PartitionQueue},
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::BorrowedMessage,
};
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::Thread,
    time::{Duration, Instant},
};

/// What happened to the assignment.
pub enum Rebalance {
    /// These partitions of all inputs, in this generation of the group.
    Assigned(Vec<i32>, ConsumerGroupMetadata),
    Revoked,
    Lost,
}

/// What a member asks of the poll thread.
pub enum Command {
    /// Fetch from these positions; `None` is the start.
    Assign(Vec<(At, Option<i64>)>),
    Unassign,
    Leave,
}

/// What the poll thread and the member share.
#[derive(Default)]
pub struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}
#[derive(Default)]
pub struct State {
    pub rebalances: VecDeque<Rebalance>,
    pub commands: VecDeque<Command>,
    /// Commands that are not carried out yet: until then what comes in is of an assignment that is over.
    pub pending: usize,
    pub records: Vec<(At, Chunk)>,
    pub bytes: usize,
    /// When the oldest of the records came, and the newest.
    pub first: Option<Instant>,
    pub newest: Option<Instant>,
    pub failed: Option<Halt>,
    /// The member wants to know how far the client is.
    pub is_asked: bool,
    /// Something that was read could not be handed over: how far the client is says no more what was.
    is_broken: bool,
    /// How far it was when all that it had handed over was in here or taken: past markers, too.
    pub passed: Option<Vec<(At, i64)>>,
    poller: Option<Thread>,
}
impl State {
    pub fn clear(&mut self) {
        self.records.clear();
        (self.bytes, self.first, self.newest) = (0, None, None);
        (self.is_asked, self.passed) = (false, None);
    }
    /// Whether there is nothing here that is still to be done.
    pub fn is_idle(&self) -> bool {
        self.records.is_empty() && self.rebalances.is_empty() && self.pending == 0 && self.failed.is_none()
    }
}
impl Inbox {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Waits until something comes in, at most so long.
    pub fn wait<'a>(&self, state: MutexGuard<'a, State>, at_most: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, at_most).unwrap_or_else(PoisonError::into_inner).0
    }
    pub fn wake(&self) {
        self.changed.notify_all();
    }
    pub fn command(&self, command: Command) {
        let mut state = self.lock();
        state.commands.push_back(command);
        state.pending += 1;
        state.poller.iter().for_each(Thread::unpark);
    }
    /// Lets the poll thread go on after records were taken.
    pub fn resume(state: &State) {
        state.poller.iter().for_each(Thread::unpark);
    }
}

/// How a poll thread is set up.
pub struct Poll {
    pub processor: &'static str,
    pub brokers: String,
    pub config: ClientConfig,
    pub context: Context,
    /// The topics to subscribe to, as the brokers know them.
    pub topics: Vec<String>,
    /// How a topic of the brokers is called here.
    pub names: Vec<(String, &'static str)>,
    /// Bytes in the inbox above which partitions are left alone.
    pub capacity: usize,
    pub inbox: Arc<Inbox>,
}

/// How long to sleep when nothing is announced: callbacks that came while others were handled are not.
const NAP: Duration = Duration::from_millis(500);
/// Records moved to the inbox at once.
const RUN: usize = 256 << 10;

type Queue = (At, PartitionQueue<Context>);

impl Poll {
    /// Makes the consumer, and the thread that polls it. The consumer is handed back for its group's metadata and positions.
    pub fn start(self) -> Result<Arc<BaseConsumer<Context>>, Halt> {
        let (hand_back, made) = std::sync::mpsc::sync_channel(1);
        let (processor, brokers) = (self.processor, self.brokers.clone());
        let work = move || {
            let consumer = self.consumer();
            let consumer = match consumer {
                Ok(consumer) => Arc::new(consumer),
                Err(halt) => return drop(hand_back.send(Err(halt))),
            };
            let is_wanted = hand_back.send(Ok(consumer.clone())).is_ok();
            if is_wanted && catch_unwind(AssertUnwindSafe(|| self.turn(&consumer))).is_err() {
                self.fail(Halt::Log {
                    path: self.brokers.clone(),
                    reason: format!("the poll thread of {processor} died; standard error says why"),
                    next: "report it; a restart goes on from the last commit".into(),
                });
            }
        };
        let thread = std::thread::Builder::new().name(format!("{processor} poll")).spawn(work);
        let failed = |reason: String| Halt::Log {
            path: brokers.clone(),
            reason,
            next: "raise the process limit".into(),
        };
        thread.map_err(|error| failed(format!("no thread for {processor}: {error}")))?;
        made.recv().unwrap_or_else(|_| Err(failed(format!("the poll thread of {processor} died"))))
    }
    fn consumer(&self) -> Result<BaseConsumer<Context>, Halt> {
        let mut consumer =
            BaseConsumer::from_config_and_context(&self.config, self.context.clone()).map_err(not_taken)?;
        let poller = std::thread::current();
        let mut state = self.inbox.lock();
        (state.poller, state.is_broken) = (Some(poller.clone()), false);
        drop(state);
        consumer.set_nonempty_callback(move || poller.unpark());
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|error| self.halt(&error))?;
        Ok(consumer)
    }
    fn turn(&self, consumer: &Arc<BaseConsumer<Context>>) {
        let mut queues: Vec<Queue> = Vec::new();
        loop {
            let commands: Vec<Command> = self.inbox.lock().commands.drain(..).collect();
            let carried_out = commands.len();
            for command in commands {
                let done = match command {
                    Command::Assign(positions) => self.assign(consumer, positions).map(|made| queues = made),
                    Command::Unassign => {
                        queues.clear();
                        consumer.unassign().map_err(|error| self.halt(&error))
                    }
                    Command::Leave => return,
                };
                done.unwrap_or_else(|halt| self.fail(halt));
            }
            if carried_out > 0 {
                let mut state = self.inbox.lock();
                state.clear();
                state.pending -= carried_out;
                drop(state);
                self.inbox.wake();
            }
            let any = self.serve(consumer) | self.drain(&mut queues);
            if !any {
                self.answer(consumer);
                std::thread::park_timeout(NAP);
            }
        }
    }
    /// Says how far the client is, when it is asked. All that it took out of the queues is in the inbox.
    fn answer(&self, consumer: &BaseConsumer<Context>) {
        if !std::mem::take(&mut self.inbox.lock().is_asked) {
            return;
        }
        let Ok(positions) = consumer.position() else { return };
        let known =
            |topic: &str| self.names.iter().find(|(known_as, _)| known_as == topic).map(|(_, name)| *name);
        let passed = positions.elements().into_iter().filter_map(|element| {
            let next = element.offset().to_raw().filter(|next| *next > 0)?;
            Some(((known(element.topic())?, element.partition()), next))
        });
        let passed = passed.collect();
        let mut state = self.inbox.lock();
        // Otherwise it is of an assignment that is over.
        if state.pending == 0 && !state.is_broken {
            state.passed = Some(passed);
        }
    }
    /// Serves the consumer's own queue: callbacks and errors.
    fn serve(&self, consumer: &BaseConsumer<Context>) -> bool {
        let mut any = false;
        while let Some(polled) = consumer.poll(Duration::ZERO) {
            any = true;
            match polled {
                Ok(message) => self.fail(queues::stray(&message)),
                Err(error) => self.complain(&error),
            }
        }
        let happened: Vec<Rebalance> = self
            .context
            .rebalances
            .iter()
            .flat_map(|shared| {
                shared.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect::<Vec<_>>()
            })
            .collect();
        if !happened.is_empty() {
            any = true;
            self.inbox.lock().rebalances.extend(happened);
            self.inbox.wake();
        }
        any
    }
    /// Moves what the partitions' queues hold into the inbox, as long as there is room.
    fn drain(&self, queues: &mut [Queue]) -> bool {
        let mut room = self.capacity.saturating_sub(self.inbox.lock().bytes);
        let mut any = false;
        for ((topic, partition), queue) in queues {
            let mut chunk: Option<Chunk> = None;
            while room > 0 {
                match queue.poll(Duration::ZERO) {
                    Some(Ok(message)) => {
                        let chunk = chunk.get_or_insert_with(|| Chunk::at(message.offset()));
                        let before = chunk.bytes().len();
                        if let Err(halt) = self.push(chunk, &message) {
                            self.fail(halt);
                            return true;
                        }
                        room = room.saturating_sub(chunk.bytes().len() - before);
                        if chunk.bytes().len() > RUN {
                            break;
                        }
                    }
                    Some(Err(error)) => self.complain(&error),
                    None => break,
                }
            }
            if let Some(chunk) = chunk {
                any = true;
                self.hand_over((*topic, *partition), chunk);
            }
        }
        any
    }
    fn hand_over(&self, at: At, chunk: Chunk) {
        let mut state = self.inbox.lock();
        let now = Instant::now();
        state.first.get_or_insert(now);
        state.newest = Some(now);
        state.bytes += chunk.bytes().len();
        state.records.push((at, chunk));
        drop(state);
        self.inbox.wake();
    }
    fn push(&self, chunk: &mut Chunk, message: &BorrowedMessage<'_>) -> Result<(), Halt> {
        push(chunk, message).map_err(|reason| Halt::Undecodable {
            processor: self.processor.into(),
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            reason,
        })
    }
    fn assign(
        &self,
        consumer: &Arc<BaseConsumer<Context>>,
        positions: Vec<(At, Option<i64>)>,
    ) -> Result<Vec<Queue>, Halt> {
        let physical =
            |name: &str| self.names.iter().find(|(_, known)| *known == name).map(|(topic, _)| topic.as_str());
        let place = |((name, partition), next): &(At, Option<i64>)| {
            let topic = physical(name).unwrap_or(name).to_owned();
            ((topic, *partition), next.unwrap_or(reader::EARLIEST))
        };
        let places: Vec<_> = positions.iter().map(place).collect();
        let split = queues::assign(consumer, &places).map_err(|error| self.halt(&error))?;
        let poller = std::thread::current();
        let mut queues = Vec::with_capacity(positions.len());
        for ((at, _), mut queue) in positions.into_iter().zip(split) {
            let poller = poller.clone();
            queue.set_nonempty_callback(move || poller.unpark());
            queues.push((at, queue));
        }
        Ok(queues)
    }
    fn halt(&self, error: &KafkaError) -> Halt {
        super::client::halt(&self.brokers, self.processor, error, &self.context.complaints)
    }
    fn complain(&self, error: &KafkaError) {
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        let is_fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        let halt = classify(&self.brokers, self.processor, code, &error.to_string());
        match halt {
            // Brokers come and go; the client connects again by itself, and a rebalance reports what was lost meanwhile.
            Halt::Unreachable { .. } if !is_fatal => {
                tracing::debug!(processor = self.processor, %error, "reading")
            }
            halt => self.fail(halt),
        }
    }
    fn fail(&self, halt: Halt) {
        let mut state = self.inbox.lock();
        (state.is_broken, state.passed) = (true, None);
        state.failed.get_or_insert(halt);
        drop(state);
        self.inbox.wake();
    }
}

/// Appends a message to a chunk.
pub fn push(chunk: &mut Chunk, message: &BorrowedMessage<'_>) -> Result<(), String> {
    let bytes = message.key().unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(key) if key.len() <= usize::from(u16::MAX) => {
            chunk.push_at(message.offset(), key, message.payload())
        }
        _ if topics::is_raw(message.topic()) => {
            chunk.push_at(message.offset(), &shown(bytes), message.payload());
        }
        Ok(key) => return Err(format!("its key has {} bytes, more than {}", key.len(), u16::MAX)),
        Err(error) => return Err(format!("its key is no text: {error}")),
    }
    Ok(())
}
/// A key as far as a chunk takes it. Others produce to raw topics too, with any bytes as keys; the record's own event says whose it is,
/// and a dead letter gets the bytes back.
pub fn shown(key: &[u8]) -> String {
    let mut shown = String::from_utf8_lossy(key).into_owned();
    shown.truncate(shown.floor_char_boundary(u16::MAX.into()));
    shown
}
