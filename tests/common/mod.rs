//! Code that the tests of the binary share: creates a data folder, runs commands on it, and returns their output as JSON.
//!
//! Invariant: every [`Fastbreak`] has a folder of its own, so that tests can run in parallel.
//! Not here: a broker (`broker`).
#![allow(dead_code, clippy::expect_used)]
pub mod broker;
use rusqlite::Connection;
use serde_json::Value;
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A data folder and the binary that works on it.
pub struct Fastbreak {
    pub folder: tempfile::TempDir,
    /// Address of the schema registry. If it is `None`, records have schema ids that are computed from the schemas.
    pub registry: Option<String>,
    /// The Kafka brokers of the log; `None` for the embedded log.
    pub brokers: Option<String>,
}
impl Fastbreak {
    pub fn new() -> Self {
        Fastbreak { folder: tempfile::tempdir().expect("a folder"), registry: None, brokers: None }
    }
    /// Creates a folder whose log is on a broker, and creates the topics on this broker.
    pub fn on_broker(broker: &broker::Broker) -> Self {
        let run = Fastbreak { brokers: Some(broker.bootstrap.clone()), ..Fastbreak::new() };
        run.json(&["topics", "apply", "--yes"]);
        run
    }
    /// Ingests and processes these lines with a new embedded log, without interruptions.
    pub fn straight(lines: &[String]) -> Self {
        let straight = Fastbreak::new();
        straight.ingest(lines);
        straight.catch_up();
        straight
    }
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastbreak"));
        command.arg("--data").arg(self.folder.path()).args(["--output", "json"]).args(arguments);
        command.stdin(Stdio::null()).envs(self.registry.iter().map(|url| ("FASTBREAK_REGISTRY", url)));
        command.envs(self.brokers.iter().map(|list| ("FASTBREAK_BROKERS", list)));
        // The session timeout is short, because tests wait until the sessions of killed members expire.
        command.env("FASTBREAK_KAFKA_SESSION_TIMEOUT_MS", "6000");
        command
    }
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }
    /// Runs a command, which must exit with 0; returns its JSON output.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?} ended with {}: {stderr}", output.status);
        serde_json::from_slice(&output.stdout).expect("JSON on standard output")
    }
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts")
    }
    /// Writes lines into a file of the folder; returns its path.
    pub fn file(&self, name: &str, lines: &[String]) -> PathBuf {
        let path = self.folder.path().join(name);
        let mut file = std::fs::File::create(&path).expect("a file");
        for line in lines {
            writeln!(file, "{line}").expect("written");
        }
        path
    }
    pub fn ingest(&self, lines: &[String]) -> Value {
        let path = self.file("events.jsonl", lines);
        self.json(&["ingest", text(&path)])
    }
    pub fn catch_up(&self) -> Value {
        self.json(&["run", "--until-caught-up"])
    }
    /// Waits until a condition is true for every processor in `fastbreak lag`.
    pub fn wait_for_lag(&self, condition: impl Fn(&Value) -> bool) {
        let started = Instant::now();
        loop {
            let lag = self.json(&["lag"]);
            if lag["processors"].as_array().expect("processors").iter().all(&condition) {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(180), "{lag:#}");
            thread::sleep(Duration::from_millis(500));
        }
    }
    /// Runs `audit`, which fails the test if record accounting does not balance; returns the content hashes in its output.
    pub fn content(&self) -> Value {
        let output = self.run(&["audit"]);
        let audit: Value = serde_json::from_slice(&output.stdout).expect("JSON on standard output");
        assert_eq!(audit["balanced"], true, "{:#}", audit["processors"]);
        serde_json::json!({"topics": audit["topics"], "warehouse": audit["warehouse"]})
    }
}

/// True if a process runs the processor. `processor` is an entry in the output of `fastbreak lag`.
pub fn has_member(processor: &Value) -> bool {
    processor["status"] != "stopped"
}
/// True if a process runs the processor, and the processor has read all records of its inputs.
pub fn has_read_all(processor: &Value) -> bool {
    has_member(processor) && processor["lag_records"] == 0
}

/// Copies a database and the files next to it from one folder to another; removes those that the first folder does not have.
pub fn copy_database(name: &str, from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let file = format!("{name}{suffix}");
        _ = std::fs::remove_file(to.join(&file));
        if from.join(&file).exists() {
            std::fs::copy(from.join(&file), to.join(&file)).expect("copied");
        }
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// Returns the first and last date of the middle third of all game dates in a live warehouse.
pub fn middle_dates(live: &Fastbreak) -> (String, String) {
    let db = Connection::open(live.folder.path().join("warehouse.db")).expect("a warehouse");
    let days = "SELECT DISTINCT game_date FROM player_slate ORDER BY 1";
    let mut days = db.prepare(days).expect("a table player_slate");
    let days: Vec<String> =
        days.query_map([], |row| row.get(0)).expect("days").map(|day| day.expect("a day")).collect();
    (days[days.len() / 3].clone(), days[2 * days.len() / 3].clone())
}
pub fn replay_arguments<'a>((from, to): &'a (String, String), name: &'a str) -> [&'a str; 8] {
    ["replay", "run", "--from", from, "--to", to, "--namespace", name]
}

/// Returns the events of a season, one line of JSON each. `TEST_SEASON_FILE` is the path of a file with these lines. If it is not
/// set, the season is a small simulated one with every fault.
pub fn season() -> Vec<String> {
    match std::env::var("TEST_SEASON_FILE") {
        Ok(path) => {
            let file = std::fs::File::open(&path).expect("the season's file");
            let bytes = zstd::decode_all(file).expect("zstd");
            String::from_utf8(bytes).expect("text").lines().map(str::to_owned).collect()
        }
        Err(_) => {
            let mut season = simulator::Season::new(11, 2023);
            (season.teams, season.games_per_team) = (8, 12);
            season.faults = simulator::Faults::all(0.2);
            season.events().iter().map(simulator::ScraperEvent::to_jsonl).collect()
        }
    }
}

/// Random numbers from a seed (SplitMix64).
pub struct Chance(pub u64);
impl Chance {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}
