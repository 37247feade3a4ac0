//! Replays: the same topology once more over the kept raw topics, from their start, into topics and a warehouse of a namespace.
//!
//! A namespace's folder has its warehouse and a manifest: the days whose games are written, and the groups that read last.
//! Invariant: nothing of the live side is written to; a namespace keeps its days for as long as it is there.
//! Not here: the log of a namespace (crate `runtime`), comparing rows (crate `sinks`), what is printed (`cli`).
use crate::{
    config::Config,
    inspect,
    pipeline::{Pipeline, SinkTarget},
    sink, storage, topology,
    warehouse::{self, WarehouseKind, WarehouseTarget},
};
use anyhow::{Context, Result};
use processors::predictor::Predictor;
use runtime::{
    LogBackend, ProcessorNode, RuntimeError, lag,
    subscription::{RunContext, Subscription},
};
use schemas::{Timestamp, raw::RawEvent, wire};
use serde::{Deserialize, Serialize};
use sinks::DateRange;
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
        match crate::topology::topic_specs::reserved_prefixes().contains(text) {
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
    pub dates: DateRange,
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
        let dates = DateRange { from: date(&manifest.from)?, to: date(&manifest.to)? };
        // One that does not say is of before there was another.
        let warehouse = manifest.warehouse.map_or(Ok(WarehouseKind::Sqlite), |name| name.parse());
        let warehouse = warehouse.map_err(anyhow::Error::msg).with_context(place)?;
        Ok(Some(Replay { namespace: namespace.clone(), dates, warehouse, groups: manifest.groups }))
    }
    /// The same; refused when there is none.
    pub fn load(config: &Config, namespace: &Namespace) -> Result<Replay> {
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
    pub fn ensure_same_warehouse(&self, config: &Config) -> Result<()> {
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
        let DateRange { from, to } = self.dates;
        let warehouse = match self.warehouse {
            WarehouseKind::Sqlite => "",
            WarehouseKind::BigQuery => "--warehouse bigquery ",
        };
        format!("fastbreak {warehouse}replay run --from {from} --to {to} --namespace {}", self.namespace)
    }
    /// Its readers, with the groups that they read with last.
    fn subscriptions(&self) -> Vec<Subscription> {
        let mut subscriptions = all_readers(&topology::topology(Predictor::new(None)));
        for subscription in &mut subscriptions {
            if let Some(group) = self.groups.get(subscription.name) {
                subscription.group.clone_from(group);
            }
        }
        subscriptions
    }
}

fn refused(what: String, reason: impl Into<String>, next: impl Into<String>) -> anyhow::Error {
    RuntimeError::Precondition { what, reason: reason.into(), next: next.into() }.into()
}

fn all_readers(nodes: &[Box<dyn ProcessorNode>]) -> Vec<Subscription> {
    let mut subscriptions = Subscription::from_nodes(nodes);
    subscriptions.push(sink::reader(&subscriptions));
    subscriptions
}

/// Runs a replay from where it is until it has caught up or is told to stop. `each` is called now and then.
pub fn run(
    config: &Config,
    (namespace, dates): (&Namespace, DateRange),
    nodes: Vec<Box<dyn ProcessorNode>>,
    run_context: Arc<RunContext>,
    mut each: impl FnMut(&mut dyn LogBackend, &[Subscription]),
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
        begun.ensure_same_warehouse(config)?;
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
        storage::open_to_read(config)?.beginning_offsets(&raw.collect::<Vec<_>>())?;
        crate::topology::topic_specs::create_namespace_topics(config, &settings)?;
    }
    let mut storage = storage::open_replay(config, namespace)?;
    storage.acquire_run_lock()?;
    let subscriptions = all_readers(&nodes);
    let groups = subscriptions
        .iter()
        .map(|subscription| (subscription.name.to_owned(), subscription.group.clone()))
        .collect();
    let replay = Replay { namespace: namespace.clone(), dates, warehouse: config.warehouse, groups };
    replay.save(config)?;
    let sink =
        Some(SinkTarget { warehouse: WarehouseTarget::for_replay(config, namespace), dates: Some(dates) });
    let pipeline = Pipeline { storage, nodes, sink, until_caught_up: true };
    pipeline.start(config, run_context)?.watch(|storage| each(storage, &subscriptions))?;
    Ok(replay)
}

/// How many records were read, and how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReadCount {
    pub read: i64,
    pub of: i64,
}
impl ReadCount {
    /// Of nothing, all is read.
    pub fn percent(self) -> f64 {
        if self.of == 0 { 100.0 } else { 100.0 * self.read as f64 / self.of as f64 }
    }
}

/// How far readers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReplayProgress {
    pub raw: ReadCount,
    /// All readers' inputs that are not raw. They grow while raw topics are read.
    pub derived: ReadCount,
}

