//! Replays: the same topology once more over the kept raw topics, from their start, into topics and a warehouse of a namespace.
//!
//! A namespace's folder has its warehouse and a manifest: the days whose games are written, and the groups that read last.
//! Invariant: nothing of the live side is written to; a namespace keeps its days for as long as it is there.
//! Not here: the log of a namespace (crate `runtime`), comparing rows (crate `sinks`), what is printed (`cli`).
use crate::{
    config::Config,
    pipeline::{Destination, Pipeline},
    reading, sink, storage, topology,
    warehouse::{self, Place, WarehouseKind},
};
use anyhow::{Context, Result};
use processors::predictor::Predictor;
use runtime::{
    Halt, Node, Storage, lag,
    member::{Reader, Signals},
};
use schemas::{Instant, raw::RawEvent, wire};
use serde::{Deserialize, Serialize};
use sinks::Dates;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

/// Names what a replay writes: a prefix, and a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Namespace(String);
impl Namespace {
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Where its warehouse is, and on the embedded log its log.
    pub fn folder(&self, config: &Config) -> PathBuf {
        folder_of_all(config).join(&self.0)
    }
}
impl FromStr for Namespace {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=40).contains(&text.len()) || !text.chars().all(is_legal) {
            return Err(format!("'{text}' is no name of a replay: 1 to 40 of a-z, 0-9 and -"));
        }
        // What is of a namespace begins with its name and a dot, and so does what is live: `raw.…`, `games.changelog`.
        match crate::cluster::first_words().contains(text) {
            true => Err(format!("'{text}' is no name for a replay: topics or groups that are live begin so")),
            false => Ok(Namespace(text.to_owned())),
        }
    }
}
impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn folder_of_all(config: &Config) -> PathBuf {
    config.data.join("replays")
}

/// A replay that was begun.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    pub namespace: Namespace,
    pub dates: Dates,
    /// What its warehouse is.
    pub warehouse: WarehouseKind,
    /// Per processor the group that it read with last.
    groups: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    from: String,
    to: String,
    #[serde(default)]
    warehouse: Option<String>,
    groups: BTreeMap<String, String>,
}
const MANIFEST: &str = "replay.json";

impl Replay {
    /// A replay by its name, when it was begun.
    pub fn find(config: &Config, namespace: &Namespace) -> Result<Option<Replay>> {
        let path = namespace.folder(config).join(MANIFEST);
        if !path.exists() {
            return Ok(None);
        }
        let place = || format!("the manifest {}", path.display());
        let text = std::fs::read_to_string(&path).with_context(place)?;
        let manifest: Manifest = serde_json::from_str(&text).with_context(place)?;
        let date = |text: &str| text.parse().map_err(anyhow::Error::msg).with_context(place);
        let dates = Dates { from: date(&manifest.from)?, to: date(&manifest.to)? };
        // One that does not say is of before there was another.
        let warehouse = manifest.warehouse.map_or(Ok(WarehouseKind::Sqlite), |name| name.parse());
        let warehouse = warehouse.map_err(anyhow::Error::msg).with_context(place)?;
        Ok(Some(Replay { namespace: namespace.clone(), dates, warehouse, groups: manifest.groups }))
    }
    /// The same; refused when there is none.
    pub fn named(config: &Config, namespace: &Namespace) -> Result<Replay> {
        Replay::find(config, namespace)?.ok_or_else(|| {
            let (what, next) =
                (format!("replay {namespace}"), "`fastbreak replay list` names those that there are");
            refused(what, "there is none of this name", next)
        })
    }
    /// Every replay that was begun, by name.
    pub fn all(config: &Config) -> Result<Vec<Replay>> {
        let folder = folder_of_all(config);
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))? {
            names.extend(entry?.file_name().to_string_lossy().parse::<Namespace>());
        }
        names.sort();
        let found = names.iter().map(|name| Replay::find(config, name));
        Ok(found.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }
    /// Written to its side and renamed, so that a crash leaves the older one.
    fn save(&self, config: &Config) -> Result<()> {
        let folder = self.namespace.folder(config);
        let manifest = Manifest {
            from: self.dates.from.to_string(),
            to: self.dates.to.to_string(),
            warehouse: Some(self.warehouse.name().to_owned()),
            groups: self.groups.clone(),
        };
        let write = |folder: &Path| -> Result<()> {
            std::fs::create_dir_all(folder)?;
            let aside = folder.join("replay.json.new");
            let file = std::fs::File::create(&aside)?;
            serde_json::to_writer_pretty(&file, &manifest)?;
            file.sync_all()?;
            Ok(std::fs::rename(aside, folder.join(MANIFEST))?)
        };
        write(&folder).with_context(|| format!("writing the manifest in {}", folder.display()))
    }
    /// Refuses another warehouse than the one that it was begun with.
    pub fn check_place(&self, config: &Config) -> Result<()> {
        let (name, kind) = (&self.namespace, self.warehouse.name());
        match self.warehouse == config.warehouse {
            true => Ok(()),
            false => Err(refused(
                format!("replay {name} with --warehouse {}", config.warehouse.name()),
                format!("it writes to {kind}"),
                format!("say `--warehouse {kind}`, or begin one of another name"),
            )),
        }
    }
    /// The command that goes on with it.
    pub fn command(&self) -> String {
        let Dates { from, to } = self.dates;
        let warehouse = match self.warehouse {
            WarehouseKind::Sqlite => "",
            WarehouseKind::BigQuery => "--warehouse bigquery ",
        };
        format!("fastbreak {warehouse}replay run --from {from} --to {to} --namespace {}", self.namespace)
    }
    /// Its readers, with the groups that they read with last.
    fn readers(&self) -> Vec<Reader> {
        let mut readers = all_readers(&topology::topology(Predictor::new(None)));
        for reader in &mut readers {
            if let Some(group) = self.groups.get(reader.name) {
                reader.group.clone_from(group);
            }
        }
        readers
    }
}

