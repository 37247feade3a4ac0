//! Commits: everything of a micro-batch in one transaction.
//!
//! Invariant: a transaction is durable as a whole or not at all; positions are part of every transaction, so that the group's
//! coordinator refuses one from a member whose generation is over.
//! Not here: what is in a commit.
use super::{
    client::{Context, classify, halt},
    letters,
    originals::Originals,
    settings::Settings,
};
use crate::{chunk::Chunk, log::Halt};
use rdkafka::{
    TopicPartitionList,
    consumer::ConsumerGroupMetadata,
    error::{KafkaError, RDKafkaError, RDKafkaErrorCode as Code},
    producer::{BaseProducer, BaseRecord, Producer},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant},
};

/// How long one step of a transaction may take; the transaction's own timeout is shorter.
const STEP: Duration = Duration::from_secs(60);

/// How long after its transaction's timeout a commit is given up.
const GRACE: Duration = Duration::from_secs(20);

/// Positions to commit, and the generation of the group in which they were read.
pub type Positions = (TopicPartitionList, Arc<ConsumerGroupMetadata>);

/// What a commit writes.
struct Work {
    out: BTreeMap<(String, i32), Chunk>,
    positions: Option<Positions>,
    originals: Originals,
}

/// A transactional producer, on a thread of its own: a call of the client may never return. (It waits for a coordinator that has left the
/// cluster, whatever its timeout: librdkafka's issues 5456 and 5511.)
pub struct Transactions {
    owner: String,
    settings: Settings,
    /// What the thread is to do, and what became of it.
    thread: (Sender<Work>, Receiver<Result<(), Halt>>),
    /// After how long a commit is given up: its transaction is over before.
    longest: Duration,
    /// The thread was given up: what it says is of a commit that nobody waits for any more.
    is_given_up: bool,
}

impl Transactions {
    /// Ends whatever transaction an earlier life of this owner left open.
    pub fn begin_life(settings: &Settings, owner: &str) -> Result<Transactions, Halt> {
        let ((work, to_do), (tell, done)) = (channel::<Work>(), channel());
        let (own_settings, own_name) = (settings.clone(), owner.to_owned());
        let turn = move || match Life::begin(&own_settings, &own_name) {
            Err(halt) => drop(tell.send(Err(halt))),
            Ok(life) => {
                let mut said = Ok(());
                while tell.send(said).is_ok() {
                    let Ok(Work { out, positions, originals }) = to_do.recv() else { return };
                    said = life.commit(&out, positions.as_ref(), &originals);
                }
            }
        };
        let thread = std::thread::Builder::new().name(format!("{owner} commits")).spawn(turn);
        thread.map_err(|error| Halt::Log {
            path: settings.brokers.clone(),
            reason: format!("no thread for the commits of {owner}: {error}"),
            next: "raise the process limit".into(),
        })?;
        let transactions = Transactions {
            owner: owner.to_owned(),
            settings: settings.clone(),
            thread: (work, done),
            longest: settings.transaction_timeout() + GRACE,
            is_given_up: false,
        };
        transactions.thread.1.recv().unwrap_or_else(|_| Err(transactions.died()))?;
        Ok(transactions)
    }
    /// Writes records and positions, all or nothing; `originals` are of the dead letters among the records.
    ///
    /// # Errors
    /// `Halt::Interrupted` when it was aborted, or was ended without an answer: what is durable is known after the next
    /// [`Transactions::begin_life`]. Any other halt is the end.
    pub fn commit(
        &mut self,
        out: BTreeMap<(String, i32), Chunk>,
        positions: Option<Positions>,
        originals: Originals,
    ) -> Result<(), Halt> {
        if self.is_given_up {
            self.renew()?;
        }
        let (work, done) = &self.thread;
        if work.send(Work { out, positions, originals }).is_err() {
            return Err(self.died());
        }
        match done.recv_timeout(self.longest) {
            Ok(said) => said,
            Err(RecvTimeoutError::Timeout) => {
                self.is_given_up = true;
                Err(self.unanswered("the client did not answer"))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.died()),
        }
    }
    /// Begins another life: what the last one left open is ended, and what is still on its way from it is refused.
    pub fn renew(&mut self) -> Result<(), Halt> {
        *self = Transactions::begin_life(&self.settings, &self.owner)?;
        Ok(())
    }
    fn died(&self) -> Halt {
        Halt::Log {
            path: self.settings.brokers.clone(),
            reason: format!("the thread of the commits of {} died; standard error says why", self.owner),
            next: "report it; a restart goes on from the last commit".into(),
        }
    }
    fn unanswered(&self, reason: &str) -> Halt {
        Halt::Interrupted { processor: self.owner.clone(), reason: reason.to_owned() }
    }
}

/// One life of a transactional producer: from the end of what an earlier one left open to the next.
struct Life {
    owner: String,
    settings: Settings,
    producer: BaseProducer<Context>,
    context: Context,
}

