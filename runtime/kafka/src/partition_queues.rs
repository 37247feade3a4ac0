//! Partitions assigned with a queue each, from their first record on.
//!
//! A partition that gets its queue after it was assigned may have been fetched from in between. What was fetched then lies in the
//! consumer's own queue, where whoever reads the partition's never sees it.
//! Invariant: a record of an assigned partition is in that partition's queue, or reading fails.
//! Not here: what is read (`poll`, `reader`, `standing`).
use super::{
    client::Context,
    partition_reader::{PhysicalPartition, list},
};
use crate::log::RuntimeError;
use rdkafka::{
    Message,
    consumer::{BaseConsumer, Consumer, base_consumer::PartitionQueue},
    error::KafkaError,
    message::BorrowedMessage,
};
use std::sync::Arc;

/// Assigns these partitions and no others; the queues are in their order.
pub fn assign(
    client: &Arc<BaseConsumer<Context>>,
    positions: &[(PhysicalPartition, i64)],
) -> Result<Vec<PartitionQueue<Context>>, KafkaError> {
    let queue = |((topic, partition), _): &(PhysicalPartition, i64)| {
        let queue = client.split_partition_queue(topic, *partition);
        queue.ok_or_else(|| KafkaError::Subscription(topic.clone()))
    };
    // librdkafka leaves a queue that was split off before where it is.
    let queues = positions.iter().map(queue).collect::<Result<Vec<_>, _>>()?;
    client.assign(&list(positions.iter().map(|(physical_partition, next)| (physical_partition, *next)))?)?;
    Ok(queues)
}

/// A record in the consumer's own queue: going on would leave it out.
pub fn unexpected_main_queue_message(message: &BorrowedMessage<'_>) -> RuntimeError {
    RuntimeError::Storage {
        path: format!("{}/{}", message.topic(), message.partition()),
        reason: format!("offset {} came outside its partition's queue", message.offset()),
        next: "start again: it goes on from what is durable".into(),
    }
}
