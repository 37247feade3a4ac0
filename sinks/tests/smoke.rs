//! What the sink takes for granted of BigQuery itself, asked of a real one: Google's own, or an emulator where it can answer.
//!
//! Google's own is asked with a token of `FASTBREAK_BIGQUERY_TOKEN`, or of `gcloud auth print-access-token`.
//! Invariant: nothing is asked that uses up a quota, so the texts of quotas are not here: `error` has those that are documented.
//! Not here: the sink's statements and their results (`emulator`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
#[allow(dead_code, unused_imports)]
mod conformance;
mod real;

use conformance::{LOG, NOW, events::*, record};
use real::skipped;
use reqwest::Method;
use schemas::{GameId, Line, PlayerGameId};
use serde_json::{Value, json};
use sinks::{
    Batch, BatchPlan, BigQuery, RecordChange, Warehouse, WriteSummary, WriterId,
    bigquery::{BigQueryConfig, encode},
};
use std::{process::Command, time::Duration};

/// Calls that the sink does not make, or not in this way.
struct Calls {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    config: BigQueryConfig,
    token: String,
    is_google: bool,
}
impl Calls {
    fn of(config: BigQueryConfig) -> Option<Calls> {
        let is_google = config.endpoint.is_none();
        let token = if is_google { token()? } else { "emulator".into() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Some(Calls { runtime, client: reqwest::Client::new(), config, token, is_google })
    }
    /// Status and body; none when nothing came within this time.
    fn within(
        &self,
        most: Duration,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(u16, Value)> {
        let base = self.config.endpoint.clone().unwrap_or_else(|| "https://bigquery.googleapis.com".into());
        let url = format!("{base}/bigquery/v2/projects/{}/{path}", self.config.project);
        let mut request = self.client.request(method, url).bearer_auth(&self.token).timeout(most);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        self.runtime.block_on(async {
            let answer = request.send().await.ok()?;
            let status = answer.status().as_u16();
            let text = answer.text().await.ok()?;
            Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
        })
    }
    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.within(Duration::from_secs(60), method, path, body).expect("an answer")
    }
    fn insert(&self, id: &str, configuration: &Value) -> (u16, Value) {
        self.call(Method::POST, "jobs", Some(&self.job(id, configuration)))
    }
    fn job(&self, id: &str, configuration: &Value) -> Value {
        let at = json!({"projectId": self.config.project, "jobId": id, "location": self.config.location});
        json!({"jobReference": at, "configuration": configuration})
    }
    fn look(&self, id: &str) -> (u16, Value) {
        self.call(Method::GET, &format!("jobs/{id}?location={}", self.config.location), None)
    }
    /// The job, once it is done; none when it is not there.
    fn done(&self, id: &str) -> Option<Value> {
        for _ in 0..240 {
            match self.look(id) {
                (200, job) if job["status"]["state"] == "DONE" => return Some(job),
                (200, _) => std::thread::sleep(Duration::from_millis(500)),
                (404, _) => return None,
                other => panic!("{other:?}"),
            }
        }
        panic!("{id} is not done")
    }
    fn query(&self, text: &str) -> (u16, Value) {
        let body = json!({"query": text, "useLegacySql": false, "location": self.config.location, "timeoutMs": 50_000});
        self.call(Method::POST, "queries", Some(&body))
    }
    fn table(&self) -> String {
        format!("`{}.{}.sink_records`", self.config.project, self.config.dataset)
    }
    /// The job that wrote the only batch.
    fn writer(&self) -> String {
        let (status, answer) = self.query(&format!(
            "SELECT job_id FROM {} WHERE season_start = 0 AND input = 'batches'",
            self.table()
        ));
        assert_eq!(status, 200, "{answer}");
        answer["rows"][0]["f"][0]["v"].as_str().unwrap().to_owned()
    }
}
fn token() -> Option<String> {
    let answer = || {
        let made = Command::new("gcloud").args(["auth", "print-access-token"]).output().ok()?;
        made.status.success().then(|| String::from_utf8(made.stdout).unwrap().trim().to_owned())
    };
    std::env::var("FASTBREAK_BIGQUERY_TOKEN").ok().or_else(answer)
}
/// A claimed warehouse in a new dataset, and calls to its service.
fn fresh(inline_bytes: Option<usize>) -> Option<(BigQuery, Calls)> {
    let config = real::config(inline_bytes)?;
    let Some(calls) = Calls::of(config.clone()) else {
        eprintln!("skipped: neither FASTBREAK_BIGQUERY_TOKEN nor gcloud has a token");
        return None;
    };
    let mut warehouse = BigQuery::connect(config).unwrap();
    warehouse.acquire(LOG).unwrap();
    Some((warehouse, calls))
}
/// So many predictions of a season, and their plan.
fn batch(players: u32, season: u32, from: i64) -> (Batch, BatchPlan) {
    let at = |n: u32| {
        let id = PlayerGameId { game: GameId(20_000_061 + season % 100 * 100_000), ..id(n, 61) };
        record(from + i64::from(n), RecordChange::Prediction(id, Some(prediction(id, Line(2450)))))
    };
    let batch = Batch::from_records((0..players).map(at)).unwrap();
    let plan = BatchPlan::new(WriterId { sink: "warehouse".into(), log: LOG.into(), epoch: 1 }, &batch, NOW);
    (batch, plan)
}
fn write(warehouse: &mut BigQuery, (batch, plan): &(Batch, BatchPlan)) -> WriteSummary {
    loop {
        match warehouse.write(batch, plan, NOW) {
            Err(error) if error.is_pending() => {}
            other => return other.unwrap(),
        }
    }
}
fn asks(text: &str) -> Value {
    json!({"query": {"query": text, "useLegacySql": false}})
}
fn unique(what: &str) -> String {
    format!("smoke_{what}_{}", std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos())
}

#[test]
fn an_id_is_taken_once_whether_its_job_succeeded_or_failed() {
    let Some((warehouse, calls)) = fresh(None) else { return skipped() };
    for (text, fails) in [("SELECT 1", false), ("SELECT CAST(SUBSTR('abc', 1) AS FLOAT64)", true)] {
        let id = unique(if fails { "failed" } else { "done" });
        let (status, answer) = calls.insert(&id, &asks(text));
        assert_eq!(status, 200, "a job that fails is a job: {answer}");
        let job = calls.done(&id).expect("a job that was taken is found");
        assert_eq!(!job["status"]["errorResult"].is_null(), fails, "{job}");
        let (status, answer) = calls.insert(&id, &asks(text));
        assert_eq!((status, &answer["error"]["errors"][0]["reason"]), (409, &json!("duplicate")), "{answer}");
    }
    warehouse.discard().unwrap();
}
#[test]
fn the_id_of_a_load_is_taken_once_too() {
    let Some((mut warehouse, calls)) = fresh(Some(0)) else { return skipped() };
    assert_eq!(write(&mut warehouse, &batch(4, 2023, 1)).applied, 4);
    let id = calls.writer().replace("_m0", "_l0");
    let job = calls.done(&id).expect("the load is found");
    assert!(job["configuration"]["load"].is_object(), "{job}");
    let (status, answer) = calls.insert(&id, &asks("SELECT 1"));
    assert_eq!((status, &answer["error"]["errors"][0]["reason"]), (409, &json!("duplicate")), "{answer}");
    warehouse.discard().unwrap();
}
#[test]
fn another_instance_that_sends_the_same_batch_adopts_its_job() {
    let Some((mut warehouse, calls)) = fresh(None) else { return skipped() };
    let planned = batch(4, 2023, 1);
    assert!(!write(&mut warehouse, &planned).already_committed);
    let mut other = BigQuery::connect(calls.config.clone()).unwrap();
    assert!(write(&mut other, &planned).already_committed);
    assert_eq!(other.counters().reused, 1);
    warehouse.discard().unwrap();
}
#[test]
fn a_job_whose_insert_nobody_waited_for_is_found_or_was_never_made() {
    let Some((warehouse, calls)) = fresh(None) else { return skipped() };
    for wait_ms in [1, 30, 300] {
        let (id, asked) = (unique("unheard"), asks("SELECT 1"));
        calls.within(Duration::from_millis(wait_ms), Method::POST, "jobs", Some(&calls.job(&id, &asked)));
        let is_there = calls.done(&id).is_some();
        let (status, answer) = calls.insert(&id, &asked);
        // It may have arrived between the look and the second insert.
        assert!(status == 409 || (!is_there && status == 200), "{wait_ms} {status} {answer}");
        assert!(calls.done(&id).is_some(), "{wait_ms}");
    }
    warehouse.discard().unwrap();
}
#[test]
fn a_partition_filter_that_the_table_requires_is_in_the_merge() {
    let Some((mut warehouse, calls)) = fresh(None) else { return skipped() };
    let (status, answer) =
        calls.query(&format!("ALTER TABLE {} SET OPTIONS (require_partition_filter = TRUE)", calls.table()));
    if status != 200 && !calls.is_google {
        return eprintln!("skipped: the emulator has no such option: {answer}");
    }
    assert_eq!(status, 200, "{answer}");
    assert_eq!(write(&mut warehouse, &batch(4, 2023, 1)).applied, 4);
    // Asked with parameters, as a statement of several seasons would be.
    let text = format!(
        "SELECT COUNT(*) FROM {} T JOIN (SELECT 1) ON T.season_start BETWEEN @from AND @to",
        calls.table()
    );
    let number = |name: &str, value: &str| json!({"name": name, "parameterType": {"type": "INT64"}, "parameterValue": {"value": value}});
    let body = json!({"query": text, "useLegacySql": false, "location": calls.config.location,
        "parameterMode": "NAMED", "queryParameters": [number("from", "2023"), number("to", "2024")]});
    let (status, answer) = calls.call(Method::POST, "queries", Some(&body));
    assert_eq!(status, 200, "{answer}");
    warehouse.discard().unwrap();
}
#[test]
fn a_merge_reads_the_season_that_it_writes_and_no_other() {
    let Some((mut warehouse, calls)) = fresh(None) else { return skipped() };
    write(&mut warehouse, &batch(1_000, 2022, 1));
    let (status, table) =
        calls.call(Method::GET, &format!("datasets/{}/tables/sink_records", calls.config.dataset), None);
    assert_eq!(status, 200, "{table}");
    let (other, plan) = batch(4, 2023, 10_000);
    write(&mut warehouse, &(other, plan.clone()));
    let (_, answer) = calls.query(&format!(
        "SELECT job_id FROM {} WHERE season_start = 0 AND input = 'batches' AND game_id = '{}'",
        calls.table(),
        plan.id
    ));
    let job = calls.done(answer["rows"][0]["f"][0]["v"].as_str().unwrap()).expect("the job");
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let asked = &job["statistics"]["query"];
    let (read, billed, held) = (
        number(&asked["totalBytesProcessed"]),
        number(&asked["totalBytesBilled"]),
        number(&table["numBytes"]),
    );
    eprintln!(
        "a merge into one season read {read} bytes and was billed {billed}; the other season has {held}"
    );
    assert!(!calls.is_google || read < held, "{read} of {held}");
    warehouse.discard().unwrap();
}
#[test]
fn a_parameter_of_nine_mebibytes_is_taken() {
    let Some((mut warehouse, _)) = fresh(Some(usize::MAX)) else { return skipped() };
    let bytes = |players: u32| encode(&batch(players, 2023, 1).0).unwrap().request_bytes;
    let wanted = 9 * 1024 * 1024;
    let players = (wanted / (bytes(200) / 200)) as u32;
    assert!((wanted - 500_000..10 * 1024 * 1024 - 100_000).contains(&bytes(players)), "{}", bytes(players));
    assert_eq!(write(&mut warehouse, &batch(players, 2023, 1)).applied, u64::from(players));
    assert_eq!(warehouse.counters().staged, 0, "no row was loaded");
    warehouse.discard().unwrap();
}
