//! The command line: verbs, flags, exit codes. Results go to standard output, progress and prose to standard error.
//!
//! Exit codes: 0 done; 1 failed, or something does not balance; 2 wrong usage; 3 something differs from what it should be;
//! 4 refused; 5 not reachable.
//! Invariant: an error says what, where and why, and what to run next.
//! Not here: what the verbs do (one file each).
mod audit;
mod bench;
mod check;
mod demo;
mod dlq;
mod explain;
mod grade;
pub mod graph;
mod ingest;
mod lag;
mod links;
mod output;
mod replay;
mod run;
mod schemas;
mod show;
mod slate;
mod topics;
mod warehouse;

use crate::config::Config;
use ::schemas::{EasternDate, Season};
use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
pub use output::{Output, chain, say};
pub use run::predictor;
use runtime::Halt;
use std::{path::PathBuf, process::ExitCode};

/// Raw NBA scraper events in, player-points predictions out.
#[derive(Parser)]
#[command(name = "fastbreak", version, about, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}
const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failed or unbalanced, 2 usage, 3 differs, 4 refused, 5 not reachable.";

#[derive(Args)]
struct Global {
    /// Folder of log.db and warehouse.db [default: .fastbreak]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Kafka's bootstrap servers: everything runs on Kafka instead of the embedded log
    #[arg(long, global = true, value_name = "LIST")]
    brokers: Option<String>,
    /// A Confluent-compatible schema registry, whose ids records carry; without one ids derive from the schemas
    #[arg(long, global = true, value_name = "URL")]
    registry: Option<String>,
    /// Names this process among those that share the brokers [default: the host's name]
    #[arg(long, global = true, value_name = "NAME")]
    instance: Option<String>,
    /// Where the sink writes: sqlite or bigquery [default: sqlite]
    #[arg(long, global = true, value_name = "KIND")]
    warehouse: Option<String>,
    /// Configuration file [default: fastbreak.toml, when there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Which candidates are graded.
#[derive(Clone, Copy, ValueEnum)]
enum Population {
    /// With five earlier appearances of the season or more
    Eligible,
    All,
}

#[derive(Subcommand)]
enum Verb {
    /// A simulated game day through everything: the slate, its coverage, and where to look next
    Demo {
        /// Of the simulated league
        #[arg(long, default_value_t = 7)]
        seed: u64,
    },
    /// Append scraper events to the raw topics: JSONL, .zst or - for standard input
    Ingest {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Run all processors and the sink
    Run {
        /// End with 0 when every processor and the sink have nothing left
        #[arg(long)]
        until_caught_up: bool,
        /// Only these processors, by name
        #[arg(long, value_delimiter = ',', value_name = "NAME")]
        only: Vec<String>,
    },
    /// How far each processor is behind, in records and in time, while another process runs them
    Lag {
        /// Look again and again, until stopped
        #[arg(long)]
        watch: bool,
        /// And each partition that is behind
        #[arg(long)]
        partitions: bool,
    },
    /// The accounts of every processor, what is parked, and content hashes; 1 when anything does not balance
    Audit,
    /// How the systems did: error, bets, probabilities
    Grade {
        #[arg(long)]
        season: Option<Season>,
        #[arg(long, requires = "to", conflicts_with = "season", value_name = "DATE")]
        from: Option<EasternDate>,
        #[arg(long, requires = "from", value_name = "DATE")]
        to: Option<EasternDate>,
        #[arg(long, value_enum, default_value_t = Population::Eligible)]
        population: Population,
    },
    /// A day's games: what is there and what is missing
    Status { date: EasternDate },
    /// A day's candidates: predicted, or why not
    Coverage {
        date: EasternDate,
        /// List every candidate
        #[arg(long)]
        players: bool,
    },
    /// Every event, feature and version behind a prediction
    Explain {
        /// nbacom id, or a name
        player: String,
        date: EasternDate,
    },
    /// The topology
    Graph {
        /// As a Mermaid flowchart
        #[arg(long)]
        mermaid: bool,
    },
    /// Check the configuration, the log, the schemas and the warehouse
    Check,
    /// The configuration
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// Say what a spelling means, as an event: facts of the past are resolved again
    Links {
        /// The name as a source spells it
        spelling: String,
        /// nba.com's player id; none takes an earlier link back
        player: Option<u32>,
    },
    /// The schemas of what flows
    Schemas {
        #[command(subcommand)]
        verb: SchemasVerb,
    },
    /// The topics of a Kafka cluster, as code
    Topics {
        #[command(subcommand)]
        verb: topics::TopicsVerb,
    },
    /// What could never be used: the dead letters
    Dlq {
        #[command(subcommand)]
        verb: dlq::DlqVerb,
    },
    /// Once more over the raw topics, beside what is live
    Replay {
        #[command(subcommand)]
        verb: replay::Verb,
    },
    /// The sink
    Sink {
        #[command(subcommand)]
        verb: SinkVerb,
    },
    /// The warehouse's tables and views
    Warehouse {
        #[command(subcommand)]
        verb: WarehouseVerb,
    },
    /// CPU per record by stage, over a simulated season
    Bench {
        /// Seasons, one after the other
        #[arg(long, default_value_t = 1)]
        seasons: u16,
        /// Measure these files of events instead, one stage after the other
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Completions for a shell
    Completions { shell: clap_complete::Shell },
}
#[derive(Subcommand)]
enum ConfigVerb {
    /// Every value
    Show {
        /// And where it came from
        #[arg(long)]
        origin: bool,
    },
}
#[derive(Subcommand)]
enum SchemasVerb {
    /// Each released schema against its predecessors, and against the registry when one is configured; 3 when it differs
    Check,
    /// Register what is missing in the registry, each subject at BACKWARD_TRANSITIVE; 4 when it would break what is there
    Push {
        /// Only show what would be done; 3 when there is something
        #[arg(long)]
        dry_run: bool,
    },
}
#[derive(Subcommand)]
enum SinkVerb {
    /// Hand the warehouse to this log, and replace what another log wrote
    Adopt,
}

#[derive(Subcommand)]
enum WarehouseVerb {
    /// Every definition, as statements
    Ddl,
    /// What the warehouse lacks, as statements; 3 when that is anything
    Plan,
    /// Run them
    Apply,
}

/// How a verb ended, when not with an error.
pub enum Ended {
    Done,
    Unbalanced,
    Differs,
    Refused,
    Unreachable,
}

/// Parses the command line, runs the verb, and answers the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("FASTBREAK_LOG").unwrap_or_else(|_| "warn".into());
    // Where nobody reads standard error any more, saying so there would be a panic.
    let log = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    log.with_writer(std::io::stderr).with_target(false).init();
    match dispatch(cli) {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Unbalanced) => ExitCode::from(1),
        Ok(Ended::Differs) => ExitCode::from(3),
        Ok(Ended::Refused) => ExitCode::from(4),
        Ok(Ended::Unreachable) => ExitCode::from(5),
        Err(error) => {
            // Who reads along has seen enough.
            let closed = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            let closed = closed.or_else(|| error.downcast_ref::<serde_json::Error>()?.io_error_kind());
            if closed == Some(std::io::ErrorKind::BrokenPipe) {
                return ExitCode::SUCCESS;
            }
            output::say(&format!("error: {}", output::chain(&error)));
            ExitCode::from(code(&error))
        }
    }
}

fn code(error: &anyhow::Error) -> u8 {
    use sinks::WarehouseError as Warehouse;
    if let Some(error) = error.downcast_ref::<crate::registry::RegistryError>() {
        return error.exit();
    }
    if error.is::<crate::topology::Unknown>() {
        return 2;
    }
    if error.is::<schemas::Refused>() {
        return 4;
    }
    if error.is::<crate::registry::Unregistered>() {
        return 3;
    }
    match error.downcast_ref::<Warehouse>() {
        Some(Warehouse::Config { .. }) => 4,
        Some(Warehouse::Retry { .. }) => 5,
        _ => match error.downcast_ref::<runtime::Halt>() {
            Some(Halt::Log { reason, .. }) if reason.contains("another process") => 4,
            Some(Halt::Fenced { .. } | Halt::Refused { .. } | Halt::Rejecting { .. }) => 4,
            Some(Halt::Unreachable { .. }) => 5,
            _ => 1,
        },
    }
}

fn dispatch(cli: Cli) -> Result<Ended> {
    let Global { data, brokers, instance, registry, warehouse, config, output } = cli.global;
    let flags = [
        ("data", data.as_ref().map(|data| data.display().to_string())),
        ("brokers", brokers),
        ("instance", instance),
        ("registry", registry),
        ("warehouse", warehouse),
    ];
    let flags: Vec<(&'static str, String)> =
        flags.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let config = Config::resolve(config.as_deref(), &environment, &flags)?;
    match cli.verb {
        Verb::Demo { seed } => demo::demo(&config, data.is_some(), seed, output),
        Verb::Ingest { files } => ingest::ingest(&config, &files, output),
        Verb::Run { until_caught_up, only } => run::run(&config, until_caught_up, &only, output),
        Verb::Lag { watch, partitions } => lag::lag(&config, watch, partitions, output),
        Verb::Audit => audit::audit(&config, output),
        Verb::Grade { season, from, to, population } => {
            grade::grade(&config, season, from.zip(to), population, output)
        }
        Verb::Status { date } => slate::status(&config, date, output),
        Verb::Coverage { date, players } => slate::coverage(&config, date, players, output),
        Verb::Explain { player, date } => explain::explain(&config, &player, date, output),
        Verb::Graph { mermaid } => graph::graph(mermaid, output),
        Verb::Check => check::check(&config, output),
        Verb::Config { verb: ConfigVerb::Show { origin } } => show::config(&config, origin, output),
        Verb::Links { spelling, player } => links::link(&config, &spelling, player, output),
        Verb::Schemas { verb: SchemasVerb::Check } => schemas::check(&config, output),
        Verb::Schemas { verb: SchemasVerb::Push { dry_run } } => schemas::push(&config, dry_run, output),
        Verb::Topics { verb } => topics::topics(&config, verb, output),
        Verb::Dlq { verb } => dlq::dlq(&config, verb, output),
        Verb::Replay { verb } => replay::replay(&config, verb, output),
        Verb::Sink { verb: SinkVerb::Adopt } => run::adopt(&config, output),
        Verb::Warehouse { verb: WarehouseVerb::Ddl } => warehouse::ddl(&config, output),
        Verb::Warehouse { verb: WarehouseVerb::Plan } => warehouse::plan(&config, output),
        Verb::Warehouse { verb: WarehouseVerb::Apply } => warehouse::apply(&config, output),
        Verb::Bench { seasons, files } => bench::bench(seasons, &files, output),
        Verb::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "fastbreak", &mut std::io::stdout());
            Ok(Ended::Done)
        }
    }
}
