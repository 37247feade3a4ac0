//! The transactional producer: writes all results of a micro-batch in one transaction.
//!
//! Invariant: a transaction is atomic. Committed offsets are part of every commit of a group member, so the group coordinator rejects
//! a commit from a member whose generation has ended.
//! Not here: the content of a commit (`runtime::commit`), the conversion of dead letters (`dead_letters`).
use crate::{
    client_config::KafkaConfig,
    context::Context,
    dead_letters::DlqRecord,
    error::{thread_not_started, thread_panicked},
};
use rdkafka::{
    TopicPartitionList,
    consumer::ConsumerGroupMetadata,
    error::{KafkaError, RDKafkaError, RDKafkaErrorCode as Code},
    producer::{BaseProducer, BaseRecord, Producer},
};
use runtime::{CommitError, RecordBatch, RuntimeError};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant},
};
use topics::TopicPartition;

/// The time limit of one call of the transaction API; the transaction's own timeout is shorter.
const TRANSACTION_CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait for the outcome of a commit after the transaction's timeout has passed.
const COMMIT_GRACE_TIMEOUT: Duration = Duration::from_secs(20);

/// Offsets to commit, and the generation of the group in which they were read.
pub struct OffsetsToCommit {
    pub offsets: TopicPartitionList,
    pub group_metadata: Arc<ConsumerGroupMetadata>,
}

/// Everything that one transaction writes.
#[derive(Default)]
pub struct TransactionContent {
    pub records: BTreeMap<TopicPartition, RecordBatch>,
    pub dead_letters: Vec<DlqRecord>,
    pub offsets: Option<OffsetsToCommit>,
}

/// A transactional producer on a thread of its own, because a call of the client may never return: it may wait for a coordinator that has
/// left the cluster, and then ignores its timeout (librdkafka issues 5456 and 5511).
pub struct TransactionalProducer {
    owner: String,
    config: KafkaConfig,
    requests: Sender<TransactionContent>,
    outcomes: Receiver<Result<(), CommitError>>,
    /// The time for which an outcome is awaited. It is longer than the time after which brokers abort the transaction.
    commit_timeout: Duration,
    /// True after a timeout: the thread may still send the outcome of a commit that is no longer awaited.
    is_abandoned: bool,
}

impl TransactionalProducer {
    /// Starts a producer session, and aborts the transaction that an earlier session of the same owner left open.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject the producer.
    pub fn init_transactions(
        config: &KafkaConfig,
        owner: &str,
    ) -> Result<TransactionalProducer, RuntimeError> {
        let (requests, request_receiver) = channel::<TransactionContent>();
        let (outcome_sender, outcomes) = channel();
        let (session_config, session_owner) = (config.clone(), owner.to_owned());
        let run = move || match ProducerSession::init_transactions(&session_config, &session_owner) {
            Err(error) => drop(outcome_sender.send(Err(error.into()))),
            Ok(session) => {
                let mut outcome = Ok(());
                while outcome_sender.send(outcome).is_ok() {
                    let Ok(content) = request_receiver.recv() else { return };
                    outcome = session.commit(content);
                }
            }
        };
        let name = format!("{owner} commits");
        let thread = std::thread::Builder::new().name(name.clone()).spawn(run);
        thread.map_err(|error| thread_not_started(&config.brokers, &name, &error))?;
        let producer = TransactionalProducer {
            owner: owner.to_owned(),
            config: config.clone(),
            requests,
            outcomes,
            commit_timeout: config.transaction_timeout() + COMMIT_GRACE_TIMEOUT,
            is_abandoned: false,
        };
        match producer.outcomes.recv() {
            Ok(outcome) => outcome.map_err(|error| error.without_retry(owner))?,
            Err(_) => return Err(producer.thread_panicked()),
        }
        Ok(producer)
    }
    /// Writes the content in one transaction.
    ///
    /// # Errors
    /// `CommitError::Aborted` when the transaction was aborted, or is unconfirmed after the time limit: then the next
    /// [`TransactionalProducer::reinit`] decides whether it is durable. Any other error is final.
    pub fn commit(&mut self, content: TransactionContent) -> Result<(), CommitError> {
        if self.is_abandoned {
            self.reinit()?;
        }
        if self.requests.send(content).is_err() {
            return Err(self.thread_panicked().into());
        }
        match self.outcomes.recv_timeout(self.commit_timeout) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => {
                self.is_abandoned = true;
                Err(CommitError::aborted("the Kafka client did not answer within the time limit of a commit"))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.thread_panicked().into()),
        }
    }
    /// Re-initializes the producer: bumps the producer epoch and fences the old session, whose open transaction is aborted and whose
    /// requests in flight are rejected.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject the producer.
    pub fn reinit(&mut self) -> Result<(), RuntimeError> {
        *self = TransactionalProducer::init_transactions(&self.config, &self.owner)?;
        Ok(())
    }
    fn thread_panicked(&self) -> RuntimeError {
        thread_panicked(&self.config.brokers, &format!("the commit thread of {}", self.owner))
    }
}

/// One producer session. It ends when `init_transactions` is called again for the same owner.
struct ProducerSession {
    owner: String,
    config: KafkaConfig,
    producer: BaseProducer<Context>,
}

