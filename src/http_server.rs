//! The HTTP server of `run`: its address, the health of the process, and the thread that samples the lag.
//!
//! A process is live as long as it is not stopping. It is ready while every processor has its partitions, has restored its state store and
//! has looked for new records at least once, and the sink is not stalled. The sampling thread has its own connection to the log; it samples all processors, including those that run in
//! other processes.
//! Invariant: the server listens only on the configured address. A failed sample removes the lag metrics instead of leaving old values.
//! Not here: the HTTP routes and the page (crate `console`), assessing the lag (`runtime::lag`).
use crate::{
    app::App,
    error_chain::error_chain,
    lag::{LagSample, LagSampler, SAMPLE_INTERVAL},
};
use anyhow::{Context, Result};
use console::{Check, Console, Health, Probe, ProcessorStatus, ProcessorStatuses, Publisher};
use runtime::{
    clock,
    lag::{CatchUp, Lag, ProcessorLag, Status},
    progress_board::{PartitionState, ProgressBoard},
    subscription::RunContext,
};
use sinks::SINK;
use std::{
    collections::{BTreeMap, VecDeque},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
};

/// Length of the lag history on the status page.
const HISTORY_MS: i64 = 600_000;
/// Number of intervals into which the lag history is divided.
const HISTORY_INTERVALS: i64 = 60;

/// A console that is ready to be served, and its address.
pub struct ConsoleServer {
    pub address: SocketAddr,
    listener: TcpListener,
    console: Console,
}

/// Binds the address of the console.
///
/// # Errors
/// If the address is not available.
pub fn bind(address: SocketAddr) -> Result<TcpListener> {
    console::bind(address).with_context(|| {
        format!("binding the console to {address} (set `console` to another address, or to an empty text for no console)")
    })
}

/// Starts the thread that samples the lag of all processors, and returns the console to serve. `run` are the names of the processors in
/// this process, and of the sink if it runs.
///
/// # Errors
/// If the model artifact cannot be loaded, the log cannot be opened or the thread cannot be started.
pub fn start(
    app: &App,
    listener: TcpListener,
    run: Vec<&'static str>,
    run_context: &Arc<RunContext>,
) -> Result<ConsoleServer> {
    let address = listener.local_addr()?;
    let (publisher, processors) = console::feed();
    let sink_lag = run.contains(&SINK).then(SharedSinkLag::default);
    let metrics = run_context.clone();
    let console = Console {
        health: probe(run_context.clone(), run, sink_lag.clone()),
        metrics: Arc::new(move || metrics.metrics.text().map_err(|error| error.to_string())),
        processors,
        hosts: app.console().hosts.clone(),
    };
    let status_sampler = StatusSampler {
        lag_sampler: LagSampler::new(app)?,
        run_context: run_context.clone(),
        publisher,
        sink_lag,
        history_samples: BTreeMap::new(),
        statuses: ProcessorStatuses::default(),
    };
    std::thread::Builder::new().name("lag".into()).spawn(move || status_sampler.run())?;
    Ok(ConsoleServer { address, listener, console })
}

/// Serves the console until the process ends.
pub async fn serve(ConsoleServer { listener, console, .. }: ConsoleServer) {
    if let Err(error) = console::serve(listener, console, std::future::pending()).await {
        tracing::error!(%error, "the HTTP server did not start; the processors continue");
    }
}

/// The lag of the sink in the newest sample that succeeded; `None` before the first one.
type SharedSinkLag = Arc<Mutex<Option<Lag>>>;

/// Returns a function that determines the health of this process, with one check per processor, and one for the lag of the sink.
fn probe(
    run_context: Arc<RunContext>,
    processors: Vec<&'static str>,
    sink_lag: Option<SharedSinkLag>,
) -> Probe {
    Arc::new(move || {
        let check = |name: &&'static str| {
            let (ok, detail) = processor_health(&run_context.board, name);
            Check { name: (*name).to_owned(), ok, detail: detail.to_owned() }
        };
        let mut checks: Vec<Check> = processors.iter().map(check).collect();
        if let Some(sink_lag) = &sink_lag {
            checks.push(sink_lag_check(sink_lag.lock().unwrap_or_else(PoisonError::into_inner).as_ref()));
        }
        Health { live: !run_context.is_stopping(), ready: checks.iter().all(|check| check.ok), checks }
    })
}

