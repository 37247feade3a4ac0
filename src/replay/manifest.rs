//! The manifest of a replay: its dates, the kind of its warehouse and the consumer groups of its last run.
//!
//! Invariant: a manifest is replaced atomically, so a crash leaves either the older or the newer one.
//! Not here: running a replay (`replay`), its progress (`status`).
use crate::{
    app::App, config::WarehouseKind, namespace::Namespace, precondition::refused, topology::descriptors,
};
use anyhow::{Context, Result, anyhow};
use runtime::{ProcessorNode, subscription::Subscription};
use serde::{Deserialize, Serialize};
use sinks::DateRange;
use std::{collections::BTreeMap, path::Path};

/// A replay that was started, as its manifest describes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Replay {
    pub namespace: Namespace,
    pub dates: DateRange,
    pub warehouse: WarehouseKind,
    /// Consumer groups of the last run, by processor.
    groups: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    from: String,
    to: String,
    warehouse: String,
    groups: BTreeMap<String, String>,
}
const MANIFEST_FILE: &str = "replay.json";
const NEW_MANIFEST_FILE: &str = "replay.json.new";

impl Replay {
    pub(super) fn new(
        namespace: &Namespace,
        dates: DateRange,
        warehouse: WarehouseKind,
        subscriptions: &[Subscription],
    ) -> Replay {
        let groups = subscriptions
            .iter()
            .map(|subscription| (subscription.name.to_owned(), subscription.group.clone()))
            .collect();
        Replay { namespace: namespace.clone(), dates, warehouse, groups }
    }
    /// Reads the manifest of a namespace; `None` if there is no such replay.
    ///
    /// # Errors
    /// If the manifest cannot be read or parsed.
    pub fn find(app: &App, namespace: &Namespace) -> Result<Option<Replay>> {
        let path = app.replay_folder(namespace).join(MANIFEST_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let damaged = |reason: String| {
            anyhow!(
                "the manifest {} of replay {namespace} cannot be used: {reason}\nnext: `fastbreak replay discard {namespace} --yes` deletes the replay",
                path.display()
            )
        };
        let text = std::fs::read_to_string(&path).map_err(|error| damaged(error.to_string()))?;
        let manifest: Manifest = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        let date = |text: &str| text.parse().map_err(&damaged);
        let dates = DateRange { from: date(&manifest.from)?, to: date(&manifest.to)? };
        let warehouse = manifest.warehouse.parse().map_err(|error: &str| damaged(error.to_owned()))?;
        Ok(Some(Replay { namespace: namespace.clone(), dates, warehouse, groups: manifest.groups }))
    }
    /// Reads the manifest of an existing replay.
    ///
    /// # Errors
    /// [`runtime::RuntimeError::Precondition`] if there is no such replay.
    pub fn load(app: &App, namespace: &Namespace) -> Result<Replay> {
        Replay::find(app, namespace)?.ok_or_else(|| {
            let next = "`fastbreak replay list` lists the replays";
            refused(format!("replay {namespace}"), "there is no replay of this name", next).into()
        })
    }
    /// Returns the namespaces that may have a manifest, in the order of their names.
    ///
    /// # Errors
    /// If the folder of the replays cannot be listed.
    pub fn namespaces(app: &App) -> Result<Vec<Namespace>> {
        let folder = app.replays_folder();
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let mut namespaces = Vec::new();
        for entry in std::fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
            namespaces.extend(entry?.file_name().to_string_lossy().parse::<Namespace>());
        }
        namespaces.sort();
        Ok(namespaces)
    }
    pub(super) fn save(&self, app: &App) -> Result<()> {
        let folder = app.replay_folder(&self.namespace);
        let manifest = Manifest {
            from: self.dates.from.to_string(),
            to: self.dates.to.to_string(),
            warehouse: self.warehouse.name().to_owned(),
            groups: self.groups.clone(),
        };
        write_atomically(&folder, &manifest)
            .with_context(|| format!("writing the manifest in {}", folder.display()))
    }
    /// Checks that the configured warehouse is of the kind that the replay was started with.
    ///
    /// # Errors
    /// [`runtime::RuntimeError::Precondition`] if it is of another kind.
    pub fn ensure_same_warehouse(&self, app: &App) -> Result<()> {
        if self.warehouse == app.warehouse().kind() {
            return Ok(());
        }
        let kind = self.warehouse.name();
        Err(refused(
            format!("replay {} with --warehouse {}", self.namespace, app.warehouse().kind().name()),
            format!("the replay was started with --warehouse {kind}"),
            format!("use `--warehouse {kind}`, or start a replay with another --namespace"),
        )
        .into())
    }
    /// Returns the command that resumes the replay.
    pub fn command(&self) -> String {
        let DateRange { from, to } = self.dates;
        let warehouse = match self.warehouse {
            WarehouseKind::Sqlite => "",
            WarehouseKind::BigQuery => "--warehouse bigquery ",
        };
        format!("fastbreak {warehouse}replay run --from {from} --to {to} --namespace {}", self.namespace)
    }
    /// Returns the subscriptions of the replay, with the consumer groups of its last run.
    pub(super) fn subscriptions(&self) -> Vec<Subscription> {
        // A processor that is not in the manifest has committed no offsets, whatever the name of its group.
        let group = |name: &str| self.groups.get(name).cloned().unwrap_or_else(|| name.to_owned());
        descriptors().map(|descriptor| descriptor.subscription(group(descriptor.name))).collect()
    }
}

fn write_atomically(folder: &Path, manifest: &Manifest) -> Result<()> {
    file_modes::create_folders(folder)?;
    let new_path = folder.join(NEW_MANIFEST_FILE);
    let file = file_modes::options().create(true).truncate(true).write(true).open(&new_path)?;
    serde_json::to_writer_pretty(&file, manifest)?;
    file.sync_all()?;
    Ok(std::fs::rename(new_path, folder.join(MANIFEST_FILE))?)
}

/// Returns the subscriptions of all processors and of the sink.
pub(super) fn subscriptions_of(nodes: &[Box<dyn ProcessorNode>]) -> Vec<Subscription> {
    let mut subscriptions = Subscription::from_nodes(nodes);
    subscriptions.push(sinks::subscription::subscription(&subscriptions));
    subscriptions
}
