//! The command line: commands and flags, and the dispatch to the code of each command.
//!
//! Results go to standard output, progress and other text to standard error.
//! Invariant: an error message states what failed, where and why, and the command to run next.
//! Not here: the commands themselves (one file each), exit codes (`outcome`).
mod audit;
mod backtest;
mod backup;
mod bench;
mod cat;
mod color;
mod control_characters;
mod demo;
mod dlq;
mod doctor;
mod examples;
mod explain;
mod grade;
pub mod graph;
mod ingest;
mod init;
mod key_flags;
mod lag;
mod links;
mod logging;
mod man;
mod names;
mod outcome;
mod output;
mod replay;
mod restore;
mod retract;
mod run;
mod schemas;
mod show;
mod signals;
mod sink;
mod slate;
mod stderr;
#[cfg(test)]
mod tests;
mod topics;
mod train;
mod warehouse;

use crate::{
    app::App,
    config::{Config, ConfigError, Origin, keys::DATA},
    error_chain::error_chain,
    run::RunOptions,
    sink_rebuild::RebuildOptions,
};
use ::schemas::{EasternDate, GameId};
use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand};
use control_characters::escape;
use key_flags::KeyFlags;
use logging::LogFormat;
use outcome::CommandOutcome;
use output::Output;
use std::{path::PathBuf, process::ExitCode};
use stderr::eprint_line;

/// An event-sourced stream processor: raw NBA scraper events in, player-points predictions out
#[derive(Parser)]
#[command(name = "fastbreak", version, about, after_help = format!("{}\n\n{EXIT_CODES}", examples::FASTBREAK))]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}
const EXIT_CODES: &str = "Exit codes: 0 success; 1 error, or the result is not balanced; 2 usage error or wrong configuration; 3 differences found, or a status of `lag --fail-on`; \
     4 precondition failed, not authorized, fenced or DLQ limit exceeded; 5 a server is unreachable.";

