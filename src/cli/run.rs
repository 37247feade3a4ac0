//! `run`: every processor and the sink, until stopped or caught up.
use super::{CommandOutcome, Output, output};
use crate::{
    config::Config,
    lag,
    pipeline::{Pipeline, SinkTarget},
    topology,
    warehouse::WarehouseTarget,
};
use anyhow::{Context, Result};
use console::Console;
use processors::predictor::{Artifact, Predictor};
use runtime::{
    inspect,
    subscription::{RunContext, Subscription},
};
use serde::Serialize;
use std::{
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

/// What a run committed.
#[derive(Serialize)]
struct Report {
    seconds: f64,
    processors: Vec<Committed>,
}
#[derive(Serialize)]
struct Committed {
    processor: String,
    read: i64,
    published: i64,
    parked: i64,
    rejected: i64,
}

pub fn run(
    config: &Config,
    until_caught_up: bool,
    only: &[String],
    output: Output,
) -> Result<CommandOutcome> {
    let started = Instant::now();
    let mut log = crate::storage::open(config)?;
    let from = inspect::ledger_end(log.as_mut())?;
    go(config, until_caught_up, only)?;
    let accounts = inspect::ledger_totals(log.as_mut(), from)?;
    let processors = accounts.into_iter().map(|((processor, _), entry)| Committed {
        processor,
        read: entry.read,
        published: entry.published,
        parked: entry.parked,
        rejected: entry.rejected,
    });
    let report = Report { seconds: started.elapsed().as_secs_f64(), processors: processors.collect() };
    output::print(output, &report, |report| {
        if report.processors.is_empty() {
            let why = if until_caught_up { ": everything was caught up" } else { "" };
            return format!("nothing new was committed in {:.1} s{why}", report.seconds);
        }
        let rows = report.processors.iter().map(|p| {
            [
                p.processor.clone(),
                p.read.to_string(),
                p.published.to_string(),
                p.parked.to_string(),
                p.rejected.to_string(),
            ]
        });
        let table = output::table(["processor", "read", "published", "parked", "rejected"], rows);
        format!("{table}\ncommitted in {:.1} s", report.seconds)
    })?;
    Ok(CommandOutcome::Done)
}

/// The predictor with its artifact, when one is configured.
pub fn predictor(config: &Config) -> Result<Predictor> {
    let artifact = config.learned_model.as_ref().map(|path| -> Result<Artifact> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("reading the artifact {}", path.display()))?;
        Artifact::parse(&text).with_context(|| format!("the artifact {}", path.display()))
    });
    Ok(Predictor::new(artifact.transpose()?))
}

/// Runs the topology over the configured log.
pub fn go(config: &Config, until_caught_up: bool, only: &[String]) -> Result<()> {
    let mut nodes = topology::topology(predictor(config)?);
    let names: Vec<&str> = nodes.iter().map(|node| node.name()).chain([topology::SINK]).collect();
    if let Some(unknown) = only.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(topology::UnknownProcessor::new(unknown, &names).into());
    }
    let is_wanted = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
    nodes.retain(|node| is_wanted(node.name()));
    nodes.iter_mut().for_each(|node| node.set_dlq_limits(config.dlq_limits));
    let run_context = Arc::new(RunContext::default());
    let subscriptions = Subscription::from_nodes(&nodes);
    let shown = subscriptions.iter().map(|subscription| subscription.name).collect();
    // A run that ends by itself has a page only when asked for one.
    let is_shown = !until_caught_up || config.is_console_set();
    let listener = if is_shown { crate::http_server::bind(config)? } else { None };
    let sink = is_wanted(topology::SINK)
        .then(|| SinkTarget { warehouse: WarehouseTarget::live(config), dates: None });
    let pipeline = Pipeline { storage: crate::storage::open(config)?, nodes, sink, until_caught_up };
    let running = pipeline.start(config, run_context.clone())?;
    let console = listener.map(|listener| -> Result<(TcpListener, Console)> {
        let address = listener.local_addr()?;
        let console = crate::http_server::start(config, shown, lag::subscriptions(config)?, &run_context)?;
        output::eprint_line(&format!("console: http://{address}"));
        Ok((listener, console))
    });
    listen(console.transpose()?, run_context)?;
    let progress = output::spinner();
    let mut shown = Instant::now();
    running.watch(|log| {
        if shown.elapsed() > Duration::from_millis(200) && !progress.is_hidden() {
            shown = Instant::now();
            let shown @ [games, candidates, predictions] =
                [topics::PLAYER_GAMES.info, topics::SLATE_ENTRIES.info, topics::PREDICTIONS.info]
                    .map(|t| t.name);
            if let Ok(ends) = log.end_offsets(&shown) {
                let of = |topic: &str| -> i64 {
                    ends.iter().filter(|(partition, _)| partition.topic == topic).map(|(_, end)| end).sum()
                };
                progress.set_message(format!(
                    "{} player games · {} candidates · {} predictions",
                    of(games),
                    of(candidates),
                    of(predictions)
                ));
                progress.tick();
            }
        }
    })?;
    progress.finish_and_clear();
    Ok(())
}

/// Stops on SIGINT and SIGTERM after committing what was read; a second signal ends at once.
pub fn listen(console: Option<(TcpListener, Console)>, run_context: Arc<RunContext>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = move || {
        runtime.block_on(async move {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return tracing::error!(
                    "no signal handlers: a signal ends the process at once, and the next start resumes"
                );
            };
            if let Some((listener, console)) = console {
                tokio::spawn(crate::http_server::serve(listener, console));
            }
            for first in [true, false] {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                if !first {
                    std::process::exit(130);
                }
                output::eprint_line("stopping: committing what was read; once more to end at once");
                run_context.stop();
            }
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(work)?;
    Ok(())
}

/// `sink rebuild`: hands the warehouse to this log.
pub fn rebuild(config: &Config, output: Output) -> Result<CommandOutcome> {
    #[derive(Serialize)]
    struct Ownership {
        log: String,
        epoch: i64,
    }
    let log = crate::storage::open(config)?.id()?;
    let epoch = crate::warehouse::open(config)?.take_ownership(&log)?;
    output::print(output, &Ownership { log, epoch }, |ownership| {
        format!(
            "the warehouse belongs to log {} from epoch {} on\nnext: `fastbreak run --until-caught-up` writes its rows and deletes those of older epochs",
            ownership.log, ownership.epoch
        )
    })?;
    Ok(CommandOutcome::Done)
}
