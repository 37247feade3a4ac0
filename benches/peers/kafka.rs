//! The Kafka clients of the Rust peers: a consumer and a producer, both tuned for throughput.
//!
//! Invariant: a record that was not delivered makes the next [`drain`] fail; it is never ignored.
//! Not here: transactions, which only `engine` uses.
use rdkafka::{
    ClientConfig, ClientContext, Message,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, DeliveryResult},
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// A result whose error ends the peer.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Counts records that were not delivered. The client library reports only such records, which saves a callback for every delivered one.
#[derive(Default)]
pub struct Undelivered(AtomicU64);

impl ClientContext for Undelivered {}
impl ProducerContext for Undelivered {
    type DeliveryOpaque = ();
    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Creates a producer that collects records into batches, and assigns keys to partitions as the Java client does.
pub fn producer(brokers: &str) -> Outcome<BaseProducer<Undelivered>> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("partitioner", "murmur2_random")
        .set("enable.idempotence", "true")
        .set("delivery.report.only.error", "true")
        .set("linger.ms", "20")
        .set("batch.num.messages", "100000")
        .set("queue.buffering.max.messages", "500000");
    Ok(config.create_with_context(Undelivered::default())?)
}

/// Queues a record; waits while the producer's queue is full.
pub fn send(producer: &BaseProducer<Undelivered>, topic: &str, key: &[u8], value: &[u8]) -> Outcome<()> {
    let mut record = BaseRecord::to(topic).key(key).payload(value);
    while let Err((error, refused)) = producer.send(record) {
        if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
            return Err(error.into());
        }
        producer.poll(Duration::ZERO);
        std::thread::sleep(Duration::from_millis(1));
        record = refused;
    }
    Ok(())
}

/// Waits until every record sent is acknowledged. The producer's own `flush` is not used, because it waits for at least a poll interval.
pub fn drain(producer: &BaseProducer<Undelivered>) -> Outcome<()> {
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::ZERO);
        std::thread::sleep(Duration::from_micros(200));
    }
    match producer.context().0.load(Ordering::Relaxed) {
        0 => Ok(()),
        count => Err(format!("{count} records were not delivered").into()),
    }
}

/// Creates a consumer that reads the topic from its start, in a group that no other process uses.
pub fn consumer(brokers: &str, group: &str, topic: &str) -> Outcome<BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", format!("{group}-{}", std::process::id()))
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("fetch.min.bytes", "100000")
        .set("fetch.wait.max.ms", "100")
        // Records that are prefetched before the stopwatch starts are not measured. With this limit, they are at most 1 in 40 records of a
        // full run.
        .set("queued.max.messages.kbytes", "16384")
        .set("fetch.queue.backoff.ms", "5")
        .create()?;
    consumer.subscribe(&[topic])?;
    Ok(consumer)
}

/// Returns the next record; `None` after 30 s without one. Polls repeatedly, because a poll that handles a rebalance returns no record.
fn next(consumer: &BaseConsumer) -> Outcome<Option<BorrowedMessage<'_>>> {
    if let Some(message) = consumer.poll(Duration::ZERO) {
        return Ok(Some(message?));
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            return Ok(Some(message?));
        }
    }
    Ok(None)
}

/// Passes the key and the value of each of the next `count` records to `each`. Calls `pause` after every `batch` records and at the end.
pub fn consume(
    consumer: &BaseConsumer,
    count: u64,
    batch: u64,
    mut each: impl FnMut(&[u8], &[u8]) -> Outcome<()>,
    mut pause: impl FnMut(u64) -> Outcome<()>,
) -> Outcome<()> {
    for read in 1..=count {
        let message = next(consumer)?
            .ok_or_else(|| format!("no record for 30 s after {} of {count} records", read - 1))?;
        each(message.key().unwrap_or_default(), message.payload().unwrap_or_default())?;
        if read % batch == 0 || read == count {
            drop(message);
            pause(read)?;
        }
    }
    Ok(())
}
