//! Backoff between attempts, alert threshold, and rate limiter.
//!
//! Invariant: no function reads a clock or sleeps; the caller passes the current time. The number of retries is unlimited: once a pause has
//! grown to `cap`, all further pauses have this length.
//! Not here: which failures are retried (`warehouse`, `bigquery::retry_policy`); sleeping; the configuration keys of the backoff (the program).
use std::{collections::VecDeque, time::Duration};

/// Exponential backoff with jitter.
#[derive(Clone, Debug, PartialEq)]
pub struct Backoff {
    /// If false, every pause is as long as `base`.
    pub is_enabled: bool,
    pub base: Duration,
    pub factor: u32,
    pub cap: Duration,
    /// Number of consecutive failures that do not raise an alert.
    pub retries: u32,
    /// True if repeated failures raise an alert.
    pub is_alerting: bool,
    /// Maximum share by which a pause is randomly shortened, so that instances that failed at the same time do not retry at the same
    /// time.
    pub jitter: f64,
}
impl Default for Backoff {
    fn default() -> Self {
        Backoff {
            is_enabled: true,
            base: Duration::from_secs(5),
            factor: 2,
            cap: Duration::from_secs(120),
            retries: 3,
            is_alerting: true,
            jitter: 0.1,
        }
    }
}
impl Backoff {
    /// Returns the pause after this number of consecutive failures (at least 1). The jitter is derived from `seed`, which identifies the
    /// operation, so that the same operation gets the same pause.
    pub fn pause(&self, failures: u32, seed: &str) -> Duration {
        let step = if self.is_enabled { failures.saturating_sub(1).min(16) } else { 0 };
        let pause = self.base.saturating_mul(self.factor.saturating_pow(step)).min(self.cap);
        let hash = blake3::hash(format!("{seed}/{failures}").as_bytes());
        let random = f64::from(hash.as_bytes()[0]) / 255.0;
        pause.mul_f64(1.0 - self.jitter * random)
    }
}

/// Counts consecutive failures, and failures within the last minute.
#[derive(Clone, Debug, Default)]
pub struct FailureWindow {
    consecutive: u32,
    recent: VecDeque<i64>,
}
impl FailureWindow {
    const WINDOW_MS: i64 = 60_000;
    const ALERT_THRESHOLD: usize = 5;
    /// Adds a failure and returns the number of consecutive failures.
    pub fn add(&mut self, now_ms: i64) -> u32 {
        self.recent.push_back(now_ms);
        while self.recent.front().is_some_and(|failed_ms| *failed_ms <= now_ms - Self::WINDOW_MS)
            || self.recent.len() > 100
        {
            self.recent.pop_front();
        }
        self.consecutive += 1;
        self.consecutive
    }
    /// Resets the number of consecutive failures, after a success.
    pub fn clear(&mut self) {
        self.consecutive = 0;
    }
    /// True after more than `retries` consecutive failures, or after five failures within the last minute.
    pub fn is_alarming(&self, backoff: &Backoff) -> bool {
        backoff.is_alerting
            && (self.consecutive > backoff.retries || self.recent.len() >= Self::ALERT_THRESHOLD)
    }
}

/// Sliding-window rate limiter: allows at most `max_calls` calls within `within_ms` milliseconds.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    max_calls: usize,
    within_ms: i64,
    calls: VecDeque<i64>,
}
impl RateLimiter {
    pub const fn new(max_calls: usize, within_ms: i64) -> RateLimiter {
        RateLimiter { max_calls, within_ms, calls: VecDeque::new() }
    }
    /// Takes a permit for one call.
    ///
    /// # Errors
    /// No permit is free; the error is the number of milliseconds until the next permit is free.
    pub fn take(&mut self, now_ms: i64) -> Result<(), i64> {
        while self.calls.front().is_some_and(|called_ms| *called_ms <= now_ms - self.within_ms) {
            self.calls.pop_front();
        }
        match self.calls.front() {
            Some(first) if self.calls.len() >= self.max_calls => Err(first + self.within_ms - now_ms),
            _ => {
                self.calls.push_back(now_ms);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap() {
        let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
        let pauses: Vec<u64> = (1..9).map(|n| backoff.pause(n, "x").as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 120, 120, 120]);
        assert_eq!(backoff.pause(u32::MAX, "x").as_secs(), 120);
        let off = Backoff { is_enabled: false, ..backoff };
        assert_eq!(off.pause(7, "x").as_secs(), 5);
    }
    #[test]
    fn jitter_shortens_a_pause_by_at_most_a_tenth_and_depends_on_the_write() {
        let backoff = Backoff::default();
        let pauses: Vec<Duration> = (0..50).map(|n| backoff.pause(2, &format!("job-{n}"))).collect();
        assert!(pauses.iter().all(|p| (Duration::from_secs(9)..=Duration::from_secs(10)).contains(p)));
        assert!(pauses.iter().any(|p| *p != pauses[0]));
        assert_eq!(backoff.pause(2, "job-1"), pauses[1]);
    }
    #[test]
    fn an_alert_is_raised_after_the_silent_retries_or_five_failures_in_a_minute() {
        let backoff = Backoff::default();
        let mut failures = FailureWindow::default();
        let alarms: Vec<bool> = (0..4)
            .map(|n| {
                failures.add(n * 100_000);
                failures.is_alarming(&backoff)
            })
            .collect();
        assert_eq!(alarms, [false, false, false, true]);
        let mut failures = FailureWindow::default();
        let alarms: Vec<bool> = (0..5)
            .map(|n| {
                failures.clear();
                failures.add(n * 14_000);
                failures.is_alarming(&backoff)
            })
            .collect();
        assert_eq!(alarms, [false, false, false, false, true]);
        assert!(!failures.is_alarming(&Backoff { is_alerting: false, ..backoff }));
    }
    #[test]
    fn a_rate_limiter_never_exceeds_its_rate() {
        let mut limiter = RateLimiter::new(20, 10_000);
        let (mut now, mut times) = (0, Vec::new());
        for _ in 0..90 {
            while let Err(wait) = limiter.take(now) {
                assert!(wait > 0);
                now += wait;
            }
            times.push(now);
        }
        assert!(times.windows(21).all(|w| w[20] - w[0] >= 10_000));
    }
}
