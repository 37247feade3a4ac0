//! Deletes a replay.
//!
//! Invariant: without confirmation nothing is deleted; nothing outside the namespace is deleted.
//! Not here: which topics and groups a log deletes (crate `runtime`).
use super::manifest::Replay;
use crate::{
    app::App,
    namespace::Namespace,
    precondition::refused,
    warehouse::{self, WarehouseTarget},
};
use anyhow::{Context, Result};
use serde::Serialize;

/// What was deleted.
#[derive(Serialize)]
pub struct Discarded {
    pub namespace: String,
    /// Names of topics, consumer groups, warehouse and folder.
    pub removed: Vec<String>,
}

/// Deletes topics, consumer groups, warehouse and folder of a namespace and returns what was deleted.
///
/// # Errors
/// `RuntimeError::Precondition` if `is_confirmed` is false; if there is no such replay, it was started with another warehouse, or a
/// deletion fails; another call then deletes the rest.
pub fn discard(app: &App, namespace: &Namespace, is_confirmed: bool) -> Result<Discarded> {
    if !is_confirmed {
        let replay = Replay::load(app, namespace)?;
        return Err(refused(
            format!("discarding replay {namespace} with the games of {}", replay.dates),
            "--yes is not set, and a discarded replay cannot be restored",
            format!("`fastbreak replay discard {namespace} --yes`"),
        )
        .into());
    }
    let folder = app.replay_folder(namespace);
    // A replay with a damaged manifest can only be deleted; its warehouse is then assumed to be of the configured kind.
    let replay = Replay::find(app, namespace);
    if let Ok(Some(replay)) = &replay {
        replay.ensure_same_warehouse(app)?;
    }
    let has_manifest = !matches!(replay, Ok(None));
    let mut removed = app.discard_replay_log(namespace)?;
    let target = app.replay_warehouse(namespace);
    if let (true, WarehouseTarget::Dataset(options)) = (has_manifest, &target) {
        warehouse::connect(options)?.discard()?;
        removed.push(target.name());
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
        removed.push(folder.display().to_string());
    }
    if removed.is_empty() {
        Replay::load(app, namespace)?;
    }
    Ok(Discarded { namespace: namespace.to_string(), removed })
}
