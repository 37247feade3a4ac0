//! Name lookups in the views that need the players: stores each team's match for a name, and decides to which player the name refers. The
//! scope of a lookup is the set of teams among whose players the name is looked up.
//!
//! Invariant: a name is decided only when every team of the scope has a match for it; before that it is pending, not unknown.
//! Not here: the rules by which a name matches a player (`names`), the view that matches names (`name_resolver`).
use crate::{
    history::{AsOf, Cutoff},
    names::{Resolution, decide},
};
use schemas::{
    EasternDate, NamesId, PlayerId, Team, Timestamp,
    identity::{NameMatch, NameRevision, Names},
    raw::Source,
};
use std::collections::BTreeMap;

/// The name matches that one view received from the name resolver, by source, day and team.
#[derive(Debug, Default)]
pub struct NameLookups(BTreeMap<(Source, EasternDate, Team), Names>);

/// A name to resolve, as a source wrote it on an Eastern day, with the teams among whose players it is looked up.
#[derive(Clone, Copy)]
pub struct LookupRequest<'a> {
    pub teams: &'a [Team],
    pub source: Source,
    pub date: EasternDate,
    pub name: &'a str,
}

impl NameLookups {
    /// Replaces the name matches of one source, day and team; `None` deletes them.
    pub fn put(&mut self, id: NamesId, row: Option<Names>) {
        let key = (id.source, id.date, id.team);
        match row {
            Some(row) => _ = self.0.insert(key, row),
            None => _ = self.0.remove(&key),
        }
    }
    /// Returns the names whose matches differ between a stored row and a new one.
    pub fn differing(&self, id: NamesId, row: Option<&Names>) -> Vec<String> {
        let old = self.0.get(&(id.source, id.date, id.team)).map_or(&[][..], |row| &row.matches);
        let new = row.map_or(&[][..], |row| &row.matches);
        let lacks = |matches: &[NameMatch], name_match: &NameMatch| {
            let by_name = matches.binary_search_by(|stored| stored.name.cmp(&name_match.name));
            by_name.ok().and_then(|index| matches.get(index)) != Some(name_match)
        };
        let only_old = old.iter().filter(|name_match| lacks(new, name_match));
        let only_new = new.iter().filter(|name_match| lacks(old, name_match));
        only_old.chain(only_new).map(|name_match| name_match.name.clone()).collect()
    }
    fn name_match(&self, request: LookupRequest<'_>, team: Team) -> Option<&NameMatch> {
        let row = self.0.get(&(request.source, request.date, team))?;
        let by_name = row.matches.binary_search_by(|candidate| candidate.name.as_str().cmp(request.name));
        Some(&row.matches[by_name.ok()?])
    }
    /// Resolves a name from one revision per team, which `as_of` selects. Returns the resolution and the time at which it became known;
    /// `None` if a team's match is pending or `as_of` selects none of its revisions.
    pub fn decide(
        &self,
        request: LookupRequest<'_>,
        as_of: impl Fn(&NameMatch) -> Option<&NameRevision>,
    ) -> Option<(Resolution, Timestamp)> {
        let mut selected = Vec::with_capacity(request.teams.len());
        for team in request.teams {
            selected.push(as_of(self.name_match(request, *team)?)?);
        }
        let known_at =
            selected.iter().map(|revision| revision.known_at).max().unwrap_or(Timestamp::DISTANT_PAST);
        Some((decide(selected.into_iter()), known_at))
    }
    /// Returns the player to whom a name resolves, and the time at which this resolution became known; `None` if the name is pending,
    /// ambiguous or unknown.
    pub fn player(
        &self,
        request: LookupRequest<'_>,
        as_of: impl Fn(&NameMatch) -> Option<&NameRevision>,
    ) -> Option<(PlayerId, Timestamp)> {
        match self.decide(request, as_of)? {
            (Resolution::Player(player, _), known_at) => Some((player, known_at)),
            _ => None,
        }
    }
    /// Emits every player whom the name matches, or to whom it is linked, in any revision.
    pub fn all_candidates(&self, request: LookupRequest<'_>, emit: &mut dyn FnMut(PlayerId)) {
        for team in request.teams {
            for revision in self.name_match(request, *team).into_iter().flat_map(all_revisions) {
                for player in revision.players.iter().chain(&revision.link) {
                    emit(*player);
                }
            }
        }
    }
    /// True if the name matches a player, or is linked to the player, in any revision.
    pub fn may_refer(&self, request: LookupRequest<'_>, player: PlayerId) -> bool {
        let mut matches = request.teams.iter().filter_map(|team| self.name_match(request, *team));
        matches.any(|name_match| {
            let mut revisions = all_revisions(name_match);
            revisions.any(|revision| revision.players.contains(&player) || revision.link == Some(player))
        })
    }
    /// Emits the known-at time of every revision of the name.
    pub fn instants(&self, request: LookupRequest<'_>, emit: &mut dyn FnMut(Timestamp)) {
        for team in request.teams {
            for revision in self.name_match(request, *team).into_iter().flat_map(all_revisions) {
                emit(revision.known_at);
            }
        }
    }
    /// True if a match of the name depends on an observation that was retracted.
    pub fn has_retractions(&self, request: LookupRequest<'_>) -> bool {
        let mut matches = request.teams.iter().filter_map(|team| self.name_match(request, *team));
        matches.any(|name_match| name_match.revisions_in_retrospect.is_some())
    }
    /// Returns the reason why the newest revisions do not resolve a name, as text for an operator; `None` if they resolve it.
    pub fn unresolved(&self, request: LookupRequest<'_>) -> Option<String> {
        match self.decide(request, |name_match| name_match.revisions.last()) {
            None => Some("lookup pending".into()),
            Some((Resolution::Player(..), _)) => None,
            Some((Resolution::Ambiguous(players), _)) => {
                let players: Vec<String> = players.iter().map(ToString::to_string).collect();
                Some(format!("ambiguous: {}", players.join(", ")))
            }
            Some((Resolution::Unknown, _)) => Some("matches no player".into()),
        }
    }
}

fn all_revisions(name_match: &NameMatch) -> impl Iterator<Item = &NameRevision> {
    name_match.revisions.iter().chain(name_match.revisions_in_retrospect.iter().flatten())
}

/// Returns a function that selects the last revision known at an instant.
pub fn known_as_of(as_of: AsOf) -> impl Fn(&NameMatch) -> Option<&NameRevision> + Copy {
    move |name_match| {
        let in_retrospect = name_match.revisions_in_retrospect.as_deref();
        as_of.last_of(&name_match.revisions, in_retrospect, |revision| revision.known_at)
    }
}

/// Returns a function that selects the revision of a name as of the cutoff of a game.
pub fn known_by_cutoff(cutoff: Cutoff) -> impl Fn(&NameMatch) -> Option<&NameRevision> + Copy {
    move |name_match| {
        let in_retrospect = name_match.revisions_in_retrospect.as_deref();
        cutoff.as_of(&name_match.revisions, in_retrospect, |revision| revision.known_at)
    }
}
