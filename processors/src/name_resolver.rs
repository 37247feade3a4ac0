//! The name resolver: a view keyed by team that matches looked-up names with the team's known players.
//!
//! The known players are those in nba.com's box scores and player lists that were effective on or before the day of the lookup. Lists of
//! the same season are used first; if they contain no player who matches the name, lists of the season before are used. Every name that is
//! looked up gets a match, possibly without a player, so the decision can tell a pending lookup from a lookup without a result. Each team's
//! match also contains the links of the name, if it has some: the operator's, which outranks the rules, and the compiled-in one, which is
//! used for names that match no player of any team.
//!
//! If one list contains a name with two suffixes, or with and without one, it lists two players. From then on, the names of this lookup match
//! only players with the same suffix.
//!
//! The names to look up are those that any observation contains, even if it was retracted: what was issued before the retraction still
//! needs them, and a lookup that no view uses changes no row of a player.
//!
//! Invariant: a revision uses only names fetched at or before its known-at time; a name fetched later adds revisions and changes no earlier
//! one.
//! Not here: which names and players are known when (`known_names`, `known_players`), which link applies (`links`), the rules (`names`), the decision over the teams of a scope (`name_lookup`).
mod known_names;
mod known_players;
mod links;
mod lookup_key;
#[cfg(test)]
mod tests;

use crate::{
    history::{AsOf, FactHistory, ObservationRecord, revise},
    materialized_view::{Effects, MaterializedView, StateChange},
    names::{Name, match_name, shipped_link},
};
use known_names::{ChangedName, KnownList, KnownNames, KnownNamesRecord, MatchingName, Presence, is_match};
use known_players::{KnownPlayers, KnownPlayersRecord};
use links::{LinkLimits, LinkRecord, Links};
use lookup_key::LookupKey;
use schemas::{
    EasternDate, NamesId, Scope, Season, Team, Timestamp,
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

/// The names of one lookup.
#[derive(Debug, Default)]
struct Lookup {
    names: BTreeSet<String>,
    /// The names whose suffix matters, each with the observations that show it. They are stored by themselves, because a name may have a match
    /// long before its suffix matters.
    suffix_matters: BTreeMap<String, FactHistory<Presence>>,
}

/// The known names, lookups and links of one team.
#[derive(Debug, Default)]
pub struct Tables {
    team: Option<Team>,
    known_names: BTreeMap<Season, KnownNames>,
    lookups: BTreeMap<LookupKey, Lookup>,
    links: Links,
    /// The players of the league, to whom links may refer.
    known_players: KnownPlayers,
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
        #[serde(default)]
        limits: LinkLimits,
        observation: LinkRecord,
    },
    SuffixMatters {
        #[serde(with = "scope_text")]
        scope: Scope,
        source: Source,
        date: EasternDate,
        name: String,
        observation: ObservationRecord<(), Presence, ()>,
    },
    KnownPlayers(KnownPlayersRecord),
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
                    None if observation.of_league => tables.add_known_players(&observation, effects),
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
                tables.lookups.entry(LookupKey::new(scope, source, date)).or_default().names = names;
            }
            RetainedState::KnownNames { season, list, observation } => {
                tables.known_names.entry(season).or_default().restore(list, observation);
            }
            RetainedState::Link { spelling, limits, observation } => {
                tables.links.restore(spelling, limits, observation);
            }
            RetainedState::SuffixMatters { scope, source, date, name, observation } => {
                let lookup = tables.lookups.entry(LookupKey::new(scope, source, date)).or_default();
                lookup.suffix_matters.entry(name).or_default().restore(observation);
            }
            RetainedState::KnownPlayers(record) => tables.known_players.restore(record),
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
        let key = LookupKey::new(scope, source, date);
        let lookup = tables.lookups.get(&key)?;
        let matches = lookup.names.iter().map(|name| tables.name_match(team, &key, lookup, name)).collect();
        Some(Names { scope: scope.to_string(), team, source, date, matches })
    }
}

