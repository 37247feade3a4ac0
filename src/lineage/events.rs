//! The raw events that a prediction was derived from.
//!
//! The basis of a prediction is issued (derived only from facts known before tip-off) or retrospective (also derived from facts that
//! became known later).
//! Invariant: for an issued prediction, only events fetched before tip-off are listed.
//! Not here: the rows that were derived from the events (`report`).
use super::report::{EventReport, GameReport};
use anyhow::{Result, bail};
use runtime::{LogBackend, inspect};
use schemas::{
    EasternDate, Matchup, RawId, Timestamp,
    features::{Basis, Features},
    raw::RawEvent,
};
use std::collections::{BTreeMap, btree_map::Entry};

/// The facts from which a prediction was derived, by the raw event that contains them.
struct FactsByEvent<'a> {
    features: &'a Features,
    facts: BTreeMap<RawId, Vec<String>>,
}
impl FactsByEvent<'_> {
    fn add(&mut self, raw: RawId, fact: String) {
        self.facts.entry(raw).or_default().push(fact);
    }
    /// Adds a fact. If the prediction is issued, adds it only if its event was fetched before tip-off.
    fn add_if_known(&mut self, raw: RawId, fetched_at: Timestamp, fact: String) {
        if self.features.basis == Basis::Retrospective || fetched_at < self.features.tip_off {
            self.add(raw, fact);
        }
    }
    /// True if a source may list the predicted game under this date: the dates of a game in two sources differ by at most a day.
    fn is_near(&self, date: EasternDate) -> bool {
        (date.0 - self.features.date.0).abs() <= 1
    }
}

/// Finds the raw events about the earlier games and about the predicted game, ordered by fetch time.
///
/// # Errors
/// If a topic cannot be read.
pub fn find_events(
    log: &mut dyn LogBackend,
    features: &Features,
    games: &[GameReport],
) -> Result<Vec<EventReport>> {
    let mut facts = FactsByEvent { features, facts: BTreeMap::new() };
    for game in games {
        facts.add(game.raw, format!("{} points on {}", game.points, game.date));
    }
    add_game_facts(log, &mut facts)?;
    add_roster_facts(log, &mut facts)?;
    let mut events = Vec::new();
    for topic in [&topics::RAW_SCHEDULES, &topics::RAW_BOX_SCORES, &topics::RAW_ROSTERS, &topics::RAW_ODDS] {
        inspect::events(log, topic, |raw: RawEvent| {
            if let Some(facts) = facts.facts.get(&raw.id) {
                events.push(EventReport {
                    raw: raw.id,
                    feed: raw.feed.to_string(),
                    key: raw.key,
                    fetched_at: raw.fetched_at.to_string(),
                    facts: facts.join("; "),
                });
            }
        })?;
    }
    events.sort_by(|a, b| (&a.fetched_at, a.raw).cmp(&(&b.fetched_at, b.raw)));
    Ok(events)
}

/// Adds fixture, quotes and injury reports of the game.
fn add_game_facts(log: &mut dyn LogBackend, facts: &mut FactsByEvent<'_>) -> Result<()> {
    let features = facts.features;
    let Some(matchup) = Matchup::new(features.home, features.away) else {
        bail!("game {} has {} as both home and away team", features.game, features.home)
    };
    inspect::events(log, &topics::GAME_OBSERVATIONS, |observation| {
        if observation.game == features.game {
            let fact = format!("the game's fixture, {}", observation.fixture.date);
            facts.add_if_known(observation.provenance.raw, observation.provenance.fetched_at, fact);
        }
    })?;
    inspect::events(log, &topics::ODDS_OBSERVATIONS, |observation| {
        let is_game = Matchup::new(observation.home, observation.away) == Some(matchup);
        if is_game && facts.is_near(observation.date) {
            let fact = format!("{} quotes on the game", observation.quotes.len());
            facts.add_if_known(observation.provenance.raw, observation.provenance.fetched_at, fact);
        }
    })?;
    inspect::events(log, &topics::INJURY_OBSERVATIONS, |observation| {
        if observation.matchup == matchup && facts.is_near(observation.date) {
            let fact = format!("the injury report of {}", observation.reported_at);
            facts.add_if_known(observation.provenance.raw, observation.provenance.fetched_at, fact);
        }
    })?;
    Ok(())
}

/// Adds the newest roster of each team and feed that was fetched before tip-off.
fn add_roster_facts(log: &mut dyn LogBackend, facts: &mut FactsByEvent<'_>) -> Result<()> {
    let features = facts.features;
    let mut newest_rosters: BTreeMap<_, _> = BTreeMap::new();
    inspect::events(log, &topics::ROSTER_OBSERVATIONS, |observation| {
        let is_side = [features.home, features.away].contains(&observation.team);
        if is_side && observation.provenance.fetched_at < features.tip_off {
            let key = (observation.team, observation.feed);
            match newest_rosters.entry(key) {
                Entry::Vacant(entry) => _ = entry.insert(observation.provenance),
                Entry::Occupied(mut entry) if *entry.get() < observation.provenance => {
                    entry.insert(observation.provenance);
                }
                Entry::Occupied(_) => {}
            }
        }
    })?;
    for ((team, _), provenance) in newest_rosters {
        facts.add_if_known(provenance.raw, provenance.fetched_at, format!("the roster of {team}"));
    }
    Ok(())
}
