//! A sink of whose commits one fails, over a log that it has not read yet.
//!
//! Invariant: what fails is one commit of a kind, lost or durable; the next run starts from what is durable.
//! Not here: the service that it writes to (`fakebq`).
use crate::{
    common::{self, Fastbreak},
    fakebq::{self, Fake},
};
use fastbreak::{
    pipeline::Destination,
    sink::{self, Windowing},
    topology::{self, SINK},
    warehouse::{BigQueryKeys, Place},
};
use processors::predictor::Predictor;
use runtime::{
    Chunk, Commit, Halt, Log, Member, Restored, Source, Storage, Wake,
    embedded::EmbeddedLog,
    engine::{Breaker, dead_letters_of},
    log::At,
    member::{Limits, Signals},
};
use schemas::{PlayerGameId, PlayerId, prediction::Prediction, raw::DeadLetter, wire};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

/// What a commit of the sink is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Plan,
    Letters,
    Done,
    Begin,
}
fn kind(commit: &Commit) -> Kind {
    let has = |topic: &str| commit.out.keys().any(|(name, _)| name == topic);
    match (has(topics::SINK_BATCHES.info.name), has(topics::LEDGER.info.name)) {
        (true, true) => Kind::Begin,
        (true, false) => Kind::Plan,
        (false, true) => Kind::Done,
        (false, false) => Kind::Letters,
    }
}
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    /// It fails and nothing of it is durable; the process ends, as on a full disk.
    Lost,
    /// It is durable, and the process is killed before it knows.
    Unheard,
    /// The instance lost its partitions: nothing is durable, and they are handed out again.
    Interrupted,
}

/// A member of whose commits one fails.
struct Disturbed {
    inner: Box<dyn Member>,
    signals: Arc<Signals>,
    /// Commits of a kind until the trouble.
    trouble: Option<(Kind, usize, Trouble)>,
    hand_out: bool,
}
impl Source for Disturbed {
    fn wake(&mut self) -> Wake {
        if std::mem::take(&mut self.hand_out) {
            return Wake::Assigned((0..topics::PARTITIONS).collect());
        }
        let wake = self.inner.wake();
        if matches!(wake, Wake::Dry) && self.inner.is_caught_up() {
            self.signals.stop();
        }
        wake
    }
}
impl Log for Disturbed {
    fn restore(&mut self, partition: i32) -> Result<Option<Restored>, Halt> {
        self.inner.restore(partition)
    }
    fn commit(&mut self, commit: Commit) -> Result<(), Halt> {
        match &mut self.trouble {
            Some((of, after, _)) if *of == kind(&commit) && *after > 0 => *after -= 1,
            Some((of, _, trouble)) if *of == kind(&commit) => {
                let trouble = *trouble;
                self.trouble = None;
                return Err(match trouble {
                    Trouble::Interrupted => {
                        self.hand_out = true;
                        Halt::Interrupted { processor: SINK.into(), reason: "partitions lost".into() }
                    }
                    Trouble::Lost => full(),
                    Trouble::Unheard => {
                        self.inner.commit(commit)?;
                        full()
                    }
                });
            }
            _ => {}
        }
        self.inner.commit(commit)
    }
}
impl Member for Disturbed {
    fn seek(&mut self, next: BTreeMap<At, i64>) {
        self.inner.seek(next);
    }
    fn is_caught_up(&self) -> bool {
        self.inner.is_caught_up()
    }
    fn storage(&mut self) -> &mut dyn Storage {
        self.inner.storage()
    }
}
fn full() -> Halt {
    Halt::Log { path: "log.db".into(), reason: "database or disk is full".into(), next: "make room".into() }
}

/// A log of half a season that the sink has not read yet.
pub fn log() -> Fastbreak {
    part(2)
}
/// A log of the first such part of a season.
pub fn part(of: usize) -> Fastbreak {
    static PREPARED: Mutex<BTreeMap<usize, Fastbreak>> = Mutex::new(BTreeMap::new());
    let mut prepared = PREPARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let prepared = prepared.entry(of).or_insert_with(|| {
        let fastbreak = Fastbreak::new();
        let season = common::season();
        fastbreak.ingest(&season[..season.len() / of]);
        let nodes = topology::topology(Predictor::new(None));
        let mut arguments = vec!["run", "--until-caught-up"];
        nodes.iter().for_each(|node| arguments.extend(["--only", node.name()]));
        fastbreak.json(&arguments);
        fastbreak
    });
    let own = Fastbreak::new();
    for file in std::fs::read_dir(prepared.folder.path()).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), own.folder.path().join(file.file_name())).unwrap();
        }
    }
    own
}