impl Tables {
    /// Adds names to look up; returns true if one of them is new, or an observation newly shows that a suffix matters.
    fn add_lookup(
        &mut self,
        scope: Scope,
        observation: &NamesObservation,
        effects: &mut Effects<'_, NamesId, Retained>,
    ) -> bool {
        let NamesObservation { team, source, date, names, .. } = observation;
        let (team, source, date) = (*team, *source, *date);
        let key = LookupKey::new(scope, source, date);
        let lookup = self.lookups.entry(key).or_default();
        let count_before = lookup.names.len();
        lookup.names.extend(names.iter().map(|player| player.name.clone()));
        let has_new_name = lookup.names.len() > count_before;
        if has_new_name {
            let state = RetainedState::Lookup { scope, source, date, names: lookup.names.clone() };
            (effects.retain)(format!("lookup/{scope}/{source}/{date}"), Retained { team, state });
        }
        let mut is_changed = has_new_name;
        for name in &observation.suffix_matters {
            let history = lookup.suffix_matters.entry(name.clone()).or_default();
            for id in history.merge(&observation.provenance, Presence::Listed).into_iter().flatten() {
                is_changed = true;
                if let Some(observation) = history.record(id) {
                    let retained_id = format!("suffix/{key}/{name}/{}/{}", id.fetched_at.0, id.raw);
                    let state =
                        RetainedState::SuffixMatters { scope, source, date, name: name.clone(), observation };
                    (effects.retain)(retained_id, Retained { team, state });
                }
            }
        }
        if is_changed {
            (effects.invalidate)(key.output_key(team));
        }
        is_changed
    }
    /// Merges players of the league; returns true if their fetches changed.
    fn add_known_players(
        &mut self,
        observation: &NamesObservation,
        effects: &mut Effects<'_, NamesId, Retained>,
    ) -> bool {
        let Some(merged) = self.known_players.merge(observation) else { return false };
        let team = observation.team;
        for record in merged.records {
            let retained_id = format!("players/{record}");
            (effects.retain)(retained_id, Retained { team, state: RetainedState::KnownPlayers(record) });
        }
        for spelling in self.links.spellings_of(&merged.changed) {
            self.invalidate_linked(team, &spelling, effects.invalidate);
        }
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
        for (key, lookup) in self.lookups.range(start..end) {
            if lookup.names.iter().any(|name| since_of(name).is_some_and(|since| since <= key.date)) {
                invalidate(key.output_key(team));
            }
        }
    }
    fn invalidate_linked(&self, team: Team, key: &str, invalidate: &mut dyn FnMut(NamesId)) {
        let mut is_linked_by_name: BTreeMap<&str, bool> = BTreeMap::new();
        let mut is_linked =
            |name| *is_linked_by_name.entry(name).or_insert_with(|| Name::new(name).key() == key);
        for (key, lookup) in &self.lookups {
            if lookup.names.iter().any(|name| is_linked(name)) {
                invalidate(key.output_key(team));
            }
        }
    }
    /// Merges a link; returns true if its history changed.
    fn add_link(
        &mut self,
        observation: &LinkObservation,
        effects: &mut Effects<'_, NamesId, Retained>,
    ) -> bool {
        let Some(merged) = self.links.merge(observation) else { return false };
        let (team, spelling, limits) = (observation.team, merged.key, merged.limits);
        for id in merged.touched {
            if let Some(observation) = self.links.record(&spelling, limits, id) {
                let retained_id = format!("link/{spelling}{limits}/{}/{}", id.fetched_at.0, id.raw);
                let state = RetainedState::Link { spelling: spelling.clone(), limits, observation };
                (effects.retain)(retained_id, Retained { team, state });
            }
        }
        if merged.is_affected {
            self.invalidate_linked(team, &spelling, effects.invalidate);
        }
        true
    }
    fn matching_names(&self, name: &Name, season: Season, day: EasternDate) -> Vec<MatchingName<'_>> {
        let known_names = self.known_names.get(&season).into_iter();
        known_names.flat_map(|known_names| known_names.matching_names(name, day)).collect()
    }
    fn name_match(&self, team: Team, key: &LookupKey, lookup: &Lookup, written: &str) -> NameMatch {
        let name = Name::new(written);
        let this_season = self.matching_names(&name, key.season, key.date);
        let season_before = self.matching_names(&name, Season(key.season.0.saturating_sub(1)), key.date);
        let links = self.links.of_name(&name, team, key);
        let suffix = lookup.suffix_matters.get(written);
        let mut instants = vec![Timestamp::DISTANT_PAST];
        let mut has_retractions =
            links.has_retractions(&self.known_players) || suffix.is_some_and(FactHistory::has_retractions);
        for known in this_season.iter().chain(&season_before) {
            instants.extend(known.instants());
            has_retractions |= known.has_retractions();
        }
        links.instants(&self.known_players, &mut |instant| instants.push(instant));
        if let Some(suffix) = suffix {
            suffix.instants(&mut |instant| instants.push(instant));
        }
        let content_at = |as_of: AsOf| {
            let suffix_matters = suffix.is_some_and(|suffix| suffix.newest(as_of).is_some());
            let matched = |matching: &[MatchingName<'_>]| {
                let known = matching.iter().filter(|known| known.is_known(as_of));
                let known = known.filter(|known| !suffix_matters || known.name.suffix() == name.suffix());
                match_name(&name, known.map(|known| (known.player, known.name)))
            };
            let (rule, players) = matched(&this_season)
                .or_else(|| matched(&season_before))
                .map_or((None, vec![]), |(rule, players)| (Some(rule), players));
            let operator_link = links.at(as_of, &self.known_players);
            Some(NameRevision {
                known_at: as_of.until,
                rule,
                players,
                link: shipped_link(&name),
                operator_link,
            })
        };
        let is_same_content =
            |a: &NameRevision, b: &NameRevision| NameRevision { known_at: b.known_at, ..a.clone() } == *b;
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
