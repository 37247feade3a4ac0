//! Operations of the warehouse that take longer than one call: the sink task and the reconciliation continue them, and count no failure.
//!
//! Invariant: the clock of the fake of BigQuery is simulated, so a slow operation takes no real time.
//! Not here: how BigQuery's jobs and queries are continued (`sinks/tests/fake_bigquery/waits.rs`).

use crate::common::Fastbreak;
use crate::fakebq;
use crate::fakebq::Fake;
use crate::fault_injection::{batches, deliver, deliver_to, fake, part, sink_config};
use fastbreak::warehouse::path_in;
use runtime::subscription::RunContext;
use runtime_embedded::EmbeddedLog;
use sinks::{BigQuery, Progress, Sqlite, Warehouse, reconciler::Reconciler, task::SinkConfig};
use std::{sync::Arc, time::Duration};

/// Number of responses that report a query as running. A call polls a query 120 times, so each query needs two calls.
const RUNNING_RESPONSES: usize = 150;

/// Runs the sink with slow jobs and queries until it has caught up.
fn deliver_slowly(fastbreak: &Fastbreak, fake: &Fake, sink_config: SinkConfig) -> Metrics {
    let (config, run_context) = (fake.config(), Arc::new(RunContext::default()));
    fake.with(|service| service.takes_ms = 100_000);
    fake.respond_slowly(RUNNING_RESPONSES);
    let open_warehouse =
        move || -> Result<Box<dyn Warehouse>, _> { Ok(Box::new(BigQuery::connect(config.clone())?)) };
    deliver_to(fastbreak, Box::new(open_warehouse), sink_config, None, run_context.clone()).unwrap();
    fake.respond_slowly(0);
    Metrics(run_context.metrics.text().unwrap())
}
struct Metrics(String);
impl Metrics {
    /// Returns the value of a counter of the sink; `None` if nothing was counted.
    fn count(&self, name: &str, labels: &str) -> Option<usize> {
        let series = format!("fastbreak_sink_{name}_total{{processor=\"windowed-sink\"{labels}}} ");
        self.0.lines().find_map(|line| line.strip_prefix(series.as_str())?.parse().ok())
    }
    fn reconciliations(&self, outcome: &str) -> Option<usize> {
        self.count("reconciliations", &format!(",outcome=\"{outcome}\""))
    }
    fn assert_without_failure(&self) {
        let failures = ["fastbreak_sink_errors_total{", "fastbreak_sink_failures_total{"];
        assert!(failures.iter().all(|name| !self.0.contains(name)), "{}", self.0);
    }
}

#[test]
fn a_run_with_slow_jobs_and_queries_writes_everything_once_and_counts_no_failure() {
    let (fastbreak, fake) = (part(12), Fake::start());
    let metrics = deliver_slowly(&fastbreak, &fake, sink_config(1_000_000));
    let statistics = fake.statistics();
    assert_eq!((statistics.effective_merges, statistics.merges), (batches(&fake), batches(&fake)));
    assert!(metrics.count("attempts", "").unwrap() > batches(&fake));
    assert_eq!(metrics.reconciliations("match"), Some(1));
    metrics.assert_without_failure();
    let local = part(12);
    deliver(&local, None, 1_000_000, None).unwrap();
    let expected = Sqlite::open(&path_in(local.folder.path())).unwrap().content_hashes().unwrap();
    assert_eq!(fake.connect().content_hashes().unwrap(), expected);
}

#[test]
fn a_stop_during_a_periodic_reconciliation_skips_it_and_is_no_failure() {
    let (fastbreak, fake) = (part(12), Fake::start());
    // The process stops when it has caught up, just before the periodic reconciliation sends its first query.
    let sink_config = SinkConfig { reconcile_interval: Duration::from_millis(1), ..sink_config(1_000_000) };
    let metrics = deliver_slowly(&fastbreak, &fake, sink_config);
    let outcomes = ["skipped", "match", "error"].map(|outcome| metrics.reconciliations(outcome));
    assert_eq!(outcomes, [Some(1), Some(1), None], "{}", metrics.0);
    metrics.assert_without_failure();
}

#[test]
fn a_reconciliation_with_slow_queries_compares_twice_and_reports_a_lost_row() {
    let (fastbreak, fake) = (part(12), fake());
    deliver(&fastbreak, Some(&fake), 1_000_000, None).unwrap();
    fake.with(|service| {
        let lost = service.records.rows.iter().position(|row| fakebq::text(row, "input") == "predictions");
        service.records.rows[lost.unwrap()].insert("deleted".into(), true.into());
    });
    fake.respond_slowly(RUNNING_RESPONSES);
    let queries =
        || fake.calls().iter().filter(|call| call.starts_with("POST") && call.contains("/queries")).count();
    let mut log = EmbeddedLog::open(fastbreak.folder.path()).unwrap();
    let (warehouse, mut reconciler, before) = (fake.connect(), Reconciler::default(), queries());
    let mut pending = Vec::new();
    let reconciliation = loop {
        assert!(pending.len() < 10, "{pending:?}");
        match reconciler.reconcile(&mut log, &warehouse, &|| false).unwrap() {
            Progress::Done(reconciliation) => break reconciliation,
            Progress::Pending(what) => pending.push(what),
        }
    };
    // The queries are the writer state and the control totals of two comparisons.
    assert_eq!((queries() - before, pending.len()), (3, 3), "{pending:?}");
    let rows: Vec<_> =
        reconciliation.mismatches.iter().map(|m| (m.rows_in_log, m.rows_in_warehouse)).collect();
    assert!(matches!(rows[..], [(log, warehouse)] if log == warehouse + 1), "{rows:?}");
}
