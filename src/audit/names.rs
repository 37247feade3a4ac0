//! The share of names that are resolved to a player, by source.
//!
//! The scope of a name is the teams among whose players it is looked up. Each of these teams has a lookup result for the name, with one
//! revision (version) for each change.
//! Invariant: a name is counted once per source, scope and date. Whether it counts as resolved, ambiguous or unknown is determined from
//! the latest revisions of all teams. A name that its source lists for one of two teams counts as resolved if it is, whichever team it is.
//! Not here: the rules of a name lookup (`processors::names`).
use super::report::NameResolution;
use crate::names::resolution;
use anyhow::Result;
use processors::names::Resolution;
use runtime::{LogBackend, inspect};
use schemas::{EasternDate, identity::NameRevision, raw::Source};
use std::collections::BTreeMap;

/// Counts resolved, ambiguous and unknown names by source.
///
/// # Errors
/// If the table of names cannot be read.
pub fn resolution_by_source(log: &mut dyn LogBackend) -> Result<Vec<NameResolution>> {
    let mut revisions: BTreeMap<(Source, String, EasternDate, String), Vec<NameRevision>> = BTreeMap::new();
    for row in inspect::table(log, &topics::NAMES, |_| true)? {
        for name_match in row.matches {
            let Some(latest) = name_match.revisions.last() else { continue };
            let key = (row.source, row.scope.clone(), row.date, name_match.name);
            revisions.entry(key).or_default().push(latest.clone());
        }
    }
    let mut by_source: BTreeMap<Source, NameResolution> = BTreeMap::new();
    for ((source, ..), revisions) in &revisions {
        let counts = by_source
            .entry(*source)
            .or_insert_with(|| NameResolution { source: source.to_string(), ..NameResolution::default() });
        counts.names += 1;
        match resolution(*source, revisions) {
            Resolution::Player(_, rule) => {
                counts.resolved += 1;
                *counts.by_rule.entry(rule.name()).or_default() += 1;
            }
            Resolution::Nobody => counts.nobody += 1,
            Resolution::Ambiguous(_) => counts.ambiguous += 1,
            Resolution::Unknown => counts.unknown += 1,
        }
    }
    Ok(by_source.into_values().collect())
}
