//! Commits: everything of a micro-batch in one transaction.
//!
//! Invariant: a transaction is durable as a whole or not at all; positions are part of every transaction, so that the group's
//! coordinator refuses one from a member whose generation is over.
//! Not here: what is in a commit.
use super::{
    client::{Context, classify, to_runtime_error},
    client_config::KafkaConfig,
    dlq_headers,
    original_record::OriginalRecords,
};
use crate::{log::RuntimeError, record_batch::RecordBatch};
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
const TRANSACTION_CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// How long after its transaction's timeout a commit is given up.
const COMMIT_GRACE_TIMEOUT: Duration = Duration::from_secs(20);

/// Positions to commit, and the generation of the group in which they were read.
pub type OffsetsToCommit = (TopicPartitionList, Arc<ConsumerGroupMetadata>);

/// What a commit writes.
struct CommitRequest {
    out: BTreeMap<(String, i32), RecordBatch>,
    offsets: Option<OffsetsToCommit>,
    original_records: OriginalRecords,
}

/// A transactional producer, on a thread of its own: a call of the client may never return. (It waits for a coordinator that has left the
/// cluster, whatever its timeout: librdkafka's issues 5456 and 5511.)
pub struct TransactionalProducer {
    owner: String,
    settings: KafkaConfig,
    /// What the thread is to do, and what became of it.
    thread: (Sender<CommitRequest>, Receiver<Result<(), RuntimeError>>),
    /// After how long a commit is given up: its transaction is over before.
    commit_timeout: Duration,
    /// The thread was given up: what it says is of a commit that nobody waits for any more.
    is_abandoned: bool,
}

impl TransactionalProducer {
    /// Ends whatever transaction an earlier life of this owner left open.
    pub fn init_transactions(
        settings: &KafkaConfig,
        owner: &str,
    ) -> Result<TransactionalProducer, RuntimeError> {
        let ((work, to_do), (tell, done)) = (channel::<CommitRequest>(), channel());
        let (own_settings, own_name) = (settings.clone(), owner.to_owned());
        let turn = move || match ProducerSession::init_transactions(&own_settings, &own_name) {
            Err(runtime_error) => drop(tell.send(Err(runtime_error))),
            Ok(session) => {
                let mut outcome = Ok(());
                while tell.send(outcome).is_ok() {
                    let Ok(CommitRequest { out, offsets, original_records }) = to_do.recv() else { return };
                    outcome = session.commit(&out, offsets.as_ref(), &original_records);
                }
            }
        };
        let thread = std::thread::Builder::new().name(format!("{owner} commits")).spawn(turn);
        thread.map_err(|error| RuntimeError::Storage {
            path: settings.brokers.clone(),
            reason: format!("no thread for the commits of {owner}: {error}"),
            next: "raise the process limit".into(),
        })?;
        let transactional_producer = TransactionalProducer {
            owner: owner.to_owned(),
            settings: settings.clone(),
            thread: (work, done),
            commit_timeout: settings.transaction_timeout() + COMMIT_GRACE_TIMEOUT,
            is_abandoned: false,
        };
        transactional_producer.thread.1.recv().unwrap_or_else(|_| Err(transactional_producer.died()))?;
        Ok(transactional_producer)
    }
    /// Writes records and positions, all or nothing; `original_records` are of the dead letters among the records.
    ///
    /// # Errors
    /// `RuntimeError::Aborted` when it was aborted, or was ended without an answer: what is durable is known after the next
    /// [`TransactionalProducer::init_transactions`]. Any other halt is the end.
    pub fn commit(
        &mut self,
        out: BTreeMap<(String, i32), RecordBatch>,
        offsets: Option<OffsetsToCommit>,
        original_records: OriginalRecords,
    ) -> Result<(), RuntimeError> {
        if self.is_abandoned {
            self.reinit()?;
        }
        let (work, done) = &self.thread;
        if work.send(CommitRequest { out, offsets, original_records }).is_err() {
            return Err(self.died());
        }
        match done.recv_timeout(self.commit_timeout) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => {
                self.is_abandoned = true;
                Err(self.unanswered("the client did not answer"))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.died()),
        }
    }
    /// Begins another life: what the last one left open is ended, and what is still on its way from it is refused.
    pub fn reinit(&mut self) -> Result<(), RuntimeError> {
        *self = TransactionalProducer::init_transactions(&self.settings, &self.owner)?;
        Ok(())
    }
    fn died(&self) -> RuntimeError {
        RuntimeError::Storage {
            path: self.settings.brokers.clone(),
            reason: format!("the thread of the commits of {} died; standard error says why", self.owner),
            next: "report it; a restart goes on from the last commit".into(),
        }
    }
    fn unanswered(&self, reason: &str) -> RuntimeError {
        RuntimeError::Aborted { processor: self.owner.clone(), reason: reason.to_owned() }
    }
}

/// One life of a transactional producer: from the end of what an earlier one left open to the next.
struct ProducerSession {
    owner: String,
    settings: KafkaConfig,
    producer: BaseProducer<Context>,
    context: Context,
}

