//! Tests the binary with BigQuery as its warehouse: one log is written to BigQuery and SQLite, despite faults, and their tables are
//! compared. Also tests the metrics and messages, which must not contain credentials.
//!
//! Invariant: the tables of both warehouses have equal content.
//! Not here: crash points and random schedules of faults (crate `sinks`).

use crate::common;
use crate::common::{Fastbreak, season};
use crate::fakebq;
use crate::fakebq::{Call, Fake, Fault, FaultResponse};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
};

/// Runs the binary with BigQuery at this endpoint as its warehouse.
fn run(fastbreak: &Fastbreak, endpoint: &str, dataset: &str, arguments: &[&str]) -> Output {
    let mut command: Command = fastbreak.command(arguments);
    command
        .env("FASTBREAK_WAREHOUSE", "bigquery")
        .env("FASTBREAK_BIGQUERY_ENDPOINT", endpoint)
        .env(
            "FASTBREAK_BIGQUERY_PROJECT",
            std::env::var("FASTBREAK_BIGQUERY_PROJECT").unwrap_or(fakebq::PROJECT.into()),
        )
        .env("FASTBREAK_BIGQUERY_DATASET", dataset)
        .env("FASTBREAK_LOG", "trace");
    command.output().unwrap()
}
/// Returns the content hashes of the warehouse tables in the output of `audit`.
fn tables(output: &Output) -> Value {
    let audit: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    audit["warehouse"].clone()
}

#[test]
fn one_log_makes_equal_tables_in_both_warehouses_despite_faults() {
    let fake = Fake::start();
    fake.tick();
    fake.with(|service| service.takes_ms = 50);
    // Injects only faults after which the sink retries without a pause. Pauses are tested with a simulated clock (crate `sinks`).
    fake.fail(Call::Insert, 1, Fault::ResponseLost);
    fake.fail(Call::Insert, 0, Fault::Responds(FaultResponse::Html, true));
    let fastbreak = Fastbreak::new();
    let demo = fastbreak.json(&["demo"]);
    let local = tables(&fastbreak.run(&["audit"]));
    let ran = run(&fastbreak, &fake.endpoint(), fakebq::DATASET, &["run", "--until-caught-up"]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let audit = run(&fastbreak, &fake.endpoint(), fakebq::DATASET, &["audit"]);
    assert_eq!(tables(&audit), local);
    assert!(fake.rows("predictions") > 10_000);
    let statistics = fake.statistics();
    assert_eq!((statistics.max_in_flight, fake.duplicate_keys(), statistics.mixed_ids), (1, 0, 0));
    // Commands that only read print the same for both warehouses.
    let date = demo["date"].as_str().unwrap();
    for arguments in
        [&["status", date][..], &["coverage", date, "--players"], &["grade", "--from", date, "--to", date]]
    {
        let output = run(&fastbreak, &fake.endpoint(), fakebq::DATASET, arguments);
        let local = fastbreak.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status, &output.stdout), (local.status, &local.stdout), "{arguments:?}: {stderr}");
    }
    // A second run has nothing to write.
    assert!(
        run(&fastbreak, &fake.endpoint(), fakebq::DATASET, &["run", "--until-caught-up"]).status.success()
    );
    assert_eq!(fake.statistics().merges, statistics.merges);
    // `warehouse plan` finds no difference between the dataset and its definitions.
    let plan = run(&fastbreak, &fake.endpoint(), fakebq::DATASET, &["warehouse", "plan"]);
    assert_eq!(plan.status.code(), Some(0), "{}", String::from_utf8_lossy(&plan.stdout));
    let other = Fastbreak::new();
    let refused = run(&other, &fake.endpoint(), fakebq::DATASET, &["run", "--until-caught-up"]);
    assert_eq!(refused.status.code(), Some(4), "a log that does not own the warehouse must be refused");
    let preview = run(&other, &fake.endpoint(), fakebq::DATASET, &["sink", "rebuild", "--take-over"]);
    assert_eq!(preview.status.code(), Some(4), "{}", String::from_utf8_lossy(&preview.stderr));
    let rebuild = ["sink", "rebuild", "--take-over", "--yes"];
    let refused = run(&other, &fake.endpoint(), fakebq::DATASET, &rebuild);
    assert_eq!(refused.status.code(), Some(4), "a log without raw events must not replace rows");
    other.ingest(&season()[..1]);
    let rebuilt = run(&other, &fake.endpoint(), fakebq::DATASET, &rebuild);
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
}

