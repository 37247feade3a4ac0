//! The poll thread of a group member: moves records and callbacks from librdkafka's queues into the member's inbox.
//!
//! The consumer's main queue, which holds the callbacks, is always polled. Each assigned partition has a queue of its own, which is not
//! polled while the inbox is full. Fetching then stops when `queued.max.messages.kbytes` is reached, but heartbeats and rebalances
//! continue, and no fetched record is dropped.
//! Invariant: only this thread assigns partitions, and it never blocks on the processor.
//! Not here: the reaction of the member to a rebalance (`member`), the inbox (`poll_channel`).
use crate::{
    context::Context,
    error::{client_not_created, thread_not_started, thread_panicked},
    offsets::positions,
    partition_queues,
    poll_channel::{Command, PollChannel},
    record::append_message,
    topic_partition::PhysicalPartition,
};
use rdkafka::{
    ClientConfig, Message,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer, base_consumer::PartitionQueue},
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::BorrowedMessage,
};
use runtime::{RecordBatch, RuntimeError};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc::sync_channel},
    time::Duration,
};
use topics::{Offset, Offsets, TopicPartition};

/// The longest sleep between two polls. The sleep is limited because librdkafka does not notify the thread of callbacks that arrive while
/// the thread handles other callbacks.
const IDLE_POLL_INTERVAL: Duration = Duration::from_millis(500);
/// When a batch exceeds this size, it is moved to the inbox, even if its queue holds more records.
const MAX_DRAIN_BYTES: usize = 256 << 10;

/// A poll thread before it starts: the settings of its consumer, and the channel to its member.
pub struct PollThread {
    pub processor: &'static str,
    pub client_config: ClientConfig,
    pub context: Context,
    /// The topics to subscribe to, by physical name.
    pub subscribed_topics: Vec<String>,
    /// All partitions of the inputs, to look up the logical partition of a physical one.
    pub input_partitions: BTreeMap<PhysicalPartition, TopicPartition>,
    /// Number of bytes in the inbox at which the partitions' queues are no longer polled.
    pub capacity_bytes: usize,
    pub channel: Arc<PollChannel>,
}

/// An assigned partition and its queue.
struct AssignedQueue {
    partition: TopicPartition,
    physical: PhysicalPartition,
    queue: PartitionQueue<Context>,
}