impl ProducerSession {
    fn init_transactions(settings: &KafkaConfig, owner: &str) -> Result<ProducerSession, RuntimeError> {
        let context = Context::default();
        let producer: BaseProducer<Context> = settings.make(&settings.producer(owner), context.clone())?;
        let session =
            ProducerSession { owner: owner.to_owned(), settings: settings.clone(), producer, context };
        let since = Instant::now();
        loop {
            match session.producer.init_transactions(TRANSACTION_CALL_TIMEOUT) {
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && since.elapsed() < TRANSACTION_CALL_TIMEOUT =>
                {
                    session.producer.poll(Duration::from_millis(100));
                }
                Err(error) => return Err(session.to_runtime_error(&error)),
                Ok(()) => return Ok(session),
            }
        }
    }
    fn to_runtime_error(&self, error: &KafkaError) -> RuntimeError {
        to_runtime_error(&self.settings.brokers, &self.owner, error, &self.context.last_client_error)
    }
    fn commit(
        &self,
        out: &BTreeMap<(String, i32), RecordBatch>,
        offsets: Option<&OffsetsToCommit>,
        original_records: &OriginalRecords,
    ) -> Result<(), RuntimeError> {
        let sent = self.producer.begin_transaction().and_then(|()| {
            self.send(out, original_records)?;
            self.flush()?;
            if let Some((list, generation)) = offsets {
                self.retry(|| {
                    self.producer.send_offsets_to_transaction(list, generation, TRANSACTION_CALL_TIMEOUT)
                })?;
            }
            self.retry(|| self.producer.commit_transaction(TRANSACTION_CALL_TIMEOUT))
        });
        sent.map_err(|error| self.abort(&error))
    }
    fn send(
        &self,
        out: &BTreeMap<(String, i32), RecordBatch>,
        original_records: &OriginalRecords,
    ) -> Result<(), KafkaError> {
        for ((topic, partition), record_batch) in out {
            let name = self.settings.topic(topic);
            let is_dlq_topic = dlq_headers::is_dlq_topic(topic);
            for record in record_batch.records() {
                let record = record.map_err(|_| KafkaError::MessageProduction(Code::BadMessage))?;
                let mut message =
                    BaseRecord::<[u8], [u8]>::to(&name).partition(*partition).key(record.key.as_bytes());
                message.payload = record.value;
                let dead_letter =
                    if is_dlq_topic { record.value.and_then(dlq_headers::decode) } else { None };
                if let Some(dead_letter) = &dead_letter {
                    message.payload = Some(&dead_letter.value);
                    let original_record = original_records.get(&(
                        dead_letter.origin.clone(),
                        dead_letter.partition,
                        dead_letter.offset,
                    ));
                    let with_connect = self.settings.connect_headers;
                    message.key = original_record
                        .and_then(|original_record| original_record.key.as_deref())
                        .or(message.key);
                    message.headers =
                        Some(dlq_headers::to_headers(dead_letter, original_record, with_connect));
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
            if since.elapsed() > TRANSACTION_CALL_TIMEOUT {
                return Err(KafkaError::Flush(Code::OperationTimedOut));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
    fn retry(&self, step: impl Fn() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
        let since = Instant::now();
        loop {
            match step() {
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && since.elapsed() < TRANSACTION_CALL_TIMEOUT =>
                {
                    tracing::debug!(owner = self.owner, %error, "trying a step of the transaction again");
                    self.producer.poll(Duration::from_millis(20));
                }
                done => return done,
            }
        }
    }
    /// Aborts, and says what that means for the processor.
    fn abort(&self, error: &KafkaError) -> RuntimeError {
        let code = match error {
            KafkaError::Transaction(error) => error.code(),
            error => error.rdkafka_error_code().unwrap_or(Code::Unknown),
        };
        let is_fatal = matches!(error, KafkaError::Transaction(error) if error.is_fatal());
        let outcome = classify(&self.settings.brokers, &self.owner, code, &describe(error));
        let outcome =
            match (self.retry(|| self.producer.abort_transaction(TRANSACTION_CALL_TIMEOUT)), outcome) {
                (Ok(()), outcome) => outcome,
                // The coordinator knows of no such transaction: a restarted broker ended it, or committed it and could not say so.
                (Err(aborting), RuntimeError::Unreachable { .. }) if is_fatal || is_final(&aborting) => {
                    self.to_runtime_error(&aborting)
                }
                (Err(aborting), outcome) if is_fatal || is_final(&aborting) => outcome,
                (Err(aborting), _) => return self.to_runtime_error(&aborting),
            };
        match outcome {
            // The next life of this owner settles what is durable. A fenced one may have been too slow for its transaction's timeout;
            // where another process runs under its name, its consumer is fenced too, and ends it.
            RuntimeError::Unreachable { reason, .. } | RuntimeError::Fenced { reason, .. } => {
                RuntimeError::Aborted { processor: self.owner.clone(), reason }
            }
            outcome => outcome,
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
