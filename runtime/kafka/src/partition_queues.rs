//! Assigns partitions and gives each its own queue, before its first record arrives.
//!
//! A queue that is split off after the assignment may miss records: those that were fetched in between are in the consumer's main queue.
//! Invariant: every record of an assigned partition is delivered through that partition's queue, or reading fails.
//! Not here: the readers of the queues (`poll_thread`, `partition_reader`, `original_record`, `lag_probe`).
use crate::{
    context::Context,
    topic_partition::{PhysicalPartition, offset_list},
};
use rdkafka::{
    Message,
    consumer::{BaseConsumer, Consumer, base_consumer::PartitionQueue},
    error::KafkaError,
    message::BorrowedMessage,
};
use runtime::RuntimeError;
use std::sync::Arc;
use topics::Offset;

/// Assigns exactly these partitions, each from its offset, and returns their queues in the same order.
///
/// # Errors
/// When the client rejects the assignment.
pub fn assign(
    consumer: &Arc<BaseConsumer<Context>>,
    assignment: &[(PhysicalPartition, Offset)],
) -> Result<Vec<PartitionQueue<Context>>, KafkaError> {
    let split = |(partition, _): &(PhysicalPartition, Offset)| {
        let queue = consumer.split_partition_queue(partition.topic(), partition.partition());
        queue.ok_or_else(|| KafkaError::Subscription(partition.topic().to_owned()))
    };
    // Queues must be split before the assignment: then librdkafka does not redirect them to the main queue.
    let queues = assignment.iter().map(split).collect::<Result<Vec<_>, _>>()?;
    consumer.assign(&offset_list(assignment.iter().map(|(partition, offset)| (partition, *offset)))?)?;
    Ok(queues)
}

/// Returns the error for a message on the main queue: all partitions have queues of their own, so the message would be lost.
pub fn unexpected_main_queue_message(message: &BorrowedMessage<'_>) -> RuntimeError {
    RuntimeError::Storage {
        path: format!("{}/{}", message.topic(), message.partition()),
        reason: format!(
            "the record at offset {} arrived on the client's main queue instead of its partition's queue",
            message.offset()
        ),
        next: "start again: processing resumes from the last commit".into(),
    }
}
