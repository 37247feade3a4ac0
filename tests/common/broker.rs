//! A real Kafka broker for a test. Where no broker can be started, a message is printed, and the test is skipped.
//!
//! Invariant: the broker is stopped when the [`Broker`] is dropped.
//! Not here: how a broker is started (`tests/kafka/broker`).
#![allow(dead_code, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Apache Kafka, started by `tests/kafka/broker`.
pub struct Broker {
    data: tempfile::TempDir,
    pub bootstrap: String,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/broker")
}
fn output_of(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

impl Broker {
    pub fn start(arguments: &[&str]) -> Option<Broker> {
        for tool in ["java", "mvn", "python3"] {
            if Command::new(tool).arg("--version").output().is_err() {
                eprintln!("skipped: {tool} is not installed, but is needed to start a broker");
                return None;
            }
        }
        let data = tempfile::tempdir().unwrap();
        let mut command = Command::new(script());
        command.args(["start", "--brief", "--data"]).arg(data.path().join("kafka")).args(arguments);
        let output = output_of(&mut command);
        let bootstrap = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Some(Broker { data, bootstrap })
    }
    /// Applies an action to the only node: `pause`, `resume`, `kill` or `restart`.
    pub fn node(&self, action: &str) {
        output_of(Command::new(script()).args([action, "1", "--data"]).arg(self.data.path().join("kafka")));
    }
    /// Runs one of Kafka's console tools.
    pub fn tool(&self, arguments: &[&str]) {
        let mut command = Command::new(script());
        command.args(["tool", arguments[0], "--bootstrap-server", &self.bootstrap]).args(&arguments[1..]);
        output_of(&mut command);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(Command::new(script()).args(["stop", "--data"]).arg(self.data.path().join("kafka")).output());
    }
}
