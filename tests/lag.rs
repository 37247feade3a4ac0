//! Lag and metrics of the binary: from another process, before, while and after processors run.
//!
//! Invariant: what `lag`, the page and the metrics say is what the log and the accounts say.
//! Not here: how a lag is judged (crate `runtime`), the HTTP service (crate `console`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, season};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

fn get(addr: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(addr).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1200 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what} did not happen within a minute")
}
fn stages(report: &Value) -> &Vec<Value> {
    report["stages"].as_array().expect("stages")
}

#[test]
fn lag_counts_what_waits_and_what_nobody_runs_is_stopped() {
    let run = Fastbreak::new();
    let lines = season();
    let (half, rest) = lines.split_at(lines.len() / 2);
    run.ingest(half);
    run.catch_up();
    let report = run.json(&["lag"]);
    assert_eq!(stages(&report).len(), 12);
    for stage in stages(&report) {
        assert_eq!((&stage["lag_records"], &stage["lag_seconds"]), (&0.into(), &0.0.into()), "{stage:#}");
        assert_eq!(stage["status"], "stopped");
    }
    let new = run.ingest(rest)["new"].as_i64().unwrap();
    let report = run.json(&["lag"]);
    let loaders = stages(&report).iter().filter(|s| s["processor"].as_str().unwrap().ends_with("-loader"));
    let behind: i64 = loaders.clone().map(|stage| stage["lag_records"].as_i64().unwrap()).sum();
    assert_eq!(behind, new, "every raw event waits for the one loader that reads it");
    for stage in loaders.filter(|stage| stage["lag_records"] != 0) {
        assert!(stage["lag_seconds"].as_f64().unwrap() > 0.0, "{stage:#}");
        assert!(stage["reason"].as_str().unwrap().contains("no process runs it"));
    }
    run.catch_up();
    assert!(stages(&run.json(&["lag"])).iter().all(|stage| stage["lag_records"] == 0));
}

#[test]
fn a_running_process_shows_its_lag_and_counts_what_it_commits() {
    let run = Fastbreak::new();
    let lines = season();
    run.ingest(&lines);
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = run.command(&["run"]).env("FASTBREAK_CONSOLE", addr.to_string()).spawn().unwrap();
    let shown = until("every stage at the end", || {
        let shown: Value = serde_json::from_str(&get(addr, "/stages")?).ok()?;
        let at_end = |s: &Value| s["lag_records"] == 0 && (s["status"] == "ok" || s["status"] == "idle");
        let stages = shown["stages"].as_array()?;
        (stages.len() == 12 && stages.iter().all(at_end)).then_some(shown)
    });
    assert_eq!(shown["trouble"], Value::Null);
    // From another process: somebody runs it.
    let report = run.json(&["lag"]);
    assert!(stages(&report).iter().all(|stage| stage["status"] != "stopped"), "{report:#}");
    let text = get(addr, "/metrics").unwrap();
    let value = |name: &str, labels: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(&format!("{name}{{{labels}}}")));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or_else(|| panic!("{name} {labels} in\n{text}"))
    };
    let audit = run.json(&["audit"]);
    for account in audit["processors"].as_array().unwrap() {
        let name = account["processor"].as_str().unwrap();
        let read = value("fastbreak_records_read_total", &format!("processor=\"{name}\""));
        assert_eq!(read, account["read"].as_f64().unwrap(), "{name}");
        let ends = ["applied", "unchanged", "parked", "rejected"];
        let of =
            |end| value("fastbreak_records_accounted", &format!("processor=\"{name}\",outcome=\"{end}\""));
        assert_eq!(ends.into_iter().map(of).sum::<f64>(), read, "{name}");
    }
    assert!(value("fastbreak_sink_rows_total", "processor=\"windowed-sink\"") > 0.0);
    assert_eq!(value("fastbreak_sink_batches_in_flight", "processor=\"windowed-sink\""), 0.0);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(stages(&run.json(&["lag"])).iter().all(|stage| stage["status"] == "stopped"));
}
