//! The task: the loop of one processor in one instance.
//!
//! The loop waits for a task event, processes it, and commits. After an aborted commit it discards the uncommitted state and continues from
//! the committed offsets.
//! Invariant: nothing is published outside a commit; the state in memory is the state at the last commit plus the micro-batch in progress.
//! Not here: what a processor does with a record (`engine`), where task events come from (the backends).
use crate::{
    broker::GroupMember,
    commit::TaskEvent,
    engine::ProcessorNode,
    error::{CommitError, RuntimeError},
};
use std::collections::BTreeSet;

/// Runs one processor instance until shutdown or an error.
///
/// # Errors
/// Any error of the processor or the log, except aborted commits.
pub fn run(node: &mut dyn ProcessorNode, member: &mut dyn GroupMember) -> Result<(), RuntimeError> {
    Task { node, member, assigned: BTreeSet::new() }.run()
}

struct Task<'a> {
    node: &'a mut dyn ProcessorNode,
    member: &'a mut dyn GroupMember,
    /// Partitions whose state is in memory.
    assigned: BTreeSet<i32>,
}

impl Task<'_> {
    fn run(&mut self) -> Result<(), RuntimeError> {
        loop {
            let event = self.member.next_event();
            let is_shutdown = matches!(event, TaskEvent::Shutdown);
            self.handle(event)?;
            match self.commit() {
                Ok(()) => {}
                Err(CommitError::Aborted { reason }) => {
                    let processor = self.node.name();
                    if is_shutdown {
                        tracing::warn!(
                            processor,
                            reason,
                            "the last commit was aborted; the next start reprocesses its records"
                        );
                    } else {
                        tracing::warn!(
                            processor,
                            reason,
                            "a commit was aborted, reprocessing from the committed offsets"
                        );
                    }
                    self.discard_state();
                }
                Err(CommitError::Fatal(error)) => return Err(error),
            }
            if is_shutdown {
                return Ok(());
            }
        }
    }
    fn handle(&mut self, event: TaskEvent) -> Result<(), RuntimeError> {
        match event {
            TaskEvent::Assigned(partitions) => self.assign(&partitions),
            // The state stays in memory: if the partition is assigned to this instance again, it may still be current.
            TaskEvent::Revoked(_) | TaskEvent::Idle | TaskEvent::Shutdown => Ok(()),
            TaskEvent::Lost => {
                self.discard_state();
                Ok(())
            }
            TaskEvent::Records(batches) => {
                for (partition, batch) in &batches {
                    self.node.process(*partition, batch)?;
                }
                Ok(())
            }
            TaskEvent::Failed(error) => Err(error),
        }
    }
    fn assign(&mut self, partitions: &[i32]) -> Result<(), RuntimeError> {
        let gone: Vec<i32> =
            self.assigned.iter().copied().filter(|partition| !partitions.contains(partition)).collect();
        for partition in gone {
            self.assigned.remove(&partition);
            self.node.revoke(partition);
        }
        for partition in partitions {
            if let Some(restored) = self.member.restore(*partition)? {
                self.node.revoke(*partition);
                self.node.assign(*partition, restored)?;
            }
            self.assigned.insert(*partition);
        }
        Ok(())
    }
    /// Drops everything that is not durable.
    fn discard_state(&mut self) {
        self.node.reset();
        self.assigned.clear();
    }
    fn commit(&mut self) -> Result<(), CommitError> {
        if self.node.has_pending() { self.member.commit(self.node.take_commit()?) } else { Ok(()) }
    }
}