/// Runs the sink alone until it has caught up or fails.
pub fn deliver(
    fastbreak: &Fastbreak,
    bigquery: Option<&Fake>,
    records: usize,
    trouble: Option<(Kind, usize, Trouble)>,
) -> Result<Arc<Signals>, Halt> {
    let signals = Arc::new(Signals::default());
    deliver_within(fastbreak, bigquery, (records, Breaker::default()), trouble, signals.clone())?;
    Ok(signals)
}
/// The same, with the limits of what makes no row.
pub fn deliver_within(
    fastbreak: &Fastbreak,
    bigquery: Option<&Fake>,
    (records, breaker): (usize, Breaker),
    trouble: Option<(Kind, usize, Trouble)>,
    signals: Arc<Signals>,
) -> Result<(), Halt> {
    let mut storage = EmbeddedLog::open(fastbreak.folder.path())?;
    Storage::claim(&mut storage)?;
    storage.tend(&signals.board)?;
    let limits = Limits {
        patience: Duration::ZERO,
        tick: Duration::from_millis(5),
        batch_bytes: 1 << 18,
        ..Limits::default()
    };
    let inner = storage.join(sink::reader(&[]), limits, signals.clone())?;
    let member = Disturbed { inner, signals: signals.clone(), trouble, hand_out: false };
    let local = Place::Folder(fastbreak.folder.path().to_owned());
    let place = bigquery.map_or(local, |fake| {
        Place::Dataset(BigQueryKeys::of(|key| match key {
            "bigquery-project" => fakebq::PROJECT.into(),
            "bigquery-dataset" => fakebq::DATASET.into(),
            "bigquery-location" => "US".into(),
            "bigquery-endpoint" => fake.endpoint(),
            _ => String::new(),
        }))
    });
    let to = Destination { place, dates: None };
    let limits = sinks::Limits { records, ..sinks::Limits::default() };
    let audit_every = Duration::from_secs(3600);
    let windowing = Windowing { limits, until_caught_up: true, audit_every, breaker };
    sink::work(to, signals, windowing)(Box::new(member))
}
pub fn positions(fastbreak: &Fastbreak) -> i64 {
    EmbeddedLog::open(fastbreak.folder.path()).unwrap().positions(SINK).unwrap().values().sum()
}
pub fn fake() -> Fake {
    let fake = Fake::start();
    fake.tick();
    fake.with(|service| service.takes_ms = 10);
    fake
}
/// Rows of the ledger.
pub fn batches(fake: &Fake) -> usize {
    fake.with(|service| {
        service.records.rows.iter().filter(|row| fakebq::text(row, "input") == "batches").count()
    })
}
/// The tables, as an undisturbed run leaves them.
pub fn straight() -> &'static Value {
    static CONTENT: OnceLock<Value> = OnceLock::new();
    CONTENT.get_or_init(|| {
        let fastbreak = log();
        deliver(&fastbreak, None, 10_000, None).unwrap();
        fastbreak.content()
    })
}

/// Appends a prediction under the key of another player-game; where it is.
pub fn spoil(fastbreak: &Fastbreak) -> (&'static str, i32, i64) {
    append(fastbreak, 1_000_000, |_, _| {})
}
/// Appends the first prediction once more, under the key of the player of this number further on, after a change of it.
pub fn append(
    fastbreak: &Fastbreak,
    further: u32,
    change: impl FnOnce(&mut Prediction, PlayerId),
) -> (&'static str, i32, i64) {
    let mut storage = EmbeddedLog::open(fastbreak.folder.path()).unwrap();
    let topic = topics::PREDICTIONS.info.name;
    let chunks = storage.read(topic, 0, 0, usize::MAX).unwrap();
    let record = chunks.iter().flat_map(Chunk::records).next().unwrap().unwrap();
    let own: PlayerGameId = record.key.parse().unwrap();
    let other = PlayerGameId { player: PlayerId(own.player.0 + further), ..own };
    let mut event: Prediction = wire::decode(record.value.unwrap()).unwrap();
    change(&mut event, other.player);
    let offset = storage.ends().unwrap()[&(topic.to_owned(), 0)];
    let mut chunk = Chunk::default();
    chunk.push(&other.to_string(), Some(&wire::encode(&event).unwrap()));
    Storage::append(
        &mut storage,
        BTreeMap::from([((topic.to_owned(), 0), chunk)]),
        "nobody",
        &BTreeMap::new(),
    )
    .unwrap();
    (topic, 0, offset)
}
pub fn letters(fastbreak: &Fastbreak) -> Vec<DeadLetter> {
    let mut storage = EmbeddedLog::open(fastbreak.folder.path()).unwrap();
    let chunks = storage.read(&dead_letters_of(SINK), 0, 0, usize::MAX).unwrap();
    let records = chunks.iter().flat_map(Chunk::records);
    records.map(|record| wire::decode(record.unwrap().value.unwrap()).unwrap()).collect()
}