impl Life {
    fn begin(settings: &Settings, owner: &str) -> Result<Life, Halt> {
        let context = Context::default();
        let producer: BaseProducer<Context> = settings.make(&settings.producer(owner), context.clone())?;
        let life = Life { owner: owner.to_owned(), settings: settings.clone(), producer, context };
        let since = Instant::now();
        loop {
            match life.producer.init_transactions(STEP) {
                Err(KafkaError::Transaction(error)) if error.is_retriable() && since.elapsed() < STEP => {
                    life.producer.poll(Duration::from_millis(100));
                }
                Err(error) => return Err(life.halt(&error)),
                Ok(()) => return Ok(life),
            }
        }
    }
    fn halt(&self, error: &KafkaError) -> Halt {
        halt(&self.settings.brokers, &self.owner, error, &self.context.complaints)
    }
    fn commit(
        &self,
        out: &BTreeMap<(String, i32), Chunk>,
        positions: Option<&Positions>,
        originals: &Originals,
    ) -> Result<(), Halt> {
        let sent = self.producer.begin_transaction().and_then(|()| {
            self.send(out, originals)?;
            self.flush()?;
            if let Some((list, generation)) = positions {
                self.repeat(|| self.producer.send_offsets_to_transaction(list, generation, STEP))?;
            }
            self.repeat(|| self.producer.commit_transaction(STEP))
        });
        sent.map_err(|error| self.give_up(&error))
    }
    fn send(&self, out: &BTreeMap<(String, i32), Chunk>, originals: &Originals) -> Result<(), KafkaError> {
        for ((topic, partition), chunk) in out {
            let name = self.settings.topic(topic);
            let is_letters = letters::is_letters(topic);
            for record in chunk.records() {
                let record = record.map_err(|_| KafkaError::MessageProduction(Code::BadMessage))?;
                let mut message =
                    BaseRecord::<[u8], [u8]>::to(&name).partition(*partition).key(record.key.as_bytes());
                message.payload = record.value;
                let letter = if is_letters { record.value.and_then(letters::open) } else { None };
                if let Some(letter) = &letter {
                    message.payload = Some(&letter.value);
                    let original = originals.get(&(letter.origin.clone(), letter.partition, letter.offset));
                    let with_connect = self.settings.connect_headers;
                    message.key = original.and_then(|original| original.key.as_deref()).or(message.key);
                    message.headers = Some(letters::headers(letter, original, with_connect));
                }
                while let Err((error, unsent)) = self.producer.send(message) {
                    if error.rdkafka_error_code() != Some(Code::QueueFull) {
                        return Err(error);
                    }
                    self.producer.poll(Duration::from_millis(5));
                    message = unsent;
                }
            }
            self.producer.poll(Duration::ZERO);
        }
        Ok(())
    }
    /// Waits for the brokers to have everything. Its own loop, since the client's waits a tenth of a second at a time.
    fn flush(&self) -> Result<(), KafkaError> {
        let since = Instant::now();
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(Duration::ZERO);
            if since.elapsed() > STEP {
                return Err(KafkaError::Flush(Code::OperationTimedOut));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
    fn repeat(&self, step: impl Fn() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
        let since = Instant::now();
        loop {
            match step() {
                Err(KafkaError::Transaction(error)) if error.is_retriable() && since.elapsed() < STEP => {
                    tracing::debug!(owner = self.owner, %error, "trying a step of the transaction again");
                    self.producer.poll(Duration::from_millis(20));
                }
                done => return done,
            }
        }
    }
    /// Aborts, and says what that means for the processor.
    fn give_up(&self, error: &KafkaError) -> Halt {
        let code = match error {
            KafkaError::Transaction(error) => error.code(),
            error => error.rdkafka_error_code().unwrap_or(Code::Unknown),
        };
        let is_fatal = matches!(error, KafkaError::Transaction(error) if error.is_fatal());
        let said = classify(&self.settings.brokers, &self.owner, code, &describe(error));
        let said = match (self.repeat(|| self.producer.abort_transaction(STEP)), said) {
            (Ok(()), said) => said,
            // The coordinator knows of no such transaction: a restarted broker ended it, or committed it and could not say so.
            (Err(aborting), Halt::Unreachable { .. }) if is_fatal || is_final(&aborting) => {
                self.halt(&aborting)
            }
            (Err(aborting), said) if is_fatal || is_final(&aborting) => said,
            (Err(aborting), _) => return self.halt(&aborting),
        };
        match said {
            // The next life of this owner settles what is durable. A fenced one may have been too slow for its transaction's timeout;
            // where another process runs under its name, its consumer is fenced too, and ends it.
            Halt::Unreachable { reason, .. } | Halt::Fenced { reason, .. } => {
                Halt::Interrupted { processor: self.owner.clone(), reason }
            }
            said => said,
        }
    }
}

fn describe(error: &KafkaError) -> String {
    match error {
        KafkaError::Transaction(error) => format!("{}: {}", RDKafkaError::name(error), error.string()),
        error => error.to_string(),
    }
}
fn is_final(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.is_fatal())
}
