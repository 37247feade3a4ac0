//! A schema registry: a real one (Apicurio), and an independent client (confluent-kafka) beside ours.
//!
//! Without Java, or without that client, the tests that need it say that they are skipped; `.ci/run` has both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
mod common;
use common::{Fastbreak, season, text};
use fastbreak::{
    config::Config,
    registry::{Cause, Client, Level, RegistryError, Verdict, subjects},
    storage,
};
use runtime::LogReader;
use schemas::{Event, catalog::unframe, features::Features, wire};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use topics::TopicPartition;

/// So many records of each topic go through the independent client.
const SAMPLES: usize = 25;

/// A running registry; it ends with this value.
struct Server {
    folder: PathBuf,
    url: String,
}
impl Server {
    /// `None` where there is no Java.
    fn start(run: &Fastbreak) -> Option<Server> {
        if Command::new("java").arg("-version").stderr(Stdio::null()).status().is_err() {
            eprintln!(
                "skipped: a schema registry needs Java 17: apt-get install -y openjdk-17-jre-headless maven"
            );
            return None;
        }
        let folder = run.folder.path().join("registry");
        let started = script().args(["start", "--data", text(&folder)]).output().expect("the script runs");
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        let url = String::from_utf8(started.stdout).expect("an address").trim().to_owned();
        Some(Server { folder, url })
    }
    fn client(&self) -> Client {
        Client::from_config(&config(&self.folder, &self.url).registry).expect("a registry")
    }
}
impl Drop for Server {
    fn drop(&mut self) {
        let stopped = script().args(["stop", "--data", text(&self.folder)]).status();
        assert!(
            std::thread::panicking() || stopped.is_ok_and(|status| status.success()),
            "the registry ends"
        );
    }
}
fn script() -> Command {
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/registry"));
    command
}
fn config(data: &Path, url: &str) -> Config {
    let flags = [("data", data.display().to_string()), ("registry", url.to_owned())];
    Config::resolve(None, &BTreeMap::new(), &flags).expect("a configuration")
}
/// The exit code, the answer and the prose of a verb.
fn run_command(run: &Fastbreak, arguments: &[&str]) -> (i32, Value, String) {
    let output = run.run(arguments);
    let prose = String::from_utf8_lossy(&output.stderr).into_owned();
    let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().expect("no signal"), answer, prose)
}
fn states(lines: &Value) -> BTreeSet<&str> {
    lines.as_array().expect("lines").iter().map(|line| line["state"].as_str().expect("a state")).collect()
}
fn ids(lines: &Value) -> Vec<&Value> {
    lines.as_array().expect("lines").iter().map(|line| &line["id"]).collect()
}
fn cause<T: std::fmt::Debug>(answer: Result<T, RegistryError>) -> (Cause, u8) {
    let error = answer.expect_err("an error");
    (error.cause.clone(), error.exit_code())
}