/// Returns whether a processor is ready, and what it does.
fn processor_health(board: &ProgressBoard, name: &str) -> (bool, &'static str) {
    match (board.partition_state(name), board.idle_state(name)) {
        _ if board.is_stopped(name) => (false, "stopped at a DLQ limit"),
        (PartitionState::Lost, _) => (false, "its partitions are lost"),
        (PartitionState::Restoring, _) | (_, None) => (false, "restoring"),
        (PartitionState::Restored, Some(true)) => (true, "caught up"),
        (PartitionState::Restored, Some(false)) => (true, "working"),
    }
}

/// Returns how current the warehouse is. A sink that is behind is ready unless it is stalled: requests need not wait for a backlog.
fn sink_lag_check(lag: Option<&Lag>) -> Check {
    let (ok, detail) = match lag {
        None => (true, "not sampled yet".to_owned()),
        Some(lag) => (lag.status != Status::Stalled, format!("{}: {}", lag.status.name(), lag.reason)),
    };
    Check { name: "sink-lag".into(), ok, detail }
}

/// Samples the lag periodically, for the metrics and the page.
struct StatusSampler {
    lag_sampler: LagSampler,
    run_context: Arc<RunContext>,
    publisher: Publisher,
    /// `None` if this process does not run the sink.
    sink_lag: Option<SharedSinkLag>,
    /// The samples of each processor: Unix time in milliseconds, and number of unread records.
    history_samples: BTreeMap<&'static str, VecDeque<(i64, i64)>>,
    statuses: ProcessorStatuses,
}
impl StatusSampler {
    fn run(mut self) {
        while !self.run_context.is_stopping() {
            self.sample();
            std::thread::sleep(SAMPLE_INTERVAL);
        }
    }
    fn sample(&mut self) {
        let now = clock::now();
        self.statuses.sampled_at = now.to_string();
        self.statuses.sample_interval_ms = SAMPLE_INTERVAL.as_millis() as i64;
        self.statuses.log = self.lag_sampler.log_name();
        self.statuses.version = env!("CARGO_PKG_VERSION");
        match self.lag_sampler.sample() {
            Ok(LagSample { lags, dead_letters }) => {
                self.run_context.metrics.record_lag(Some((&lags, &dead_letters)));
                if let Some(sink_lag) = &self.sink_lag {
                    let lag = lags.iter().find(|lag| lag.processor == SINK).map(|lag| lag.lag.clone());
                    *sink_lag.lock().unwrap_or_else(PoisonError::into_inner) = lag;
                }
                let statuses = lags.iter().map(|lag| {
                    let history_samples = self.history_samples.entry(lag.processor).or_default();
                    history_samples.push_back((now.0, lag.lag.records));
                    history_samples.retain(|(sampled_at, _)| now.0 - sampled_at <= HISTORY_MS);
                    let dead_letters = dead_letters.get(lag.processor).copied().unwrap_or(0);
                    processor_status(lag, dead_letters, history(now.0, history_samples))
                });
                self.statuses.processors = statuses.collect();
                self.statuses.error = None;
            }
            Err(error) => {
                self.run_context.metrics.record_lag(None);
                self.statuses.error = Some(error_chain(&error));
            }
        }
        if let Err(error) = self.publisher.publish(&self.statuses) {
            tracing::error!(%error, "the processor statuses cannot be serialized");
        }
    }
}

