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

/// Returns the table topics that the sink reads.
pub fn inputs() -> Vec<TopicInfo> {
    [SinkTopic::PlayerGames, SinkTopic::Features, SinkTopic::Predictions].map(SinkTopic::info).to_vec()
}

/// Returns the subscription of the sink, which reads the tables of these processors.
pub fn subscription(upstream: &[Subscription]) -> Subscription {
    Subscription {
        name: SINK,
        group: SINK.to_owned(),
        inputs: inputs(),
        outputs: vec![topics::SINK_BATCHES.info],
        kind: ProcessorKind::Sink,
        upstream: upstream.iter().map(|processor| processor.name).collect(),
    }
}

/// Returns the input topic of a partition, if the sink reads it.
pub(crate) fn input_of(partition: TopicPartition) -> Option<SinkTopic> {
    partition.topic.parse().ok()
}
