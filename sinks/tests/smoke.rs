//! Properties of BigQuery that the sink relies on, tested on a real engine: Google's BigQuery, or an emulator where it has the property.
//!
//! The token for Google's BigQuery comes from `TEST_BIGQUERY_TOKEN` or `gcloud auth print-access-token`.
//!
//! Invariant: no test uses up a quota. So the messages of quota errors are not tested here; `bigquery::error` tests the documented
//! messages.
//! Not here: the sink's statements and their results (`emulator`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
#[allow(dead_code, unused_imports)]
mod conformance;
mod real;

use conformance::{LOG, NOW, done, events::*, record};
use real::skipped;
use reqwest::Method;
use schemas::{GameId, Line, PlayerGameDateId};
use serde_json::{Value, json};
use sinks::{
    Batch, BatchPlan, BigQuery, Progress, RecordChange, Warehouse, WriteSummary, WriterId,
    bigquery::{BigQueryConfig, encode},
};
use std::{process::Command, time::Duration};

/// Client for calls that the sink does not make, or makes in a different way.
struct Calls {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    config: BigQueryConfig,
    token: String,
    is_google: bool,
}
impl Calls {
    fn new(config: BigQueryConfig) -> Option<Calls> {
        let is_google = config.endpoint.is_none();
        let token = if is_google { token()? } else { "emulator".into() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Some(Calls { runtime, client: reqwest::Client::new(), config, token, is_google })
    }
    /// Returns status and body; `None` if no response arrives within `timeout`.
    fn call_within(
        &self,
        timeout: Duration,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(u16, Value)> {
        let base = self.config.endpoint.clone().unwrap_or_else(|| "https://bigquery.googleapis.com".into());
        let url = format!("{base}/bigquery/v2/projects/{}/{path}", self.config.project);
        let mut request = self.client.request(method, url).bearer_auth(&self.token).timeout(timeout);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        self.runtime.block_on(async {
            let response = request.send().await.ok()?;
            let status = response.status().as_u16();
            let text = response.text().await.ok()?;
            Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
        })
    }
    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.call_within(Duration::from_secs(60), method, path, body).expect("a response")
    }
    fn insert(&self, id: &str, configuration: &Value) -> (u16, Value) {
        self.call(Method::POST, "jobs", Some(&self.job(id, configuration)))
    }
    fn job(&self, id: &str, configuration: &Value) -> Value {
        let at = json!({"projectId": self.config.project, "jobId": id, "location": self.config.location});
        json!({"jobReference": at, "configuration": configuration})
    }
    fn get_job(&self, id: &str) -> (u16, Value) {
        self.call(Method::GET, &format!("jobs/{id}?location={}", self.config.location), None)
    }
    /// Waits until the job is done; `None` if it does not exist.
    fn await_job(&self, id: &str) -> Option<Value> {
        for _ in 0..240 {
            match self.get_job(id) {
                (200, job) if job["status"]["state"] == "DONE" => return Some(job),
                (200, _) => std::thread::sleep(Duration::from_millis(500)),
                (404, _) => return None,
                other => panic!("{other:?}"),
            }
        }
        panic!("job {id} is not done after two minutes")
    }
    fn query(&self, text: &str) -> (u16, Value) {
        let body = json!({"query": text, "useLegacySql": false, "location": self.config.location, "timeoutMs": 50_000});
        self.call(Method::POST, "queries", Some(&body))
    }
    fn table(&self) -> String {
        format!("`{}.{}.sink_records`", self.config.project, self.config.dataset)
    }
    /// Returns the id of the job that wrote the only batch.
    fn writing_job(&self) -> String {
        let (status, response) = self.query(&format!(
            "SELECT job_id FROM {} WHERE season_start = 0 AND input = 'batches'",
            self.table()
        ));
        assert_eq!(status, 200, "{response}");
        response["rows"][0]["f"][0]["v"].as_str().unwrap().to_owned()
    }
}
fn token() -> Option<String> {
    let response = || {
        let made = Command::new("gcloud").args(["auth", "print-access-token"]).output().ok()?;
        made.status.success().then(|| String::from_utf8(made.stdout).unwrap().trim().to_owned())
    };
    std::env::var("TEST_BIGQUERY_TOKEN").ok().or_else(response)
}
/// Returns an acquired warehouse in a new dataset, and a client for calls to its service.
fn fresh(inline_bytes: Option<usize>) -> Option<(BigQuery, Calls)> {
    let config = real::config(inline_bytes)?;
    let Some(calls) = Calls::new(config.clone()) else {
        eprintln!("skipped: neither TEST_BIGQUERY_TOKEN nor gcloud has a token");
        return None;
    };
    let mut warehouse = BigQuery::connect(config).unwrap();
    done(warehouse.acquire(LOG)).unwrap();
    Some((warehouse, calls))
}
/// Returns a batch with this number of predictions in a season, and its plan.
fn batch(players: u32, season: u32, from: i64) -> (Batch, BatchPlan) {
    let at = |n: u32| {
        let id = PlayerGameDateId { game: GameId(20_000_061 + season % 100 * 100_000), ..id(n, 61) };
        record(from + i64::from(n), RecordChange::Prediction(id, Some(prediction(id, Line(2450)))))
    };
    let batch = Batch::from_records((0..players).map(at)).unwrap();
    let plan = BatchPlan::new(WriterId { sink: "warehouse".into(), log: LOG.into(), epoch: 1 }, &batch, NOW);
    (batch, plan)
}
fn write(warehouse: &mut BigQuery, (batch, plan): &(Batch, BatchPlan)) -> WriteSummary {
    loop {
        if let Progress::Done(written) = warehouse.write(batch, plan, NOW).unwrap() {
            return written;
        }
    }
}
fn query_configuration(text: &str) -> Value {
    json!({"query": {"query": text, "useLegacySql": false}})
}
fn unique(what: &str) -> String {
    format!("smoke_{what}_{}", std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos())
}

#[test]
fn a_job_id_is_accepted_once_whether_its_job_succeeds_or_fails() {
    let Some((warehouse, calls)) = fresh(None) else { return skipped() };
    for (text, fails) in [("SELECT 1", false), ("SELECT CAST(SUBSTR('abc', 1) AS FLOAT64)", true)] {
        let id = unique(if fails { "failed" } else { "done" });
        let (status, response) = calls.insert(&id, &query_configuration(text));
        assert_eq!(status, 200, "the job was not created: {response}");
        let job = calls.await_job(&id).expect("a created job is found");
        assert_eq!(!job["status"]["errorResult"].is_null(), fails, "{job}");
        let (status, response) = calls.insert(&id, &query_configuration(text));
        assert_eq!(
            (status, &response["error"]["errors"][0]["reason"]),
            (409, &json!("duplicate")),
            "{response}"
        );
    }
    warehouse.discard().unwrap();
}
#[test]
fn the_id_of_a_load_job_is_accepted_once() {
    let Some((mut warehouse, calls)) = fresh(Some(0)) else { return skipped() };
    assert_eq!(write(&mut warehouse, &batch(4, 2023, 1)).applied, 4);
    let id = calls.writing_job().replace("_m0", "_l0");
    let job = calls.await_job(&id).expect("the load job is found");
    assert!(job["configuration"]["load"].is_object(), "{job}");
    let (status, response) = calls.insert(&id, &query_configuration("SELECT 1"));
    assert_eq!((status, &response["error"]["errors"][0]["reason"]), (409, &json!("duplicate")), "{response}");
    warehouse.discard().unwrap();
}
#[test]
fn another_instance_that_sends_the_same_batch_reuses_its_job() {
    let Some((mut warehouse, calls)) = fresh(None) else { return skipped() };
    let planned = batch(4, 2023, 1);
    assert!(!write(&mut warehouse, &planned).already_committed);
    let mut other = BigQuery::connect(calls.config.clone()).unwrap();
    assert!(write(&mut other, &planned).already_committed);
    assert_eq!(other.counters().reused, 1);
    warehouse.discard().unwrap();
}
#[test]
fn a_job_whose_insert_timed_out_is_found_or_was_never_created() {
    let Some((warehouse, calls)) = fresh(None) else { return skipped() };
    for wait_ms in [1, 30, 300] {
        let (id, configuration) = (unique("timed_out"), query_configuration("SELECT 1"));
        calls.call_within(
            Duration::from_millis(wait_ms),
            Method::POST,
            "jobs",
            Some(&calls.job(&id, &configuration)),
        );
        let exists = calls.await_job(&id).is_some();
        let (status, response) = calls.insert(&id, &configuration);
        // The first request may arrive between the lookup and the second insert.
        assert!(status == 409 || (!exists && status == 200), "{wait_ms} {status} {response}");
        assert!(calls.await_job(&id).is_some(), "{wait_ms}");
    }
    warehouse.discard().unwrap();
}
#[test]
fn the_merge_has_the_partition_filter_that_a_table_can_require() {
    let Some((mut warehouse, calls)) = fresh(None) else { return skipped() };
    let (status, response) =
        calls.query(&format!("ALTER TABLE {} SET OPTIONS (require_partition_filter = TRUE)", calls.table()));
    if status != 200 && !calls.is_google {
        return eprintln!("skipped: the emulator does not support require_partition_filter: {response}");
    }
    assert_eq!(status, 200, "{response}");
    assert_eq!(write(&mut warehouse, &batch(4, 2023, 1)).applied, 4);
    // The bounds may be parameters, as in a statement over several seasons.
    let text = format!(
        "SELECT COUNT(*) FROM {} T JOIN (SELECT 1) ON T.season_start BETWEEN @from AND @to",
        calls.table()
    );
    let number = |name: &str, value: &str| json!({"name": name, "parameterType": {"type": "INT64"}, "parameterValue": {"value": value}});
    let body = json!({"query": text, "useLegacySql": false, "location": calls.config.location,
        "parameterMode": "NAMED", "queryParameters": [number("from", "2023"), number("to", "2024")]});
    let (status, response) = calls.call(Method::POST, "queries", Some(&body));
    assert_eq!(status, 200, "{response}");
    warehouse.discard().unwrap();
}
#[test]
fn a_merge_reads_only_the_season_that_it_writes() {
    let Some((mut warehouse, calls)) = fresh(None) else { return skipped() };
    write(&mut warehouse, &batch(1_000, 2022, 1));
    let (status, table) =
        calls.call(Method::GET, &format!("datasets/{}/tables/sink_records", calls.config.dataset), None);
    assert_eq!(status, 200, "{table}");
    let (other, plan) = batch(4, 2023, 10_000);
    write(&mut warehouse, &(other, plan.clone()));
    let (_, response) = calls.query(&format!(
        "SELECT job_id FROM {} WHERE season_start = 0 AND input = 'batches' AND game_id = '{}'",
        calls.table(),
        plan.id
    ));
    let job =
        calls.await_job(response["rows"][0]["f"][0]["v"].as_str().unwrap()).expect("the merge job is found");
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let statistics = &job["statistics"]["query"];
    let (read, billed, held) = (
        number(&statistics["totalBytesProcessed"]),
        number(&statistics["totalBytesBilled"]),
        number(&table["numBytes"]),
    );
    eprintln!(
        "a merge into one season read {read} bytes and was billed for {billed} bytes; the table had {held} bytes before"
    );
    assert!(
        !calls.is_google || read < held,
        "the merge read {read} bytes, expected fewer than the {held} bytes of the other season"
    );
    warehouse.discard().unwrap();
}
#[test]
fn a_parameter_of_nine_mebibytes_is_accepted() {
    let Some((mut warehouse, _)) = fresh(Some(usize::MAX)) else { return skipped() };
    let bytes = |players: u32| encode(&batch(players, 2023, 1).0).unwrap().request_bytes;
    let wanted = 9 * 1024 * 1024;
    let players = (wanted / (bytes(200) / 200)) as u32;
    assert!((wanted - 500_000..10 * 1024 * 1024 - 100_000).contains(&bytes(players)), "{}", bytes(players));
    assert_eq!(write(&mut warehouse, &batch(players, 2023, 1)).applied, u64::from(players));
    assert_eq!(warehouse.counters().staged, 0, "a batch was staged");
    warehouse.discard().unwrap();
}
/// Queries of readers. `@` stands for the dataset, which SQLite does not have.
const READER_QUERIES: [&str; 4] = [
    "SELECT player_name, team, opponent, system, line, p_over, recommendation
     FROM @player_prop_predictions
     WHERE season_start = 2023 AND game_date = '2023-10-31' AND line_source = 'market' AND line_offset = 0
     ORDER BY p_over DESC, player_id, system
     LIMIT 10",
    "SELECT player_id, game_date, is_home, base_line, quality_flags, system_statuses
     FROM @player_slate
     WHERE season_start = 2023 AND NOT is_home AND tip_off >= '2023-10-31T00:00:00Z' AND known_at < tip_off
     ORDER BY player_id",
    "SELECT season_start, game_date, status, player_count FROM @coverage WHERE season_start = 2023 ORDER BY game_date, status",
    "SELECT records, applied, unchanged, rows_written, close_reason, epoch FROM @sink_batches WHERE records > 0",
];
/// Returns the rows of a query on a SQLite file, in the format of BigQuery's API. JSON is parsed, since BigQuery does not keep its text.
fn sqlite_rows(path: &std::path::Path, text: &str) -> Vec<Vec<Value>> {
    let db = rusqlite::Connection::open(path).unwrap();
    let mut statement = db.prepare(&text.replace('@', "")).unwrap();
    let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut rows = statement.query([]).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let cell = |(n, name): (usize, &String)| match row.get_ref_unwrap(n) {
            rusqlite::types::ValueRef::Null => Value::Null,
            rusqlite::types::ValueRef::Integer(value) if name == "is_home" => json!((value == 1).to_string()),
            rusqlite::types::ValueRef::Integer(value) => json!(value.to_string()),
            rusqlite::types::ValueRef::Real(value) => json!(format!("{value:?}")),
            value => comparable(value.as_str().unwrap()),
        };
        found.push(names.iter().enumerate().map(cell).collect());
    }
    found
}
fn comparable(text: &str) -> Value {
    if text.starts_with(['[', '{']) { serde_json::from_str(text).unwrap() } else { json!(text) }
}
#[test]
fn one_query_text_gives_the_same_rows_on_sqlite_and_bigquery() {
    let Some((mut warehouse, calls)) = fresh(None) else { return skipped() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("warehouse.db");
    let mut local = sinks::Sqlite::open(&path).unwrap();
    let mut records: Vec<_> = (0..4)
        .map(|n| (n, RecordChange::Prediction(id(n, 61), Some(prediction(id(n, 61), Line(2450))))))
        .collect();
    records.push((4, RecordChange::Prediction(id(4, 61), Some(ruled_out(id(4, 61))))));
    records.push((5, RecordChange::PlayerGame(played(id(5, 61)), Some(player_game(id(5, 61), Some(3))))));
    let records: Vec<_> = records.into_iter().map(|(n, change)| record(i64::from(n) + 1, change)).collect();
    let batch = Batch::from_records(records.clone()).unwrap();
    let plan = BatchPlan::new(WriterId { sink: "warehouse".into(), log: LOG.into(), epoch: 1 }, &batch, NOW);
    done(local.acquire(LOG)).unwrap();
    done(local.write(&batch, &plan, NOW)).unwrap();
    write(&mut warehouse, &(batch, plan));
    for text in READER_QUERIES {
        let (status, response) = calls.query(&text.replace('@', &format!("{}.", calls.config.dataset)));
        assert_eq!(status, 200, "{text}: {response}");
        let rows = response["rows"].as_array().cloned().unwrap_or_default();
        let cell = |cell: &Value| cell["v"].as_str().map_or(Value::Null, comparable);
        let rows: Vec<Vec<Value>> =
            rows.iter().map(|row| row["f"].as_array().unwrap().iter().map(cell).collect()).collect();
        assert!(!rows.is_empty(), "{text}: {response}");
        assert_eq!(rows, sqlite_rows(&path, text), "{text}");
    }
    warehouse.discard().unwrap();
}
