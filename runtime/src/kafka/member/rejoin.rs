//! Joining the group: at the start, and with another consumer when the one there will never be handed anything again.
//!
//! librdkafka forgets every broker it knew when one tells it of none, as a cluster of which no broker is in touch with the controller
//! does, and asks nobody from then on. And Kafka fences a member under a name when its own join was answered too late to reach it.
//! Invariant: a member is fenced for good only when another process stays in the group under its name.
//! Not here: what is done with partitions (`member`).
use super::{
    super::{
        client::Context,
        forgotten,
        poll::{Command, Inbox, Poll},
        transaction::Transactions,
    },
    Clients, KafkaMember,
};
use crate::log::{Halt, Wake};
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// After how long without partitions a member looks whether its consumer knows any broker, and how long it gives each to answer.
const ABSENT: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_secs(2);
/// How often a fenced member looks.
const AGAIN: Duration = Duration::from_millis(500);
/// How much longer than a session a fenced member waits for nobody to be there under its name.
const GRACE: Duration = Duration::from_secs(3);

impl KafkaMember {
    /// Ends what an earlier life left open, then joins the group.
    pub(super) fn start(&mut self) -> Result<(), Halt> {
        forgotten::settle(&mut self.storage, &self.reader)?;
        let transactions = Transactions::begin_life(self.storage.settings(), &self.reader.group)?;
        self.clients = Some(Clients { consumer: self.join()?, transactions });
        Ok(())
    }
    fn join(&self) -> Result<Arc<BaseConsumer<Context>>, Halt> {
        let settings = self.storage.settings();
        let named = |topic: &topics::TopicInfo| (settings.topic(topic.name).into_owned(), topic.name);
        let poll = Poll {
            processor: self.reader.name,
            brokers: settings.brokers.clone(),
            config: settings.consumer(&self.reader.group),
            context: self.context.clone(),
            topics: self.subscribed(),
            names: self.reader.inputs.iter().map(named).collect(),
            capacity: self.limits.batch_bytes,
            inbox: self.inbox.clone(),
        };
        poll.start()
    }
    fn subscribed(&self) -> Vec<String> {
        let topics = match self.reader.is_alone {
            // Whoever holds the one partition of its own topic holds all partitions of its inputs.
            true => self.reader.outputs.get(..1).unwrap_or_default(),
            false => &self.reader.inputs,
        };
        topics.iter().map(|topic| self.storage.settings().topic(topic.name).into_owned()).collect()
    }
    /// Joins with another consumer; what came in through the one there is of no use any more.
    fn join_with_another(&mut self) -> Result<(), Halt> {
        self.inbox.command(Command::Leave);
        self.inbox = Arc::new(Inbox::default());
        self.context.rebalances = Some(Arc::default());
        self.lose();
        let Some(clients) = &self.clients else { return Ok(()) };
        // It lives on, and would take the place back once it finds a broker.
        clients.consumer.unsubscribe();
        let consumer = self.join()?;
        if let Some(clients) = &mut self.clients {
            abandon(std::mem::replace(&mut clients.consumer, consumer));
        }
        Ok(())
    }
    /// A consumer that has no broker left is replaced, once another finds some.
    pub(super) fn join_again_if_cut_off(&mut self) -> Result<(), Halt> {
        let Some(clients) = self.clients.as_ref().filter(|_| self.held.is_empty()) else {
            self.absent_since = None;
            return Ok(());
        };
        if self.absent_since.get_or_insert_with(Instant::now).elapsed() < ABSENT {
            return Ok(());
        }
        self.absent_since = None;
        let topics = self.subscribed();
        let is_answered = |consumer: &Arc<BaseConsumer<Context>>| {
            consumer.fetch_metadata(topics.first().map(String::as_str), LOOK).is_ok()
        };
        let another = self.storage.reader().client_of_its_own()?;
        if is_answered(&clients.consumer) || !is_answered(&another) {
            return Ok(());
        }
        tracing::warn!(
            processor = self.reader.name,
            "the Kafka client has no broker left, joining with another"
        );
        self.join_with_another()
    }
    /// Waits until nobody is in the group under this name any more. Who stays is another process, and this one ends.
    pub(super) fn stand_aside(&mut self, fenced: Halt) -> Result<Wake, Halt> {
        self.lose();
        let settings = self.storage.settings();
        let (group, client) = (settings.group(&self.reader.group), settings.client_id());
        let session = settings.session_timeout() + GRACE;
        let (since, mut absent) = (Instant::now(), 0);
        while absent < 2 {
            if self.signals.is_stopping() {
                return Ok(Wake::Shutdown);
            }
            std::thread::sleep(AGAIN);
            if since.elapsed() < session {
                continue;
            }
            match self.storage.reader().has_member(&group, |found| found == client) {
                Ok(false) => absent += 1,
                // Its session may have begun late: a group that was waiting for another member hands out places then.
                Ok(true) if since.elapsed() < session * 3 => absent = 0,
                Ok(true) => return Err(fenced),
                Err(Halt::Unreachable { reason, .. }) => {
                    tracing::warn!(processor = self.reader.name, reason, "waiting for the brokers");
                }
                Err(halt) => return Err(halt),
            }
        }
        tracing::warn!(processor = self.reader.name, "fenced with nobody else there, joining again");
        self.join_with_another()?;
        Ok(Wake::Lost)
    }
}

/// Leaves a consumer as it is instead of closing it: a member under a name keeps its place until its session ends, so closing would
/// tell the brokers nothing, and it can wait for ever for a rebalance that is under way.
pub(super) fn abandon(consumer: Arc<BaseConsumer<Context>>) {
    std::mem::forget(consumer);
}
