//! Joins the consumer group: at the start, and with a new consumer when the current one can never be assigned partitions again.
//!
//! A consumer can become unusable in this way for two reasons. First, a broker returns metadata without any broker while no broker can
//! reach the controller; librdkafka then drops all brokers that it knows, and sends no request from then on. Second, Kafka fences a static
//! member whose join response arrives too late.
//! Invariant: a consumer that was replaced never joins the group again.
//! Not here: when the member joins, checks and replaces its consumer (`membership`), offsets (`member_offsets`).
use super::{
    member_action::RejoinCause,
    member_event::{ConnectedConsumer, InstancePresence},
};
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
use std::{sync::Arc, time::Duration};

/// The time limit of the metadata request that checks whether a consumer still knows a broker.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);
/// The pause before each attempt to re-initialize a producer.
const REINIT_INTERVAL: Duration = Duration::from_millis(500);

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
        }
    }
    /// Returns the inbox. When the member joins with a new consumer, a new inbox replaces it.
    pub fn channel(&self) -> Arc<PollChannel> {
        self.channel.clone()
    }
    /// Joins the group. First aborts the transaction that an earlier process with the same instance name left open.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject a client.
    pub fn join(&mut self) -> Result<(), RuntimeError> {
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
    /// Joins with a new consumer. Drops the inbox with all records that the old consumer delivered. If the member has not joined yet, only
    /// replaces the inbox.
    ///
    /// # Errors
    /// When a new consumer cannot be created.
    pub fn rejoin_with_new_consumer(&mut self, cause: RejoinCause) -> Result<(), RuntimeError> {
        let message = match cause {
            RejoinCause::Disconnected => {
                "the Kafka client knows no broker any more, joining the group with a new client"
            }
            RejoinCause::FencingInstanceLeft => {
                "fenced, but no other instance is in the group; joining again"
            }
        };
        tracing::warn!(processor = self.subscription.name, "{message}");
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
    /// Checks whether the member's consumer reaches a broker, and if not, whether a second one does.
    ///
    /// # Errors
    /// When the second consumer cannot be created.
    pub fn check_connections(&self) -> Result<ConnectedConsumer, RuntimeError> {
        let Some(clients) = &self.clients else { return Ok(ConnectedConsumer::Neither) };
        let topics = self.subscribed_topics();
        let is_connected = |consumer: &Arc<BaseConsumer<Context>>| {
            consumer.fetch_metadata(topics.first().map(String::as_str), METADATA_TIMEOUT).is_ok()
        };
        let second = self.cluster.client().dedicated_consumer()?;
        Ok(if is_connected(&clients.consumer) {
            ConnectedConsumer::Own
        } else if is_connected(&second) {
            ConnectedConsumer::OnlySecond
        } else {
            ConnectedConsumer::Neither
        })
    }
    /// Checks whether an instance with the same name is in the group.
    ///
    /// # Errors
    /// The error of the request, if it is not transient.
    pub fn check_fencing_instance(&self) -> Result<InstancePresence, RuntimeError> {
        let config = self.cluster.config();
        let (group, client_id) = (config.group(&self.subscription.group), config.client_id());
        match self.cluster.client().has_member(&group, |member| member == client_id) {
            Ok(true) => Ok(InstancePresence::Present),
            Ok(false) => Ok(InstancePresence::Absent),
            Err(RuntimeError::Unreachable { reason, .. }) => {
                tracing::warn!(processor = self.subscription.name, reason, "waiting for the brokers");
                Ok(InstancePresence::Unknown)
            }
            Err(error) => Err(error),
        }
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