#[test]
fn pushed_schemas_stay_and_incompatible_ones_are_rejected() {
    let mut run = Fastbreak::new();
    let Some(server) = Server::start(&run) else { return };
    run.registry = Some(server.url.clone());
    let client = server.client();
    let line = run.file("events.jsonl", &season()[..1]);

    let (code, report, _) = run_command(&run, &["schemas", "check"]);
    assert_eq!((code, states(&report["subjects"])), (3, ["missing"].into()));
    let (code, _, prose) = run_command(&run, &["ingest", text(&line)]);
    assert_eq!(code, 3, "{prose}");
    assert!(
        prose.contains("raw.box-scores.v1-value") && prose.contains("`fastbreak schemas push`"),
        "{prose}"
    );
    let (code, lines, _) = run_command(&run, &["schemas", "push", "--dry-run"]);
    assert_eq!((code, states(&lines)), (3, ["missing"].into()));
    assert_eq!(client.subjects(), Ok(Vec::new()), "a dry run leaves nothing");

    let (code, pushed, prose) = run_command(&run, &["schemas", "push"]);
    assert_eq!((code, states(&pushed)), (0, ["pushed"].into()), "{prose}");
    let (code, again, _) = run_command(&run, &["schemas", "push"]);
    assert_eq!((code, states(&again), ids(&again)), (0, ["registered"].into(), ids(&pushed)));
    let (code, report, _) = run_command(&run, &["schemas", "check"]);
    assert_eq!((code, ids(&report["subjects"])), (0, ids(&pushed)));
    assert_eq!(client.subjects().expect("subjects").len(), subjects().len());
    assert_eq!(run_command(&run, &["ingest", text(&line)]).0, 0);

    let subject = "ml.features.v1-value";
    let newest = Features::RELEASED.last().expect("a schema");
    let breaking =
        r#"{"type":"record","name":"fastbreak.Features","fields":[{"name":"player","type":"string"}]}"#;
    assert_eq!(client.level(subject), Ok(Some(Level::BackwardTransitive)));
    assert_eq!(client.check_compatibility(subject, newest), Ok(Verdict::Compatible));
    let Ok(Verdict::Incompatible(reason)) = client.check_compatibility(subject, breaking) else {
        panic!("it is compatible")
    };
    assert!(!reason.is_empty());
    assert!(matches!(cause(client.register(subject, breaking)), (Cause::Incompatible(_), 4)));
    assert!(matches!(cause(client.version(subject, 99)), (Cause::NotFound { code: 40402, .. }, 3)));
    assert!(matches!(cause(client.schema_text(9_999)), (Cause::NotFound { code: 40403, .. }, 3)));
    assert!(matches!(
        cause(client.register("x", r#"{"type":"no"}"#)),
        (Cause::Invalid { code: 42201, .. }, 1)
    ));
    assert_eq!(client.find("no-such-subject", newest), Ok(None));
    assert_eq!(client.level("no-such-subject"), Ok(None));

    client.set_level(subject, Level::None).expect("a level");
    let (code, report, _) = run_command(&run, &["schemas", "check"]);
    assert_eq!((code, states(&report["subjects"])), (3, ["missing", "registered"].into()));
    client.register(subject, breaking).expect("anything goes at NONE");
    let (code, report, _) = run_command(&run, &["schemas", "check"]);
    assert_eq!((code, states(&report["subjects"])), (3, ["breaking", "registered"].into()));
    let (code, _, prose) = run_command(&run, &["schemas", "push"]);
    assert_eq!(code, 4, "{prose}");
    assert!(prose.contains("cannot read version 2") && prose.contains("nothing was pushed"), "{prose}");
    assert_eq!(client.level(subject), Ok(Some(Level::None)), "nothing was pushed");
}

#[test]
fn a_log_has_the_same_content_with_a_registry_and_without_and_with_one_from_the_middle_on() {
    let mut run = Fastbreak::new();
    let Some(server) = Server::start(&run) else { return };
    let events = season();
    let plain = Fastbreak::new();
    plain.ingest(&events);
    plain.catch_up();
    let (before, after) = events.split_at(events.len() / 2);
    run.ingest(before);
    run.catch_up();
    run.registry = Some(server.url.clone());
    run.json(&["schemas", "push"]);
    run.ingest(after);
    run.catch_up();
    assert_eq!(run.content(), plain.content());

    let found: BTreeSet<u32> = {
        let mut log = runtime_embedded::EmbeddedLog::open(run.folder.path()).expect("the log");
        let record_batches = (0..topics::PARTITIONS).flat_map(|p| {
            let partition = TopicPartition::new(topics::PREDICTIONS.info.name, p);
            log.read(partition, 0, usize::MAX).expect("read")
        });
        let record_batches: Vec<_> = record_batches.collect();
        let records = record_batches.iter().flat_map(|record_batch| record_batch.records());
        records.filter_map(|record| Some(unframe(record.expect("sound").value?).expect("framed").0)).collect()
    };
    assert_eq!(found.len(), 2, "some records are of before and some of after: {found:?}");

    run.registry = None;
    let (code, _, prose) = run_command(&run, &["audit"]);
    assert_eq!(code, 1, "{prose}");
    assert!(prose.contains("--registry URL"), "{prose}");
}

/// Reads a record of an event as its JSON.
type Reads = fn(&[u8]) -> Result<Value, schemas::WireError>;
macro_rules! readers {
    ($($event:ty),+ $(,)?) => {
        fn readers() -> BTreeMap<&'static str, Reads> {
            [$((<$event>::NAME, (|bytes| {
                wire::decode::<$event>(bytes).map(|event| serde_json::to_value(event).expect("JSON"))
            }) as Reads)),+].into()
        }
    };
}
readers! {
    schemas::raw::RawEvent, schemas::raw::DeadLetter, schemas::observation::GameObservation,
    schemas::observation::BoxScoreObservation, schemas::observation::OddsObservation, schemas::observation::InjuryObservation,
    schemas::observation::RosterObservation, schemas::observation::NamesObservation, schemas::observation::LinkObservation,
    schemas::identity::Names, schemas::game::Game, schemas::game::TeamGame, schemas::game::PlayerGame,
    schemas::market::Market, schemas::market::Availability, schemas::market::QuotedPlayers, schemas::team_form::TeamForm,
    schemas::team_form::SlateEntry, Features, schemas::prediction::Prediction, schemas::ops::LedgerEntry,
    schemas::ops::SinkBatchPlanned,
}

#[test]
fn an_independent_client_reads_every_event_and_is_read_itself() {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("interop").join("bin/python");
    if !python.exists() {
        return eprintln!(
            "skipped: no confluent-kafka: python3 -m venv {0} && {0}/bin/pip install 'confluent-kafka[avro,schemaregistry]'",
            python.parent().and_then(Path::parent).unwrap_or(&python).display()
        );
    }
    let mut run = Fastbreak::new();
    let Some(server) = Server::start(&run) else { return };
    run.registry = Some(server.url.clone());
    run.json(&["schemas", "push"]);
    let mut events = season();
    run.ingest(&events);
    events.truncate(1);
    events[0] = "{\"not\": \"an event\u{e9}\"".into();
    run.run(&["ingest", text(&run.file("bad.jsonl", &events))]);
    run.catch_up();

    let (samples, answers) =
        (run.folder.path().join("samples.jsonl"), run.folder.path().join("answers.jsonl"));
    let written = samples_of(&run, &server, &samples);
    let done = Command::new(&python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/interop.py"))
        .args([&server.url, text(&samples), text(&answers)])
        .output()
        .expect("Python runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let answers = std::fs::read_to_string(&answers).expect("answers");
    let (readers, mut seen) = (readers(), BTreeSet::new());
    for (answer, (event, bytes)) in answers.lines().zip(&written) {
        let answer: Value = serde_json::from_str(answer).expect("JSON");
        let read = readers[event];
        let schemas = (schemas::catalog::Entry::find(event).expect("an event").schemas)();
        for key in ["own", "worded", "more"] {
            let theirs = unhex(answer[key].as_str().expect("hex"));
            assert_eq!(read(&theirs).unwrap(), read(bytes).unwrap(), "{event}, {key}");
            assert_eq!(
                schemas.canonical(&theirs).unwrap(),
                schemas.canonical(bytes).unwrap(),
                "{event}, {key}"
            );
            let is_same_id = unframe(&theirs).unwrap().0 == unframe(bytes).unwrap().0;
            assert_eq!(is_same_id, key == "own", "{event}, {key}");
        }
        seen.insert(*event);
    }
    assert_eq!(answers.lines().count(), written.len());
    assert_eq!(seen.len(), schemas::catalog::entries().len(), "every event: {seen:?}");
}
/// Writes records of every topic, with what is read from each; answers event and bytes.
fn samples_of(run: &Fastbreak, server: &Server, path: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let mut log = storage::open(&config(run.folder.path(), &server.url)).expect("the log, and the ids");
    let (readers, mut written) = (readers(), Vec::new());
    let mut file = std::fs::File::create(path).expect("a file");
    for subject in subjects() {
        let topic = subject.name.strip_suffix("-value").expect("a subject of a topic");
        let id = (subject.entry.schemas)().newest().0;
        let mut left = SAMPLES;
        for partition in 0..topics::PARTITIONS {
            for record_batch in
                log.read(TopicPartition::from_name(topic, partition), 0, usize::MAX).expect("read")
            {
                for record in record_batch.records().take(left) {
                    let Some(bytes) = record.expect("sound").value else { continue };
                    assert_eq!(unframe(bytes).expect("framed").0, id, "{topic}");
                    let event = subject.entry.name;
                    let expected = readers[event](bytes).expect(topic);
                    let value: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    let line = json!({"topic": topic, "event": event, "value": value, "expected": expected});
                    writeln!(file, "{line}").expect("written");
                    written.push((event, bytes.to_vec()));
                    left -= 1;
                }
            }
        }
    }
    written
}
fn unhex(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

/// A server that answers one request with 401; what it was sent.
fn doorkeeper() -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        let mut request = vec![0; 4096];
        let n = stream.read(&mut request).expect("a request");
        let body = r#"{"error_code":40101,"message":"Unauthorized"}"#;
        let head = format!(
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all((head + body).as_bytes()).expect("an answer");
        String::from_utf8_lossy(&request[..n]).into_owned()
    });
    (url, heard)
}

#[test]
fn credentials_are_sent_and_never_shown() {
    let run = Fastbreak::new();
    let secret = run.folder.path().join("secret");
    std::fs::write(&secret, "hush hush\n").expect("written");
    // `someone:hush hush` in base 64, and in the clear.
    let shown = |prose: &str| prose.contains("hush") || prose.contains("c29tZW9uZTpodXNoIGh1c2g=");
    for (variable, value) in
        [("FASTBREAK_REGISTRY_PASSWORD", "hush hush"), ("FASTBREAK_REGISTRY_PASSWORD_FILE", text(&secret))]
    {
        let (door, heard) = doorkeeper();
        for (url, code, says) in [
            (door.as_str(), 4, "does not know these credentials"),
            ("http://127.0.0.1:1", 5, "not reachable"),
        ] {
            let mut command = run.command(&["--registry", url, "schemas", "push"]);
            command
                .env("FASTBREAK_LOG", "trace")
                .env("FASTBREAK_REGISTRY_USER", "someone")
                .env(variable, value);
            let output = command.output().expect("the binary runs");
            let prose = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(code), "{prose}");
            assert!(prose.contains(says) && prose.contains(url) && !shown(&prose), "{prose}");
        }
        let heard = heard.join().expect("a request");
        assert!(heard.to_lowercase().contains("authorization: basic c29tzw9uztpodxnoigh1c2g="), "{heard}");
    }
}
