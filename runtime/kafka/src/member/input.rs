//! The input of a group member: waits at the inbox for what happens next.
//!
//! Invariant: a stop is reported before an error, an error before a rebalance, and a rebalance before records. No record is removed from
//! the inbox while a command to the poll thread is pending.
//! Not here: the inbox (`poll_channel`), the decision when a micro-batch is complete (`batch_timing`), what follows (`membership`).
use super::{batch_timing::BatchTiming, member_event::MemberEvent};
use crate::{
    context::Rebalance,
    poll_channel::{PollChannel, PollState},
};
use rdkafka::consumer::ConsumerGroupMetadata;
use runtime::subscription::{ReadLimits, RunContext, Subscription};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The generation of an assignment, in the form in which commits carry it.
pub type Generation = Arc<ConsumerGroupMetadata>;

/// Waits at the inbox of a member.
pub struct MemberInput {
    subscription: Arc<Subscription>,
    run_context: Arc<RunContext>,
    idle_interval: Duration,
    timing: BatchTiming,
}

impl MemberInput {
    /// Creates the input of a member that has no records yet.
    pub fn new(subscription: Arc<Subscription>, run_context: Arc<RunContext>, limits: ReadLimits) -> Self {
        MemberInput {
            subscription,
            run_context,
            idle_interval: limits.idle_interval,
            timing: BatchTiming::new(limits),
        }
    }
    /// Returns true if no upstream processor of this process has anything to read.
    pub fn is_upstream_idle(&self) -> bool {
        let board = &self.run_context.board;
        let is_idle = |name: &&'static str| board.is_idle(name) || board.idle_state(name).is_none();
        self.subscription.upstream.iter().all(is_idle)
    }
    /// Waits for a stop, an error, a rebalance or a complete micro-batch; without any, at most for the idle interval. While the member has
    /// no generation, an empty inbox does not mean that the processor is idle.
    pub fn await_event(&mut self, channel: &PollChannel, has_generation: bool) -> MemberEvent<Generation> {
        let started = Instant::now();
        loop {
            let mut state = channel.lock();
            if self.run_context.is_stopping() {
                let consumed_offsets = state.consumed_offsets.take().filter(|_| state.is_idle());
                return MemberEvent::Stopping { consumed_offsets: consumed_offsets.unwrap_or_default() };
            }
            if let Some(error) = state.failed.take() {
                return MemberEvent::Failed(error);
            }
            if let Some(rebalance) = state.rebalances.pop_front() {
                // Records that were fetched and not delivered are fetched again by the next owner of their partition.
                state.clear();
                return to_event(rebalance);
            }
            if state.pending_commands > 0 {
                channel.wait(state, self.idle_interval);
                continue;
            }
            if state.records.is_empty() {
                self.on_empty(has_generation);
                if started.elapsed() >= self.idle_interval {
                    return self.idle_event(&mut state);
                }
                channel.wait(state, self.idle_interval.saturating_sub(started.elapsed()));
                continue;
            }
            self.run_context.board.set_idle(self.subscription.name, false);
            match self.timing.wait_for_more(&state, self.is_upstream_idle()) {
                Some(timeout) => channel.wait(state, timeout),
                None => return self.take_records(&mut state),
            }
        }
    }
    fn on_empty(&mut self, has_generation: bool) {
        self.timing.on_empty();
        if has_generation {
            self.run_context.board.set_idle(self.subscription.name, true);
        }
    }
    fn idle_event(&mut self, state: &mut PollState) -> MemberEvent<Generation> {
        let consumed_offsets = state.consumed_offsets.take().unwrap_or_default();
        if self.timing.is_position_due() {
            state.position_requested = true;
        }
        MemberEvent::Idle { consumed_offsets }
    }
    /// Takes the records out of the inbox for the task, and requests the consumer's position.
    fn take_records(&mut self, state: &mut PollState) -> MemberEvent<Generation> {
        self.timing.on_empty();
        let records = std::mem::take(&mut state.records);
        state.clear();
        state.position_requested = true;
        state.wake_poll_thread();
        MemberEvent::Records(records)
    }
}

fn to_event(rebalance: Rebalance) -> MemberEvent<Generation> {
    match rebalance {
        Rebalance::Assigned(partitions, generation) => {
            MemberEvent::Assigned { partitions, generation: Arc::new(generation) }
        }
        Rebalance::Revoked => MemberEvent::Revoked,
        Rebalance::Lost => MemberEvent::Lost,
    }
}