fn refused(what: String, reason: impl Into<String>, next: impl Into<String>) -> anyhow::Error {
    Halt::Refused { what, reason: reason.into(), next: next.into() }.into()
}

fn all_readers(nodes: &[Box<dyn Node>]) -> Vec<Reader> {
    let mut readers = Reader::of(nodes);
    readers.push(sink::reader(&readers));
    readers
}

/// Runs a replay from where it is until it has caught up or is told to stop. `each` is called now and then.
pub fn run(
    config: &Config,
    (namespace, dates): (&Namespace, Dates),
    nodes: Vec<Box<dyn Node>>,
    signals: Arc<Signals>,
    mut each: impl FnMut(&mut dyn Storage, &[Reader]),
) -> Result<Replay> {
    if dates.from > dates.to {
        let (from, to) = (dates.from, dates.to);
        return Err(refused(
            format!("a replay from {from} to {to}"),
            "it ends before it begins",
            "give --from and --to the other way round",
        ));
    }
    let begun = Replay::find(config, namespace)?;
    if let Some(begun) = &begun {
        begun.check_place(config)?;
    }
    if let Some(begun) = begun
        && begun.dates != dates
    {
        return Err(refused(
            format!("replay {namespace} with the games of {dates}"),
            format!("it was begun with those of {}, and its warehouse has no others", begun.dates),
            format!(
                "`{}` goes on with it, `fastbreak replay discard {namespace} --yes` makes room, another --namespace stands beside it",
                begun.command()
            ),
        ));
    }
    if let Some(settings) = storage::settings(config, Some(namespace)) {
        // What it reads must be there before anything of its own is made.
        let raw = topics::ALL.iter().map(|topic| topic.name).filter(|name| topics::is_raw(name));
        storage::open_to_read(config)?.starts(&raw.collect::<Vec<_>>())?;
        crate::cluster::make_namespace(config, &settings)?;
    }
    let mut storage = storage::open_replay(config, namespace)?;
    storage.claim()?;
    let readers = all_readers(&nodes);
    let groups = readers.iter().map(|reader| (reader.name.to_owned(), reader.group.clone())).collect();
    let replay = Replay { namespace: namespace.clone(), dates, warehouse: config.warehouse, groups };
    replay.save(config)?;
    let sink = Some(Destination { place: Place::of_replay(config, namespace), dates: Some(dates) });
    let pipeline = Pipeline { storage, nodes, sink, until_caught_up: true };
    pipeline.start(config, signals)?.watch(|storage| each(storage, &readers))?;
    Ok(replay)
}

/// How many records were read, and how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Part {
    pub read: i64,
    pub of: i64,
}
impl Part {
    /// Of nothing, all is read.
    pub fn percent(self) -> f64 {
        if self.of == 0 { 100.0 } else { 100.0 * self.read as f64 / self.of as f64 }
    }
}

/// How far readers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reach {
    pub raw: Part,
    /// All readers' inputs that are not raw. They grow while raw topics are read.
    pub derived: Part,
}

/// How far a replay's readers are. Where no record is left, all offsets are read: the last may be a transaction's marker.
pub fn reach(standings: &[lag::Standing]) -> Reach {
    let mut reach = Reach::default();
    for place in standings.iter().flat_map(|standing| &standing.places) {
        let part = if topics::is_raw(place.topic.name) { &mut reach.raw } else { &mut reach.derived };
        part.of += place.high;
        part.read += place.unread.map_or(place.high, |_| place.committed.unwrap_or(0));
    }
    reach
}