impl ProducerSession {
    fn init_transactions(config: &KafkaConfig, owner: &str) -> Result<ProducerSession, RuntimeError> {
        let context = Context::new(&config.brokers);
        let producer: BaseProducer<Context> = config.create_client(&config.producer(owner), context)?;
        let session = ProducerSession { owner: owner.to_owned(), config: config.clone(), producer };
        let started = Instant::now();
        loop {
            match session.producer.init_transactions(TRANSACTION_CALL_TIMEOUT) {
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && started.elapsed() < TRANSACTION_CALL_TIMEOUT =>
                {
                    session.producer.poll(Duration::from_millis(100));
                }
                Err(error) => return Err(session.to_runtime_error(&error)),
                Ok(()) => return Ok(session),
            }
        }
    }
    fn to_runtime_error(&self, error: &KafkaError) -> RuntimeError {
        self.producer.context().to_runtime_error(&self.owner, error)
    }
    fn commit(&self, content: TransactionContent) -> Result<(), CommitError> {
        let TransactionContent { records, dead_letters, offsets } = content;
        let outcome = self.producer.begin_transaction().and_then(|()| {
            self.send_records(&records)?;
            self.send_dead_letters(dead_letters)?;
            self.flush()?;
            if let Some(OffsetsToCommit { offsets, group_metadata }) = &offsets {
                self.retry(|| {
                    self.producer.send_offsets_to_transaction(
                        offsets,
                        group_metadata,
                        TRANSACTION_CALL_TIMEOUT,
                    )
                })?;
            }
            self.retry(|| self.producer.commit_transaction(TRANSACTION_CALL_TIMEOUT))
        });
        outcome.map_err(|error| self.abort(&error))
    }
    fn send_records(&self, records: &BTreeMap<TopicPartition, RecordBatch>) -> Result<(), KafkaError> {
        for (partition, batch) in records {
            let physical = self.config.physical(*partition);
            for record in batch.records() {
                let record = record.map_err(|_| KafkaError::MessageProduction(Code::BadMessage))?;
                let mut message = BaseRecord::<[u8], [u8]>::to(physical.topic())
                    .partition(physical.partition())
                    .key(record.key.as_bytes());
                message.payload = record.value;
                self.send(message)?;
            }
            self.producer.poll(Duration::ZERO);
        }
        Ok(())
    }
    fn send_dead_letters(&self, dead_letters: Vec<DlqRecord>) -> Result<(), KafkaError> {
        for DlqRecord { partition, key, value, headers } in dead_letters {
            let physical = self.config.physical(partition);
            let message = BaseRecord::<[u8], [u8]>::to(physical.topic())
                .partition(physical.partition())
                .key(key.as_slice())
                .payload(value.as_slice())
                .headers(headers);
            self.send(message)?;
        }
        self.producer.poll(Duration::ZERO);
        Ok(())
    }
    /// Queues a record; waits while the producer's queue is full.
    fn send(&self, mut message: BaseRecord<'_, [u8], [u8]>) -> Result<(), KafkaError> {
        while let Err((error, unsent)) = self.producer.send(message) {
            if error.rdkafka_error_code() != Some(Code::QueueFull) {
                return Err(error);
            }
            self.producer.poll(Duration::from_millis(5));
            message = unsent;
        }
        Ok(())
    }
    /// Waits until the brokers have acknowledged every record. Does not call the client's `flush`, which waits 100 ms at a time.
    fn flush(&self) -> Result<(), KafkaError> {
        let started = Instant::now();
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(Duration::ZERO);
            if started.elapsed() > TRANSACTION_CALL_TIMEOUT {
                return Err(KafkaError::Flush(Code::OperationTimedOut));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
    fn retry(&self, call: impl Fn() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
        let started = Instant::now();
        loop {
            match call() {
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && started.elapsed() < TRANSACTION_CALL_TIMEOUT =>
                {
                    tracing::debug!(owner = self.owner, %error, "retrying a call of the transaction API");
                    self.producer.poll(Duration::from_millis(20));
                }
                outcome => return outcome,
            }
        }
    }
    /// Aborts the transaction after an error, and returns the error that the owner must handle.
    fn abort(&self, error: &KafkaError) -> CommitError {
        let code = match error {
            KafkaError::Transaction(error) => error.code(),
            error => error.rdkafka_error_code().unwrap_or(Code::Unknown),
        };
        let cause = self.producer.context().classify(&self.owner, code, &describe(error));
        let aborted = self.retry(|| self.producer.abort_transaction(TRANSACTION_CALL_TIMEOUT));
        let cause = match (aborted, cause) {
            (Ok(()), cause) => cause,
            // The coordinator does not know the transaction: a broker that restarted has aborted it, or committed it without answering.
            (Err(abort_error), RuntimeError::Unreachable { .. })
                if is_fatal(error) || is_fatal(&abort_error) =>
            {
                self.to_runtime_error(&abort_error)
            }
            (Err(abort_error), cause) if is_fatal(error) || is_fatal(&abort_error) => cause,
            (Err(abort_error), _) => return self.to_runtime_error(&abort_error).into(),
        };
        match cause {
            // The next session of this owner decides whether the transaction is durable. A producer is fenced even if it only exceeded
            // its transaction's timeout. If instead another process runs under its name, the consumer of this process is fenced, too,
            // which ends this process.
            RuntimeError::Unreachable { reason, .. } | RuntimeError::Fenced { reason, .. } => {
                CommitError::Aborted { reason }
            }
            cause => cause.into(),
        }
    }
}

fn describe(error: &KafkaError) -> String {
    match error {
        KafkaError::Transaction(error) => format!("{}: {}", RDKafkaError::name(error), error.string()),
        error => error.to_string(),
    }
}

fn is_fatal(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.is_fatal())
}