/// Returns the maximum number of unread records in each interval of the history, oldest interval first.
fn history(now: i64, history_samples: &VecDeque<(i64, i64)>) -> Vec<i64> {
    let interval = HISTORY_MS / HISTORY_INTERVALS;
    let mut maxima = vec![0; HISTORY_INTERVALS as usize];
    for (sampled_at, records) in history_samples {
        let last = HISTORY_INTERVALS - 1;
        let index = (last - (now - sampled_at) / interval).clamp(0, last) as usize;
        maxima[index] = maxima[index].max(*records);
    }
    maxima
}

fn processor_status(processor: &ProcessorLag, dead_letters: i64, history: Vec<i64>) -> ProcessorStatus {
    let lag = &processor.lag;
    ProcessorStatus {
        name: processor.processor,
        status: lag.status.name(),
        reason: lag.reason.clone(),
        is_bad: lag.status >= Status::FallingBehind,
        lag_records: lag.records,
        lag_seconds: lag.seconds,
        trend: lag.trend.name(),
        catch_up_seconds: match lag.catch_up {
            Some(CatchUp::In(seconds)) => Some(seconds),
            Some(CatchUp::Never) | None => None,
        },
        is_never: lag.catch_up == Some(CatchUp::Never),
        in_rate: lag.in_rate,
        out_rate: lag.out_rate,
        dead_letters,
        history,
        inputs: inputs(processor),
    }
}

/// Returns the lag by input topic: the sum of the unread records in its partitions, and the maximum of their ages.
fn inputs(processor: &ProcessorLag) -> Vec<console::Input> {
    let mut inputs: Vec<console::Input> = Vec::new();
    for partition in &processor.partitions {
        let (topic, lag) = (partition.topic, &partition.lag);
        match inputs.iter_mut().find(|input| input.topic == topic) {
            Some(input) => {
                input.lag_records += lag.records;
                input.lag_seconds = max_age(input.lag_seconds, lag.seconds);
            }
            None => {
                inputs.push(console::Input { topic, lag_records: lag.records, lag_seconds: lag.seconds });
            }
        }
    }
    inputs
}

/// Returns the greater of two ages; an unknown age (`None`) is ignored.
fn max_age(first: Option<f64>, second: Option<f64>) -> Option<f64> {
    first.into_iter().chain(second).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::lag::Trend;

    #[test]
    fn a_processor_is_ready_while_it_has_its_partitions_and_has_looked_for_records() {
        let board = ProgressBoard::default();
        assert_eq!(processor_health(&board, "games"), (false, "restoring"));
        board.set_partition_state("games", PartitionState::Restored);
        assert_eq!(processor_health(&board, "games"), (false, "restoring"));
        board.set_idle("games", false);
        assert_eq!(processor_health(&board, "games"), (true, "working"));
        board.set_idle("games", true);
        assert_eq!(processor_health(&board, "games"), (true, "caught up"));
        board.set_partition_state("games", PartitionState::Lost);
        assert_eq!(processor_health(&board, "games"), (false, "its partitions are lost"));
        board.set_partition_state("games", PartitionState::Restoring);
        assert_eq!(processor_health(&board, "games"), (false, "restoring"));
        board.set_partition_state("games", PartitionState::Restored);
        board.set_stopped("games");
        assert_eq!(processor_health(&board, "games"), (false, "stopped at a DLQ limit"));
    }
    #[test]
    fn a_sink_that_is_behind_is_ready_and_a_stalled_one_is_not() {
        let lag = |status| Lag {
            status,
            reason: "40,701 records unread".into(),
            records: 40_701,
            seconds: Some(90.0),
            trend: Trend::Shrinking,
            in_rate: None,
            out_rate: None,
            catch_up: None,
        };
        let check = sink_lag_check(Some(&lag(Status::CatchingUp)));
        assert_eq!((check.ok, check.detail.as_str()), (true, "catching_up: 40,701 records unread"));
        assert!(!sink_lag_check(Some(&lag(Status::Stalled))).ok);
        assert!(sink_lag_check(None).ok);
    }
}
