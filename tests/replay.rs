//! Replays: beside what is live, resumed after kills, compared row by row.
//!
//! What differs is also found by SQL over both warehouses, which knows nothing of how the verb compares.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Chance, Fastbreak, middle, replay_arguments, season, text};
use fastbreak::{config::Config, inspect, replay, storage, topology};
use processors::{
    loader::{self, Observation},
    predictor::{Predictor, feature_schema_hash},
};
use runtime::{
    ProcessorNode,
    embedded::EmbeddedLog,
    engine::{MapOutput, Output, RowCounts, StatelessNode, StatelessProcessor, stream},
    subscription::RunContext,
};
use rusqlite::Connection;
use schemas::{EasternDate, raw::RawEvent};
use serde_json::Value;
use sinks::{DateRange, Sqlite, Warehouse, tables::TABLES};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Output as Ended,
    sync::Arc,
    time::{Duration, Instant},
};

fn code_and_json(ended: &Ended) -> (Option<i32>, Value) {
    let stderr = String::from_utf8_lossy(&ended.stderr);
    let json = serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("no JSON: {stderr}"));
    (ended.status.code(), json)
}
fn stderr(ended: &Ended) -> String {
    String::from_utf8_lossy(&ended.stderr).into_owned()
}
fn hashes(of: &Fastbreak, name: &str) -> Vec<(&'static str, u64, String)> {
    let path = of.folder.path().join("replays").join(name).join("warehouse.db");
    let hashes = Sqlite::open(&path).unwrap().content_hashes().unwrap();
    hashes.into_iter().map(|hash| (hash.table, hash.rows, hash.hash)).collect()
}

