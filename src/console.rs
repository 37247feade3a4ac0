//! The console of a run: its address, what its health is, and the thread that looks at the lag.
//!
//! Live: the process answers. Ready: every processor has restored its memory and looked for work at least once. The thread has a
//! client of the log of its own, and looks every two seconds at all processors, those of other processes too.
//! Invariant: it listens only where it was told to. A look that fails takes its figures away instead of leaving them to look well.
//! Not here: the HTTP service (crate `console`), what a lag means (`runtime::lag`).
use crate::{config::Config, lag};
use anyhow::{Context, Result};
use console::{Check, Console, Health, Probe, Publisher, Stage, Stages};
use runtime::{
    Storage,
    lag::{CatchUp, StageLag, Status, Watch},
    member::{Reader, Signals},
};
use std::{
    collections::{BTreeMap, VecDeque},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

/// How often the lag is looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What the page shows of the past: ten minutes, in so many steps.
const STEPS: i64 = 60;
const PAST: i64 = 600_000;

/// Takes the address before anything runs. One that nobody asked for may be taken: then this run has no console, and says so.
pub fn bind(config: &Config) -> Result<Option<TcpListener>> {
    let Some(address) = config.console else { return Ok(None) };
    match console::bind(address) {
        Ok(listener) => Ok(Some(listener)),
        Err(_) if !config.is_console_asked() => {
            crate::cli::say(&format!(
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
    all: Vec<Reader>,
    signals: &Arc<Signals>,
) -> Result<Console> {
    let (publisher, stages) = console::feed();
    let metrics = signals.clone();
    let console = Console {
        health: probe(signals.clone(), run),
        metrics: Arc::new(move || metrics.metrics.text().map_err(|error| error.to_string())),
        stages,
    };
    let watcher = Watcher {
        log: crate::storage::open(config)?,
        readers: all,
        signals: signals.clone(),
        publisher,
        watch: Watch::default(),
        past: BTreeMap::new(),
        shown: Stages::default(),
    };
    std::thread::Builder::new().name("lag".into()).spawn(move || watcher.run())?;
    Ok(console)
}

/// Serves until the process stops.
pub async fn serve(listener: TcpListener, console: Console) {
    if let Err(error) = console::serve(listener, console, std::future::pending()).await {
        tracing::error!(%error, "the console ended; the processors go on");
    }
}

/// What the health is.
fn probe(signals: Arc<Signals>, processors: Vec<&'static str>) -> Probe {
    Arc::new(move || {
        let check = |name: &&'static str| {
            let state = signals.board.state(name);
            let detail = match state {
                None => "restoring",
                Some(true) => "caught up",
                Some(false) => "working",
            };
            Check { name: (*name).to_owned(), ok: state.is_some(), detail: detail.to_owned() }
        };
        let checks: Vec<Check> = processors.iter().map(check).collect();
        Health { live: !signals.is_stopping(), ready: checks.iter().all(|check| check.ok), checks }
    })
}

struct Watcher {
    log: Box<dyn Storage>,
    readers: Vec<Reader>,
    signals: Arc<Signals>,
    publisher: Publisher,
    watch: Watch,
    /// Unread records of each stage: when, how many.
    past: BTreeMap<&'static str, VecDeque<(i64, i64)>>,
    shown: Stages,
}
impl Watcher {
    fn run(mut self) {
        while !self.signals.is_stopping() {
            self.look();
            std::thread::sleep(LOOK_EVERY);
        }
    }
    fn look(&mut self) {
        self.shown.at = crate::sink::now().0;
        self.shown.every = LOOK_EVERY.as_millis() as i64;
        self.shown.log = self.log.name();
        self.shown.version = env!("CARGO_PKG_VERSION");
        match lag::look(self.log.as_mut(), &self.readers, &mut self.watch) {
            Ok((lags, letters)) => {
                self.signals.metrics.show_lag(Some((&lags, &letters)));
                let at = self.shown.at;
                let stages = lags.iter().map(|lag| {
                    let past = self.past.entry(lag.processor).or_default();
                    past.push_back((at, lag.lag.records));
                    past.retain(|(then, _)| at - then <= PAST);
                    stage(lag, letters.get(lag.processor).copied().unwrap_or(0), history(at, past))
                });
                self.shown.stages = stages.collect();
                self.shown.trouble = None;
            }
            Err(error) => {
                self.signals.metrics.show_lag(None);
                self.shown.trouble = Some(crate::cli::chain(&error));
            }
        }
        if let Err(error) = self.publisher.publish(&self.shown) {
            tracing::error!(%error, "the stages cannot be written down");
        }
    }
}

/// The most unread in each step of the past.
fn history(now: i64, past: &VecDeque<(i64, i64)>) -> Vec<i64> {
    let step = PAST / STEPS;
    let mut steps = vec![0; STEPS as usize];
    for (then, records) in past {
        let index = (STEPS - 1 - (now - then) / step).clamp(0, STEPS - 1) as usize;
        steps[index] = steps[index].max(*records);
    }
    steps
}

fn stage(of: &StageLag, dead_letters: i64, history: Vec<i64>) -> Stage {
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
    Stage {
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