/// How far a replay's readers are. Where no record is left, all offsets are read: the last may be a transaction's marker.
pub fn progress(lag_snapshot: &[lag::ProcessorProgress]) -> ReplayProgress {
    let mut progress = ReplayProgress::default();
    for place in lag_snapshot.iter().flat_map(|status| &status.partitions) {
        let read_count =
            if topics::is_raw(place.topic.name) { &mut progress.raw } else { &mut progress.derived };
        read_count.of += place.end_offset;
        read_count.read += place.unread.map_or(place.end_offset, |_| place.committed.unwrap_or(0));
    }
    progress
}

/// When the oldest raw event that is not read yet was fetched.
pub fn event_time(
    log: &mut dyn LogBackend,
    lag_snapshot: &[lag::ProcessorProgress],
) -> Result<Option<Timestamp>> {
    let mut oldest: Option<Timestamp> = None;
    for place in lag_snapshot.iter().flat_map(|status| &status.partitions) {
        let Some(unread) = place.unread.filter(|_| topics::is_raw(place.topic.name)) else { continue };
        let record_batches = log.read(place.topic_partition(), unread.offset, 1)?;
        let Some(record) = record_batches.iter().flat_map(|record_batch| record_batch.records()).next()
        else {
            continue;
        };
        if let Some(bytes) = record?.value {
            let at = wire::decode::<RawEvent>(bytes)?.fetched_at;
            oldest = Some(oldest.map_or(at, |oldest| oldest.min(at)));
        }
    }
    Ok(oldest)
}

/// A replay's place beside the live side.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayStatus {
    #[serde(flatten)]
    pub progress: ReplayProgress,
    /// Whether everything is derived and written that its loaders have read.
    pub caught_up: bool,
    /// Per raw topic what the live loaders have read and the replay's have not.
    pub behind: BTreeMap<String, i64>,
    /// Whether the live side has read and written all there is: while it has not, differences may be that.
    pub live_caught_up: bool,
}

/// Where a replay stands.
pub fn status(config: &Config, replay: &Replay) -> Result<ReplayStatus> {
    let (mut live, mut log) =
        (storage::open_to_read(config)?, storage::open_replay(config, &replay.namespace)?);
    let subscriptions = replay.subscriptions();
    let of_live = live_readers(live.as_mut(), &subscriptions)?;
    let mut behind = BTreeMap::new();
    for (ours, theirs) in subscriptions.iter().zip(&of_live) {
        let raw: Vec<&str> =
            ours.inputs.iter().map(|input| input.name).filter(|name| topics::is_raw(name)).collect();
        let (ours, theirs) =
            (log.committed_offsets(&ours.group, &raw)?, live.committed_offsets(&theirs.group, &raw)?);
        for (at, next) in theirs {
            let missing = next - ours.get(&at).copied().unwrap_or(0);
            if missing > 0 {
                *behind.entry(at.topic.to_owned()).or_default() += missing;
            }
        }
    }
    let progress = progress(&log.progress(&subscriptions)?);
    let mut downstream = subscriptions;
    downstream
        .iter_mut()
        .for_each(|subscription| subscription.inputs.retain(|input| !topics::is_raw(input.name)));
    Ok(ReplayStatus {
        progress,
        caught_up: log.is_caught_up(&downstream)?,
        behind,
        live_caught_up: live.is_caught_up(&of_live)?,
    })
}

/// The live side's readers: of a map the version that accounted last, which need not be this program's.
fn live_readers(live: &mut dyn LogBackend, subscriptions: &[Subscription]) -> Result<Vec<Subscription>> {
    let versions = inspect::newest_versions(live)?;
    let mut found = subscriptions.to_vec();
    for subscription in found.iter_mut().filter(|subscription| subscription.group.contains('@')) {
        if let Some(version) = versions.get(subscription.name) {
            subscription.group = format!("{}@{version:x}", subscription.name);
        }
    }
    Ok(found)
}

/// Refuses to compare what is not comparable yet.
pub fn ensure_comparable(replay: &Replay, status: &ReplayStatus) -> Result<()> {
    let mut reasons: Vec<String> = status
        .behind
        .iter()
        .map(|(topic, records)| {
            format!("{records} records of {topic} that the live loader has read are not read yet")
        })
        .collect();
    if !status.caught_up {
        let ReadCount { read, of } = status.progress.derived;
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
        replay.ensure_same_warehouse(config)?;
    }
    let mut removed = storage::discard(config, namespace)?;
    let place = WarehouseTarget::for_replay(config, namespace);
    if let (Some(_), WarehouseTarget::Dataset(keys)) = (begun, &place) {
        warehouse::connect(keys)?.discard()?;
        removed.push(place.name());
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
        removed.push(folder.display().to_string());
    }
    if removed.is_empty() {
        Replay::load(config, namespace)?;
    }
    Ok(removed)
}
