//! The poll thread: librdkafka's queues and callbacks, turned into what a member waits for.
//!
//! The consumer's own queue, with its callbacks, is polled always. Each assigned partition has a queue of its own, which is left alone
//! while the inbox is full: fetching stops at `queued.max.messages.kbytes`, heartbeats and rebalances go on, and nothing that was
//! fetched is thrown away.
//! Invariant: this thread alone assigns; it never waits for the processor.
//! Not here: what a rebalance means (`member`).
use super::{
    client::{Context, classify},
    client_config::not_taken,
    partition_queues, partition_reader,
};
use crate::{
    log::{RuntimeError, TopicPartition},
    record_batch::RecordBatch,
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
    Assign(Vec<(TopicPartition, Option<i64>)>),
    Unassign,
    Leave,
}

/// What the poll thread and the member share.
#[derive(Default)]
pub struct PollChannel {
    state: Mutex<PollState>,
    changed: Condvar,
}
#[derive(Default)]
pub struct PollState {
    pub rebalances: VecDeque<Rebalance>,
    pub commands: VecDeque<Command>,
    /// Commands that are not carried out yet: until then what comes in is of an assignment that is over.
    pub pending: usize,
    pub records: Vec<(TopicPartition, RecordBatch)>,
    pub bytes: usize,
    /// When the oldest of the records came, and the newest.
    pub first: Option<Instant>,
    pub newest: Option<Instant>,
    pub failed: Option<RuntimeError>,
    /// The member wants to know how far the client is.
    pub position_requested: bool,
    /// Something that was read could not be handed over: how far the client is says no more what was.
    is_poisoned: bool,
    /// How far it was when all that it had handed over was in here or taken: past markers, too.
    pub consumed_offsets: Option<Vec<(TopicPartition, i64)>>,
    poller: Option<Thread>,
}
impl PollState {
    pub fn clear(&mut self) {
        self.records.clear();
        (self.bytes, self.first, self.newest) = (0, None, None);
        (self.position_requested, self.consumed_offsets) = (false, None);
    }
    /// Whether there is nothing here that is still to be done.
    pub fn is_idle(&self) -> bool {
        self.records.is_empty() && self.rebalances.is_empty() && self.pending == 0 && self.failed.is_none()
    }
}
impl PollChannel {
    pub fn lock(&self) -> MutexGuard<'_, PollState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Waits until something comes in, at most so long.
    pub fn wait<'a>(&self, state: MutexGuard<'a, PollState>, at_most: Duration) -> MutexGuard<'a, PollState> {
        self.changed.wait_timeout(state, at_most).unwrap_or_else(PoisonError::into_inner).0
    }
    pub fn notify(&self) {
        self.changed.notify_all();
    }
    pub fn command(&self, command: Command) {
        let mut state = self.lock();
        state.commands.push_back(command);
        state.pending += 1;
        state.poller.iter().for_each(Thread::unpark);
    }
    /// Lets the poll thread go on after records were taken.
    pub fn resume(state: &PollState) {
        state.poller.iter().for_each(Thread::unpark);
    }
}

/// How a poll thread is set up.
pub struct PollThread {
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
    pub channel: Arc<PollChannel>,
}

/// How long to sleep when nothing is announced: callbacks that came while others were handled are not.
const IDLE_POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Records moved to the inbox at once.
const MAX_DRAIN_BYTES: usize = 256 << 10;

type Queue = (TopicPartition, PartitionQueue<Context>);

