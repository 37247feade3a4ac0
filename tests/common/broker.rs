//! A real broker for a test; none where it cannot be started, with the reason.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]
use std::{path::Path, process::Command};

/// Apache Kafka by `tests/kafka/broker`, stopped when dropped.
pub struct Broker {
    data: tempfile::TempDir,
    pub bootstrap: String,
}
fn script() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/broker")
}
impl Broker {
    pub fn start(arguments: &[&str]) -> Option<Broker> {
        for tool in ["java", "mvn", "python3"] {
            if Command::new(tool).arg("--version").output().is_err() {
                eprintln!("skipped: there is no {tool} to start a broker with");
                return None;
            }
        }
        let data = tempfile::tempdir().unwrap();
        let mut command = Command::new(script());
        command.args(["start", "--brief", "--data"]).arg(data.path().join("kafka")).args(arguments);
        let started = command.output().unwrap();
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        let bootstrap = String::from_utf8(started.stdout).unwrap().trim().to_owned();
        Some(Broker { data, bootstrap })
    }
    /// `pause`, `resume`, `kill` or `restart` of the one node.
    pub fn node(&self, action: &str) {
        let data = self.data.path().join("kafka");
        let done = Command::new(script()).args([action, "1", "--data"]).arg(data).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    pub fn tool(&self, arguments: &[&str]) {
        let done = Command::new(script())
            .args(["tool", arguments[0], "--bootstrap-server", &self.bootstrap])
            .args(&arguments[1..])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}
impl Drop for Broker {
    fn drop(&mut self) {
        drop(Command::new(script()).args(["stop", "--data"]).arg(self.data.path().join("kafka")).output());
    }
}
