//! How long a write that failed waits, when somebody is told, and how many statements a table is sent in a time.
//!
//! Invariant: pure; the time comes in. Nothing is ever given up: after the last step the pauses stay at the cap.
//! Not here: which failures wait at all (a warehouse's own errors), the waiting itself.
use std::{collections::VecDeque, time::Duration};

/// The steps of the pauses between attempts.
#[derive(Clone, Debug, PartialEq)]
pub struct Backoff {
    /// Off: every pause is the base.
    pub is_enabled: bool,
    pub base: Duration,
    pub factor: u32,
    pub cap: Duration,
    /// Attempts without an alert.
    pub retries: u32,
    /// Whether repeated failures raise an alert.
    pub is_alerting: bool,
    /// Part of a pause that is drawn, so that instances that failed together do not come back together.
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
    /// The settings of the environment, by the names that operators know.
    pub fn from_environment(value: impl Fn(&str) -> Option<String>) -> Result<Backoff, String> {
        fn parse<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
            text.trim().to_lowercase().parse().map_err(|_| format!("{name} = '{text}' is no value for it"))
        }
        let mut backoff = Backoff::default();
        if let Some(text) = value(BACKOFF_ENABLED) {
            backoff.is_enabled = parse(BACKOFF_ENABLED, &text)?;
        }
        if let Some(text) = value(MAX_RETRIES) {
            backoff.retries = parse(MAX_RETRIES, &text)?;
        }
        if let Some(text) = value(ALERT_ON_LIMIT) {
            backoff.is_alerting = parse(ALERT_ON_LIMIT, &text)?;
        }
        Ok(backoff)
    }
    /// Those settings as they are: name, value, meaning.
    pub fn settings(&self) -> [(&'static str, String, &'static str); 3] {
        [
            (
                BACKOFF_ENABLED,
                self.is_enabled.to_string(),
                "whether pauses between attempts of the sink grow",
            ),
            (MAX_RETRIES, self.retries.to_string(), "attempts of the sink that fail without an alert"),
            (ALERT_ON_LIMIT, self.is_alerting.to_string(), "whether failures of the sink raise an alert"),
        ]
    }
    /// The pause after so many failures in a row, the first of which is 1. `draw` names the write: the same write of the same
    /// instance draws the same pause.
    pub fn pause(&self, failures: u32, draw: &str) -> Duration {
        let step = if self.is_enabled { failures.saturating_sub(1).min(16) } else { 0 };
        let pause = self.base.saturating_mul(self.factor.saturating_pow(step)).min(self.cap);
        let hash = blake3::hash(format!("{draw}/{failures}").as_bytes());
        let drawn = f64::from(hash.as_bytes()[0]) / 255.0;
        pause.mul_f64(1.0 - self.jitter * drawn)
    }
}
const BACKOFF_ENABLED: &str = "SELF_HEALING_DML_BACKOFF_ENABLED";
const MAX_RETRIES: &str = "SELF_HEALING_DML_MAX_RETRIES";
const ALERT_ON_LIMIT: &str = "SELF_HEALING_ALERT_ON_DML_LIMIT";

/// Counts failures: in a row, and within a minute.
#[derive(Clone, Debug, Default)]
pub struct FailureWindow {
    consecutive: u32,
    recent: VecDeque<i64>,
}
impl FailureWindow {
    const WINDOW_MS: i64 = 60_000;
    const ALERT_THRESHOLD: usize = 5;
    pub fn add(&mut self, now_ms: i64) -> u32 {
        self.recent.push_back(now_ms);
        while self.recent.front().is_some_and(|at| *at <= now_ms - Self::WINDOW_MS) || self.recent.len() > 100
        {
            self.recent.pop_front();
        }
        self.consecutive += 1;
        self.consecutive
    }
    pub fn clear(&mut self) {
        self.consecutive = 0;
    }
    /// More failures in a row than are retried silently, or five within a minute.
    pub fn is_alarming(&self, backoff: &Backoff) -> bool {
        backoff.is_alerting
            && (self.consecutive > backoff.retries || self.recent.len() >= Self::ALERT_THRESHOLD)
    }
}

/// So many statements within so long, and no more.
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
    /// Takes one, or says how many milliseconds until one is free.
    pub fn take(&mut self, now_ms: i64) -> Result<(), i64> {
        while self.calls.front().is_some_and(|at| *at <= now_ms - self.within_ms) {
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
    fn pauses_double_up_to_the_cap_and_stay_there() {
        let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
        let pauses: Vec<u64> = (1..9).map(|n| backoff.pause(n, "x").as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 120, 120, 120]);
        assert_eq!(backoff.pause(u32::MAX, "x").as_secs(), 120);
        let off = Backoff { is_enabled: false, ..backoff };
        assert_eq!(off.pause(7, "x").as_secs(), 5);
    }
    #[test]
    fn jitter_takes_off_a_tenth_at_most_and_is_drawn_per_write() {
        let backoff = Backoff::default();
        let pauses: Vec<Duration> = (0..50).map(|n| backoff.pause(2, &format!("job-{n}"))).collect();
        assert!(pauses.iter().all(|p| (Duration::from_secs(9)..=Duration::from_secs(10)).contains(p)));
        assert!(pauses.iter().any(|p| *p != pauses[0]));
        assert_eq!(backoff.pause(2, "job-1"), pauses[1]);
    }
    #[test]
    fn an_alert_comes_after_the_silent_retries_or_five_failures_in_a_minute() {
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
    fn the_settings_that_operators_know_are_honoured() {
        let set = |name: &str| match name {
            "SELF_HEALING_DML_BACKOFF_ENABLED" => Some("False".to_owned()),
            "SELF_HEALING_DML_MAX_RETRIES" => Some("7".to_owned()),
            "SELF_HEALING_ALERT_ON_DML_LIMIT" => Some("true".to_owned()),
            _ => None,
        };
        let backoff = Backoff::from_environment(set).unwrap();
        assert_eq!((backoff.is_enabled, backoff.retries, backoff.is_alerting), (false, 7, true));
        assert!(
            Backoff::from_environment(|_| Some("soon".into()))
                .unwrap_err()
                .contains("SELF_HEALING_DML_BACKOFF_ENABLED")
        );
    }
    #[test]
    fn a_rate_limiter_never_gives_more_than_its_rate() {
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
