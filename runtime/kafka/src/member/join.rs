//! Joins the consumer group: at the start, and with a new consumer when the current one can never be assigned partitions again.
//!
//! A consumer can become unusable in this way for two reasons. First, a broker returns metadata without any broker while no broker can
//! reach the controller; librdkafka then drops all brokers that it knows, and sends no request from then on. Second, Kafka fences a static
//! member whose join response arrives too late.
//! Invariant: a member fails as fenced only if another process stays in the group under the same instance name.
//! Not here: partitions and offsets (`assignment`, `member_offsets`).
use crate::{
    cluster::KafkaCluster,
    context::Context,
    offset_expiry,
    poll_channel::{Command, PollChannel},
    poll_thread::PollThread,
    transaction::TransactionalProducer,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use runtime::{
    CommitError, RuntimeError,
    subscription::{RunContext, Subscription},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// If a member has no partitions for this long, it checks whether its consumer still knows a broker.
const UNASSIGNED_TIMEOUT: Duration = Duration::from_secs(20);
/// The time limit of the metadata request that checks whether a consumer still knows a broker.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);
/// The interval at which a fenced member checks whether another instance is in the group.
const FENCED_RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// The time that a fenced member waits, in addition to the session timeout, for the other instance to leave the group.
const SESSION_GRACE_TIMEOUT: Duration = Duration::from_secs(3);
/// The pause before each attempt to re-initialize a producer.
const REINIT_INTERVAL: Duration = Duration::from_millis(500);

/// The outcome of waiting until the instance that fenced this one has left the group.
pub enum FencingOutcome {
    /// No other instance is in the group, and the member has joined with a new consumer.
    Rejoined,
    /// The process is stopping.
    Stopping,
}

/// A member's connection to its group: consumer, poll thread and producer.
pub struct GroupConnection {
    cluster: Arc<KafkaCluster>,
    subscription: Arc<Subscription>,
    run_context: Arc<RunContext>,
    capacity_bytes: usize,
    channel: Arc<PollChannel>,
    context: Context,
    /// `None` until the thread of the member requests the first event. The supervisor creates members one after the other, but joining is
    /// slow. So each member joins on its own thread, and all members of a process join at the same time.
    clients: Option<JoinedClients>,
    /// When the current wait of [`UNASSIGNED_TIMEOUT`] began; `None` while the member has partitions.
    unassigned_since: Option<Instant>,
}

struct JoinedClients {
    consumer: Arc<BaseConsumer<Context>>,
    producer: TransactionalProducer,
}

impl GroupConnection {
    /// Creates the connection, but does not join the group yet.
    pub fn new(
        cluster: Arc<KafkaCluster>,
        subscription: Arc<Subscription>,
        run_context: Arc<RunContext>,
        capacity_bytes: usize,
    ) -> Self {
        let context = Context::new(&cluster.config().brokers).for_group_member();
        GroupConnection {
            cluster,
            subscription,
            run_context,
            capacity_bytes,
            channel: Arc::default(),
            context,
            clients: None,
            unassigned_since: None,
        }
    }
    /// Returns the inbox. When the member joins with a new consumer, a new inbox replaces it.
    pub fn channel(&self) -> Arc<PollChannel> {
        self.channel.clone()
    }
    /// Joins the group unless the member has joined already. First aborts the transaction that an earlier process with
    /// the same instance name left open.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject a client.
    pub fn ensure_joined(&mut self) -> Result<(), RuntimeError> {
        if self.clients.is_some() {
            return Ok(());
        }
        offset_expiry::handle_expired_offsets(&self.cluster, &self.subscription)?;
        let config = self.cluster.config();
        let producer = TransactionalProducer::init_transactions(config, &self.subscription.group)?;
        self.clients = Some(JoinedClients { consumer: self.join_group()?, producer });
        Ok(())
    }
    fn join_group(&self) -> Result<Arc<BaseConsumer<Context>>, RuntimeError> {
        let config = self.cluster.config();
        let input_partitions = self.subscription.input_partitions();
        let poll_thread = PollThread {
            processor: self.subscription.name,
            client_config: config.consumer(&self.subscription.group),
            context: self.context.clone(),
            subscribed_topics: self.subscribed_topics(),
            input_partitions: input_partitions
                .map(|(_, partition)| (config.physical(partition), partition))
                .collect(),
            capacity_bytes: self.capacity_bytes,
            channel: self.channel.clone(),
        };
        poll_thread.start()
    }
    /// Returns the physical names of the topics that the consumer subscribes to.
    fn subscribed_topics(&self) -> Vec<String> {
        let topics = if self.subscription.kind.is_exclusive() {
            // The sink subscribes to its own topic, which has one partition. The instance that is assigned it reads all input partitions.
            self.subscription.outputs.get(..1).unwrap_or_default()
        } else {
            &self.subscription.inputs
        };
        topics.iter().map(|topic| self.cluster.config().topic(topic.name).into_owned()).collect()
    }
    /// Returns the producer of the member's commits.
    ///
    /// # Errors
    /// `CommitError::Aborted` if the member has not joined yet.
    pub fn producer(&mut self) -> Result<&mut TransactionalProducer, CommitError> {
        let clients = self.clients.as_mut();
        Ok(&mut clients
            .ok_or_else(|| CommitError::aborted("the member has not joined its consumer group yet"))?
            .producer)
    }
    /// Re-initializes the transactional producer: brokers then reject requests that are still in flight from its older epoch. Retries while
    /// brokers are unreachable.
    ///
    /// # Errors
    /// When the member has failed in the meantime, the producer is rejected, or brokers are unreachable while the process stops.
    pub fn reinit_producer(&mut self) -> Result<(), RuntimeError> {
        let Some(clients) = &mut self.clients else { return Ok(()) };
        loop {
            std::thread::sleep(REINIT_INTERVAL);
            if let Some(error) = self.channel.lock().failed.take() {
                return Err(error);
            }
            match clients.producer.reinit() {
                Err(RuntimeError::Unreachable { reason, .. }) if !self.run_context.is_stopping() => {
                    tracing::warn!(processor = self.subscription.name, reason, "waiting for the brokers");
                }
                outcome => return outcome,
            }
        }
    }
    /// Joins with a new consumer. Drops the inbox with all records that the old consumer delivered.
    fn rejoin_with_new_consumer(&mut self) -> Result<(), RuntimeError> {
        self.channel.send(Command::Leave);
        self.channel = Arc::default();
        self.context = self.context.for_group_member();
        let Some(clients) = &self.clients else { return Ok(()) };
        // The old consumer is never closed. Without this call it would join the group again once it finds a broker.
        clients.consumer.unsubscribe();
        let consumer = self.join_group()?;
        if let Some(clients) = &mut self.clients {
            leak_consumer(std::mem::replace(&mut clients.consumer, consumer));
        }
        Ok(())
    }
    /// Replaces the consumer if it has no partitions and reaches no broker, but a second consumer reaches one. Returns true if it was
    /// replaced.
    ///
    /// # Errors
    /// When a new consumer cannot be created.
    pub fn rejoin_if_disconnected(&mut self, has_partitions: bool) -> Result<bool, RuntimeError> {
        let Some(clients) = self.clients.as_ref().filter(|_| !has_partitions) else {
            self.unassigned_since = None;
            return Ok(false);
        };
        if self.unassigned_since.get_or_insert_with(Instant::now).elapsed() < UNASSIGNED_TIMEOUT {
            return Ok(false);
        }
        self.unassigned_since = None;
        let topics = self.subscribed_topics();
        let is_connected = |consumer: &Arc<BaseConsumer<Context>>| {
            consumer.fetch_metadata(topics.first().map(String::as_str), METADATA_TIMEOUT).is_ok()
        };
        let another = self.cluster.client().dedicated_consumer()?;
        if is_connected(&clients.consumer) || !is_connected(&another) {
            return Ok(false);
        }
        tracing::warn!(
            processor = self.subscription.name,
            "the Kafka client knows no broker any more, joining the group with a new client"
        );
        self.rejoin_with_new_consumer()?;
        Ok(true)
    }
    /// Waits until no other instance is in the group under the same instance name, then joins again.
    ///
    /// # Errors
    /// Returns `fenced` if another process stays in the group. Returns the error of a request if it is not transient.
    pub fn await_fencing_instance(&mut self, fenced: RuntimeError) -> Result<FencingOutcome, RuntimeError> {
        let config = self.cluster.config();
        let (group, client_id) = (config.group(&self.subscription.group), config.client_id());
        let session = config.session_timeout() + SESSION_GRACE_TIMEOUT;
        let (started, mut absent_count) = (Instant::now(), 0);
        while absent_count < 2 {
            if self.run_context.is_stopping() {
                return Ok(FencingOutcome::Stopping);
            }
            std::thread::sleep(FENCED_RETRY_INTERVAL);
            if started.elapsed() < session {
                continue;
            }
            match self.cluster.client().has_member(&group, |member| member == client_id) {
                Ok(false) => absent_count += 1,
                // Wait longer than one session timeout: the other instance's session starts only when the group has stopped waiting for
                // further members.
                Ok(true) if started.elapsed() < session * 3 => absent_count = 0,
                Ok(true) => return Err(fenced),
                Err(RuntimeError::Unreachable { reason, .. }) => {
                    tracing::warn!(processor = self.subscription.name, reason, "waiting for the brokers");
                }
                Err(error) => return Err(error),
            }
        }
        tracing::warn!(
            processor = self.subscription.name,
            "fenced, but no other instance is in the group; joining again"
        );
        self.rejoin_with_new_consumer()?;
        Ok(FencingOutcome::Rejoined)
    }
}

impl Drop for GroupConnection {
    fn drop(&mut self) {
        self.channel.send(Command::Leave);
        if let Some(clients) = self.clients.take() {
            leak_consumer(clients.consumer);
        }
    }
}

/// Leaks the consumer instead of closing it. Closing would not end the group membership, because the member is static, and it may block on
/// a rebalance.
fn leak_consumer(consumer: Arc<BaseConsumer<Context>>) {
    std::mem::forget(consumer);
}
