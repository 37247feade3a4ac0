//! The review of names: the names that refer to no player, with the players to whom they may refer, and the links that wait for a player.
//!
//! Invariant: a name is listed once per source, if it is ambiguous or unknown in any lookup by the latest revisions; a name that an operator
//! linked to nobody is not listed. Every candidate has the command that links the name to this player.
//! Not here: the lookups (crate `processors`), the counts of all names (`audit`).
use super::{
    reported_names::ReportedNames,
    resolution::resolution,
    similarity::{Similarity, similarity},
};
use crate::app::App;
use anyhow::Result;
use processors::names::{Name, Resolution};
use runtime::{LogReader, inspect};
use schemas::{
    EasternDate, PlayerId, Scope, Team, identity::NameRevision, observation::LinkObservation, raw::Source,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The greatest number of candidates of a name.
const MAX_CANDIDATES: usize = 5;

/// The names and links that need an operator.
#[derive(Debug, Serialize)]
pub struct ReviewReport {
    pub names: Vec<UnmatchedName>,
    pub waiting_links: Vec<WaitingLink>,
}

/// A name that refers to no player.
#[derive(Debug, Serialize)]
pub struct UnmatchedName {
    pub name: String,
    pub source: String,
    /// `ambiguous` or `unknown`.
    pub result: &'static str,
    /// The scopes of the lookups: games as pairs of teams, rosters as teams.
    pub scopes: Vec<String>,
    pub first_date: String,
    pub last_date: String,
    /// Number of lookups, one per scope and date.
    pub lookups: usize,
    /// The most similar players of the teams, the most similar one first.
    pub candidates: Vec<Candidate>,
    /// The command that states that the name refers to nobody.
    pub nobody: String,
}

/// A player to whom a name may refer.
#[derive(Debug, Serialize)]
pub struct Candidate {
    pub player_id: u32,
    pub name: String,
    /// The teams that nba.com listed the player for, each with the newest day.
    pub teams: BTreeMap<String, String>,
    pub evidence: String,
    /// The command that links the name to this player.
    pub command: String,
}

/// A link that has no effect yet, because no fetch of nba.com lists its player.
#[derive(Debug, Serialize)]
pub struct WaitingLink {
    pub spelling: String,
    pub player_id: u32,
    pub known_at: String,
}

/// The lookups of one name of one source that resolve to no player.
#[derive(Default)]
struct Lookups {
    scopes: BTreeSet<Scope>,
    dates: Vec<EasternDate>,
    /// The players whom the name matches, if it is ambiguous.
    matched: BTreeSet<PlayerId>,
}

/// Lists the names that refer to no player, and the links that wait.
///
/// # Errors
/// If the log cannot be read.
pub fn review(app: &App) -> Result<ReviewReport> {
    let mut log = app.open_log_read_only()?;
    let reported = ReportedNames::read(log.as_mut())?;
    let unmatched = unmatched(log.as_mut())?;
    let names = unmatched.iter().map(|((source, name), lookups)| report(&reported, *source, name, lookups));
    Ok(ReviewReport {
        names: names.collect(),
        waiting_links: reported.waiting_links().filter_map(waiting_link).collect(),
    })
}

/// Returns the lookups that resolve to no player, by source and name.
fn unmatched(log: &mut dyn LogReader) -> Result<BTreeMap<(Source, String), Lookups>> {
    let mut revisions: BTreeMap<(Source, String, Scope, EasternDate), Vec<NameRevision>> = BTreeMap::new();
    for row in inspect::table(log, &topics::NAMES, |_| true)? {
        let Ok(scope) = row.scope.parse::<Scope>() else { continue };
        for name_match in row.matches {
            let Some(latest) = name_match.revisions.last() else { continue };
            revisions.entry((row.source, name_match.name, scope, row.date)).or_default().push(latest.clone());
        }
    }
    let mut unmatched: BTreeMap<(Source, String), Lookups> = BTreeMap::new();
    for ((source, name, scope, date), revisions) in revisions {
        let matched = match resolution(source, &revisions) {
            Resolution::Player(..) | Resolution::Nobody => continue,
            Resolution::Ambiguous(players) => players,
            Resolution::Unknown => Vec::new(),
        };
        let lookups = unmatched.entry((source, name)).or_default();
        lookups.scopes.insert(scope);
        lookups.dates.push(date);
        lookups.matched.extend(matched);
    }
    Ok(unmatched)
}

fn report(reported: &ReportedNames, source: Source, name: &str, lookups: &Lookups) -> UnmatchedName {
    let date = |date: Option<&EasternDate>| date.map(ToString::to_string).unwrap_or_default();
    UnmatchedName {
        name: name.to_owned(),
        source: source.to_string(),
        result: if lookups.matched.is_empty() { "unknown" } else { "ambiguous" },
        scopes: lookups.scopes.iter().map(ToString::to_string).collect(),
        first_date: date(lookups.dates.iter().min()),
        last_date: date(lookups.dates.iter().max()),
        lookups: lookups.dates.len(),
        candidates: candidates(reported, name, lookups),
        nobody: format!("fastbreak links {} --nobody", quoted(name)),
    }
}

fn candidates(reported: &ReportedNames, written: &str, lookups: &Lookups) -> Vec<Candidate> {
    let name = Name::new(written);
    let teams = teams_of(&lookups.scopes);
    let mut candidates: Vec<(Similarity, PlayerId)> = reported
        .players_of(&teams)
        .filter(|(id, _)| lookups.matched.is_empty() || lookups.matched.contains(id))
        .filter_map(|(id, player)| Some((similarity(&name, &Name::new(&player.name))?, id)))
        .collect();
    candidates.sort();
    candidates.truncate(MAX_CANDIDATES);
    let candidate = |(Similarity { evidence, .. }, id): (Similarity, PlayerId)| {
        let player = reported.player(id)?;
        Some(Candidate {
            player_id: id.0,
            name: player.name.clone(),
            teams: player.teams.iter().map(|(team, last)| (team.to_string(), last.to_string())).collect(),
            evidence,
            command: format!("fastbreak links {} {id}", quoted(written)),
        })
    };
    candidates.into_iter().filter_map(candidate).collect()
}

/// Returns the teams among whose players a name is looked up.
fn teams_of(scopes: &BTreeSet<Scope>) -> Vec<Team> {
    let of_scope = |scope: &Scope| match scope {
        Scope::Matchup(matchup) => matchup.teams().to_vec(),
        Scope::Team(_) => Team::ALL.to_vec(),
    };
    scopes.iter().flat_map(of_scope).collect::<BTreeSet<Team>>().into_iter().collect()
}

/// Quotes a name as an argument of a POSIX shell.
fn quoted(name: &str) -> String {
    format!("'{}'", name.replace('\'', r"'\''"))
}

fn waiting_link(link: &LinkObservation) -> Option<WaitingLink> {
    let known_at = link.provenance.fetched_at.to_string();
    Some(WaitingLink { spelling: link.spelling.clone(), player_id: link.player?.0, known_at })
}
