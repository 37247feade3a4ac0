//! Kafka as the log: a member is a consumer and a transactional producer, a commit is one transaction.
//!
//! The outputs, changelog records, dead letters and committed offsets of a micro-batch are written in one transaction. This
//! transaction carries the generation of the consumer group in which the input was assigned, and brokers reject it in any later
//! generation. A poll thread converts librdkafka's callbacks to task events and never waits for the processor. If the processor is slow,
//! the partitions' queues fill up and fetching stops, but callbacks are still handled. Rebalances are eager, with the range assignor:
//! partition i of every input is assigned to the same member.
//! Invariant: only committed records are read, and a member that no longer has its partitions cannot commit.
//! Not here: the definitions of topics (crate `topics`), the loop of a task (`runtime::task`).
mod admin;
mod backend;
mod client_config;
mod cluster;
mod context;
mod dead_letters;
mod dlq_headers;
mod error;
mod group_members;
mod ingest;
mod lag_probe;
mod lag_sample;
mod log_id;
mod member;
mod metadata;
mod offset_expiry;
mod offsets;
mod original_record;
mod partition_queues;
mod partition_reader;
mod poll_channel;
mod poll_thread;
mod preconditions;
mod query_client;
mod record;
mod restore;
mod standalone_consumer;
mod stored_records;
mod topic_partition;
mod transaction;

pub use admin::Admin;
pub use backend::KafkaLog;
pub use client_config::KafkaConfig;
