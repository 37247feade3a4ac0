//! Boards, alerts and the page on operations name only what is there, and all of it.
//!
//! Invariant: every metric in a board or an alert is in the table of metrics; every alert has its section and its test.
//! Not here: whether expressions evaluate (`dashboards/check`, with a real Prometheus).
#![allow(clippy::unwrap_used, clippy::panic)]
use runtime::metrics::{ALL, MetricType};
use std::{collections::BTreeSet, path::Path};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}
/// The words of a text that are metrics' names.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("fastbreak_")).map(str::to_owned).collect()
}
/// What Prometheus has of the table.
fn exported() -> BTreeSet<String> {
    let series = |metric: &runtime::metrics::Metric| match metric.metric_type {
        MetricType::Histogram(_) => {
            ["bucket", "sum", "count"].map(|end| format!("{}_{end}", metric.name)).to_vec()
        }
        _ => vec![metric.name.to_owned()],
    };
    ALL.iter().flat_map(series).collect()
}

#[test]
fn boards_and_alerts_use_only_metrics_that_exist() {
    let exported = exported();
    for path in
        ["dashboards/grafana/boards/fastbreak.json", "dashboards/alerts.yml", "dashboards/alerts.test.yml"]
    {
        let used = names(&read(path));
        let unknown: Vec<_> = used.difference(&exported).collect();
        assert!(!used.is_empty() && unknown.is_empty(), "{path}: {unknown:?}");
    }
}

#[test]
fn the_board_shows_every_metric() {
    let board = names(&read("dashboards/grafana/boards/fastbreak.json"));
    let base = |metric: &&runtime::metrics::Metric| !board.iter().any(|name| name.starts_with(metric.name));
    let missing: Vec<_> = ALL.iter().filter(base).map(|metric| metric.name).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn every_alert_has_its_section_and_its_test() {
    let (rules, tests, page) =
        (read("dashboards/alerts.yml"), read("dashboards/alerts.test.yml"), read("docs/operations.md"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!alerts.is_empty());
    for alert in &alerts {
        assert!(page.contains(&format!("\n### {alert}\n")), "docs/operations.md lacks {alert}");
        assert!(
            tests.contains(&format!("alertname: {alert}\n        exp_alerts:\n          - ")),
            "{alert} is never seen to fire"
        );
        let anchor = format!("runbook: docs/operations.md#{}", alert.to_lowercase());
        assert!(rules.contains(&anchor), "{alert} does not lead to its section");
    }
    let sections = page.matches("\n### Fastbreak").count();
    assert_eq!(sections, alerts.len(), "a section for an alert that is gone");
}
