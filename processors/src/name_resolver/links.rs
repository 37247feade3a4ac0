//! The operators' links of one team's name lookups: which link applies to a name as of an instant.
//!
//! A link may be limited to a team, a source, and the days from one day on. Each combination of a spelling and limits has a history of its
//! own, of which the newest statement counts: it links the spelling, states that it refers to nobody, or revokes the link. Of the links that
//! apply to a name, the one limited to the team outranks the others, then the one limited to the source, then the one with the latest first
//! day.
//!
//! Invariant: a link has no effect as of an instant at which no known fetch of nba.com lists its player.
//! Not here: which players are known (`known_players`), the links that are compiled in (`names`), the decision over the teams of a scope (`name_lookup`).
use super::{known_players::KnownPlayers, lookup_key::LookupKey};
use crate::{
    history::{AsOf, FactHistory, ObservationId, ObservationRecord},
    names::Name,
};
use schemas::{
    EasternDate, PlayerId, Scope, Team, Timestamp, identity::OperatorLink, observation::LinkObservation,
    raw::Source,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What a link states. `player` is `None` if the link is revoked, or if the spelling refers to nobody. It is a type of its own, because the
/// JSON of a bare `None` equals that of an absent value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkTarget {
    player: Option<PlayerId>,
    #[serde(default)]
    is_nobody: bool,
}

/// The names to which a link applies. The order is that of precedence: of the links that apply to one name, the greatest counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkLimits {
    team: Option<Team>,
    source: Option<Source>,
    from: Option<EasternDate>,
}
impl LinkLimits {
    fn of(observation: &LinkObservation) -> LinkLimits {
        let LinkObservation { only_team, only_source, only_from, .. } = observation;
        LinkLimits { team: *only_team, source: *only_source, from: *only_from }
    }
    /// True if the link applies to the names of a lookup, in the match of one team. The names on a roster are listed for the team of the
    /// roster, although they are compared with the players of every team.
    fn include(&self, team: Team, lookup: &LookupKey) -> bool {
        let listed_for = match lookup.scope {
            Scope::Matchup(_) => team,
            Scope::Team(roster) => roster,
        };
        self.team.is_none_or(|only| only == team && only == listed_for)
            && self.source.is_none_or(|only| only == lookup.source)
            && self.from.is_none_or(|from| from <= lookup.date)
    }
}
/// Writes the limits as a part of the id of a changelog record; nothing if there are none.
impl fmt::Display for LinkLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LinkLimits { team, source, from } = self;
        team.iter().try_for_each(|team| write!(f, "/{team}"))?;
        source.iter().try_for_each(|source| write!(f, "/{source}"))?;
        from.iter().try_for_each(|from| write!(f, "/{from}"))
    }
}

/// The record of an observation of a link.
pub type LinkRecord = ObservationRecord<(), LinkTarget, ()>;
type History = FactHistory<LinkTarget>;

/// All links, by the normalized spelling and the limits.
#[derive(Debug, Default)]
pub struct Links(BTreeMap<String, BTreeMap<LinkLimits, History>>);

/// The effect of a merge that changed a history.
pub struct MergedLink {
    /// The observations whose records ([`Links::record`]) may have changed.
    pub touched: Vec<ObservationId>,
    /// The normalized spelling.
    pub key: String,
    pub limits: LinkLimits,
    /// True if the link states, at some instant, something else than before.
    pub is_affected: bool,
}

impl Links {
    /// Merges an observation, or its retraction; `None` if the history does not change.
    pub fn merge(&mut self, observation: &LinkObservation) -> Option<MergedLink> {
        let LinkObservation { spelling, player, is_nobody, provenance, .. } = observation;
        let (key, limits) = (Name::new(spelling).key().to_owned(), LinkLimits::of(observation));
        let history = self.0.entry(key.clone()).or_default().entry(limits).or_default();
        let statements = |history: &History| -> Vec<(LinkTarget, Timestamp)> {
            history.runs(AsOf::LATEST).into_iter().map(|run| (*run.value, run.since)).collect()
        };
        let before = statements(history);
        let touched = history.merge(provenance, LinkTarget { player: *player, is_nobody: *is_nobody })?;
        let is_affected = history.has_retractions() || statements(history) != before;
        Some(MergedLink { touched, key, limits, is_affected })
    }
    /// Returns what the changelog stores of an observation; `None` if there is no such observation.
    pub fn record(&self, key: &str, limits: LinkLimits, id: ObservationId) -> Option<LinkRecord> {
        self.0.get(key)?.get(&limits)?.record(id)
    }
    /// Adds an observation as `record` returned it, in any order.
    pub fn restore(&mut self, key: String, limits: LinkLimits, record: LinkRecord) {
        self.0.entry(key).or_default().entry(limits).or_default().restore(record);
    }
    /// Returns the normalized spellings that were ever linked to one of the players.
    pub fn spellings_of(&self, players: &BTreeSet<PlayerId>) -> Vec<String> {
        let is_linked = |history: &History| {
            history.values().any(|target| target.player.is_some_and(|player| players.contains(&player)))
        };
        let linked = self.0.iter().filter(|(_, by_limits)| by_limits.values().any(is_linked));
        linked.map(|(key, _)| key.clone()).collect()
    }
    /// Returns the links that apply to a name of a lookup, in the match of one team.
    pub fn of_name(&self, name: &Name, team: Team, lookup: &LookupKey) -> LinksOfName<'_> {
        let by_limits = self.0.get(name.key()).into_iter().flatten();
        let applicable = by_limits.rev().filter(|(limits, _)| limits.include(team, lookup));
        LinksOfName(applicable.map(|(limits, history)| (limits.team.is_some(), history)).collect())
    }
}

/// The links that apply to one name, in order of precedence: whether the link is limited to the team, and its history.
pub struct LinksOfName<'a>(Vec<(bool, &'a History)>);
impl LinksOfName<'_> {
    /// True if a link, or a fetch that lists a linked player, was ever retracted.
    pub fn has_retractions(&self, players: &KnownPlayers) -> bool {
        self.0.iter().any(|(_, history)| history.has_retractions())
            || self.linked_players().any(|player| players.has_retractions(player))
    }
    /// Emits every instant at which another link may count.
    pub fn instants(&self, players: &KnownPlayers, emit: &mut dyn FnMut(Timestamp)) {
        self.0.iter().for_each(|(_, history)| history.instants(emit));
        self.linked_players().for_each(|player| players.instants(player, emit));
    }
    fn linked_players(&self) -> impl Iterator<Item = PlayerId> {
        self.0.iter().flat_map(|(_, history)| history.values().filter_map(|target| target.player))
    }
    /// Returns what the link that counts as of an instant states.
    pub fn at(&self, as_of: AsOf, players: &KnownPlayers) -> Option<OperatorLink> {
        self.0.iter().find_map(|(is_of_team, history)| {
            let target = *history.newest(as_of)?.value;
            let is_known = |player| players.is_known(player, as_of);
            let has_effect = target.is_nobody || target.player.is_some_and(is_known);
            has_effect.then_some(OperatorLink { player: target.player, is_of_team: *is_of_team })
        })
    }
}