/// When the oldest raw event that is not read yet was fetched.
pub fn event_time(log: &mut dyn Storage, standings: &[lag::Standing]) -> Result<Option<Instant>> {
    let mut oldest: Option<Instant> = None;
    for place in standings.iter().flat_map(|standing| &standing.places) {
        let Some(unread) = place.unread.filter(|_| topics::is_raw(place.topic.name)) else { continue };
        let chunks = log.read(place.topic.name, place.partition, unread.offset, 1)?;
        let Some(record) = chunks.iter().flat_map(|chunk| chunk.records()).next() else { continue };
        if let Some(bytes) = record?.value {
            let at = wire::decode::<RawEvent>(bytes)?.fetched_at;
            oldest = Some(oldest.map_or(at, |oldest| oldest.min(at)));
        }
    }
    Ok(oldest)
}

/// A replay's place beside the live side.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    #[serde(flatten)]
    pub reach: Reach,
    /// Whether everything is derived and written that its loaders have read.
    pub caught_up: bool,
    /// Per raw topic what the live loaders have read and the replay's have not.
    pub behind: BTreeMap<String, i64>,
    /// Whether the live side has read and written all there is: while it has not, differences may be that.
    pub live_caught_up: bool,
}

/// Where a replay stands.
pub fn standing(config: &Config, replay: &Replay) -> Result<Standing> {
    let (mut live, mut log) =
        (storage::open_to_read(config)?, storage::open_replay(config, &replay.namespace)?);
    let readers = replay.readers();
    let of_live = live_readers(live.as_mut(), &readers)?;
    let mut behind = BTreeMap::new();
    for (ours, theirs) in readers.iter().zip(&of_live) {
        let raw: Vec<&str> =
            ours.inputs.iter().map(|input| input.name).filter(|name| topics::is_raw(name)).collect();
        let (ours, theirs) = (log.positions(&ours.group, &raw)?, live.positions(&theirs.group, &raw)?);
        for (at, next) in theirs {
            let missing = next - ours.get(&at).copied().unwrap_or(0);
            if missing > 0 {
                *behind.entry(at.0).or_default() += missing;
            }
        }
    }
    let reach = reach(&log.standings(&readers)?);
    let mut downstream = readers;
    downstream.iter_mut().for_each(|reader| reader.inputs.retain(|input| !topics::is_raw(input.name)));
    Ok(Standing {
        reach,
        caught_up: log.is_caught_up(&downstream)?,
        behind,
        live_caught_up: live.is_caught_up(&of_live)?,
    })
}

/// The live side's readers: of a map the version that accounted last, which need not be this program's.
fn live_readers(live: &mut dyn Storage, readers: &[Reader]) -> Result<Vec<Reader>> {
    let versions = reading::newest_versions(live)?;
    let mut found = readers.to_vec();
    for reader in found.iter_mut().filter(|reader| reader.group.contains('@')) {
        if let Some(version) = versions.get(reader.name) {
            reader.group = format!("{}@{version:x}", reader.name);
        }
    }
    Ok(found)
}

/// Refuses to compare what is not comparable yet.
pub fn admit(replay: &Replay, standing: &Standing) -> Result<()> {
    let mut reasons: Vec<String> = standing
        .behind
        .iter()
        .map(|(topic, records)| {
            format!("{records} records of {topic} that the live loader has read are not read yet")
        })
        .collect();
    if !standing.caught_up {
        let Part { read, of } = standing.reach.derived;
        reasons.push(format!("of what it derived, {read} of {of} records are read and written"));
    }
    if reasons.is_empty() {
        return Ok(());
    }
    let what = format!("comparing replay {}", replay.namespace);
    Err(refused(what, reasons.join("; "), format!("`{}` goes on with it", replay.command())))
}

/// Removes all that is of a namespace; answers what was removed.
pub fn discard(config: &Config, namespace: &Namespace) -> Result<Vec<String>> {
    let folder = namespace.folder(config);
    let begun = Replay::find(config, namespace)?;
    if let Some(replay) = &begun {
        replay.check_place(config)?;
    }
    let mut removed = storage::discard(config, namespace)?;
    let place = Place::of_replay(config, namespace);
    if let (Some(_), Place::Dataset(keys)) = (begun, &place) {
        warehouse::connect(keys)?.discard()?;
        removed.push(place.name());
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
        removed.push(folder.display().to_string());
    }
    if removed.is_empty() {
        Replay::named(config, namespace)?;
    }
    Ok(removed)
}