impl PollThread {
    /// Starts the thread, and returns the consumer that the thread creates. The member needs the consumer for metadata requests.
    ///
    /// # Errors
    /// When the thread cannot start, or the client rejects a setting or the subscription.
    pub fn start(self) -> Result<Arc<BaseConsumer<Context>>, RuntimeError> {
        let (result_sender, result) = sync_channel(1);
        let name = format!("{} poll", self.processor);
        let brokers = self.context.brokers().to_owned();
        let panicked = thread_panicked(&brokers, &format!("the poll thread of {}", self.processor));
        let run = move || {
            let consumer = match self.create_consumer() {
                Ok(consumer) => Arc::new(consumer),
                Err(error) => return drop(result_sender.send(Err(error))),
            };
            let is_received = result_sender.send(Ok(consumer.clone())).is_ok();
            if is_received && catch_unwind(AssertUnwindSafe(|| self.run_loop(&consumer))).is_err() {
                let thread = format!("the poll thread of {}", self.processor);
                self.channel.fail(thread_panicked(self.context.brokers(), &thread));
            }
        };
        let thread = std::thread::Builder::new().name(name.clone()).spawn(run);
        thread.map_err(|error| thread_not_started(&brokers, &name, &error))?;
        result.recv().unwrap_or(Err(panicked))
    }
    fn create_consumer(&self) -> Result<BaseConsumer<Context>, RuntimeError> {
        let mut consumer = BaseConsumer::from_config_and_context(&self.client_config, self.context.clone())
            .map_err(client_not_created)?;
        let poll_thread = std::thread::current();
        self.channel.register_poll_thread(poll_thread.clone());
        consumer.set_nonempty_callback(move || poll_thread.unpark());
        let topics: Vec<&str> = self.subscribed_topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|error| self.to_runtime_error(&error))?;
        Ok(consumer)
    }
    fn run_loop(&self, consumer: &Arc<BaseConsumer<Context>>) {
        let mut queues: Vec<AssignedQueue> = Vec::new();
        loop {
            let commands = self.channel.take_commands();
            let command_count = commands.len();
            for command in commands {
                let outcome = match command {
                    Command::Assign(assignment) => {
                        self.assign(consumer, assignment).map(|assigned| queues = assigned)
                    }
                    Command::Unassign => {
                        queues.clear();
                        consumer.unassign().map_err(|error| self.to_runtime_error(&error))
                    }
                    Command::Leave => return,
                };
                if let Err(error) = outcome {
                    self.channel.fail(error);
                }
            }
            if command_count > 0 {
                self.channel.finish_commands(command_count);
            }
            let has_progress = self.poll_callbacks(consumer) | self.drain(&queues);
            if !has_progress {
                self.report_position(consumer, &queues);
                std::thread::park_timeout(IDLE_POLL_INTERVAL);
            }
        }
    }
    /// Reports the consumer's position if the member has requested it. Must be called only when every record taken out of the queues is
    /// in the inbox.
    fn report_position(&self, consumer: &BaseConsumer<Context>, queues: &[AssignedQueue]) {
        if !self.channel.take_position_request() {
            return;
        }
        let partitions: Vec<PhysicalPartition> =
            queues.iter().map(|assigned| assigned.physical.clone()).collect();
        let Ok(positions) = positions(consumer, &partitions) else { return };
        let consumed = |assigned: &AssignedQueue| {
            let next = positions.get(&assigned.physical).copied().filter(|next| *next > 0)?;
            Some((assigned.partition, next))
        };
        let consumed_offsets: Offsets = queues.iter().filter_map(consumed).collect();
        self.channel.report_position(consumed_offsets);
    }
    /// Polls the consumer's main queue for callbacks and errors. Returns true if there were any.
    fn poll_callbacks(&self, consumer: &BaseConsumer<Context>) -> bool {
        let mut has_progress = false;
        while let Some(polled) = consumer.poll(Duration::ZERO) {
            has_progress = true;
            match polled {
                Ok(message) => self.channel.fail(partition_queues::unexpected_main_queue_message(&message)),
                Err(error) => self.on_error(&error),
            }
        }
        let rebalances = self.context.take_rebalances();
        if !rebalances.is_empty() {
            has_progress = true;
            self.channel.add_rebalances(rebalances);
        }
        has_progress
    }
    /// Moves records from the partitions' queues to the inbox while the inbox has room. Returns true if records were moved,
    /// or if a record could not be decoded.
    fn drain(&self, queues: &[AssignedQueue]) -> bool {
        let mut room_bytes = self.capacity_bytes.saturating_sub(self.channel.lock().bytes);
        let mut has_progress = false;
        for assigned in queues {
            match self.drain_queue(&assigned.queue, &mut room_bytes) {
                Ok(Some(batch)) => {
                    has_progress = true;
                    self.channel.add_records(assigned.partition, batch);
                }
                Ok(None) => {}
                Err(error) => {
                    self.channel.fail(error);
                    return true;
                }
            }
        }
        has_progress
    }
    /// Takes records out of a queue until their size exceeds [`MAX_DRAIN_BYTES`] or the inbox is full. The last record may exceed either
    /// limit.
    fn drain_queue(
        &self,
        queue: &PartitionQueue<Context>,
        room_bytes: &mut usize,
    ) -> Result<Option<RecordBatch>, RuntimeError> {
        let mut drained: Option<RecordBatch> = None;
        while *room_bytes > 0 {
            match queue.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    let batch = drained.get_or_insert_with(|| RecordBatch::at(message.offset()));
                    let size_before = batch.bytes().len();
                    self.append(batch, &message)?;
                    let size = batch.bytes().len();
                    *room_bytes = room_bytes.saturating_sub(size - size_before);
                    if size > MAX_DRAIN_BYTES {
                        break;
                    }
                }
                Some(Err(error)) => self.on_error(&error),
                None => break,
            }
        }
        Ok(drained)
    }
    fn append(&self, batch: &mut RecordBatch, message: &BorrowedMessage<'_>) -> Result<(), RuntimeError> {
        append_message(batch, message).map_err(|reason| RuntimeError::Undecodable {
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
        assignment: Vec<(PhysicalPartition, Offset)>,
    ) -> Result<Vec<AssignedQueue>, RuntimeError> {
        let queues =
            partition_queues::assign(consumer, &assignment).map_err(|error| self.to_runtime_error(&error))?;
        let poll_thread = std::thread::current();
        let mut assigned = Vec::with_capacity(assignment.len());
        for ((physical, _), mut queue) in assignment.into_iter().zip(queues) {
            let Some(partition) = self.input_partitions.get(&physical).copied() else {
                let error = KafkaError::Subscription(physical.to_string());
                return Err(self.to_runtime_error(&error));
            };
            let poll_thread = poll_thread.clone();
            queue.set_nonempty_callback(move || poll_thread.unpark());
            assigned.push(AssignedQueue { partition, physical, queue });
        }
        Ok(assigned)
    }
    fn to_runtime_error(&self, error: &KafkaError) -> RuntimeError {
        self.context.to_runtime_error(self.processor, error)
    }
    fn on_error(&self, error: &KafkaError) {
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        let is_fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        match self.context.classify(self.processor, code, &error.to_string()) {
            // The client reconnects by itself. If it loses its partitions before that, a rebalance reports the loss.
            RuntimeError::Unreachable { .. } if !is_fatal => {
                tracing::debug!(processor = self.processor, %error, "a read failed, the client reconnects");
            }
            runtime_error => self.channel.fail(runtime_error),
        }
    }
}
