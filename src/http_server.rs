//! The console of a run: its address, what its health is, and the thread that looks at the lag.
//!
//! Live: the process answers. Ready: every processor has restored its memory and looked for work at least once. The thread has a
//! client of the log of its own, and looks every two seconds at all processors, those of other processes too.
//! Invariant: it listens only where it was told to. A look that fails takes its figures away instead of leaving them to look well.
//! Not here: the HTTP service (crate `console`), what a lag means (`runtime::lag`).
use crate::{config::Config, lag};
use anyhow::{Context, Result};
use console::{Check, Console, Health, Probe, ProcessorStatus, ProcessorStatuses, Publisher};
use runtime::{
    LogBackend,
    lag::{CatchUp, LagMonitor, ProcessorLag, Status},
    subscription::{RunContext, Subscription},
};
use std::{
    collections::{BTreeMap, VecDeque},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

/// How often the lag is looked at.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(2);
/// What the page shows of the past: ten minutes, in so many steps.
const HISTORY_STEPS: i64 = 60;
const HISTORY_MS: i64 = 600_000;

/// Takes the address before anything runs. One that nobody asked for may be taken: then this run has no console, and says so.
pub fn bind(config: &Config) -> Result<Option<TcpListener>> {
    let Some(address) = config.console else { return Ok(None) };
    match console::bind(address) {
        Ok(listener) => Ok(Some(listener)),
        Err(_) if !config.is_console_set() => {
            crate::cli::eprint_line(&format!(
                "no console: {address} is taken; FASTBREAK_CONSOLE=127.0.0.1:PORT gives this run another"
            ));
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| taken(address)),
    }
}
fn taken(address: SocketAddr) -> String {
    format!("the console on {address}: choose another address with `console`, or none with an empty one")
}

/// Starts looking, and answers what is to be served.
pub fn start(
    config: &Config,
    run: Vec<&'static str>,
    all: Vec<Subscription>,
    run_context: &Arc<RunContext>,
) -> Result<Console> {
    let (publisher, processors) = console::feed();
    let metrics = run_context.clone();
    let console = Console {
        health: probe(run_context.clone(), run),
        metrics: Arc::new(move || metrics.metrics.text().map_err(|error| error.to_string())),
        processors,
    };
    let lag_sampler = LagSampler {
        log: crate::storage::open(config)?,
        subscriptions: all,
        run_context: run_context.clone(),
        publisher,
        watch: LagMonitor::default(),
        history_samples: BTreeMap::new(),
        shown: ProcessorStatuses::default(),
    };
    std::thread::Builder::new().name("lag".into()).spawn(move || lag_sampler.run())?;
    Ok(console)
}

/// Serves until the process stops.
pub async fn serve(listener: TcpListener, console: Console) {
    if let Err(error) = console::serve(listener, console, std::future::pending()).await {
        tracing::error!(%error, "the console ended; the processors go on");
    }
}

/// What the health is.
fn probe(run_context: Arc<RunContext>, processors: Vec<&'static str>) -> Probe {
    Arc::new(move || {
        let check = |name: &&'static str| {
            let state = run_context.board.idle_state(name);
            let detail = match state {
                None => "restoring",
                Some(true) => "caught up",
                Some(false) => "working",
            };
            Check { name: (*name).to_owned(), ok: state.is_some(), detail: detail.to_owned() }
        };
        let checks: Vec<Check> = processors.iter().map(check).collect();
        Health { live: !run_context.is_stopping(), ready: checks.iter().all(|check| check.ok), checks }
    })
}

struct LagSampler {
    log: Box<dyn LogBackend>,
    subscriptions: Vec<Subscription>,
    run_context: Arc<RunContext>,
    publisher: Publisher,
    watch: LagMonitor,
    /// Unread records of each stage: when, how many.
    history_samples: BTreeMap<&'static str, VecDeque<(i64, i64)>>,
    shown: ProcessorStatuses,
}
impl LagSampler {
    fn run(mut self) {
        while !self.run_context.is_stopping() {
            self.sample();
            std::thread::sleep(SAMPLE_INTERVAL);
        }
    }
    fn sample(&mut self) {
        self.shown.at = runtime::clock::now().0;
        self.shown.every = SAMPLE_INTERVAL.as_millis() as i64;
        self.shown.log = self.log.name();
        self.shown.version = env!("CARGO_PKG_VERSION");
        match lag::sample(self.log.as_mut(), &self.subscriptions, &mut self.watch) {
            Ok((lags, dead_letters)) => {
                self.run_context.metrics.record_lag(Some((&lags, &dead_letters)));
                let at = self.shown.at;
                let processors = lags.iter().map(|lag| {
                    let history_samples = self.history_samples.entry(lag.processor).or_default();
                    history_samples.push_back((at, lag.lag.records));
                    history_samples.retain(|(then, _)| at - then <= HISTORY_MS);
                    processor_status(
                        lag,
                        dead_letters.get(lag.processor).copied().unwrap_or(0),
                        history(at, history_samples),
                    )
                });
                self.shown.processors = processors.collect();
                self.shown.error = None;
            }
            Err(error) => {
                self.run_context.metrics.record_lag(None);
                self.shown.error = Some(crate::cli::error_chain(&error));
            }
        }
        if let Err(error) = self.publisher.publish(&self.shown) {
            tracing::error!(%error, "the stages cannot be written down");
        }
    }
}

/// The most unread in each step of the past.
fn history(now: i64, history_samples: &VecDeque<(i64, i64)>) -> Vec<i64> {
    let step = HISTORY_MS / HISTORY_STEPS;
    let mut steps = vec![0; HISTORY_STEPS as usize];
    for (then, records) in history_samples {
        let index = (HISTORY_STEPS - 1 - (now - then) / step).clamp(0, HISTORY_STEPS - 1) as usize;
        steps[index] = steps[index].max(*records);
    }
    steps
}

fn processor_status(of: &ProcessorLag, dead_letters: i64, history: Vec<i64>) -> ProcessorStatus {
    let lag = &of.lag;
    let mut inputs: Vec<console::Input> = Vec::new();
    for place in &of.partitions {
        let lag = &place.lag;
        match inputs.iter_mut().find(|input| input.topic == place.topic) {
            Some(input) => {
                input.lag_records += lag.records;
                input.lag_seconds = longest(input.lag_seconds, lag.seconds);
            }
            None => inputs.push(console::Input {
                topic: place.topic,
                lag_records: lag.records,
                lag_seconds: lag.seconds,
            }),
        }
    }
    ProcessorStatus {
        name: of.processor,
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
        inputs,
    }
}

/// The longer of two ages; one that is not known hides none that is.
fn longest(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}
