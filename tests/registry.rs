//! Pushes schemas to a real schema registry (Apicurio), and reads and writes records with an independent client (confluent-kafka).
//!
//! Invariant: with and without a registry the content is the same, and the independent client reads and writes the same events.
//! A test is skipped with a message where Java or the independent client is missing; `.ci/run` installs both.
//! Not here: compatibility rules (crate `schemas`), the reference codec (`wire`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
mod common;
use common::{Fastbreak, season, text};
use fastbreak::{app::App, config::Config, registry::subjects};
use runtime::{Commit, LogBackend, LogReader, RecordBatch};
use runtime_embedded::EmbeddedLog;
use schema_registry::{Cause, Client, Level, RegistryError, Verdict};
use schemas::{Event, catalog::unframe, features::Features, ops::LogId, wire};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::JoinHandle,
};
use topics::TopicPartition;

/// Number of records per topic that the independent client reads.
const SAMPLES: usize = 25;

/// A running registry, which is stopped when dropped.
struct Server {
    folder: PathBuf,
    url: String,
}
impl Server {
    /// Starts a registry; returns `None` if Java is not installed.
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
        Client::from_config(&config(&self.folder, &self.url).registry).expect("a client").expect("a registry")
    }
}
impl Drop for Server {
    fn drop(&mut self) {
        let stopped = script().args(["stop", "--data", text(&self.folder)]).status();
        assert!(
            std::thread::panicking() || stopped.is_ok_and(|status| status.success()),
            "the registry did not stop"
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
/// Runs a command; returns its exit code, JSON output and standard error.
fn run_command(run: &Fastbreak, arguments: &[&str]) -> (i32, Value, String) {
    let output = run.run(arguments);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().expect("no signal"), report, message)
}
fn states(subjects: &Value) -> BTreeSet<&str> {
    let subjects = subjects.as_array().expect("subjects").iter();
    subjects.map(|subject| subject["state"].as_str().expect("a state")).collect()
}
fn ids(subjects: &Value) -> Vec<&Value> {
    subjects.as_array().expect("subjects").iter().map(|subject| &subject["id"]).collect()
}
/// Returns the cause of an error, and the exit code of a command that fails with this error.
fn cause<T: std::fmt::Debug>(result: Result<T, RegistryError>) -> (Cause, u8) {
    let error = result.expect_err("an error");
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
    let (code, _, message) = run_command(&run, &["ingest", text(&line)]);
    assert_eq!(code, 3, "{message}");
    assert!(
        message.contains("raw.box-scores.v1-value") && message.contains("`fastbreak schemas push`"),
        "{message}"
    );
    let (code, preview, _) = run_command(&run, &["schemas", "push", "--dry-run"]);
    assert_eq!((code, states(&preview)), (3, ["missing"].into()));
    assert_eq!(client.subjects(), Ok(Vec::new()), "the dry run pushed schemas");

    let (code, pushed, message) = run_command(&run, &["schemas", "push"]);
    assert_eq!((code, states(&pushed)), (0, ["pushed"].into()), "{message}");
    let (code, again, _) = run_command(&run, &["schemas", "push"]);
    assert_eq!((code, states(&again), ids(&again)), (0, ["registered"].into(), ids(&pushed)));
    let (code, report, _) = run_command(&run, &["schemas", "check"]);
    assert_eq!((code, ids(&report["subjects"])), (0, ids(&pushed)));
    assert_eq!(client.subjects().expect("subjects").len(), subjects().len());
    assert_eq!(run_command(&run, &["ingest", text(&line)]).0, 0);

    let subject = "ml.features.v2-value";
    let newest = Features::RELEASED.last().expect("a schema");
    let breaking =
        r#"{"type":"record","name":"fastbreak.Features","fields":[{"name":"player","type":"string"}]}"#;
    assert_eq!(client.level(subject), Ok(Some(Level::BackwardTransitive)));
    assert_eq!(client.check_compatibility(subject, newest), Ok(Verdict::Compatible));
    let Ok(Verdict::Incompatible(reason)) = client.check_compatibility(subject, breaking) else {
        panic!("the registry accepts a breaking schema")
    };
    assert!(!reason.is_empty());
    assert!(matches!(cause(client.register(subject, breaking)), (Cause::Incompatible(_), 4)));
    assert!(matches!(cause(client.version(subject, 99)), (Cause::NotFound { code: 40402, .. }, 3)));
    assert_eq!(client.schema_text(9_999), Ok(None));
    assert!(matches!(
        cause(client.register("x", r#"{"type":"no"}"#)),
        (Cause::Invalid { code: 42201, .. }, 1)
    ));
    assert_eq!(client.find("no-such-subject", newest), Ok(None));
    assert_eq!(client.level("no-such-subject"), Ok(None));

    client.set_level(subject, Level::None).expect("a level");
    let (code, report, _) = run_command(&run, &["schemas", "check"]);
    assert_eq!((code, states(&report["subjects"])), (3, ["missing", "registered"].into()));
    client.register(subject, breaking).expect("level NONE accepts any schema");
    let (code, report, _) = run_command(&run, &["schemas", "check"]);
    assert_eq!((code, states(&report["subjects"])), (3, ["breaking", "registered"].into()));
    let (code, _, message) = run_command(&run, &["schemas", "push"]);
    assert_eq!(code, 4, "{message}");
    let unreadable = format!("cannot read version {}", Features::RELEASED.len() + 1);
    assert!(message.contains(&unreadable) && message.contains("nothing was pushed"), "{message}");
    assert_eq!(client.level(subject), Ok(Some(Level::None)), "the rejected push changed the level");
}

#[test]
fn a_log_that_uses_a_registry_from_the_middle_on_has_the_same_content() {
    let mut run = Fastbreak::new();
    let Some(server) = Server::start(&run) else { return };
    let events = season();
    let without_registry = Fastbreak::straight(&events);
    let (before, after) = events.split_at(events.len() / 2);
    run.ingest(before);
    run.catch_up();
    run.registry = Some(server.url.clone());
    run.json(&["schemas", "push"]);
    run.ingest(after);
    run.catch_up();
    assert_eq!(run.content(), without_registry.content());

    let mut log = EmbeddedLog::open(run.folder.path()).expect("the log");
    let mut schema_ids: BTreeSet<u32> = BTreeSet::new();
    for partition in 0..topics::PARTITIONS {
        let partition = TopicPartition::new(topics::PREDICTIONS.info.name, partition);
        let batches = log.read(partition, 0, usize::MAX).expect("record batches");
        let values =
            batches.iter().flat_map(RecordBatch::records).map(|record| record.expect("a record").value);
        schema_ids.extend(values.flatten().map(|bytes| unframe(bytes).expect("a frame").0));
    }
    assert_eq!(schema_ids.len(), 2, "one id without and one with the registry: {schema_ids:?}");

    run.registry = None;
    let (code, _, message) = run_command(&run, &["audit"]);
    assert_eq!(code, 1, "{message}");
    assert!(message.contains("--registry URL"), "{message}");
}

/// Decodes the value of a record, and converts its event to JSON.
type Decode = fn(&[u8]) -> Result<Value, schemas::WireError>;
macro_rules! decoders {
    ($($event:ty),+ $(,)?) => {
        fn decoders() -> BTreeMap<&'static str, Decode> {
            [$((<$event>::NAME, (|bytes| {
                wire::decode::<$event>(bytes).map(|event| serde_json::to_value(event).expect("JSON"))
            }) as Decode)),+].into()
        }
    };
}
decoders! {
    schemas::raw::RawEvent, schemas::observation::GameObservation, schemas::observation::FinalBoxScoreObservation,
    schemas::fixture::GameFixtures, schemas::observation::OddsEventObservation, schemas::market::OddsEvent,
    schemas::observation::BoxScoreObservation, schemas::observation::OddsObservation, schemas::observation::InjuryObservation,
    schemas::observation::RosterObservation, schemas::observation::NamesObservation, schemas::observation::LinkObservation,
    schemas::identity::Names, schemas::game::Game, schemas::game::TeamGame, schemas::game::PlayerGame,
    schemas::market::Market, schemas::market::Availability, schemas::market::QuotedPlayers, schemas::team_form::TeamForm,
    schemas::membership::Membership, schemas::membership::TeamMember,
    schemas::team_form::SlateEntry, Features, schemas::prediction::Prediction, schemas::ops::LedgerEntry,
    schemas::ops::SinkBatchPlanned, LogId,
}

#[test]
fn every_event_with_a_subject_has_a_decoder() {
    let events: BTreeSet<&str> = subjects().iter().map(|subject| subject.entry.name).collect();
    assert_eq!(decoders().into_keys().collect::<BTreeSet<_>>(), events);
}

#[test]
fn an_independent_client_reads_every_event_and_writes_events_that_fastbreak_reads() {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("interop").join("bin/python");
    if !python.exists() {
        return eprintln!(
            "skipped: confluent-kafka is not installed: python3 -m venv {0} && {0}/bin/pip install 'confluent-kafka[avro,schemaregistry]'",
            python.parent().and_then(Path::parent).unwrap_or(&python).display()
        );
    }
    let mut run = Fastbreak::new();
    let Some(server) = Server::start(&run) else { return };
    run.registry = Some(server.url.clone());
    run.json(&["schemas", "push"]);
    run.ingest(&season());
    run.catch_up();

    let samples_path = run.folder.path().join("samples.jsonl");
    let rewritten_path = run.folder.path().join("rewritten.jsonl");
    let samples = write_samples(&run, &server, &samples_path);
    let output = Command::new(&python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/interop.py"))
        .args([&server.url, text(&samples_path), text(&rewritten_path)])
        .output()
        .expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rewritten = std::fs::read_to_string(&rewritten_path).expect("the records of the client");
    assert_eq!(rewritten.lines().count(), samples.len());
    for (line, sample) in rewritten.lines().zip(&samples) {
        assert_same_event(&serde_json::from_str(line).expect("JSON"), sample);
    }
    let events: BTreeSet<&str> = samples.iter().map(|sample| sample.event).collect();
    let events_with_subject: BTreeSet<&str> = subjects().iter().map(|subject| subject.entry.name).collect();
    assert_eq!(events, events_with_subject);
}

/// The value of a record, and the name of its event.
struct Sample {
    event: &'static str,
    bytes: Vec<u8>,
}

/// Checks that the records that the independent client wrote from a sample decode to the same event as the sample.
fn assert_same_event(rewritten: &Value, Sample { event, bytes }: &Sample) {
    let decode = decoders()[event];
    let schemas = (schemas::catalog::Entry::find(event).expect("an event").schemas)();
    for key in ["own", "other_doc", "extra_field"] {
        let client_bytes = from_hex(rewritten[key].as_str().expect("hex"));
        assert_eq!(decode(&client_bytes).unwrap(), decode(bytes).unwrap(), "{event}, {key}");
        assert_eq!(
            schemas.canonical(&client_bytes).unwrap(),
            schemas.canonical(bytes).unwrap(),
            "{event}, {key}"
        );
        let is_same_id = unframe(&client_bytes).unwrap().0 == unframe(bytes).unwrap().0;
        assert_eq!(is_same_id, key == "own", "{event}, {key}");
    }
}

/// Writes records of every topic to a file, each with the event that Fastbreak decodes from it.
fn write_samples(run: &Fastbreak, server: &Server, path: &Path) -> Vec<Sample> {
    let mut log =
        App::new(&config(run.folder.path(), &server.url)).open_log().expect("the log, and the schema ids");
    // Only a log on Kafka stores its id as a record. The embedded log does not, so the test adds such a record.
    let mut commit = Commit::default();
    let log_id = wire::encode(&LogId { id: log.id().expect("an id") }).expect("an event");
    commit.append(TopicPartition::new(topics::LOG_IDS.info.name, 0), "log", Some(&log_id));
    log.append(commit).expect("a commit");

    let (decoders, mut samples) = (decoders(), Vec::new());
    let mut file = std::fs::File::create(path).expect("a file");
    for subject in subjects() {
        let topic = subject.name.strip_suffix("-value").expect("a subject of a topic");
        let (event, id) = (subject.entry.name, (subject.entry.schemas)().newest().0);
        for bytes in values(log.as_mut(), topic) {
            assert_eq!(unframe(&bytes).expect("a frame").0, id, "{topic}");
            let expected = decoders[event](&bytes).expect(topic);
            let value: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let line = json!({"topic": topic, "event": event, "value": value, "expected": expected});
            writeln!(file, "{line}").expect("written");
            samples.push(Sample { event, bytes });
        }
    }
    samples
}

/// Returns the values of the first records of a topic, without tombstones.
fn values(log: &mut dyn LogBackend, topic: &str) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    for partition in 0..topics::PARTITIONS {
        let batches =
            log.read(TopicPartition::from_name(topic, partition), 0, usize::MAX).expect("record batches");
        let records = batches.iter().flat_map(RecordBatch::records).map(|record| record.expect("a record"));
        values.extend(records.filter_map(|record| record.value.map(<[u8]>::to_vec)));
    }
    values.truncate(SAMPLES);
    values
}

fn from_hex(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|index| u8::from_str_radix(&text[index..index + 2], 16).expect("hex")).collect()
}

/// Starts a server that responds to one request with 401; returns its address, and a thread that returns the request.
fn server_without_access() -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let request = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).expect("a request");
        let body = r#"{"error_code":40101,"message":"Unauthorized"}"#;
        let header = format!(
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all((header + body).as_bytes()).expect("a response");
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    (url, request)
}

#[test]
fn credentials_are_sent_and_never_shown() {
    let run = Fastbreak::new();
    let secret = run.folder.path().join("secret");
    std::fs::write(&secret, "hush hush\n").expect("written");
    // Looks for the password as plain text, and for `someone:hush hush` in base64.
    let has_password =
        |message: &str| message.contains("hush") || message.contains("c29tZW9uZTpodXNoIGh1c2g=");
    for (variable, value) in
        [("FASTBREAK_REGISTRY_PASSWORD", "hush hush"), ("FASTBREAK_REGISTRY_PASSWORD_FILE", text(&secret))]
    {
        let (server_url, request) = server_without_access();
        for (url, code, expected) in [
            (server_url.as_str(), 4, "the credentials are not valid"),
            ("http://127.0.0.1:1", 5, "unreachable"),
        ] {
            let mut command = run.command(&["--registry", url, "schemas", "push"]);
            command
                .env("FASTBREAK_LOG", "trace")
                .env("FASTBREAK_REGISTRY_USER", "someone")
                .env(variable, value);
            let output = command.output().expect("the binary runs");
            let message = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(code), "{message}");
            assert!(
                message.contains(expected) && message.contains(url) && !has_password(&message),
                "{message}"
            );
        }
        let request = request.join().expect("a request");
        let has_credentials =
            request.to_lowercase().contains("authorization: basic c29tzw9uztpodxnoigh1c2g=");
        assert!(has_credentials, "{request}");
    }
}
