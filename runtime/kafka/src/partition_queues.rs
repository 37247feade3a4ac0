//! Partitions assigned with a queue each, from their first record on.
//!
//! A queue that is split off after the assignment may miss records: those that were fetched in between are in the consumer's main queue.
//! Invariant: a record of an assigned partition is in that partition's queue, or reading fails.
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

/// Assigns these partitions and no others, from these offsets on. The queues are in the order of the partitions.
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
    // Before the assignment: librdkafka does not move a queue that is already split.
    let queues = assignment.iter().map(split).collect::<Result<Vec<_>, _>>()?;
    consumer.assign(&offset_list(assignment.iter().map(|(partition, offset)| (partition, *offset)))?)?;
    Ok(queues)
}

/// Message on the main queue although all partitions are split: would be lost.
pub fn unexpected_main_queue_message(message: &BorrowedMessage<'_>) -> RuntimeError {
    RuntimeError::Storage {
        path: format!("{}/{}", message.topic(), message.partition()),
        reason: format!("offset {} was delivered outside its partition's queue", message.offset()),
        next: "start again: processing resumes from the last commit".into(),
    }
}
