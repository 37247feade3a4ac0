//! Log messages of a run at level `info`: its start, each change of a processor's status, and a summary every minute.
//!
//! Invariant: at a level above `info`, nothing is sampled. A sample that fails never ends a run: the log reports it, as it reports a status.
//! Not here: the metrics and the status page (`http_server`), the assessment of the lag (`runtime::lag`).
use crate::app::App;
use runtime::{
    LogBackend, clock,
    lag::{LagMonitor, ProcessorLag, Status},
    subscription::Subscription,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Pause between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(2);
/// Pause between two summaries.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(60);

/// Logs what the processors of a run do.
pub struct StatusLog {
    /// The processors of this process.
    subscriptions: Vec<Subscription>,
    monitor: LagMonitor,
    statuses: BTreeMap<&'static str, Status>,
    sampled_at: Option<Instant>,
    summarized_at: Instant,
}

impl StatusLog {
    /// Logs the start of a run of these processors on the log of this name. Returns `None` if messages at level `info` are not logged.
    pub fn start(
        app: &App,
        log: &str,
        subscriptions: Vec<Subscription>,
        console: Option<SocketAddr>,
    ) -> Option<StatusLog> {
        if !tracing::enabled!(tracing::Level::INFO) {
            return None;
        }
        let processors: Vec<&str> = subscriptions.iter().map(|subscription| subscription.name).collect();
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            log,
            warehouse = app.warehouse().name(),
            processors = processors.join(","),
            console = console.map_or_else(|| "none".to_owned(), |address| address.to_string()),
            pid = std::process::id(),
            "run started"
        );
        Some(StatusLog {
            subscriptions,
            monitor: LagMonitor::default(),
            statuses: BTreeMap::new(),
            sampled_at: None,
            summarized_at: Instant::now(),
        })
    }
    /// Samples the lag if the last sample is old enough, and logs what has changed.
    pub fn sample_if_due(&mut self, log: &mut dyn LogBackend) {
        if self.sampled_at.is_some_and(|sampled_at| sampled_at.elapsed() < SAMPLE_INTERVAL) {
            return;
        }
        self.sampled_at = Some(Instant::now());
        match log.progress(&self.subscriptions) {
            Ok(snapshot) => {
                let lags = self.monitor.sample(clock::now().0, &snapshot);
                lags.iter().for_each(|lag| self.log_change(lag));
                if self.summarized_at.elapsed() >= SUMMARY_INTERVAL {
                    self.summarized_at = Instant::now();
                    log_summary(&lags);
                }
            }
            Err(error) => tracing::warn!(%error, "the lag cannot be sampled"),
        }
    }
    fn log_change(&mut self, ProcessorLag { processor, lag, .. }: &ProcessorLag) {
        let former = self.statuses.insert(processor, lag.status);
        if former != Some(lag.status) {
            let from = former.map_or("none", Status::name);
            tracing::info!(processor, from, to = lag.status.name(), reason = lag.reason, "status changed");
        }
    }
}

fn log_summary(lags: &[ProcessorLag]) {
    let unread: i64 = lags.iter().map(|lag| lag.lag.records).sum();
    let oldest_seconds = lags.iter().filter_map(|lag| lag.lag.seconds).fold(0.0, f64::max);
    let Some(worst) = lags.iter().max_by_key(|lag| (lag.lag.status, lag.lag.records)) else { return };
    tracing::info!(
        unread,
        oldest_seconds,
        worst = worst.processor,
        status = worst.lag.status.name(),
        reason = worst.lag.reason,
        "summary"
    );
}
