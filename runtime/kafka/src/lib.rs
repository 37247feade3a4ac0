//! Kafka as the log: a member is a consumer and a transactional producer, a commit is one transaction.
//!
//! Outputs, changelog, dead letters and input positions of a micro-batch are one transaction, fenced by the generation of the consumer
//! group in which its input was assigned. A poll thread turns librdkafka's callbacks into wakes and never waits; a processor that is
//! slow leaves its partitions' queues full, which stops fetching, and the callbacks go on. Rebalances are eager, of the range
//! assignor: partition i of all inputs is on one member.
//! Invariant: nothing is read that is not committed, and nothing is committed by a member that no longer holds its partitions.
//! Not here: which topics there are (`topics`), the loop (`log::run`).
pub mod admin;
mod backend;
mod client;
mod client_config;
mod dlq_headers;
mod ingest;
mod lag_probe;
mod log_id;
mod member;
mod offset_expiry;
mod original_record;
mod partition_queues;
mod partition_reader;
mod poll_thread;
mod standalone_consumer;
mod transaction;

pub use admin::Admin;
pub use backend::KafkaLog;
pub use client_config::KafkaConfig;
