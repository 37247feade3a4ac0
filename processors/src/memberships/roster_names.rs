//! The names on the rosters of one team: to which player each one refers on each day on which a roster lists it, as known at each instant.
//!
//! Every team of the league counts in the lookup, because a player who joined the team recently is known to another one.
//!
//! Invariant: a function of the lookups alone. A name has an entry for a day once every team has a match.
//! Not here: the rules by which a name matches a player (`names`, `name_lookup`).
use crate::{
    history::{AsOf, Revised, revise},
    name_lookup::{LookupRequest, NameLookups, corrected_as_of},
};
use schemas::{EasternDate, NamesId, PlayerId, Team, Timestamp, identity::Names, raw::Source};
use std::collections::{BTreeMap, BTreeSet};

/// The player to whom a name refers from an instant on; `None` if it refers to none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Referred {
    known_at: Timestamp,
    player: Option<PlayerId>,
}

/// The days on which a name was looked up.
type Days = BTreeMap<EasternDate, Revised<Referred>>;

/// The names on the rosters of one team.
#[derive(Debug, Default)]
pub struct RosterNames {
    name_lookups: NameLookups,
    days: BTreeMap<Source, BTreeMap<String, Days>>,
}

impl RosterNames {
    /// Replaces the name matches of one source, day and team. Returns the players to whom a name referred before, or refers now, on this day.
    pub fn put(&mut self, id: NamesId, row: Option<Names>) -> BTreeSet<PlayerId> {
        let names = self.name_lookups.differing(id, row.as_ref());
        self.name_lookups.put(id, row);
        let mut players = BTreeSet::new();
        for name in names {
            let new = self.referred(lookup(id.source, id.date, &name));
            let of_source = self.days.entry(id.source).or_default();
            let days = of_source.entry(name.clone()).or_default();
            let old = days.remove(&id.date);
            if old != new {
                players.extend(old.iter().chain(&new).flat_map(players_of));
            }
            if let Some(new) = new {
                days.insert(id.date, new);
            }
            if days.is_empty() {
                of_source.remove(&name);
            }
        }
        self.days.retain(|_, names| !names.is_empty());
        players
    }
    fn referred(&self, request: LookupRequest<'_>) -> Option<Revised<Referred>> {
        self.name_lookups.decide(request, |name_match| name_match.revisions.last())?;
        let mut instants = Vec::new();
        self.name_lookups.instants(request, &mut |instant| instants.push(instant));
        let differs_in_retrospect = self.name_lookups.differs_in_retrospect(request);
        let content_at = |as_of: AsOf| {
            let player = self.name_lookups.player(request, corrected_as_of(as_of)).map(|(player, _)| player);
            Some(Referred { known_at: as_of.until, player })
        };
        Some(revise(instants, differs_in_retrospect, content_at, |a, b| a.player == b.player))
    }
    /// Returns the player to whom a name refers that a roster listed on a day; `None` if it refers to none, or its lookup is pending.
    pub fn player(&self, source: Source, name: &str, date: EasternDate, as_of: AsOf) -> Option<PlayerId> {
        let Revised { revisions, in_retrospect } = self.days.get(&source)?.get(name)?.get(&date)?;
        as_of.last_of(revisions, in_retrospect.as_deref(), |referred| referred.known_at)?.player
    }
    /// Returns all players to whom a name ever referred, on any day.
    pub fn players(&self, source: Source, name: &str) -> BTreeSet<PlayerId> {
        let days = self.days.get(&source).and_then(|names| names.get(name)).into_iter();
        days.flat_map(BTreeMap::values).flat_map(players_of).collect()
    }
    /// True if a name ever referred to a player, on any day.
    pub fn may_refer(&self, source: Source, name: &str, player: PlayerId) -> bool {
        let days = self.days.get(&source).and_then(|names| names.get(name)).into_iter();
        days.flat_map(BTreeMap::values).flat_map(players_of).any(|other| other == player)
    }
    /// Emits every instant at which it may change to whom a name refers that was listed on a day; returns true if it is another player in
    /// retrospect.
    pub fn instants(
        &self,
        source: Source,
        name: &str,
        date: EasternDate,
        emit: &mut dyn FnMut(Timestamp),
    ) -> bool {
        let days = self.days.get(&source).and_then(|names| names.get(name));
        let Some(revised) = days.and_then(|days| days.get(&date)) else { return false };
        all_revisions(revised).for_each(|referred| emit(referred.known_at));
        revised.in_retrospect.is_some()
    }
    /// Returns the reason why a name resolves to no player, as text for an operator; `None` if it resolves to one.
    pub fn unresolved(&self, source: Source, name: &str, date: EasternDate) -> Option<String> {
        self.name_lookups.unresolved(lookup(source, date, name))
    }
}

fn lookup(source: Source, date: EasternDate, name: &str) -> LookupRequest<'_> {
    LookupRequest { teams: &Team::ALL, listed_for: None, source, date, name }
}

fn all_revisions(revised: &Revised<Referred>) -> impl Iterator<Item = &Referred> {
    revised.revisions.iter().chain(revised.in_retrospect.iter().flatten())
}

fn players_of(revised: &Revised<Referred>) -> impl Iterator<Item = PlayerId> {
    all_revisions(revised).filter_map(|referred| referred.player)
}
