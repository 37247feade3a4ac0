//! The name resolver: a view keyed by team that matches looked-up names with the team's known players.
//!
//! The known players are those in nba.com's box scores and player lists that were effective on or before the day of the lookup. Lists of
//! the same season are used first; if they contain no player who matches the name, lists of the season before are used. Every name that is
//! looked up gets a match, possibly without a player, so the
//! decision can tell a pending lookup from a lookup without a result. Each team's match also contains the link of the name, if it has one
//! (compiled in, or from an operator). Links are used for names that match no player of any team.
//!
//! Invariant: a revision uses only names fetched at or before its known-at time; a name fetched later adds revisions and changes no earlier
//! one.
//! Not here: the rules (`names`), the decision over the teams of a scope (`name_lookup`).
#[cfg(test)]
mod tests;

use crate::{
    fact_history::{FactHistory, revisions},
    materialized_view::{Effects, MaterializedView, StateChange},
    names::{Name, match_name, shipped_link},
};
use schemas::{
    EasternDate, Matchup, NamesId, PlayerId, Scope, Season, Team, Timestamp,
    identity::{NameMatch, NameRevision, Names},
    observation::{LinkObservation, NamesObservation},
    raw::Source,
};
use std::collections::{BTreeMap, BTreeSet};

/// An input of the name resolver view.
#[derive(Clone, Debug)]
pub enum In {
    Names(NamesObservation),
    Link(LinkObservation),
}

