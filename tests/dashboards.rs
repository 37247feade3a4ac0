//! Compares the dashboard, the alerts and the operations page with the metrics that the program exports.
//!
//! Invariant: every metric in the dashboard or an alert is in the table of metrics, and the dashboard shows all metrics of that table;
//! every alert has a section on the operations page and a test.
//! Not here: evaluating the expressions (`dashboards/check`, with a real Prometheus).
#![allow(clippy::unwrap_used, clippy::panic)]
use runtime::metrics::{ALL, Metric, MetricType};
use std::{collections::BTreeSet, path::Path};

const DASHBOARD: &str = "dashboards/grafana/boards/fastbreak.json";
const ALERTS: &str = "dashboards/alerts.yml";
const ALERT_TESTS: &str = "dashboards/alerts.test.yml";

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}
/// Returns the words of a text that are names of metrics.
fn metric_names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("fastbreak_")).map(str::to_owned).collect()
}
/// Returns the names of the time series that Prometheus stores for all metrics.
fn series_names() -> BTreeSet<String> {
    let series = |metric: &Metric| match metric.metric_type {
        MetricType::Histogram(_) => {
            ["bucket", "sum", "count"].map(|suffix| format!("{}_{suffix}", metric.name)).to_vec()
        }
        _ => vec![metric.name.to_owned()],
    };
    ALL.iter().flat_map(series).collect()
}

#[test]
fn the_dashboard_and_the_alerts_use_only_metrics_that_exist() {
    let series = series_names();
    for path in [DASHBOARD, ALERTS, ALERT_TESTS] {
        let used = metric_names(&read(path));
        let unknown: Vec<_> = used.difference(&series).collect();
        assert!(
            !used.is_empty() && unknown.is_empty(),
            "{path} uses no metric, or metrics that do not exist: {unknown:?}"
        );
    }
}

#[test]
fn the_dashboard_shows_every_metric() {
    let used = metric_names(&read(DASHBOARD));
    let is_missing = |metric: &&Metric| !used.iter().any(|name| name.starts_with(metric.name));
    let missing: Vec<_> = ALL.iter().filter(is_missing).map(|metric| metric.name).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn every_alert_has_a_section_and_a_test() {
    let (rules, tests, page) = (read(ALERTS), read(ALERT_TESTS), read("docs/operations.md"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!alerts.is_empty());
    for alert in &alerts {
        assert!(page.contains(&format!("\n### {alert}\n")), "docs/operations.md has no section {alert}");
        let firing = format!("alertname: {alert}\n        exp_alerts:\n          - ");
        assert!(tests.contains(&firing), "{ALERT_TESTS} has no test in which {alert} fires");
        let runbook = format!("runbook: docs/operations.md#{}", alert.to_lowercase());
        assert!(rules.contains(&runbook), "{alert} has no link to its section in docs/operations.md");
    }
    let sections = page.matches("\n### Fastbreak").count();
    assert_eq!(sections, alerts.len(), "docs/operations.md has a section for an alert that does not exist");
}
