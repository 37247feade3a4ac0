//! Plans that are saved to a file and applied later.
//!
//! Invariant: a saved plan is applied only if the cluster still needs exactly the same changes.
//! Not here: making a plan (crate `topics`).
use crate::summarize::summarize;
use anyhow::{Context, Result};
use runtime::RuntimeError;
use std::{collections::BTreeSet, path::Path};
use topics::plan::Plan;

/// Number of characters of a saved plan's hash that are shown.
const PLAN_HASH_CHARS: usize = 16;

/// Writes a plan to a file and returns the file's path and hash.
pub(super) fn save(plan: &Plan, path: &Path) -> Result<String> {
    let text = serde_json::to_string_pretty(plan)? + "\n";
    std::fs::write(path, &text).with_context(|| format!("writing the plan to {}", path.display()))?;
    let hash = blake3::hash(text.as_bytes()).to_hex();
    Ok(format!("{} (blake3 {})", path.display(), &hash[..PLAN_HASH_CHARS]))
}

/// Reads a plan from a file.
pub(super) fn load(path: &Path) -> Result<Plan> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading the plan {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("parsing {} as a plan", path.display()))
}

/// Checks that the plan that the cluster needs now equals the plan that was saved to `path`.
pub(super) fn ensure_unchanged(path: &Path, saved: &Plan, current: &Plan) -> Result<(), RuntimeError> {
    match plan_change(saved, current) {
        None => Ok(()),
        Some(reason) => Err(RuntimeError::Precondition {
            what: format!("the plan {}", path.display()),
            reason,
            next: format!("`fastbreak topics plan --out {}` makes a new plan", path.display()),
        }),
    }
}

/// Describes how the plan that the cluster needs now differs from a saved plan; `None` if they are equal.
fn plan_change(saved: &Plan, current: &Plan) -> Option<String> {
    if current.cluster != saved.cluster {
        return Some(format!(
            "it was made for cluster {}, but the brokers belong to cluster {}",
            saved.cluster, current.cluster
        ));
    }
    let lines = |plan: &Plan| -> BTreeSet<String> {
        plan.entries.iter().map(ToString::to_string).filter(|line| !line.starts_with('?')).collect()
    };
    let (current_lines, saved_lines) = (lines(current), lines(saved));
    if current_lines == saved_lines && current.steps().eq(saved.steps()) {
        return None;
    }
    let removed = saved_lines.difference(&current_lines).map(|line| format!("no longer {line}"));
    let added = current_lines.difference(&saved_lines).map(|line| format!("now {line}"));
    let differences: Vec<String> = removed.chain(added).collect();
    Some(format!("the cluster has changed since the plan was saved: {}", summarize(&differences)))
}
