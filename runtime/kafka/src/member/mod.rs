//! A group member: one processor instance in its consumer group, with its transactions.
//!
//! `membership` decides what the member does, as a pure state machine; `kafka_member` carries it out.
//! Invariant: every commit carries offsets and the generation in which its input was assigned, so a commit of an instance that no longer
//! has its partitions is rejected.
//! Not here: librdkafka's queues (`poll_thread`), the loop of a task (`runtime::task`).
mod assignment;
mod batch_timing;
mod control_records;
mod fencing_wait;
mod input;
mod join;
mod kafka_member;
mod member_action;
mod member_event;
mod member_offsets;
mod membership;

pub use kafka_member::KafkaMember;