/// One spelling of one player in one season.
#[derive(Debug)]
struct KnownName {
    name: Name,
    /// The effective day and fetch time of each observation with this spelling. An observation is dropped if another one is at least as
    /// early in both. The remaining ones are in ascending order of day and therefore in descending order of fetch time.
    observed: Vec<(EasternDate, Timestamp)>,
}
impl KnownName {
    /// Adds an observation; returns false if another one is at least as early in both day and fetch time.
    fn add(&mut self, effective: EasternDate, fetched_at: Timestamp) -> bool {
        if self.observed.iter().any(|(day, time)| *day <= effective && *time <= fetched_at) {
            return false;
        }
        self.observed.retain(|(day, time)| *day < effective || *time < fetched_at);
        let index = self.observed.partition_point(|pair| *pair < (effective, fetched_at));
        self.observed.insert(index, (effective, fetched_at));
        true
    }
    /// Returns the known-at time of the spelling for a day: the earliest fetch time of the observations effective on or before the day.
    fn known_at(&self, day: EasternDate) -> Option<Timestamp> {
        let effective = self.observed.iter().take_while(|(effective, _)| *effective <= day);
        effective.map(|(_, fetched_at)| *fetched_at).min()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LookupKey {
    season: Season,
    date: EasternDate,
    scope: Scope,
    source: Source,
}
impl LookupKey {
    fn new(scope: Scope, source: Source, date: EasternDate) -> Self {
        LookupKey { season: date.season(), date, scope, source }
    }
    /// Returns a key that sorts before all other keys of a season. It is used as the bound of a range, never for a lookup.
    fn first_of(season: Season) -> Self {
        let scope = Scope::Matchup(Matchup::FIRST);
        LookupKey { season, date: EasternDate(i32::MIN), scope, source: Source::Nbacom }
    }
    fn output_key(&self, team: Team) -> NamesId {
        NamesId { scope: self.scope, team, source: self.source, date: self.date }
    }
}

/// The known names, lookups and links of one team.
#[derive(Debug, Default)]
pub struct Tables {
    team: Option<Team>,
    known_names: BTreeMap<Season, BTreeMap<(PlayerId, String), KnownName>>,
    lookups: BTreeMap<LookupKey, BTreeSet<String>>,
    links: BTreeMap<String, FactHistory<Option<PlayerId>>>,
}

/// The name resolver view.
pub struct NameResolver;
impl MaterializedView for NameResolver {
    const NAME: &'static str = "name-resolver";
    type Key = Team;
    type Tables = Tables;
    type Retained = ();
    type In = In;
    type OutputKey = NamesId;
    type Out = Names;

    fn key(&self, input: &In) -> Option<Team> {
        Some(match input {
            In::Names(observation) => observation.team,
            In::Link(observation) => observation.team,
        })
    }
    fn key_of(&self, output_key: &NamesId) -> Team {
        output_key.team
    }
    fn apply(&self, tables: &mut Tables, input: In, effects: &mut Effects<'_, NamesId, ()>) -> StateChange {
        let invalidate = &mut *effects.invalidate;
        match input {
            In::Names(observation) => tables.apply_names(&observation, invalidate),
            In::Link(observation) => tables.apply_link(&observation, invalidate),
        }
    }
    fn restore(&self, _tables: &mut Tables, (): ()) {}
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(NamesId)) {
        let Some(team) = tables.team else { return };
        for lookup in tables.lookups.keys() {
            emit(lookup.output_key(team));
        }
    }
    fn derive(&self, tables: &Tables, output_key: &NamesId) -> Option<Names> {
        let NamesId { scope, team, source, date } = *output_key;
        let names = tables.lookups.get(&LookupKey::new(scope, source, date))?;
        let matches = names.iter().map(|name| tables.name_match(name, date)).collect();
        Some(Names { scope: scope.to_string(), team, source, date, matches })
    }
}

impl Tables {
    fn apply_names(
        &mut self,
        observation: &NamesObservation,
        invalidate: &mut dyn FnMut(NamesId),
    ) -> StateChange {
        let NamesObservation { source, scope, date, provenance, .. } = observation;
        self.team = Some(observation.team);
        let fetched_at = provenance.fetched_at.0;
        let retained_id = match scope {
            Some(scope) => format!("lookup/{scope}/{source}/{date}/{fetched_at}/{}", provenance.raw),
            None => format!("known/{source}/{date}/{fetched_at}/{}", provenance.raw),
        };
        let is_changed = match observation.lookup_scope() {
            Some(scope) => self.add_lookup(scope, observation, invalidate),
            None => self.add_known_names(observation, invalidate),
        };
        if is_changed { StateChange::Retained(retained_id) } else { StateChange::Unchanged }
    }
    fn apply_link(
        &mut self,
        observation: &LinkObservation,
        invalidate: &mut dyn FnMut(NamesId),
    ) -> StateChange {
        let LinkObservation { team, spelling, player, provenance } = observation;
        self.team = Some(*team);
        let spelling = Name::new(spelling);
        let history = self.links.entry(spelling.key().to_owned()).or_default();
        if !history.merge(provenance, true, *player) {
            return StateChange::Unchanged;
        }
        for (lookup, names) in &self.lookups {
            if names.iter().any(|name| Name::new(name).key() == spelling.key()) {
                invalidate(lookup.output_key(*team));
            }
        }
        StateChange::Retained(format!("link/{}/{}", spelling.key(), provenance.fetched_at.0))
    }
    /// Adds names to look up; returns true if one of them is new.
    fn add_lookup(
        &mut self,
        scope: Scope,
        observation: &NamesObservation,
        invalidate: &mut dyn FnMut(NamesId),
    ) -> bool {
        let lookup = LookupKey::new(scope, observation.source, observation.date);
        let names = self.lookups.entry(lookup).or_default();
        let count_before = names.len();
        names.extend(observation.names.iter().map(|player| player.name.clone()));
        let is_changed = names.len() > count_before;
        if is_changed {
            invalidate(lookup.output_key(observation.team));
        }
        is_changed
    }
    /// Adds known names; returns true if one of them is new, or is now effective or known earlier than before.
    fn add_known_names(
        &mut self,
        observation: &NamesObservation,
        invalidate: &mut dyn FnMut(NamesId),
    ) -> bool {
        let NamesObservation { team, date, season, provenance, .. } = observation;
        let known_names = self.known_names.entry(*season).or_default();
        let mut is_changed = false;
        for player in &observation.names {
            let Some(id) = player.nba else { continue };
            let known_name = known_names
                .entry((id, player.name.clone()))
                .or_insert_with(|| KnownName { name: Name::new(&player.name), observed: Vec::new() });
            is_changed |= known_name.add(*date, provenance.fetched_at);
        }
        if is_changed {
            // Names of a season are used in lookups of the same and of the next season.
            let end = LookupKey::first_of(Season(season.0 + 2));
            for (lookup, _) in self.lookups.range(LookupKey::first_of(*season)..end) {
                if lookup.date >= *date {
                    invalidate(lookup.output_key(*team));
                }
            }
        }
        is_changed
    }
    /// Returns the known spellings of a season that match a name by some rule, each with its known-at time for a day. Omits all other
    /// spellings, because they cannot affect a revision.
    fn matching_names(
        &self,
        name: &Name,
        season: Season,
        day: EasternDate,
    ) -> Vec<(PlayerId, &Name, Timestamp)> {
        let known_names = self.known_names.get(&season).into_iter().flatten();
        let known_by_day =
            known_names.filter_map(|((id, _), known)| Some((*id, &known.name, known.known_at(day)?)));
        known_by_day
            .filter(|(id, known, _)| match_name(name, [(*id, *known)].into_iter()).is_some())
            .collect()
    }
    fn name_match(&self, written: &str, date: EasternDate) -> NameMatch {
        let name = Name::new(written);
        let season = date.season();
        let this_season = self.matching_names(&name, season, date);
        let season_before = self.matching_names(&name, Season(season.0 - 1), date);
        let links = self.links.get(name.key());
        let mut instants = vec![Timestamp::DISTANT_PAST];
        instants.extend(this_season.iter().chain(&season_before).map(|(.., known_at)| *known_at));
        instants.extend(links.iter().flat_map(|history| history.entries()).map(|entry| entry.fetched_at));
        let content_at = |instant: Timestamp| {
            let matched = |candidates: &[(PlayerId, &Name, Timestamp)]| {
                let known = candidates.iter().filter(|(.., known_at)| *known_at <= instant);
                match_name(&name, known.map(|(id, known_name, _)| (*id, *known_name)))
            };
            let (rule, players) = matched(&this_season)
                .or_else(|| matched(&season_before))
                .map_or((None, vec![]), |(rule, players)| (Some(rule), players));
            let link = links.and_then(|history| history.up_to(instant).last()).map(|entry| entry.content);
            let link = link.unwrap_or_else(|| shipped_link(&name));
            Some(NameRevision { known_at: instant, rule, players, link })
        };
        let is_same_content =
            |a: &NameRevision, b: &NameRevision| (a.rule, &a.players, a.link) == (b.rule, &b.players, b.link);
        NameMatch {
            name: written.to_owned(),
            revisions: revisions(instants, content_at, is_same_content),
            revisions_in_retrospect: None,
        }
    }
}
