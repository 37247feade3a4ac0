//! Joining the group: at the start, and with another consumer when the one there will never be handed anything again.
//!
//! librdkafka forgets every broker it knew when one tells it of none, as a cluster of which no broker is in touch with the controller
//! does, and asks nobody from then on. And Kafka fences a member under a name when its own join was answered too late to reach it.
//! Invariant: a member is fenced for good only when another process stays in the group under its name.
//! Not here: what is done with partitions (`member`).
use super::{
    super::{
        client::Context,
        offset_expiry,
        poll_thread::{Command, PollChannel, PollThread},
        transaction::TransactionalProducer,
    },
    Clients, KafkaMember,
};
use crate::log::{RuntimeError, TaskEvent};
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// After how long without partitions a member looks whether its consumer knows any broker, and how long it gives each to answer.
const UNASSIGNED_TIMEOUT: Duration = Duration::from_secs(20);
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a fenced member looks.
const FENCED_RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// How much longer than a session a fenced member waits for nobody to be there under its name.
const SESSION_GRACE_TIMEOUT: Duration = Duration::from_secs(3);

impl KafkaMember {
    /// Ends what an earlier life left open, then joins the group.
    pub(super) fn start(&mut self) -> Result<(), RuntimeError> {
        offset_expiry::handle_expired_offsets(&mut self.storage, &self.subscription)?;
        let producer =
            TransactionalProducer::init_transactions(self.storage.settings(), &self.subscription.group)?;
        self.clients = Some(Clients { consumer: self.join_group()?, producer });
        Ok(())
    }
    fn join_group(&self) -> Result<Arc<BaseConsumer<Context>>, RuntimeError> {
        let settings = self.storage.settings();
        let named = |topic: &topics::TopicInfo| (settings.topic(topic.name).into_owned(), topic.name);
        let poll_thread = PollThread {
            processor: self.subscription.name,
            brokers: settings.brokers.clone(),
            config: settings.consumer(&self.subscription.group),
            context: self.context.clone(),
            topics: self.subscribed(),
            names: self.subscription.inputs.iter().map(named).collect(),
            capacity: self.limits.batch_bytes,
            channel: self.channel.clone(),
        };
        poll_thread.start()
    }
    fn subscribed(&self) -> Vec<String> {
        let topics = match self.subscription.is_alone {
            // Whoever holds the one partition of its own topic holds all partitions of its inputs.
            true => self.subscription.outputs.get(..1).unwrap_or_default(),
            false => &self.subscription.inputs,
        };
        topics.iter().map(|topic| self.storage.settings().topic(topic.name).into_owned()).collect()
    }
    /// Joins with another consumer; what came in through the one there is of no use any more.
    fn rejoin_with_new_consumer(&mut self) -> Result<(), RuntimeError> {
        self.channel.command(Command::Leave);
        self.channel = Arc::new(PollChannel::default());
        self.context.rebalances = Some(Arc::default());
        self.drop_assignment();
        let Some(clients) = &self.clients else { return Ok(()) };
        // It lives on, and would take the place back once it finds a broker.
        clients.consumer.unsubscribe();
        let consumer = self.join_group()?;
        if let Some(clients) = &mut self.clients {
            leak_consumer(std::mem::replace(&mut clients.consumer, consumer));
        }
        Ok(())
    }
    /// A consumer that has no broker left is replaced, once another finds some.
    pub(super) fn rejoin_if_disconnected(&mut self) -> Result<(), RuntimeError> {
        let Some(clients) = self.clients.as_ref().filter(|_| self.held.is_empty()) else {
            self.unassigned_since = None;
            return Ok(());
        };
        if self.unassigned_since.get_or_insert_with(Instant::now).elapsed() < UNASSIGNED_TIMEOUT {
            return Ok(());
        }
        self.unassigned_since = None;
        let topics = self.subscribed();
        let is_answered = |consumer: &Arc<BaseConsumer<Context>>| {
            consumer.fetch_metadata(topics.first().map(String::as_str), METADATA_TIMEOUT).is_ok()
        };
        let another = self.storage.reader().dedicated_client()?;
        if is_answered(&clients.consumer) || !is_answered(&another) {
            return Ok(());
        }
        tracing::warn!(
            processor = self.subscription.name,
            "the Kafka client has no broker left, joining with another"
        );
        self.rejoin_with_new_consumer()
    }
    /// Waits until nobody is in the group under this name any more. Who stays is another process, and this one ends.
    pub(super) fn await_fencing_instance(&mut self, fenced: RuntimeError) -> Result<TaskEvent, RuntimeError> {
        self.drop_assignment();
        let settings = self.storage.settings();
        let (group, client) = (settings.group(&self.subscription.group), settings.client_id());
        let session = settings.session_timeout() + SESSION_GRACE_TIMEOUT;
        let (since, mut absent) = (Instant::now(), 0);
        while absent < 2 {
            if self.run_context.is_stopping() {
                return Ok(TaskEvent::Shutdown);
            }
            std::thread::sleep(FENCED_RETRY_INTERVAL);
            if since.elapsed() < session {
                continue;
            }
            match self.storage.reader().has_member(&group, |found| found == client) {
                Ok(false) => absent += 1,
                // Its session may have begun late: a group that was waiting for another member hands out places then.
                Ok(true) if since.elapsed() < session * 3 => absent = 0,
                Ok(true) => return Err(fenced),
                Err(RuntimeError::Unreachable { reason, .. }) => {
                    tracing::warn!(processor = self.subscription.name, reason, "waiting for the brokers");
                }
                Err(runtime_error) => return Err(runtime_error),
            }
        }
        tracing::warn!(processor = self.subscription.name, "fenced with nobody else there, joining again");
        self.rejoin_with_new_consumer()?;
        Ok(TaskEvent::Lost)
    }
}

/// Leaves a consumer as it is instead of closing it: a member under a name keeps its place until its session ends, so closing would
/// tell the brokers nothing, and it can wait for ever for a rebalance that is under way.
pub(super) fn leak_consumer(consumer: Arc<BaseConsumer<Context>>) {
    std::mem::forget(consumer);
}
