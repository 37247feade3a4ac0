//! The name resolver: a view keyed by team that matches looked-up names with the team's known players.
//!
//! The known players are those in nba.com's box scores and player lists that were effective on or before the day of the lookup. Lists of
//! the same season are used first; if they contain no player who matches the name, lists of the season before are used. Every name that is
//! looked up gets a match, possibly without a player, so the decision can tell a pending lookup from a lookup without a result. Each team's
//! match also contains the link of the name, if it has one (compiled in, or from an operator). Links are used for names that match no
//! player of any team.
//!
//! The names to look up are those that any observation contains, even if it was retracted: what was issued before the retraction still
//! needs them, and a lookup that no view uses changes no row of a player.
//!
//! Invariant: a revision uses only names fetched at or before its known-at time; a name fetched later adds revisions and changes no earlier
//! one.
//! Not here: which names are known when (`known_names`), the rules (`names`), the decision over the teams of a scope (`name_lookup`).
mod known_names;
#[cfg(test)]
mod tests;

use crate::{
    history::{AsOf, FactHistory, ObservationRecord, revise},
    materialized_view::{Effects, MaterializedView, StateChange},
    names::{Name, match_name, shipped_link},
};
use known_names::{ChangedName, KnownList, KnownNames, KnownNamesRecord, MatchingName, is_match};
use schemas::{
    EasternDate, Matchup, NamesId, PlayerId, Scope, Season, Team, Timestamp,
    identity::{NameMatch, NameRevision, Names},
    observation::{LinkObservation, NamesObservation},
    raw::Source,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// An input of the name resolver view.
#[derive(Clone, Debug)]
pub enum In {
    Names(NamesObservation),
    Link(LinkObservation),
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
    /// Returns a key that sorts before all other keys of a season from a day on. It is used as the bound of a range, never for a lookup.
    fn first_of(season: Season, date: EasternDate) -> Self {
        let scope = Scope::Matchup(Matchup::FIRST);
        LookupKey { season, date, scope, source: Source::Nbacom }
    }
    fn output_key(&self, team: Team) -> NamesId {
        NamesId { scope: self.scope, team, source: self.source, date: self.date }
    }
}

/// The player of a link; `None` if the link is revoked. It is a type of its own, because the JSON of a bare `None` equals that of an absent
/// value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkedPlayer {
    player: Option<PlayerId>,
}

/// The known names, lookups and links of one team.
#[derive(Debug, Default)]
pub struct Tables {
    team: Option<Team>,
    known_names: BTreeMap<Season, KnownNames>,
    lookups: BTreeMap<LookupKey, BTreeSet<String>>,
    /// By the normalized spelling.
    links: BTreeMap<String, FactHistory<LinkedPlayer>>,
}

/// A record of the changelog.
#[derive(Debug, Serialize, Deserialize)]
pub struct Retained {
    team: Team,
    state: RetainedState,
}
#[derive(Debug, Serialize, Deserialize)]
enum RetainedState {
    /// All names of one lookup. The id of the record is the key of the lookup, so no record can lack what another one contains.
    Lookup {
        #[serde(with = "scope_text")]
        scope: Scope,
        source: Source,
        date: EasternDate,
        names: BTreeSet<String>,
    },
    KnownNames {
        season: Season,
        list: KnownList,
        observation: KnownNamesRecord,
    },
    Link {
        spelling: String,
        observation: ObservationRecord<(), LinkedPlayer, ()>,
    },
}