#[test]
fn the_metrics_count_what_bigquery_does() {
    let fake = Fake::start();
    fake.tick();
    fake.with(|service| service.takes_ms = 10);
    fake.fail(Call::Insert, 1, Fault::ResponseLost);
    let fastbreak = Fastbreak::new();
    fastbreak.json(&["demo"]);
    let addr = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = fastbreak
        .command(&["run"])
        .env("FASTBREAK_CONSOLE", addr.to_string())
        .env("FASTBREAK_WAREHOUSE", "bigquery")
        .env("FASTBREAK_BIGQUERY_ENDPOINT", fake.endpoint())
        .env("FASTBREAK_BIGQUERY_PROJECT", fakebq::PROJECT)
        .env("FASTBREAK_BIGQUERY_DATASET", fakebq::DATASET)
        .spawn()
        .unwrap();
    let metrics = || -> Option<String> {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(addr).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    };
    let value = |text: &str, series: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(series));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(-1.0)
    };
    let sink = |name: &str, more: &str| format!("fastbreak_sink_{name}{{processor=\"windowed-sink\"{more}}}");
    let mut text = String::new();
    for _ in 0..600 {
        text = metrics().unwrap_or_default();
        if value(&text, &sink("batches_total", ",outcome=\"written\"")) > 0.0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The demo wrote to SQLite. So the log has committed batches that BigQuery lacks, which counts as one divergence.
    assert_eq!(value(&text, &sink("divergences_total", "")), 1.0, "{text}");
    assert!(value(&text, &sink("statements_total", "")) >= 3.0, "{text}");
    assert!(value(&text, &sink("bytes_total", "")) > 100_000.0, "{text}");
    assert!(value(&text, &sink("rows_total", "")) > 10_000.0, "{text}");
    assert_eq!(value(&text, &sink("failures_total", ",class=\"ambiguous\"")), 1.0, "{text}");
    assert_eq!(value(&text, &sink("jobs_reused_total", "")), 1.0, "{text}");
    for name in ["rate_limit_hits_total", "staged_batches_total", "staging_tables_deleted_total"] {
        assert!(value(&text, &sink(name, "")) >= 0.0, "{name} must be exported from the start");
    }
}