type Keys = BTreeSet<String>;
/// By table the keys of rows of these days that are not the same on both sides, whatever the model's version.
fn differing_by_sql(of: &Fastbreak, name: &str, (from, to): &(String, String)) -> BTreeMap<String, Keys> {
    let db = Connection::open(of.folder.path().join("warehouse.db")).unwrap();
    let replayed = of.folder.path().join("replays").join(name).join("warehouse.db");
    db.execute("ATTACH ? AS replayed", [text(&replayed)]).unwrap();
    let mut found = BTreeMap::new();
    for table in &TABLES {
        let columns: Vec<_> =
            table.columns.iter().map(|column| column.name).filter(|name| *name != "model_version").collect();
        let (columns, key) = (columns.join(", "), table.key.join(" || ' ' || "));
        let rows = |of: &str| {
            let dates = format!("deleted = 0 AND game_date BETWEEN '{from}' AND '{to}'");
            format!("SELECT {columns} FROM {of}.{} WHERE {dates}", table.name)
        };
        let (live, ours) = (rows("main"), rows("replayed"));
        let sql = format!(
            "SELECT DISTINCT {key} FROM (SELECT * FROM ({live} EXCEPT {ours}) UNION ALL SELECT * FROM ({ours} EXCEPT {live}))"
        );
        let keys: Keys =
            db.prepare(&sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        found.insert(table.name.to_owned(), keys);
    }
    found
}
/// The same as the verb lists it.
fn differing_by_command(diff: &Value) -> BTreeMap<String, Keys> {
    let mut found: BTreeMap<String, Keys> =
        TABLES.iter().map(|table| (table.name.to_owned(), Keys::new())).collect();
    for row in diff["rows"].as_array().unwrap() {
        let name = row["table"].as_str().unwrap();
        let table = TABLES.iter().find(|table| table.name == name).unwrap();
        let part = |column: &&str| match &row["key"][*column] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let key = table.key.iter().map(part).collect::<Vec<_>>().join(" ");
        assert!(found.get_mut(name).unwrap().insert(key), "listed twice: {row}");
    }
    found
}
/// Compares, and checks the list against SQL's.
fn differs(of: &Fastbreak, name: &str, dates: &(String, String)) -> Value {
    let (code, diff) = code_and_json(&of.run(&["replay", "diff", name, "--limit", "1000000"]));
    assert_eq!((code, &diff["equal"], &diff["more"]), (Some(3), &Value::from(false), &Value::from(0)));
    let by_sql = differing_by_sql(of, name, dates);
    assert_eq!(differing_by_command(&diff), by_sql);
    assert!(by_sql.values().any(|keys| !keys.is_empty()));
    diff
}
fn count(diff: &Value, table: &str, what: &str) -> u64 {
    diff["tables"][table][what].as_u64().unwrap()
}

#[test]
fn a_replay_beside_live_ingestion_changes_nothing_live_and_differs_in_nothing() {
    let lines = season();
    let straight = Fastbreak::new();
    straight.ingest(&lines);
    straight.catch_up();
    let dates = middle(&straight);

    let live = Fastbreak::new();
    let (before, after) = lines.split_at(lines.len() / 2);
    live.ingest(before);
    let mut running = live.spawn(&["run"]);
    let mut replaying = live.spawn(&replay_arguments(&dates, "beside"));
    for slice in after.chunks(after.len() / 8 + 1) {
        live.ingest(slice);
    }
    assert!(replaying.wait().unwrap().success(), "it ends although the live side goes on");
    running.kill().unwrap();
    running.wait().unwrap();
    live.catch_up();
    assert_eq!(live.content(), straight.content(), "the live side is as if there had been no replay");

    let ended = live.json(&replay_arguments(&dates, "beside"));
    assert_eq!((&ended["caught_up"], &ended["behind"]), (&Value::from(true), &serde_json::json!({})));
    let (code, diff) = code_and_json(&live.run(&["replay", "diff", "beside"]));
    assert_eq!(
        (code, &diff["equal"], &diff["live_caught_up"]),
        (Some(0), &true.into(), &true.into()),
        "{diff:#}"
    );
    assert_eq!((&diff["rows"], &diff["players"]), (&serde_json::json!([]), &serde_json::json!([])));
    for table in &TABLES {
        assert!(count(&diff, table.name, "equal") > 0, "{}", table.name);
    }
    let compared: u64 = TABLES.iter().map(|table| count(&diff, table.name, "equal")).sum();
    let held: u64 = hashes(&live, "beside").iter().map(|(_, rows, _)| rows).sum();
    assert_eq!(compared, held, "the replay's warehouse holds the games of these days and no others");
    let listed = live.json(&["replay", "list"]);
    assert_eq!((&listed[0]["namespace"], &listed[0]["caught_up"]), (&"beside".into(), &true.into()));
    balances(&live, "beside");
}

/// Every record that a replay's processors and its sink read ended as something.
fn balances(of: &Fastbreak, name: &str) {
    let config = config(of);
    let mut log = storage::open_replay(&config, &name.parse().unwrap()).unwrap();
    let accounts = inspect::ledger_totals(log.as_mut(), 0).unwrap();
    for ((processor, _), entry) in &accounts {
        assert_eq!(entry.imbalance(), (0, 0), "{processor}");
    }
    let of_sink = &accounts[&(topology::SINK.to_owned(), 0)];
    let read: i64 = log
        .committed_offsets(topology::SINK, &sinks::SinkTopic::ALL.map(sinks::SinkTopic::topic))
        .unwrap()
        .values()
        .sum();
    assert_eq!(of_sink.read, read);
    assert!(of_sink.unchanged > of_sink.applied, "games of other days are read and not written");
}
fn config(of: &Fastbreak) -> Config {
    let data = of.folder.path().display().to_string();
    Config::resolve(None, &BTreeMap::new(), &[("data", data)]).unwrap()
}

#[test]
fn a_killed_replay_resumes_with_equal_content() {
    let live = Fastbreak::new();
    live.ingest(&season());
    live.catch_up();
    let file = std::fs::read(live.folder.path().join("log.db")).unwrap();
    let dates = middle(&live);
    let started = Instant::now();
    live.json(&replay_arguments(&dates, "straight"));
    let whole = started.elapsed();
    let mut chance = Chance(4);
    let mut kills = 0;
    for _ in 0..12 {
        let mut replaying = live.spawn(&replay_arguments(&dates, "killed"));
        std::thread::sleep(Duration::from_millis(chance.below(whole.as_millis() as u64 / 2)));
        if replaying.try_wait().unwrap().is_none() {
            replaying.kill().unwrap();
            kills += 1;
        }
        replaying.wait().unwrap();
    }
    assert!(kills > 3, "most lives must end early");
    live.json(&replay_arguments(&dates, "killed"));
    assert_eq!(hashes(&live, "killed"), hashes(&live, "straight"));
    balances(&live, "killed");
    assert_eq!(live.run(&["replay", "diff", "killed"]).status.code(), Some(0));
    assert!(
        file == std::fs::read(live.folder.path().join("log.db")).unwrap(),
        "not a byte of the live log changed"
    );
}

#[test]
fn a_model_given_to_the_replay_alone_adds_its_rows_and_changes_what_blends_them() {
    let live = Fastbreak::new();
    live.ingest(&season());
    live.catch_up();
    let dates = middle(&live);
    let model = r#"{"impute":{"opponent_pace":100.0},"intercept":0.4,"kind":"linear","spread":{"at_zero":10.0,"per_point":2.5,"prior_games":80.0},"weights":{"opponent_pace":0.02}}"#;
    let artifact = format!(
        r#"{{"format":1,"trained_from":"2018-10-16","trained_to":"2019-04-10","feature_schema":"{}","library":"none","hash":"{}","model":{model}}}"#,
        feature_schema_hash(),
        blake3::hash(model.as_bytes()).to_hex()
    );
    let path = live.file("artifact.json", &[artifact]);
    let mut command = live.command(&replay_arguments(&dates, "model"));
    assert!(command.env("FASTBREAK_LEARNED_MODEL", &path).output().unwrap().status.success());

    let diff = differs(&live, "model", &dates);
    for row in diff["rows"].as_array().unwrap().iter().filter(|row| row["table"] == "player_prop_predictions")
    {
        match row["key"]["system"].as_str().unwrap() {
            "learned_v1" => assert_eq!(row["kind"], "only_replay"),
            system => assert_eq!((system, &row["kind"]), ("ensemble_v1", &"changed".into())),
        }
    }
    let systems = &diff["systems"];
    assert!(systems["learned_v1"]["only_replay"].as_u64().unwrap() > 0);
    assert_eq!(systems["learned_v1"]["equal"], 0);
    assert_eq!(
        (&systems["moving_average"]["changed"], &systems["moving_average"]["equal"]),
        (&0.into(), &0.into())
    );
    assert!(
        systems["moving_average"]["version"].as_u64().unwrap() > 0,
        "the same, by another version of the model"
    );
    for table in ["features", "player_games"] {
        let all = ["changed", "version", "only_live", "only_replay"].map(|what| count(&diff, table, what));
        assert_eq!(all, [0; 4], "{table}");
    }
}

/// The loader of box scores, wrong by an assist for every player of one day.
struct Changed(EasternDate);
impl StatelessProcessor for Changed {
    type In = RawEvent;
    type Out = Observation;
    fn version(&self) -> i64 {
        i64::from(loader::VERSION) + 1
    }
    fn step(&self, raw: RawEvent) -> MapOutput<Observation> {
        let loaded = loader::load(&raw).expect("a payload that opens");
        let rows = RowCounts {
            found: loaded.rows as i64,
            emitted: loaded.rows_emitted() as i64,
            out_of_scope: loaded.rows_out_of_scope as i64,
            repeated: loaded.rows_repeated as i64,
            bad: loaded.bad_rows.len() as i64,
        };
        let mut out = loaded.observations;
        for observation in &mut out {
            if let Observation::BoxScore(observation) = observation
                && observation.date == self.0
            {
                let lines = observation.members.iter_mut().filter_map(|member| member.line.as_mut());
                lines.for_each(|line| line.assists += 1);
            }
        }
        MapOutput { out, rows, ..MapOutput::default() }
    }
}
fn changed_topology(day: EasternDate) -> Vec<Box<dyn ProcessorNode>> {
    let mut nodes = topology::topology(Predictor::new(None));
    let place = nodes.iter().position(|node| node.name() == "box-score-loader").unwrap();
    let outputs = vec![
        Output::stream(&topics::BOX_SCORE_OBSERVATIONS, |out: &Observation| match out {
            Observation::BoxScore(s) => {
                Some((s, schemas::Matchup::new(s.team, s.opponent).unwrap().to_string()))
            }
            _ => None,
        }),
        Output::stream(&topics::NAME_OBSERVATIONS, |out: &Observation| match out {
            Observation::Names(s) => Some((s, s.team.to_string())),
            _ => None,
        }),
    ];
    let inputs = vec![stream(&topics::RAW_BOX_SCORES, |raw| raw)];
    nodes[place] = Box::new(StatelessNode::new("box-score-loader", Changed(day), inputs, outputs));
    nodes
}

#[test]
fn a_changed_loader_lists_exactly_the_rows_that_differ() {
    let live = Fastbreak::new();
    live.ingest(&season());
    live.catch_up();
    let before = live.content();
    let dates = middle(&live);
    let (from, to): (EasternDate, EasternDate) = (dates.0.parse().unwrap(), dates.1.parse().unwrap());
    let nodes = changed_topology(from);
    let run_context = Arc::new(RunContext::default());
    let namespace = "loader".parse().unwrap();
    replay::run(&config(&live), (&namespace, DateRange { from, to }), nodes, run_context, |_, _| {}).unwrap();

    let diff = differs(&live, "loader", &dates);
    let changed = count(&diff, "player_games", "changed");
    assert!(changed > 0 && count(&diff, "player_games", "equal") > 0);
    assert_eq!(diff["dates"][&dates.0]["changed"].as_u64().unwrap(), changed, "of that day and no other");
    for row in diff["rows"].as_array().unwrap() {
        let fields = row["fields"].as_array().unwrap();
        let assists = fields.iter().find(|field| field["field"] == "ast").expect("the field that differs");
        assert_eq!(assists["live"].as_i64().unwrap() + 1, assists["replay"].as_i64().unwrap());
        assert_eq!(fields.len(), 1, "{row}");
    }
    assert_eq!(live.content(), before);
    let (_, few) = code_and_json(&live.run(&["replay", "diff", "loader", "--limit", "1"]));
    assert_eq!((few["rows"].as_array().unwrap().len() as u64, &few["more"]), (1, &(changed - 1).into()));
}

#[test]
fn invalid_replays_are_rejected_with_the_next_command() {
    let run = Fastbreak::new();
    let dates = ("2023-11-01".to_owned(), "2023-11-30".to_owned());
    let nothing = run.run(&replay_arguments(&dates, "early"));
    assert!(stderr(&nothing).contains("fastbreak ingest"), "{}", stderr(&nothing));
    for name in ["Upper", "a.b", "", "a-name-that-is-longer-than-forty-characters-is-none"] {
        assert_eq!(run.run(&replay_arguments(&dates, name)).status.code(), Some(2), "{name}");
    }
    let lines = season();
    run.ingest(&lines[..lines.len() / 2]);
    run.catch_up();
    let turned = (dates.1.clone(), dates.0.clone());
    assert_eq!(run.run(&replay_arguments(&turned, "turned")).status.code(), Some(4));
    run.json(&replay_arguments(&dates, "november"));

    let other = run.run(&replay_arguments(&("2023-11-02".into(), dates.1.clone()), "november"));
    assert_eq!(other.status.code(), Some(4));
    assert!(stderr(&other).contains("2023-11-01 to 2023-11-30"), "{}", stderr(&other));
    assert_eq!(run.run(&["replay", "diff", "november"]).status.code(), Some(0));

    run.ingest(&lines);
    assert_eq!(
        run.run(&["replay", "diff", "november"]).status.code(),
        Some(0),
        "the live loaders have not read it either"
    );
    run.catch_up();
    let behind = run.run(&["replay", "diff", "november"]);
    assert_eq!(behind.status.code(), Some(4));
    let message = stderr(&behind);
    assert!(message.contains("that the live loader has read"), "{message}");
    assert!(
        message.contains("fastbreak replay run --from 2023-11-01 --to 2023-11-30 --namespace november"),
        "{message}"
    );

    assert_eq!(run.run(&["replay", "diff", "december"]).status.code(), Some(4));
    let before = run.content();
    let asked = run.run(&["replay", "discard", "november"]);
    assert_eq!(asked.status.code(), Some(4));
    assert!(stderr(&asked).contains("--yes"));
    let folder = run.folder.path().join("replays").join("november");
    let running = EmbeddedLog::lock(&folder).unwrap();
    for arguments in [&replay_arguments(&dates, "november")[..], &["replay", "discard", "november", "--yes"]]
    {
        assert_eq!(run.run(arguments).status.code(), Some(4), "another process runs it");
    }
    drop(running);
    run.json(&["replay", "discard", "november", "--yes"]);
    assert!(!folder.exists());
    assert_eq!(run.json(&["replay", "list"]), serde_json::json!([]));
    assert_eq!(run.run(&["replay", "discard", "november", "--yes"]).status.code(), Some(4));
    assert_eq!(run.content(), before, "the live side is as it was");
}

#[test]
fn progress_is_lines_of_json_when_asked_for() {
    let run = Fastbreak::new();
    run.ingest(&season());
    run.catch_up();
    let ended = run.run(&replay_arguments(&middle(&run), "watched"));
    let (code, message) = code_and_json(&ended);
    assert_eq!((code, &message["raw"]["read"]), (Some(0), &message["raw"]["of"]));
    assert!(stderr(&ended).lines().count() > 0, "the first look is said at once");
    for line in stderr(&ended).lines() {
        let progress: Value = serde_json::from_str(line).unwrap();
        assert_eq!(progress["event"], "progress");
        assert!(progress["raw_percent"].as_f64().unwrap() <= 100.0);
    }
}
