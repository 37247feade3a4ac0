//! The subscription of the sink: its name, group, and topics.
//!
//! Invariant: the inputs are the topics of [`SinkTopic`].
//! Not here: the subscriptions of the processors (`runtime::subscription`).
use crate::record::SinkTopic;
use runtime::{engine::ProcessorKind, subscription::Subscription};
use topics::{TopicInfo, TopicPartition};

/// Name and consumer group of the sink.
pub const SINK: &str = "windowed-sink";
/// The only partition of the topic that contains the batch plans.
pub(crate) const SINK_BATCHES: TopicPartition = TopicPartition::new(topics::SINK_BATCHES.info.name, 0);

/// The table topics that the sink reads.
pub const INPUTS: [TopicInfo; 3] =
    [SinkTopic::PlayerGames.info(), SinkTopic::Features.info(), SinkTopic::Predictions.info()];
/// The topic that the sink writes.
pub const OUTPUTS: [TopicInfo; 1] = [topics::SINK_BATCHES.info];

/// Returns the subscription of the sink, which reads the tables of these processors.
pub fn subscription(upstream: &[Subscription]) -> Subscription {
    Subscription {
        name: SINK,
        group: SINK.to_owned(),
        inputs: INPUTS.to_vec(),
        outputs: OUTPUTS.to_vec(),
        kind: ProcessorKind::Sink,
        upstream: upstream.iter().map(|processor| processor.name).collect(),
    }
}

/// Returns the input topic of a partition, if the sink reads it.
pub(crate) fn input_of(partition: TopicPartition) -> Option<SinkTopic> {
    partition.topic.parse().ok()
}