#[test]
fn stopping_while_bigquery_does_not_respond_is_not_a_failure() {
    let fastbreak = Fastbreak::new();
    fastbreak.json(&["demo"]);
    let closed_port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = fastbreak
        .command(&["run"])
        .env("FASTBREAK_CONSOLE", "")
        .env("FASTBREAK_WAREHOUSE", "bigquery")
        .env("FASTBREAK_BIGQUERY_ENDPOINT", format!("http://{closed_port}"))
        .env("FASTBREAK_BIGQUERY_PROJECT", fakebq::PROJECT)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut messages = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(messages.any(|line| line.contains("the warehouse is not ready")));
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert!(messages.any(|line| line.contains("the next start completes it")));
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_real_statements_make_equal_tables_on_a_real_engine() {
    let Ok(endpoint) = std::env::var("FASTBREAK_BIGQUERY_ENDPOINT") else {
        return eprintln!(
            "skipped: FASTBREAK_BIGQUERY_ENDPOINT is not set; `tests/bigquery/emulator` starts an emulator"
        );
    };
    let fastbreak = Fastbreak::new();
    let dataset = format!("demo_{}", std::time::UNIX_EPOCH.elapsed().unwrap().as_millis());
    assert!(fastbreak.run(&["demo"]).status.success());
    let local = tables(&fastbreak.run(&["audit"]));
    let ran = run(&fastbreak, &endpoint, &dataset, &["run", "--until-caught-up"]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(tables(&run(&fastbreak, &endpoint, &dataset, &["audit"])), local);
    let plan = run(&fastbreak, &endpoint, &dataset, &["warehouse", "plan"]);
    assert_eq!(plan.status.code(), Some(0), "{}", String::from_utf8_lossy(&plan.stdout));

    // A replay writes to a dataset of its own.
    let days = common::middle_dates(&fastbreak);
    let replayed = run(&fastbreak, &endpoint, &dataset, &common::replay_arguments(&days, "once-more"));
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let diff = run(&fastbreak, &endpoint, &dataset, &["replay", "diff", "once-more"]);
    let report: Value = serde_json::from_slice(&diff.stdout).unwrap();
    assert_eq!((diff.status.code(), &report["equal"]), (Some(0), &true.into()), "{report:#}");
    assert!(report["tables"]["player_slate"]["equal"].as_u64() > Some(0), "{report:#}");
    let elsewhere = fastbreak.run(&["replay", "diff", "once-more"]);
    assert_eq!(
        elsewhere.status.code(),
        Some(4),
        "without --warehouse bigquery, `replay diff` must not find the replay"
    );
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("--warehouse bigquery"));
    let gone = run(&fastbreak, &endpoint, &dataset, &["replay", "discard", "once-more", "--yes"]);
    let gone = String::from_utf8_lossy(&gone.stdout).into_owned();
    assert!(gone.contains(&format!("{dataset}_replay_once__more")), "{gone}");
}

#[test]
fn definitions_are_printed_without_a_dataset() {
    let fastbreak = Fastbreak::new();
    let ddl = fastbreak.json(&["--warehouse", "bigquery", "warehouse", "ddl"]);
    let statements: Vec<&str> =
        ddl["statements"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
    assert_eq!(statements.len(), 8);
    assert!(
        statements[0].contains("PARTITION BY RANGE_BUCKET(season_start")
            && statements[0].contains("CLUSTER BY input, game_id, player_id")
    );
    // Every column has a description.
    for line in statements.iter().flat_map(|s| s.lines()).filter(|line| line.starts_with("  `")) {
        assert!(line.contains("OPTIONS(description="), "{line}");
    }
    let local = fastbreak.json(&["warehouse", "ddl"]);
    assert!(local["statements"][0].as_str().unwrap().contains("CREATE VIEW player_slate "));
}

#[test]
fn no_credential_is_printed_after_any_failure() {
    let made = Command::new("openssl").args(["genpkey", "-algorithm", "RSA"]).output();
    let Some(key) = made.ok().filter(|made| made.status.success()) else {
        return eprintln!("skipped: openssl is not installed, but is needed to create a key");
    };
    let key = String::from_utf8(key.stdout).unwrap();
    let tokens = fakebq::http::Server::start(|_| {
        fakebq::http::HttpResponse::Json(
            200,
            r#"{"access_token":"ya29.very-secret","token_type":"Bearer","expires_in":3600}"#.into(),
        )
    });
    let fake = Fake::start();
    fake.tick();
    fake.with(|service| service.takes_ms = 10);
    let fastbreak = Fastbreak::new();
    let account = fastbreak.folder.path().join("account.json");
    let text = serde_json::json!({
        "type": "service_account", "project_id": "fastbreak", "private_key_id": "key-id-4711", "private_key": key,
        "client_email": "sink@fastbreak.iam.gserviceaccount.com", "token_uri": format!("http://{}/token", tokens.at),
    });
    std::fs::write(&account, text.to_string()).unwrap();
    fake.fail(Call::Insert, 0, Fault::ResponseLost);
    fake.fail(Call::Job, 0, Fault::Responds(FaultResponse::Unauthorized, false));
    fake.fail(Call::Patch, 1, Fault::Responds(FaultResponse::Denied, false));
    let mut printed = Vec::new();
    for arguments in [
        &["demo"][..],
        &["run", "--until-caught-up"],
        &["doctor"],
        &["warehouse", "plan"],
        &["config", "show", "--origin"],
        &["audit"],
    ] {
        let mut command = fastbreak.command(arguments);
        command
            .env("FASTBREAK_WAREHOUSE", "bigquery")
            .env("FASTBREAK_BIGQUERY_ENDPOINT", fake.endpoint())
            .env("FASTBREAK_BIGQUERY_PROJECT", fakebq::PROJECT)
            .env("FASTBREAK_BIGQUERY_DATASET", fakebq::DATASET)
            .env("FASTBREAK_BIGQUERY_CREDENTIALS", &account)
            .env("FASTBREAK_LOG", "trace");
        let output = command.output().unwrap();
        printed.push(String::from_utf8_lossy(&output.stdout).into_owned());
        printed.push(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    assert_eq!(
        fake.tokens().last().map(String::as_str),
        Some("Bearer ya29.very-secret"),
        "the requests must have the access token"
    );
    assert!(printed.concat().len() > 10_000);
    let secret = key.lines().nth(3).unwrap();
    for text in printed {
        for word in [secret, "ya29", "very-secret", "key-id-4711", "BEGIN PRIVATE"] {
            assert!(!text.contains(word), "{word} is in: {}", &text[..text.len().min(2_000)]);
        }
    }
}
