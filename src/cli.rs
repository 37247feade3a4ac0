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
pub use output::{Output, eprint_line, error_chain};
pub use run::predictor;
use runtime::RuntimeError;
use std::{path::PathBuf, process::ExitCode};

/// Raw NBA scraper events in, player-points predictions out.
#[derive(Parser)]
#[command(name = "fastbreak", version, about, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
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
enum Command {
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
        command: ConfigCommand,
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
        command: SchemasCommand,
    },
    /// The topics of a Kafka cluster, as code
    Topics {
        #[command(subcommand)]
        command: topics::TopicsCommand,
    },
    /// What could never be used: the dead letters
    Dlq {
        #[command(subcommand)]
        command: dlq::DlqCommand,
    },
    /// Once more over the raw topics, beside what is live
    Replay {
        #[command(subcommand)]
        command: replay::ReplayCommand,
    },
    /// The sink
    Sink {
        #[command(subcommand)]
        command: SinkCommand,
    },
    /// The warehouse's tables and views
    Warehouse {
        #[command(subcommand)]
        command: WarehouseCommand,
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
enum ConfigCommand {
    /// Every value
    Show {
        /// And where it came from
        #[arg(long)]
        origin: bool,
    },
}
#[derive(Subcommand)]
enum SchemasCommand {
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
enum SinkCommand {
    /// Hand the warehouse to this log, and replace what another log wrote
    Rebuild,
}

#[derive(Subcommand)]
enum WarehouseCommand {
    /// Every definition, as statements
    Ddl,
    /// What the warehouse lacks, as statements; 3 when that is anything
    Plan,
    /// Run them
    Apply,
}

/// How a verb ended, when not with an error.
pub enum CommandOutcome {
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
        Ok(CommandOutcome::Done) => ExitCode::SUCCESS,
        Ok(CommandOutcome::Unbalanced) => ExitCode::from(1),
        Ok(CommandOutcome::Differs) => ExitCode::from(3),
        Ok(CommandOutcome::Refused) => ExitCode::from(4),
        Ok(CommandOutcome::Unreachable) => ExitCode::from(5),
        Err(error) => {
            // Who reads along has seen enough.
            let closed = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            let closed = closed.or_else(|| error.downcast_ref::<serde_json::Error>()?.io_error_kind());
            if closed == Some(std::io::ErrorKind::BrokenPipe) {
                return ExitCode::SUCCESS;
            }
            output::eprint_line(&format!("error: {}", output::error_chain(&error)));
            ExitCode::from(code(&error))
        }
    }
}

fn code(error: &anyhow::Error) -> u8 {
    use sinks::WarehouseError as Warehouse;
    if let Some(error) = error.downcast_ref::<crate::registry::RegistryError>() {
        return error.exit();
    }
    if error.is::<crate::topology::UnknownProcessor>() {
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
        _ => match error.downcast_ref::<runtime::RuntimeError>() {
            Some(
                RuntimeError::Locked { .. }
                | RuntimeError::Fenced { .. }
                | RuntimeError::Precondition { .. }
                | RuntimeError::DlqLimitExceeded { .. },
            ) => 4,
            Some(RuntimeError::Unreachable { .. }) => 5,
            _ => 1,
        },
    }
}

fn dispatch(cli: Cli) -> Result<CommandOutcome> {
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
    match cli.command {
        Command::Demo { seed } => demo::demo(&config, data.is_some(), seed, output),
        Command::Ingest { files } => ingest::ingest(&config, &files, output),
        Command::Run { until_caught_up, only } => run::run(&config, until_caught_up, &only, output),
        Command::Lag { watch, partitions } => lag::lag(&config, watch, partitions, output),
        Command::Audit => audit::audit(&config, output),
        Command::Grade { season, from, to, population } => {
            grade::grade(&config, season, from.zip(to), population, output)
        }
        Command::Status { date } => slate::status(&config, date, output),
        Command::Coverage { date, players } => slate::coverage(&config, date, players, output),
        Command::Explain { player, date } => explain::explain(&config, &player, date, output),
        Command::Graph { mermaid } => graph::graph(mermaid, output),
        Command::Check => check::check(&config, output),
        Command::Config { command: ConfigCommand::Show { origin } } => show::config(&config, origin, output),
        Command::Links { spelling, player } => links::link(&config, &spelling, player, output),
        Command::Schemas { command: SchemasCommand::Check } => schemas::check(&config, output),
        Command::Schemas { command: SchemasCommand::Push { dry_run } } => {
            schemas::push(&config, dry_run, output)
        }
        Command::Topics { command } => topics::topics(&config, command, output),
        Command::Dlq { command } => dlq::dlq(&config, command, output),
        Command::Replay { command } => replay::replay(&config, command, output),
        Command::Sink { command: SinkCommand::Rebuild } => run::rebuild(&config, output),
        Command::Warehouse { command: WarehouseCommand::Ddl } => warehouse::ddl(&config, output),
        Command::Warehouse { command: WarehouseCommand::Plan } => warehouse::plan(&config, output),
        Command::Warehouse { command: WarehouseCommand::Apply } => warehouse::apply(&config, output),
        Command::Bench { seasons, files } => bench::bench(seasons, &files, output),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "fastbreak", &mut std::io::stdout());
            Ok(CommandOutcome::Done)
        }
    }
}