/// The name resolver view.
pub struct NameResolver;
impl MaterializedView for NameResolver {
    const NAME: &'static str = "name-resolver";
    type Key = Team;
    type Tables = Tables;
    type Retained = Retained;
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
    fn apply(
        &self,
        tables: &mut Tables,
        input: In,
        effects: &mut Effects<'_, NamesId, Retained>,
    ) -> StateChange {
        let (team, is_changed) = match input {
            In::Names(observation) => {
                let is_changed = match observation.lookup_scope() {
                    Some(scope) => tables.add_lookup(scope, &observation, effects),
                    None => tables.add_known_names(&observation, effects),
                };
                (observation.team, is_changed)
            }
            In::Link(observation) => (observation.team, tables.add_link(&observation, effects)),
        };
        if !is_changed {
            return StateChange::Unchanged;
        }
        tables.team = Some(team);
        StateChange::Stored
    }
    fn restore(&self, tables: &mut Tables, Retained { team, state }: Retained) {
        tables.team = Some(team);
        match state {
            RetainedState::Lookup { scope, source, date, names } => {
                tables.lookups.insert(LookupKey::new(scope, source, date), names);
            }
            RetainedState::KnownNames { season, list, observation } => {
                tables.known_names.entry(season).or_default().restore(list, observation);
            }
            RetainedState::Link { spelling, observation } => {
                tables.links.entry(spelling).or_default().restore(observation);
            }
        }
    }
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
    /// Adds names to look up; returns true if one of them is new.
    fn add_lookup(
        &mut self,
        scope: Scope,
        observation: &NamesObservation,
        effects: &mut Effects<'_, NamesId, Retained>,
    ) -> bool {
        let NamesObservation { team, source, date, names, .. } = observation;
        let lookup = LookupKey::new(scope, *source, *date);
        let stored = self.lookups.get(&lookup);
        let is_new = |name: &str| stored.is_none_or(|stored| !stored.contains(name));
        if !names.iter().any(|player| is_new(&player.name)) {
            return false;
        }
        let stored = self.lookups.entry(lookup).or_default();
        stored.extend(names.iter().map(|player| player.name.clone()));
        let state = RetainedState::Lookup { scope, source: *source, date: *date, names: stored.clone() };
        (effects.retain)(format!("lookup/{scope}/{source}/{date}"), Retained { team: *team, state });
        (effects.invalidate)(lookup.output_key(*team));
        true
    }
    /// Merges known names; returns true if their histories changed.
    fn add_known_names(
        &mut self,
        observation: &NamesObservation,
        effects: &mut Effects<'_, NamesId, Retained>,
    ) -> bool {
        let NamesObservation { team, season, .. } = observation;
        let known_names = self.known_names.entry(*season).or_default();
        let Some(merged) = known_names.merge(observation) else { return false };
        let list = KnownList::of(observation);
        for id in merged.touched {
            if let Some(observation) = known_names.record(list, id) {
                let state = RetainedState::KnownNames { season: *season, list, observation };
                let retained_id = format!("known/{season}/{list}/{}/{}", id.fetched_at.0, id.raw);
                (effects.retain)(retained_id, Retained { team: *team, state });
            }
        }
        self.invalidate_matching(*team, *season, &merged.changed, effects.invalidate);
        true
    }
    /// Invalidates the lookups whose match depends on one of the changed names of a season.
    fn invalidate_matching(
        &self,
        team: Team,
        season: Season,
        changed: &[ChangedName],
        invalidate: &mut dyn FnMut(NamesId),
    ) {
        let Some(first) = changed.iter().map(|changed| changed.since).min() else { return };
        // The names of a season are used in lookups of the same and of the next season.
        let start = LookupKey::first_of(season, first);
        let end = LookupKey::first_of(Season(season.0.saturating_add(2)), EasternDate(i32::MIN));
        // By looked-up name: the first day for which its match may have changed.
        let mut since_by_name: BTreeMap<&str, Option<EasternDate>> = BTreeMap::new();
        let mut since_of = |written| {
            *since_by_name.entry(written).or_insert_with(|| {
                let name = Name::new(written);
                let matching = changed.iter().filter(|known| is_match(&name, known.player, &known.name));
                matching.map(|known| known.since).min()
            })
        };
        for (lookup, names) in self.lookups.range(start..end) {
            if names.iter().any(|name| since_of(name).is_some_and(|since| since <= lookup.date)) {
                invalidate(lookup.output_key(team));
            }
        }
    }
    fn invalidate_linked(&self, team: Team, key: &str, invalidate: &mut dyn FnMut(NamesId)) {
        let mut is_linked_by_name: BTreeMap<&str, bool> = BTreeMap::new();
        let mut is_linked =
            |name| *is_linked_by_name.entry(name).or_insert_with(|| Name::new(name).key() == key);
        for (lookup, names) in &self.lookups {
            if names.iter().any(|name| is_linked(name)) {
                invalidate(lookup.output_key(team));
            }
        }
    }
    /// Merges a link; returns true if its history changed.
    fn add_link(
        &mut self,
        observation: &LinkObservation,
        effects: &mut Effects<'_, NamesId, Retained>,
    ) -> bool {
        let LinkObservation { team, spelling, player, provenance } = observation;
        let spelling = Name::new(spelling);
        let history = self.links.entry(spelling.key().to_owned()).or_default();
        let players = |history: &FactHistory<LinkedPlayer>| -> Vec<(LinkedPlayer, Timestamp)> {
            history.runs(AsOf::LATEST).into_iter().map(|run| (*run.value, run.since)).collect()
        };
        let before = players(history);
        let Some(touched) = history.merge(provenance, LinkedPlayer { player: *player }) else { return false };
        let is_affected = history.has_retractions() || players(history) != before;
        for id in touched {
            if let Some(observation) = history.record(id) {
                let state = RetainedState::Link { spelling: spelling.key().to_owned(), observation };
                let retained_id = format!("link/{}/{}/{}", spelling.key(), id.fetched_at.0, id.raw);
                (effects.retain)(retained_id, Retained { team: *team, state });
            }
        }
        if is_affected {
            self.invalidate_linked(*team, spelling.key(), effects.invalidate);
        }
        true
    }
    fn matching_names(&self, name: &Name, season: Season, day: EasternDate) -> Vec<MatchingName<'_>> {
        let known_names = self.known_names.get(&season).into_iter();
        known_names.flat_map(|known_names| known_names.matching_names(name, day)).collect()
    }
    fn name_match(&self, written: &str, date: EasternDate) -> NameMatch {
        let name = Name::new(written);
        let season = date.season();
        let this_season = self.matching_names(&name, season, date);
        let season_before = self.matching_names(&name, Season(season.0.saturating_sub(1)), date);
        let links = self.links.get(name.key());
        let mut instants = vec![Timestamp::DISTANT_PAST];
        let mut has_retractions = links.is_some_and(FactHistory::has_retractions);
        for known in this_season.iter().chain(&season_before) {
            instants.extend(known.instants());
            has_retractions |= known.has_retractions();
        }
        if let Some(links) = links {
            links.instants(&mut |instant| instants.push(instant));
        }
        let content_at = |as_of: AsOf| {
            let matched = |matching: &[MatchingName<'_>]| {
                let known = matching.iter().filter(|known| known.is_known(as_of));
                match_name(&name, known.map(|known| (known.player, known.name)))
            };
            let (rule, players) = matched(&this_season)
                .or_else(|| matched(&season_before))
                .map_or((None, vec![]), |(rule, players)| (Some(rule), players));
            let link = links.and_then(|history| history.newest(as_of)).map(|run| run.value.player);
            let link = link.unwrap_or_else(|| shipped_link(&name));
            Some(NameRevision { known_at: as_of.until, rule, players, link })
        };
        let is_same_content =
            |a: &NameRevision, b: &NameRevision| (a.rule, &a.players, a.link) == (b.rule, &b.players, b.link);
        let revised = revise(instants, has_retractions, content_at, is_same_content);
        NameMatch {
            name: written.to_owned(),
            revisions: revised.revisions,
            revisions_in_retrospect: revised.in_retrospect,
        }
    }
}

/// The text form of a scope, in a record of the changelog.
mod scope_text {
    use schemas::Scope;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(scope: &Scope, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(scope)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scope, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
