//! The raw events that a prediction was derived from.
//!
//! The basis of a prediction is issued (derived only from facts known before tip-off) or retrospective (also derived from facts that
//! became known later).
//! Invariant: for an issued prediction, only events fetched before tip-off are listed. An event is listed once, and marked if it is retracted.
//! Not here: the rows that were derived from the events (`report`).
use super::report::{EventReport, GameReport};
use crate::retract::{RAW_TOPICS, Retractions, each_event};
use anyhow::{Result, bail};
use runtime::{LogBackend, inspect};
use schemas::{
    EasternDate, Matchup, RawId, Team, Timestamp,
    features::{Basis, Features},
    observation::{Provenance, Retraction},
    raw::{Feed, RawEvent},
};
use std::collections::BTreeMap;

/// The facts from which a prediction was derived, by the raw event that contains them.
struct FactsByEvent<'a> {
    features: &'a Features,
    facts: BTreeMap<RawId, Vec<String>>,
}
impl FactsByEvent<'_> {
    fn add(&mut self, raw: RawId, fact: String) {
        let facts = self.facts.entry(raw).or_default();
        if !facts.contains(&fact) {
            facts.push(fact);
        }
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
    let mut retractions = Retractions::default();
    // An event that was redriven, or appended again with a better outcome, is several records.
    let mut found: BTreeMap<RawId, RawEvent> = BTreeMap::new();
    for topic in RAW_TOPICS {
        each_event(log, topic.info, |stored| {
            retractions.add(&stored.event);
            if facts.facts.contains_key(&stored.event.id) {
                found.insert(stored.event.id, stored.event);
            }
        })?;
    }
    let mut events: Vec<EventReport> =
        found.into_values().map(|event| event_report(event, &facts, &retractions)).collect();
    events.sort_by(|a, b| (&a.fetched_at, a.raw).cmp(&(&b.fetched_at, b.raw)));
    Ok(events)
}

fn event_report(event: RawEvent, facts: &FactsByEvent<'_>, retractions: &Retractions) -> EventReport {
    let retraction = retractions.get(event.id);
    EventReport {
        raw: event.id,
        feed: event.feed.to_string(),
        key: event.key,
        fetched_at: event.fetched_at.to_string(),
        facts: facts.facts.get(&event.id).map(|facts| facts.join("; ")).unwrap_or_default(),
        retracted_at: retraction.as_ref().map(|retraction| retraction.retracted_at.clone()),
        retraction_reason: retraction.map(|retraction| retraction.reason),
    }
}

/// Adds fixture, quotes and injury reports of the game. The observations of a retraction repeat those of the event that it retracts.
fn add_game_facts(log: &mut dyn LogBackend, facts: &mut FactsByEvent<'_>) -> Result<()> {
    let features = facts.features;
    let Some(matchup) = Matchup::new(features.home, features.away) else {
        bail!("game {} has {} as both home and away team", features.game, features.home)
    };
    inspect::events(log, &topics::GAME_OBSERVATIONS, |observation| {
        if observation.game == features.game && observation.provenance.retraction.is_none() {
            let fact = format!("the game's fixture, {}", observation.fixture.date);
            facts.add_if_known(observation.provenance.raw, observation.provenance.fetched_at, fact);
        }
    })?;
    inspect::events(log, &topics::ODDS_OBSERVATIONS, |observation| {
        let is_game = Matchup::new(observation.home, observation.away) == Some(matchup);
        if is_game && facts.is_near(observation.date) && observation.provenance.retraction.is_none() {
            let fact = format!("{} quotes on the game", observation.quotes.len());
            facts.add_if_known(observation.provenance.raw, observation.provenance.fetched_at, fact);
        }
    })?;
    inspect::events(log, &topics::INJURY_OBSERVATIONS, |observation| {
        let is_game = observation.matchup == matchup && facts.is_near(observation.date);
        if is_game && observation.provenance.retraction.is_none() {
            let fact = format!("the injury report of {}", observation.reported_at);
            facts.add_if_known(observation.provenance.raw, observation.provenance.fetched_at, fact);
        }
    })?;
    Ok(())
}

/// Adds the newest roster of each team and feed that was fetched before tip-off and not retracted by then. For a retrospective prediction,
/// a roster that was retracted later is not used either.
fn add_roster_facts(log: &mut dyn LogBackend, facts: &mut FactsByEvent<'_>) -> Result<()> {
    let features = facts.features;
    let mut rosters: Vec<((Team, Feed), Provenance)> = Vec::new();
    let mut newest_retractions: BTreeMap<RawId, Retraction> = BTreeMap::new();
    inspect::events(log, &topics::ROSTER_OBSERVATIONS, |observation| {
        let provenance = observation.provenance;
        if ![features.home, features.away].contains(&observation.team) {
            return;
        }
        match provenance.retraction {
            Some(retraction) => {
                let counts = features.basis == Basis::Retrospective || retraction.at < features.tip_off;
                let newest = newest_retractions.get(&provenance.raw);
                if counts && newest.is_none_or(|newest| precedence(newest) < precedence(&retraction)) {
                    newest_retractions.insert(provenance.raw, retraction);
                }
            }
            None if provenance.fetched_at < features.tip_off => {
                rosters.push(((observation.team, observation.feed), provenance));
            }
            None => {}
        }
    })?;
    rosters.retain(|(_, provenance)| {
        newest_retractions.get(&provenance.raw).is_none_or(|retraction| retraction.is_undone)
    });
    rosters.sort_by_key(|(_, provenance)| (provenance.fetched_at, provenance.raw));
    let newest_rosters: BTreeMap<(Team, Feed), Provenance> = rosters.into_iter().collect();
    for ((team, _), provenance) in newest_rosters {
        facts.add_if_known(provenance.raw, provenance.fetched_at, format!("the roster of {team}"));
    }
    Ok(())
}

/// Orders the retractions of one event and their undoings: the greatest counts.
fn precedence(retraction: &Retraction) -> (Timestamp, bool) {
    (retraction.at, !retraction.is_undone)
}