impl PollThread {
    /// Makes the consumer, and the thread that polls it. The consumer is handed back for its group's metadata and positions.
    pub fn start(self) -> Result<Arc<BaseConsumer<Context>>, RuntimeError> {
        let (hand_back, made) = std::sync::mpsc::sync_channel(1);
        let (processor, brokers) = (self.processor, self.brokers.clone());
        let work = move || {
            let consumer = self.consumer();
            let consumer = match consumer {
                Ok(consumer) => Arc::new(consumer),
                Err(runtime_error) => return drop(hand_back.send(Err(runtime_error))),
            };
            let is_wanted = hand_back.send(Ok(consumer.clone())).is_ok();
            if is_wanted && catch_unwind(AssertUnwindSafe(|| self.run_loop(&consumer))).is_err() {
                self.fail(RuntimeError::Storage {
                    path: self.brokers.clone(),
                    reason: format!("the poll thread of {processor} died; standard error says why"),
                    next: "report it; a restart goes on from the last commit".into(),
                });
            }
        };
        let thread = std::thread::Builder::new().name(format!("{processor} poll")).spawn(work);
        let failed = |reason: String| RuntimeError::Storage {
            path: brokers.clone(),
            reason,
            next: "raise the process limit".into(),
        };
        thread.map_err(|error| failed(format!("no thread for {processor}: {error}")))?;
        made.recv().unwrap_or_else(|_| Err(failed(format!("the poll thread of {processor} died"))))
    }
    fn consumer(&self) -> Result<BaseConsumer<Context>, RuntimeError> {
        let mut consumer =
            BaseConsumer::from_config_and_context(&self.config, self.context.clone()).map_err(not_taken)?;
        let poller = std::thread::current();
        let mut state = self.channel.lock();
        (state.poller, state.is_poisoned) = (Some(poller.clone()), false);
        drop(state);
        consumer.set_nonempty_callback(move || poller.unpark());
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|error| self.to_runtime_error(&error))?;
        Ok(consumer)
    }
    fn run_loop(&self, consumer: &Arc<BaseConsumer<Context>>) {
        let mut queues: Vec<Queue> = Vec::new();
        loop {
            let commands: Vec<Command> = self.channel.lock().commands.drain(..).collect();
            let carried_out = commands.len();
            for command in commands {
                let done = match command {
                    Command::Assign(positions) => self.assign(consumer, positions).map(|made| queues = made),
                    Command::Unassign => {
                        queues.clear();
                        consumer.unassign().map_err(|error| self.to_runtime_error(&error))
                    }
                    Command::Leave => return,
                };
                done.unwrap_or_else(|runtime_error| self.fail(runtime_error));
            }
            if carried_out > 0 {
                let mut state = self.channel.lock();
                state.clear();
                state.pending -= carried_out;
                drop(state);
                self.channel.notify();
            }
            let any = self.poll_callbacks(consumer) | self.drain(&mut queues);
            if !any {
                self.report_position(consumer);
                std::thread::park_timeout(IDLE_POLL_INTERVAL);
            }
        }
    }
    /// Says how far the client is, when it is asked. All that it took out of the queues is in the inbox.
    fn report_position(&self, consumer: &BaseConsumer<Context>) {
        if !std::mem::take(&mut self.channel.lock().position_requested) {
            return;
        }
        let Ok(positions) = consumer.position() else { return };
        let known =
            |topic: &str| self.names.iter().find(|(known_as, _)| known_as == topic).map(|(_, name)| *name);
        let consumed_offsets = positions.elements().into_iter().filter_map(|element| {
            let next = element.offset().to_raw().filter(|next| *next > 0)?;
            Some(((known(element.topic())?, element.partition()), next))
        });
        let consumed_offsets = consumed_offsets.collect();
        let mut state = self.channel.lock();
        // Otherwise it is of an assignment that is over.
        if state.pending == 0 && !state.is_poisoned {
            state.consumed_offsets = Some(consumed_offsets);
        }
    }
    /// Serves the consumer's own queue: callbacks and errors.
    fn poll_callbacks(&self, consumer: &BaseConsumer<Context>) -> bool {
        let mut any = false;
        while let Some(polled) = consumer.poll(Duration::ZERO) {
            any = true;
            match polled {
                Ok(message) => self.fail(partition_queues::unexpected_main_queue_message(&message)),
                Err(error) => self.on_error(&error),
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
            self.channel.lock().rebalances.extend(happened);
            self.channel.notify();
        }
        any
    }
    /// Moves what the partitions' queues hold into the inbox, as long as there is room.
    fn drain(&self, queues: &mut [Queue]) -> bool {
        let mut room = self.capacity.saturating_sub(self.channel.lock().bytes);
        let mut any = false;
        for ((topic, partition), queue) in queues {
            let mut record_batch: Option<RecordBatch> = None;
            while room > 0 {
                match queue.poll(Duration::ZERO) {
                    Some(Ok(message)) => {
                        let record_batch =
                            record_batch.get_or_insert_with(|| RecordBatch::at(message.offset()));
                        let before = record_batch.bytes().len();
                        if let Err(runtime_error) = self.push(record_batch, &message) {
                            self.fail(runtime_error);
                            return true;
                        }
                        room = room.saturating_sub(record_batch.bytes().len() - before);
                        if record_batch.bytes().len() > MAX_DRAIN_BYTES {
                            break;
                        }
                    }
                    Some(Err(error)) => self.on_error(&error),
                    None => break,
                }
            }
            if let Some(record_batch) = record_batch {
                any = true;
                self.enqueue((*topic, *partition), record_batch);
            }
        }
        any
    }
    fn enqueue(&self, at: TopicPartition, record_batch: RecordBatch) {
        let mut state = self.channel.lock();
        let now = Instant::now();
        state.first.get_or_insert(now);
        state.newest = Some(now);
        state.bytes += record_batch.bytes().len();
        state.records.push((at, record_batch));
        drop(state);
        self.channel.notify();
    }
    fn push(
        &self,
        record_batch: &mut RecordBatch,
        message: &BorrowedMessage<'_>,
    ) -> Result<(), RuntimeError> {
        append_message(record_batch, message).map_err(|reason| RuntimeError::Undecodable {
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
        positions: Vec<(TopicPartition, Option<i64>)>,
    ) -> Result<Vec<Queue>, RuntimeError> {
        let physical =
            |name: &str| self.names.iter().find(|(_, known)| *known == name).map(|(topic, _)| topic.as_str());
        let physical_partition = |((name, partition), next): &(TopicPartition, Option<i64>)| {
            let topic = physical(name).unwrap_or(name).to_owned();
            ((topic, *partition), next.unwrap_or(partition_reader::EARLIEST_OFFSET))
        };
        let physical_partitions: Vec<_> = positions.iter().map(physical_partition).collect();
        let split = partition_queues::assign(consumer, &physical_partitions)
            .map_err(|error| self.to_runtime_error(&error))?;
        let poller = std::thread::current();
        let mut queues = Vec::with_capacity(positions.len());
        for ((at, _), mut queue) in positions.into_iter().zip(split) {
            let poller = poller.clone();
            queue.set_nonempty_callback(move || poller.unpark());
            queues.push((at, queue));
        }
        Ok(queues)
    }
    fn to_runtime_error(&self, error: &KafkaError) -> RuntimeError {
        super::client::to_runtime_error(&self.brokers, self.processor, error, &self.context.last_client_error)
    }
    fn on_error(&self, error: &KafkaError) {
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        let is_fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        let runtime_error = classify(&self.brokers, self.processor, code, &error.to_string());
        match runtime_error {
            // Brokers come and go; the client connects again by itself, and a rebalance reports what was lost meanwhile.
            RuntimeError::Unreachable { .. } if !is_fatal => {
                tracing::debug!(processor = self.processor, %error, "reading")
            }
            runtime_error => self.fail(runtime_error),
        }
    }
    fn fail(&self, runtime_error: RuntimeError) {
        let mut state = self.channel.lock();
        (state.is_poisoned, state.consumed_offsets) = (true, None);
        state.failed.get_or_insert(runtime_error);
        drop(state);
        self.channel.notify();
    }
}

/// Appends a message to a chunk.
pub fn append_message(record_batch: &mut RecordBatch, message: &BorrowedMessage<'_>) -> Result<(), String> {
    let bytes = message.key().unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(key) if key.len() <= usize::from(u16::MAX) => {
            record_batch.push_at(message.offset(), key, message.payload())
        }
        _ if topics::is_raw(message.topic()) => {
            record_batch.push_at(message.offset(), &lossy_key(bytes), message.payload());
        }
        Ok(key) => return Err(format!("its key has {} bytes, more than {}", key.len(), u16::MAX)),
        Err(error) => return Err(format!("its key is no text: {error}")),
    }
    Ok(())
}
/// A key as far as a chunk takes it. Others produce to raw topics too, with any bytes as keys; the record's own event says whose it is,
/// and a dead letter gets the bytes back.
pub fn lossy_key(key: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(key).into_owned();
    text.truncate(text.floor_char_boundary(u16::MAX.into()));
    text
}
