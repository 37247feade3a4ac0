//! The status page as a browser receives it: its files, its content security policy, and its stream of samples.
//!
//! Invariant: nothing is loaded from another server, the page has no inline script, and every subscriber gets the latest sample.
//! Not here: the visual design, how the displayed numbers are computed (crate `runtime`).
use crate::common::Server;
use console::{Input, ProcessorStatus, ProcessorStatuses};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
};

fn processors(lag: i64) -> ProcessorStatuses {
    let input = Input { topic: "core.games.v1", lag_records: lag, lag_seconds: Some(1.5) };
    let processor = ProcessorStatus {
        name: "slate",
        status: "catching_up",
        reason: "<b>3 records</b>".into(),
        lag_records: lag,
        inputs: vec![input],
        ..ProcessorStatus::default()
    };
    ProcessorStatuses {
        sample_interval_ms: 2000,
        log: "log.db".into(),
        processors: vec![processor],
        ..ProcessorStatuses::default()
    }
}
/// Returns the next JSON document that the server sends on `/events`.
fn next_report(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> serde_json::Value {
    let data = lines.map(Result::unwrap).find_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    serde_json::from_str(&data.expect("the stream ended without a sample")).unwrap()
}

#[test]
fn the_page_loads_only_files_of_this_listener() {
    let server = Server::ready();
    let (status, head, html) = server.request("GET /");
    assert_eq!(status, 200);
    assert!(head.contains("default-src 'none'; script-src 'self'"), "{head}");
    assert!(!head.contains("unsafe"), "{head}");
    for attribute in ["src=\"", "href=\""] {
        for path in html.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
            if !path.starts_with("data:") {
                assert_eq!(server.request(&format!("GET {path}")).0, 200, "{path}");
            }
        }
    }
    assert!(!html.contains("<style") && !html.contains("style=") && !html.contains("onclick"));
    assert!(
        html.split("<script").skip(1).all(|script| script.contains("></script>")),
        "the page has an inline script"
    );
}

#[test]
fn every_element_that_the_script_uses_is_in_the_page() {
    let server = Server::ready();
    let (html, js) = (server.request("GET /").2, server.request("GET /console.js").2);
    let wanted: BTreeSet<&str> =
        js.split("at(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(wanted.len() > 4, "{wanted:?}");
    for id in wanted {
        assert!(html.contains(&format!("id=\"{id}\"")), "{id}");
    }
    assert!(!js.contains("innerHTML"), "the script inserts text as markup");
    let heads = html.matches("<th scope=\"col\"").count();
    assert!(js.contains(&format!("colSpan = {heads}")), "the full-width cell does not span all columns");
}

#[test]
fn script_and_style_sheet_cover_every_status() {
    let server = Server::ready();
    let (js, css) = (server.request("GET /console.js").2, server.request("GET /console.css").2);
    for status in ["catching_up", "falling_behind", "stalled", "stopped", "rewound", "losing_data", "ok"] {
        assert!(js.contains(&format!("{status}: \"")), "{status}");
        assert!(css.contains(&format!(".pill.{status}")), "{status}");
    }
    assert!(css.contains("prefers-color-scheme: dark"));
}

#[test]
fn a_subscriber_gets_the_current_report_and_each_later_one() {
    let server = Server::ready();
    server.publisher.publish(&processors(7)).unwrap();
    let stream = server.connect("GET /events");
    let mut lines = BufReader::new(stream).lines();
    let head: Vec<String> = lines.by_ref().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    assert!(head.iter().any(|line| line.eq_ignore_ascii_case("content-type: text/event-stream")), "{head:?}");
    let first = next_report(&mut lines);
    assert_eq!(first["processors"][0]["name"], "slate");
    assert_eq!(first["processors"][0]["lag_records"], 7);
    server.publisher.publish(&processors(6)).unwrap();
    assert_eq!(next_report(&mut lines)["processors"][0]["lag_records"], 6);
    // A request for `/processors` returns the same sample.
    let (status, _, body) = server.request("GET /processors");
    assert_eq!(
        (status, serde_json::from_str::<serde_json::Value>(&body).unwrap()["log"].as_str()),
        (200, Some("log.db"))
    );
}

#[test]
fn a_subscriber_does_not_delay_shutdown() {
    let server = Server::ready();
    let mut lines = BufReader::new(server.connect("GET /events")).lines();
    lines.next().unwrap().unwrap();
    server.stop();
}

#[test]
fn metrics_are_served_in_the_openmetrics_format() {
    let (status, head, body) = Server::ready().request("GET /metrics");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(body.ends_with("# EOF\n"));
}
