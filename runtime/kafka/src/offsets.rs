//! Queries for offsets: committed offsets, log start offsets, high watermarks and last stable offsets.
//!
//! The high watermark is the end offset that a `read_uncommitted` consumer gets. The last stable offset is the end offset that a
//! `read_committed` consumer gets.
//! Invariant: a result has an offset for every requested partition; only committed offsets and positions may be absent.
//! Not here: the retries (`query_client`).
use crate::{
    client_config::Isolation,
    context::Context,
    query_client::{QueryClient, REQUEST_TIMEOUT, STABLE_OFFSET_TIMEOUT},
    topic_partition::{
        EARLIEST_OFFSET, LATEST_OFFSET, PhysicalOffsets, PhysicalPartition, offset_in, offset_list,
        partition_list,
    },
};
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode as Code},
};
use runtime::RuntimeError;
use std::time::{Duration, Instant};
use topics::Offset;

/// The pause between two queries for the last stable offsets.
const STABLE_OFFSET_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Returns the offsets that the client's group has committed; partitions without a committed offset are absent.
///
/// # Errors
/// When the brokers are not reachable or reject the request.
pub fn committed_offsets(
    client: &QueryClient,
    partitions: &[PhysicalPartition],
) -> Result<PhysicalOffsets, RuntimeError> {
    let response = client.query(Isolation::ReadCommitted, "fetching committed offsets", |consumer| {
        let response = consumer.committed_offsets(partition_list(partitions.iter()), REQUEST_TIMEOUT)?;
        for element in response.elements() {
            element.error()?;
        }
        Ok(response)
    })?;
    Ok(offsets_of(&response, partitions))
}

/// Returns the high watermarks. Records of open transactions are below them.
///
/// # Errors
/// When the brokers are not reachable or reject the request.
pub fn high_watermarks(
    client: &QueryClient,
    partitions: &[PhysicalPartition],
) -> Result<PhysicalOffsets, RuntimeError> {
    list_offsets(client, Isolation::ReadUncommitted, partitions, LATEST_OFFSET)
}

/// Returns the offsets below which every transaction is committed or aborted.
///
/// # Errors
/// When the brokers are not reachable or reject the request.
pub fn last_stable_offsets(
    client: &QueryClient,
    partitions: &[PhysicalPartition],
) -> Result<PhysicalOffsets, RuntimeError> {
    list_offsets(client, Isolation::ReadCommitted, partitions, LATEST_OFFSET)
}

/// Returns the first offsets that are still stored.
///
/// # Errors
/// When the brokers are not reachable or reject the request.
pub fn log_start_offsets(
    client: &QueryClient,
    partitions: &[PhysicalPartition],
) -> Result<PhysicalOffsets, RuntimeError> {
    list_offsets(client, Isolation::ReadCommitted, partitions, EARLIEST_OFFSET)
}

/// Returns the offset of the first record whose timestamp is at or after an instant, in milliseconds since 1970. A partition without such a
/// record is absent.
///
/// # Errors
/// When the brokers are not reachable or reject the request.
pub fn offsets_at_time(
    client: &QueryClient,
    partitions: &[PhysicalPartition],
    instant: i64,
) -> Result<PhysicalOffsets, RuntimeError> {
    let operation = "searching the records of a time";
    // Negative times have other meanings in the protocol, and no record has one.
    let list = offset_list(partitions.iter().map(|partition| (partition, instant.max(0))));
    let list = list.map_err(|error| client.to_runtime_error(operation, &error))?;
    let response = client.query(Isolation::ReadCommitted, operation, |consumer| {
        let response = consumer.offsets_for_times(list.clone(), REQUEST_TIMEOUT)?;
        for element in response.elements() {
            element.error()?;
        }
        Ok(response)
    })?;
    Ok(offsets_of(&response, partitions))
}

/// Waits until every transaction below these high watermarks is committed or aborted.
///
/// # Errors
/// `RuntimeError::Storage` when a transaction stays open longer than any transaction timeout; otherwise the error of a query.
pub fn await_last_stable(
    client: &QueryClient,
    high_watermarks: &PhysicalOffsets,
) -> Result<(), RuntimeError> {
    let started = Instant::now();
    let has_records = |(partition, high_watermark): (&PhysicalPartition, &Offset)| {
        (*high_watermark > 0).then(|| partition.clone())
    };
    let mut open: Vec<PhysicalPartition> = high_watermarks.iter().filter_map(has_records).collect();
    loop {
        let stable = last_stable_offsets(client, &open)?;
        open.retain(|partition| stable.get(partition) < high_watermarks.get(partition));
        let Some(partition) = open.first() else { return Ok(()) };
        if started.elapsed() > STABLE_OFFSET_TIMEOUT {
            return Err(RuntimeError::Storage {
                path: client.brokers().to_owned(),
                reason: format!(
                    "a transaction in {partition} has been open for {} s, longer than the timeout of any transaction",
                    STABLE_OFFSET_TIMEOUT.as_secs()
                ),
                next: "a broker stopped during a commit and left a hanging transaction; docs/kafka-broker-requirements.md describes how to abort it".into(),
            });
        }
        std::thread::sleep(STABLE_OFFSET_POLL_INTERVAL);
    }
}

fn list_offsets(
    client: &QueryClient,
    isolation: Isolation,
    partitions: &[PhysicalPartition],
    which: Offset,
) -> Result<PhysicalOffsets, RuntimeError> {
    if partitions.is_empty() {
        return Ok(PhysicalOffsets::new());
    }
    let operation = "fetching log start and end offsets";
    let list = offset_list(partitions.iter().map(|partition| (partition, which)));
    let list = list.map_err(|error| client.to_runtime_error(operation, &error))?;
    let response = client.query(isolation, operation, |consumer| request_offsets(consumer, &list))?;
    Ok(offsets_of(&response, partitions))
}

/// Sends one ListOffsets request. The protocol requests the first or last offset by a special value in the field for timestamps.
fn request_offsets(
    consumer: &BaseConsumer<Context>,
    list: &TopicPartitionList,
) -> Result<TopicPartitionList, KafkaError> {
    let response = consumer.offsets_for_times(list.clone(), REQUEST_TIMEOUT)?;
    for element in response.elements() {
        element.error()?;
        if element.offset().to_raw().is_none_or(|offset| offset < 0) {
            return Err(KafkaError::OffsetFetch(Code::OffsetNotAvailable));
        }
    }
    Ok(response)
}

/// Returns the next offset that a consumer reads in each of these partitions. A partition without a position is absent.
///
/// The result has plain values instead of the client's list: the list refers to the consumer's partitions, and closing the consumer waits
/// until no list refers to them.
///
/// # Errors
/// The error of the client.
pub fn positions(
    consumer: &BaseConsumer<Context>,
    partitions: &[PhysicalPartition],
) -> Result<PhysicalOffsets, KafkaError> {
    Ok(offsets_of(&consumer.position()?, partitions))
}

fn offsets_of(response: &TopicPartitionList, partitions: &[PhysicalPartition]) -> PhysicalOffsets {
    let offset_of =
        |partition: &PhysicalPartition| Some((partition.clone(), offset_in(response, partition)?));
    partitions.iter().filter_map(offset_of).collect()
}
