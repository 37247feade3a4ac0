//! The wait of a fenced member until the instance that fenced it has left the group.
//!
//! Kafka also fences a static member whose join response arrives too late. Then no other instance exists, and the member may join again.
//! Invariant: a member gives up only if an instance is in the group under its name after three sessions.
//! Not here: the check itself (`join`), what follows from the decision (`membership`).
use super::member_event::InstancePresence;
use runtime::RuntimeError;
use std::time::{Duration, Instant};

/// The time that a fenced member waits, in addition to the session timeout, for the other instance to leave the group.
const SESSION_GRACE_TIMEOUT: Duration = Duration::from_secs(3);
/// Number of checks, without an instance being found in between, after which the other instance has left.
const REQUIRED_ABSENT_COUNT: u32 = 2;
/// Number of sessions after which a member gives up.
const MAX_SESSIONS: u32 = 3;

/// The wait of a member that was fenced.
pub struct FencingWait {
    /// The error with which the member was fenced.
    fenced: RuntimeError,
    started: Instant,
    /// The session timeout and [`SESSION_GRACE_TIMEOUT`].
    session: Duration,
    absent_count: u32,
}

/// What a fenced member does after a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FencingDecision {
    Wait,
    Rejoin,
    GiveUp,
}

impl FencingWait {
    /// Creates the wait of a member that was fenced now, with this error.
    pub fn new(fenced: RuntimeError, session_timeout: Duration, now: Instant) -> Self {
        FencingWait {
            fenced,
            started: now,
            session: session_timeout + SESSION_GRACE_TIMEOUT,
            absent_count: 0,
        }
    }
    /// Returns true if the session of an instance that no longer runs has expired.
    pub fn is_check_due(&self, now: Instant) -> bool {
        now.duration_since(self.started) >= self.session
    }
    /// Decides what to do after a check of the group.
    pub fn on_checked(&mut self, presence: InstancePresence, now: Instant) -> FencingDecision {
        match presence {
            InstancePresence::Absent => {
                self.absent_count += 1;
                if self.absent_count < REQUIRED_ABSENT_COUNT {
                    FencingDecision::Wait
                } else {
                    FencingDecision::Rejoin
                }
            }
            // Wait longer than one session timeout: the other instance's session starts only when the group has stopped waiting for
            // further members.
            InstancePresence::Present if now.duration_since(self.started) < self.session * MAX_SESSIONS => {
                self.absent_count = 0;
                FencingDecision::Wait
            }
            InstancePresence::Present => FencingDecision::GiveUp,
            InstancePresence::Unknown => FencingDecision::Wait,
        }
    }
    /// Ends the wait, and returns the error with which the member was fenced.
    pub fn into_error(self) -> RuntimeError {
        self.fenced
    }
}