#[derive(Args)]
struct Global {
    #[command(flatten)]
    keys: KeyFlags,
    /// Configuration file [default: fastbreak.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Output format of the result
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Format of log messages on standard error
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Subcommand)]
enum Command {
    /// Run a simulated game day through the topology; print its slate and coverage
    #[command(after_help = examples::DEMO)]
    Demo {
        /// Seed of the simulated league
        #[arg(long, default_value_t = 7)]
        seed: u64,
    },
    /// Append scraper events to the raw topics, from JSONL files, also compressed with gzip or zstd, or standard input (-)
    #[command(after_help = examples::INGEST)]
    Ingest {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Run all processors and the sink
    #[command(after_help = examples::RUN)]
    Run {
        /// Exit with 0 when every processor and the sink have caught up
        #[arg(long)]
        until_caught_up: bool,
        /// Run only these processors
        #[arg(long, value_delimiter = ',', value_name = "NAME")]
        only: Vec<String>,
        /// Make dead letters of all unusable records that these processors find among the records that are in the log when the run
        /// starts; the DLQ limits apply to later records only
        #[arg(long, value_delimiter = ',', value_name = "NAME")]
        accept_dead_letters: Vec<String>,
    },
    /// Show the consumer lag of every processor, in records and in time, its owner, and the age of the newest event of each feed
    #[command(after_help = lag::EXAMPLES)]
    Lag(lag::LagArguments),
    /// Check record accounting, list parked records and content hashes, reconcile warehouse and log; exit code 1 if not balanced
    #[command(after_help = examples::AUDIT)]
    Audit,
    /// Show the prediction error, the betting results and the calibration of each prediction system
    #[command(after_help = examples::GRADE)]
    Grade(grade::GradeArguments),
    /// Train the model of `learned_v1` on the seasons in the log, and measure it; refused if the audit does not balance
    #[command(after_help = train::EXAMPLES)]
    Train(train::TrainArguments),
    /// Measure models of `learned_v1`: each season of a range is forecast by a model of the earlier seasons
    #[command(after_help = backtest::EXAMPLES)]
    Backtest(backtest::BacktestArguments),
    /// Show the games of a date and the data that is missing for each game; exit code 1 if any is missing
    #[command(after_help = examples::STATUS)]
    Status { date: EasternDate },
    /// Show how many candidates of a date have a prediction, and why the others have none
    #[command(after_help = examples::COVERAGE)]
    Coverage {
        date: EasternDate,
        /// List every candidate
        #[arg(long)]
        players: bool,
    },
    /// Show every event, feature and version that a prediction was made from
    #[command(after_help = examples::EXPLAIN)]
    Explain {
        /// nba.com player id, or the player's name
        player: String,
        date: EasternDate,
        /// Game id, if the player is a candidate of several games of the date
        #[arg(long, value_name = "GAME")]
        game: Option<GameId>,
    },
    /// Print the records of a topic, decoded, one JSON object per line; exit code 1 if a record cannot be decoded
    #[command(after_help = cat::EXAMPLES)]
    Cat(cat::CatArguments),
    /// Show the topology: each processor with its input and output topics
    #[command(after_help = examples::GRAPH)]
    Graph {
        /// Print a Mermaid flowchart
        #[arg(long)]
        mermaid: bool,
    },
    /// Examine configuration, log, warehouse, schemas and processors; print one verdict, and the command that mends each failure
    #[command(after_help = examples::DOCTOR)]
    Doctor {
        /// Check only where a run would do harm (for a service's start): damage, files that do not belong together, a wrong clock
        #[arg(long)]
        quick: bool,
    },
    /// Inspect the configuration, or write an example of a configuration file
    #[command(after_help = examples::CONFIG)]
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Append an event that links a spelling to a player or to nobody, whatever the rules match; past games are then looked up again, and
    /// what was issued before stands
    #[command(after_help = links::EXAMPLES)]
    Links(links::LinksArguments),
    /// List the names that refer to no player; link spellings that sources confuse
    #[command(after_help = examples::NAMES)]
    Names {
        #[command(subcommand)]
        command: names::NamesCommand,
    },
    /// Retract raw events: from now on they count as never fetched; what was issued before stands. Without --yes, preview only
    #[command(after_help = examples::RETRACT)]
    Retract(retract::RetractArguments),
    /// Write a backup of log and warehouse into a new folder, also while a run writes to them; on Kafka, of the raw events
    #[command(after_help = backup::EXAMPLES)]
    Backup {
        /// Folder to create
        #[arg(value_name = "FOLDER")]
        target: PathBuf,
    },
    /// Restore a backup into the data folder, after verifying it; if there is a log or a warehouse, without --yes, preview only. On Kafka,
    /// add the raw events that the topics do not have
    #[command(after_help = restore::EXAMPLES)]
    Restore(restore::RestoreArguments),
    /// Check and register the Avro schemas
    #[command(after_help = examples::SCHEMAS)]
    Schemas {
        #[command(subcommand)]
        command: SchemasCommand,
    },
    /// Manage the topics of a Kafka cluster
    #[command(after_help = examples::TOPICS)]
    Topics {
        #[command(subcommand)]
        command: topics::TopicsCommand,
    },
    /// List, show, redrive and purge dead letters
    #[command(after_help = examples::DLQ)]
    Dlq {
        #[command(subcommand)]
        command: dlq::DlqCommand,
    },
    /// Reprocess the raw topics into a namespace and compare the result with the live warehouse
    #[command(after_help = examples::REPLAY)]
    Replay {
        #[command(subcommand)]
        command: replay::ReplayCommand,
    },
    /// Manage the sink
    #[command(after_help = examples::SINK)]
    Sink {
        #[command(subcommand)]
        command: SinkCommand,
    },
    /// Show and apply the definitions of the warehouse's tables and views
    #[command(after_help = examples::WAREHOUSE)]
    Warehouse {
        #[command(subcommand)]
        command: WarehouseCommand,
    },
    /// Measure the CPU time per record of each processor over a simulated season
    #[command(after_help = examples::BENCH)]
    Bench {
        /// Number of simulated seasons, processed one after the other
        #[arg(long, default_value_t = 1)]
        seasons: u16,
        /// Files of events to process instead of simulated seasons, one after the other
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Print the script that makes a shell complete `fastbreak` commands
    #[command(after_help = examples::COMPLETIONS)]
    Completions { shell: clap_complete::Shell },
    /// Write the man pages of all commands into a folder
    #[command(after_help = examples::MAN)]
    Man {
        /// Folder of the pages; created if it does not exist
        folder: PathBuf,
    },
}
#[derive(Subcommand)]
enum ConfigCommand {
    /// Show the value of every key
    #[command(after_help = examples::CONFIG_SHOW)]
    Show {
        /// Also show the origin of each value
        #[arg(long)]
        origin: bool,
    },
    /// Write a configuration file in which every key is explained and commented out; exit code 4 if the file exists
    #[command(after_help = examples::CONFIG_INIT)]
    Init {
        /// File to write, or - for standard output [default: the file of --config, else fastbreak.toml]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}
#[derive(Subcommand)]
enum SchemasCommand {
    /// Check that each schema can read its earlier versions and, if a registry is configured, is registered there; exit code 3 if not
    #[command(after_help = examples::SCHEMAS_CHECK)]
    Check,
    /// Register missing schemas at compatibility level BACKWARD_TRANSITIVE; exit code 4 if one is incompatible with a registered version
    #[command(after_help = examples::SCHEMAS_PUSH)]
    Push {
        /// Show what would be registered, and change nothing; exit code 3 if anything is missing
        #[arg(long)]
        dry_run: bool,
    },
}
#[derive(Subcommand)]
enum SinkCommand {
    /// Write all rows again from offset 0 in a new warehouse epoch; without --yes, preview only
    #[command(after_help = examples::SINK_REBUILD)]
    Rebuild {
        /// Rebuild the warehouse even if another log owns it; the rows of that log are deleted at the end of the rebuild
        #[arg(long)]
        take_over: bool,
        /// Begin the rebuild
        #[arg(long)]
        yes: bool,
    },
}
#[derive(Subcommand)]
enum WarehouseCommand {
    /// Print the DDL statements of all tables and views
    #[command(after_help = examples::WAREHOUSE_DDL)]
    Ddl,
    /// Show the statements that would create what is missing in the warehouse; exit code 3 if anything is missing
    #[command(after_help = examples::WAREHOUSE_PLAN)]
    Plan,
    /// Create what is missing in the warehouse
    #[command(after_help = examples::WAREHOUSE_APPLY)]
    Apply,
}

/// Parses the command line, runs the command and returns the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // The message of a usage error has the argument as it was written.
        Err(error) if error.use_stderr() && error.to_string() != escape(&error.to_string()) => {
            eprint_line(&error.to_string());
            return CommandOutcome::Misconfigured.into();
        }
        Err(error) => error.exit(),
    };
    match logging::start(cli.global.log_format).map_err(Into::into).and_then(|()| dispatch(cli)) {
        Ok(outcome) => outcome.into(),
        Err(error) if outcome::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprint_line(&format!("error: {}", error_chain(&error)));
            ExitCode::from(outcome::error_exit_code(&error))
        }
    }
}

/// Resolves the configuration from file, environment and global flags. A command that uses no configuration gets the default values, so
/// that it works even if the configuration is wrong.
fn resolve_config(cli: &Cli) -> Result<Config, ConfigError> {
    match &cli.command {
        Command::Config { command: ConfigCommand::Init { .. } }
        | Command::Completions { .. }
        | Command::Man { .. } => Config::defaults(),
        _ => {
            let environment = std::env::vars_os().collect();
            Config::resolve(cli.global.config.as_deref(), &environment, cli.global.keys.values())
        }
    }
}

fn dispatch(cli: Cli) -> Result<CommandOutcome> {
    let (config, output) = (resolve_config(&cli)?, cli.global.output);
    let app = App::new(&config);
    match cli.command {
        Command::Demo { seed } => {
            let has_data_flag = matches!(config.origin(&DATA), Origin::Flag(_));
            demo::demo(&App::for_demo(&config, has_data_flag, seed), seed, output)
        }
        Command::Ingest { files } => ingest::ingest(&app, &files, output),
        Command::Run { until_caught_up, only, accept_dead_letters } => {
            let accept_dead_letters = accept_dead_letters.as_slice();
            run::run(&app, RunOptions { until_caught_up, only: &only, accept_dead_letters }, output)
        }
        Command::Lag(arguments) => lag::lag(&app, arguments, output),
        Command::Audit => audit::audit(&app, output),
        Command::Grade(arguments) => grade::grade(&app, arguments, output),
        Command::Train(arguments) => train::train(&app, &arguments, output),
        Command::Backtest(arguments) => backtest::backtest(&app, &arguments, output),
        Command::Status { date } => slate::status(&app, date, output),
        Command::Coverage { date, players } => slate::coverage(&app, date, players, output),
        Command::Explain { player, date, game } => explain::explain(&app, (&player, date, game), output),
        Command::Cat(arguments) => cat::cat(&app, arguments),
        Command::Graph { mermaid } => graph::graph(mermaid, output),
        Command::Doctor { quick } => doctor::doctor(&app, quick, output),
        Command::Config { command } => match command {
            ConfigCommand::Show { origin } => show::config(&config, origin, output),
            ConfigCommand::Init { file } => init::init(file.or(cli.global.config), output),
        },
        Command::Links(arguments) => links::link(&app, &arguments, output),
        Command::Names { command } => names::names(&app, &command, output),
        Command::Retract(arguments) => retract::retract(&app, &arguments, output),
        Command::Backup { target } => backup::backup(&app, &target, output),
        Command::Restore(arguments) => restore::restore(&app, &arguments, output),
        Command::Schemas { command } => match command {
            SchemasCommand::Check => schemas::check(&app, output),
            SchemasCommand::Push { dry_run } => schemas::push(&app, dry_run, output),
        },
        Command::Topics { command } => topics::topics(&app, command, output),
        Command::Dlq { command } => dlq::dlq(&app, command, output),
        Command::Replay { command } => replay::replay(&app, command, output),
        Command::Sink { command: SinkCommand::Rebuild { take_over, yes } } => {
            sink::rebuild(&app, RebuildOptions { take_over, is_confirmed: yes }, output)
        }
        Command::Warehouse { command } => match command {
            WarehouseCommand::Ddl => warehouse::ddl(&app, output),
            WarehouseCommand::Plan => warehouse::plan(&app, output),
            WarehouseCommand::Apply => warehouse::apply(&app, output),
        },
        Command::Bench { seasons, files } => bench::bench(seasons, &files, output),
        Command::Completions { shell } => {
            // `generate` panics if it cannot write, so it writes to memory.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "fastbreak", &mut script);
            output::write(&String::from_utf8_lossy(&script))?;
            Ok(CommandOutcome::Done)
        }
        Command::Man { folder } => man::man(Cli::command(), &folder, output),
    }
}
