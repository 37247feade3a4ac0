//! Tests replays: they run during live ingestion, are resumed after kills, and are compared with production row by row.
//!
//! The tests also find the differences by SQL over both warehouses, independently of `replay diff`.
//! Invariant: a replay changes nothing live, and its diff lists exactly the rows that differ.
//! Not here: replays on Kafka (`kafka`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Chance, Fastbreak, middle_dates, replay_arguments, season, text};
use fastbreak::{
    app::App,
    config::Config,
    replay::{self, ProgressListener, ReplayRequest},
    topology,
};
use models::{Column, Model, Parameters};
use processors::{
    loader::{self, Observation},
    predictor::{Artifact, Content, Kind, Predictor, Spread, Training, feature_schema_hash},
};
use runtime::{
    ProcessorNode,
    engine::{Output, ProcessorOutput, RowCounts, StatelessNode, StatelessProcessor, stream},
    inspect,
    subscription::RunContext,
};
use runtime_embedded::RunLock;
use rusqlite::Connection;
use schemas::{EasternDate, Matchup, Season, Timestamp, raw::RawEvent};
use serde_json::Value;
use sinks::{DateRange, SinkTopic, Sqlite, Warehouse, tables::TABLES};
use std::{
    collections::{BTreeMap, BTreeSet},
    process,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

fn code_and_json(output: &process::Output) -> (Option<i32>, Value) {
    let json = serde_json::from_slice(&output.stdout);
    (output.status.code(), json.unwrap_or_else(|_| panic!("no JSON: {}", stderr(output))))
}
fn stderr(output: &process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
/// Returns the name, row count and content hash of each table of a replay.
fn content_hashes(run: &Fastbreak, name: &str) -> Vec<(&'static str, u64, String)> {
    let path = run.folder.path().join("replays").join(name).join("warehouse.db");
    let hashes = Sqlite::open(&path).unwrap().content_hashes().unwrap().done().unwrap();
    hashes.into_iter().map(|hash| (hash.table, hash.rows, hash.hash)).collect()
}

type Keys = BTreeSet<String>;
/// Keys of rows by table.
type KeysByTable = BTreeMap<String, Keys>;

/// Finds by SQL the rows of these dates that differ between the live warehouse and a replay; model versions are not compared.
fn differences_by_sql(run: &Fastbreak, name: &str, (from, to): &(String, String)) -> KeysByTable {
    let db = Connection::open(run.folder.path().join("warehouse.db")).unwrap();
    let replayed = run.folder.path().join("replays").join(name).join("warehouse.db");
    db.execute("ATTACH ? AS replayed", [text(&replayed)]).unwrap();
    let mut differences = BTreeMap::new();
    for table in &TABLES {
        let columns: Vec<_> =
            table.columns.iter().map(|column| column.name).filter(|name| *name != "model_version").collect();
        let (columns, key) = (columns.join(", "), table.key.join(" || ' ' || "));
        let rows = |database: &str| {
            let dates = format!("game_date BETWEEN '{from}' AND '{to}'");
            format!("SELECT {columns} FROM {database}.{} WHERE {dates}", table.name)
        };
        let (live, replayed) = (rows("main"), rows("replayed"));
        let sql = format!(
            "SELECT DISTINCT {key} FROM (SELECT * FROM ({live} EXCEPT {replayed}) UNION ALL SELECT * FROM ({replayed} EXCEPT {live}))"
        );
        let keys: Keys =
            db.prepare(&sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        differences.insert(table.name.to_owned(), keys);
    }
    differences
}
/// Returns the keys of the rows that `replay diff` lists.
fn differences_by_command(diff: &Value) -> KeysByTable {
    let mut differences: KeysByTable =
        TABLES.iter().map(|table| (table.name.to_owned(), Keys::new())).collect();
    for row in diff["rows"].as_array().unwrap() {
        let name = row["table"].as_str().unwrap();
        let table = TABLES.iter().find(|table| table.name == name).unwrap();
        let part = |column: &&str| match &row["key"][*column] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let key = table.key.iter().map(part).collect::<Vec<_>>().join(" ");
        assert!(differences.get_mut(name).unwrap().insert(key), "`replay diff` lists a row twice: {row}");
    }
    differences
}
/// Returns the output of `replay diff`, which must list exactly the differences that SQL finds, at least one.
fn checked_diff(run: &Fastbreak, name: &str, dates: &(String, String)) -> Value {
    let (code, diff) = code_and_json(&run.run(&["replay", "diff", name, "--limit", "1000000"]));
    assert_eq!((code, &diff["equal"], &diff["more"]), (Some(3), &Value::from(false), &Value::from(0)));
    let by_sql = differences_by_sql(run, name, dates);
    assert_eq!(differences_by_command(&diff), by_sql);
    assert!(by_sql.values().any(|keys| !keys.is_empty()));
    diff
}
fn count(diff: &Value, table: &str, kind: &str) -> u64 {
    diff["tables"][table][kind].as_u64().unwrap()
}

#[test]
fn a_replay_beside_live_ingestion_changes_nothing_live_and_has_no_differences() {
    let lines = season();
    let straight = Fastbreak::straight(&lines);
    let dates = middle_dates(&straight);

    let live = Fastbreak::new();
    let (before, after) = lines.split_at(lines.len() / 2);
    live.ingest(before);
    let mut running = live.spawn(&["run"]);
    let mut replaying = live.spawn(&replay_arguments(&dates, "beside"));
    for slice in after.chunks(after.len() / 8 + 1) {
        live.ingest(slice);
    }
    assert!(replaying.wait().unwrap().success(), "the replay failed during live ingestion");
    running.kill().unwrap();
    running.wait().unwrap();
    live.catch_up();
    assert_eq!(live.content(), straight.content(), "the replay changed the live content");

    let report = live.json(&replay_arguments(&dates, "beside"));
    assert_eq!((&report["caught_up"], &report["behind"]), (&Value::from(true), &serde_json::json!({})));
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
    let stored: u64 = content_hashes(&live, "beside").iter().map(|(_, rows, _)| rows).sum();
    assert_eq!(compared, stored, "the warehouse of the replay must have exactly the games of these dates");
    let replays = live.json(&["replay", "list"]);
    assert_eq!((&replays[0]["namespace"], &replays[0]["caught_up"]), (&"beside".into(), &true.into()));
    assert_balanced(&live, "beside");
    let games = newest_values(&live, &["core.games.v1"]);
    assert!(!games.is_empty());
    assert_eq!(newest_values(&live, &["core.games.v1", "--replay", "beside"]), games);
}

/// Returns the newest value of each key, as `cat` with these arguments prints them.
fn newest_values(run: &Fastbreak, arguments: &[&str]) -> BTreeMap<String, Value> {
    let output = run.run(&[&["cat"], arguments].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.map(|record| (record["key"].as_str().unwrap().to_owned(), record["value"].clone())).collect()
}

/// Checks record accounting of a replay's processors and of its sink.
fn assert_balanced(run: &Fastbreak, name: &str) {
    let mut log = app(run).open_replay_log(&name.parse().unwrap()).unwrap();
    let totals = inspect::ledger_totals(log.as_mut(), 0).unwrap();
    for ((processor, _), entry) in &totals {
        assert_eq!(entry.imbalance(), (0, 0), "{processor}");
    }
    let sink_total = &totals[&(sinks::SINK.to_owned(), 0)];
    let committed = log.committed_offsets(sinks::SINK, &SinkTopic::ALL.map(SinkTopic::topic)).unwrap();
    assert_eq!(sink_total.read, committed.values().sum::<i64>());
    assert!(sink_total.unchanged > sink_total.applied, "games of other dates must be read and not written");
}
fn app(run: &Fastbreak) -> App {
    let data = run.folder.path().display().to_string();
    App::new(&Config::resolve(None, &BTreeMap::new(), &[("data", data)]).unwrap())
}

#[test]
fn a_killed_replay_resumes_with_equal_content() {
    let live = Fastbreak::new();
    live.ingest(&season());
    live.catch_up();
    let live_file = std::fs::read(live.folder.path().join("log.db")).unwrap();
    let dates = middle_dates(&live);
    let started = Instant::now();
    live.json(&replay_arguments(&dates, "straight"));
    let replay_time = started.elapsed();
    let mut chance = Chance(4);
    let mut kills = 0;
    for _ in 0..12 {
        let mut replaying = live.spawn(&replay_arguments(&dates, "killed"));
        thread::sleep(Duration::from_millis(chance.below(replay_time.as_millis() as u64 / 2)));
        if replaying.try_wait().unwrap().is_none() {
            replaying.kill().unwrap();
            kills += 1;
        }
        replaying.wait().unwrap();
    }
    assert!(kills > 3, "several replays must be killed before they end");
    live.json(&replay_arguments(&dates, "killed"));
    assert_eq!(content_hashes(&live, "killed"), content_hashes(&live, "straight"));
    assert_balanced(&live, "killed");
    assert_eq!(live.run(&["replay", "diff", "killed"]).status.code(), Some(0));
    assert!(
        live_file == std::fs::read(live.folder.path().join("log.db")).unwrap(),
        "the replay changed the file of the live log"
    );
}

#[test]
fn a_model_of_the_replay_alone_adds_its_rows_and_changes_those_of_the_ensemble() {
    let live = Fastbreak::new();
    live.ingest(&season());
    live.catch_up();
    let dates = middle_dates(&live);
    let training = Training {
        from: EasternDate(17_820),
        to: EasternDate(17_996),
        seasons: vec![Season(2018)],
        rows: 1,
        issued: 1,
        retrospective: 0,
        rows_hash: "none".into(),
        dropped: Vec::new(),
    };
    let column = Column {
        name: "opponent_pace".into(),
        impute: Some(100.0),
        mean: 100.0,
        deviation: 4.0,
        weight: 0.1,
    };
    let content = Content {
        kind: Kind::LinearAndTrees,
        feature_schema: feature_schema_hash(),
        model: Model { columns: vec![column], intercept: 9.5, offset: 0, trees: Vec::new() },
        spread: Spread { at_zero: 10.0, per_point: 2.5, prior_games: 80.0 },
        training,
        parameters: Parameters::default(),
        backtest: None,
    };
    let artifact = Artifact::new(content).unwrap().text().unwrap();
    let path = live.file("artifact.json", &[artifact]);
    let mut command = live.command(&replay_arguments(&dates, "model"));
    assert!(command.env("FASTBREAK_LEARNED_MODEL", &path).output().unwrap().status.success());

    let diff = checked_diff(&live, "model", &dates);
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
        "rows that differ only in the model version must be counted"
    );
    for table in ["features", "player_games"] {
        let counts = ["changed", "version", "only_live", "only_replay"].map(|kind| count(&diff, table, kind));
        assert_eq!(counts, [0; 4], "{table}");
    }
}

/// A box-score loader that adds one assist to the stats of every player on one date.
struct ChangedLoader(EasternDate);
impl StatelessProcessor for ChangedLoader {
    type In = RawEvent;
    type Out = Observation;
    fn version(&self) -> i64 {
        i64::from(loader::VERSION) + 1
    }
    fn process(&self, raw: RawEvent, _: Option<Timestamp>) -> ProcessorOutput<Observation> {
        let loaded = loader::load(&raw).expect("a valid payload");
        let rows = RowCounts {
            found: loaded.rows as i64,
            emitted: loaded.rows_emitted() as i64,
            out_of_scope: loaded.rows_out_of_scope as i64,
            repeated: loaded.rows_repeated as i64,
            bad: loaded.bad_rows.len() as i64,
        };
        let mut events = loaded.observations;
        for observation in &mut events {
            if let Observation::BoxScore(observation) = observation
                && observation.date == self.0
            {
                for stats in observation.members.iter_mut().filter_map(|member| member.stats.as_mut()) {
                    stats.assists += 1;
                }
            }
        }
        ProcessorOutput { events, rows, ..ProcessorOutput::default() }
    }
}
/// Returns the topology with [`ChangedLoader`] instead of the box-score loader.
fn changed_topology(date: EasternDate) -> Vec<Box<dyn ProcessorNode>> {
    let mut nodes = topology::topology(Predictor::new(None));
    let index = nodes.iter().position(|node| node.name() == "box-score-loader").unwrap();
    let outputs = vec![
        Output::stream(&topics::BOX_SCORE_OBSERVATIONS, |observation: &Observation| match observation {
            Observation::BoxScore(box_score) => {
                Some((box_score, Matchup::new(box_score.team, box_score.opponent).unwrap().to_string()))
            }
            _ => None,
        }),
        Output::stream(
            &topics::FINAL_BOX_SCORE_OBSERVATIONS,
            |observation: &Observation| match observation {
                Observation::FinalBoxScore(box_score) => Some((box_score, box_score.game.to_string())),
                _ => None,
            },
        ),
        Output::stream(&topics::NAME_OBSERVATIONS, |observation: &Observation| match observation {
            Observation::Names(names) => Some((names, names.team.to_string())),
            _ => None,
        }),
    ];
    let inputs = vec![stream(&topics::RAW_BOX_SCORES, |raw| raw)];
    nodes[index] = Box::new(StatelessNode::new("box-score-loader", ChangedLoader(date), inputs, outputs));
    nodes
}

#[test]
fn a_changed_loader_lists_exactly_the_rows_that_differ() {
    let live = Fastbreak::new();
    live.ingest(&season());
    live.catch_up();
    let before = live.content();
    let dates = middle_dates(&live);
    let (from, to): (EasternDate, EasternDate) = (dates.0.parse().unwrap(), dates.1.parse().unwrap());
    let nodes = changed_topology(from);
    let run_context = Arc::new(RunContext::default());
    let namespace = "loader".parse().unwrap();
    let request = ReplayRequest { namespace: &namespace, dates: DateRange { from, to }, nodes };
    let listener = ProgressListener { interval: Duration::MAX, on_progress: &mut |_| {} };
    replay::run(&app(&live), request, run_context, listener).unwrap();

    let diff = checked_diff(&live, "loader", &dates);
    let changed = count(&diff, "player_games", "changed");
    assert!(changed > 0 && count(&diff, "player_games", "equal") > 0);
    assert_eq!(
        diff["dates"][&dates.0]["changed"].as_u64().unwrap(),
        changed,
        "rows of other dates have changed, too"
    );
    for row in diff["rows"].as_array().unwrap() {
        let fields = row["fields"].as_array().unwrap();
        let assists = fields.iter().find(|field| field["field"] == "assists").expect("the changed field");
        assert_eq!(assists["live"].as_i64().unwrap() + 1, assists["replay"].as_i64().unwrap());
        assert_eq!(fields.len(), 1, "{row}");
    }
    assert_eq!(live.content(), before);
    let (_, limited) = code_and_json(&live.run(&["replay", "diff", "loader", "--limit", "1"]));
    assert_eq!(
        (limited["rows"].as_array().unwrap().len() as u64, &limited["more"]),
        (1, &(changed - 1).into())
    );
}

#[test]
fn invalid_replays_are_rejected_with_the_next_command() {
    let run = Fastbreak::new();
    let dates = ("2023-11-01".to_owned(), "2023-11-30".to_owned());
    let without_log = run.run(&replay_arguments(&dates, "early"));
    assert!(stderr(&without_log).contains("fastbreak ingest"), "{}", stderr(&without_log));
    for name in ["Upper", "a.b", "", "a-name-of-more-than-forty-characters-is-refused"] {
        assert_eq!(run.run(&replay_arguments(&dates, name)).status.code(), Some(2), "{name}");
    }
    let lines = season();
    run.ingest(&lines[..lines.len() / 2]);
    run.catch_up();
    let reversed = (dates.1.clone(), dates.0.clone());
    assert_eq!(run.run(&replay_arguments(&reversed, "reversed")).status.code(), Some(2));
    run.json(&replay_arguments(&dates, "november"));

    let other_dates = run.run(&replay_arguments(&("2023-11-02".into(), dates.1.clone()), "november"));
    assert_eq!(other_dates.status.code(), Some(4));
    assert!(stderr(&other_dates).contains("2023-11-01 to 2023-11-30"), "{}", stderr(&other_dates));
    assert_eq!(run.run(&["replay", "diff", "november"]).status.code(), Some(0));

    run.ingest(&lines);
    assert_eq!(
        run.run(&["replay", "diff", "november"]).status.code(),
        Some(0),
        "the live loaders have not read the new events either"
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
    assert_eq!(run.run(&["cat", "core.games.v1", "--replay", "december"]).status.code(), Some(4));
    let before = run.content();
    let preview = run.run(&["replay", "discard", "november"]);
    assert_eq!(preview.status.code(), Some(4));
    assert!(stderr(&preview).contains("--yes"));
    let folder = run.folder.path().join("replays").join("november");
    let run_lock = RunLock::acquire(&folder).unwrap();
    for arguments in [&replay_arguments(&dates, "november")[..], &["replay", "discard", "november", "--yes"]]
    {
        assert_eq!(
            run.run(arguments).status.code(),
            Some(4),
            "a process without the run lock of the replay must be rejected"
        );
    }
    drop(run_lock);
    run.json(&["replay", "discard", "november", "--yes"]);
    assert!(!folder.exists());
    assert_eq!(run.json(&["replay", "list"]), serde_json::json!([]));
    assert_eq!(run.run(&["replay", "discard", "november", "--yes"]).status.code(), Some(4));
    assert_eq!(run.content(), before, "the rejected commands or the discard changed the live content");
}

#[test]
fn progress_is_lines_of_json_with_output_json() {
    let run = Fastbreak::new();
    run.ingest(&season());
    run.catch_up();
    let output = run.run(&replay_arguments(&middle_dates(&run), "watched"));
    let (code, report) = code_and_json(&output);
    assert_eq!((code, &report["raw"]["read"]), (Some(0), &report["raw"]["of"]));
    assert!(stderr(&output).lines().count() > 0, "no progress was printed");
    for line in stderr(&output).lines() {
        let progress: Value = serde_json::from_str(line).unwrap();
        assert_eq!(progress["event"], "progress");
        assert!(progress["raw_percent"].as_f64().unwrap() <= 100.0);
    }
}
