//! Name lookups in the views that need the players: stores each team's match for a name, and decides to which player the name refers. The
//! scope of a lookup is the set of teams among whose players the name is looked up.
//!
//! Invariant: a name is decided only when every team of the scope has a match for it; before that it is pending, not unknown.
//! Not here: the rules by which a name matches a player (`names`), the view that matches names (`name_resolver`).
use crate::{
    history::{AsOf, Cutoff},
    names::{Decision, Resolution, decide},
};
use schemas::{
    EasternDate, NamesId, PlayerId, Team, Timestamp,
    features::Basis,
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
    /// The team for which the source lists the player: its match decides, unless it has none. `None` if the source names no team, or if the
    /// player may belong to any other.
    pub listed_for: Option<Team>,
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
    /// Resolves a name from one revision per team, which `as_of` selects. `None` if a team's match is pending or `as_of` selects none of its
    /// revisions.
    pub fn decide(
        &self,
        request: LookupRequest<'_>,
        as_of: impl Fn(&NameMatch) -> Option<&NameRevision>,
    ) -> Option<Decision> {
        let (mut own, mut others) = (None, Vec::with_capacity(request.teams.len()));
        for team in request.teams {
            let revision = as_of(self.name_match(request, *team)?)?;
            if request.listed_for == Some(*team) { own = Some(revision) } else { others.push(revision) }
        }
        Some(decide(own, &others))
    }
    /// Returns the player to whom a name resolves, and the time at which this resolution became known; `None` if the name is pending,
    /// ambiguous or unknown, or refers to nobody.
    pub fn player(
        &self,
        request: LookupRequest<'_>,
        as_of: impl Fn(&NameMatch) -> Option<&NameRevision>,
    ) -> Option<(PlayerId, Timestamp)> {
        let Decision { resolution, known_at } = self.decide(request, as_of)?;
        match resolution {
            Resolution::Player(player, _) => Some((player, known_at)),
            Resolution::Nobody | Resolution::Ambiguous(_) | Resolution::Unknown => None,
        }
    }
    /// Emits every player whom the name matches, or to whom it is linked, in any revision.
    pub fn all_candidates(&self, request: LookupRequest<'_>, emit: &mut dyn FnMut(PlayerId)) {
        for team in request.teams {
            for revision in self.name_match(request, *team).into_iter().flat_map(all_revisions) {
                let linked = revision.operator_link.and_then(|link| link.player);
                let players = revision.players.iter().copied().chain(revision.link).chain(linked);
                players.for_each(&mut *emit);
            }
        }
    }
    /// True if the name matches a player, or is linked to the player, in any revision.
    pub fn may_refer(&self, request: LookupRequest<'_>, player: PlayerId) -> bool {
        let mut matches = request.teams.iter().filter_map(|team| self.name_match(request, *team));
        matches.any(|name_match| {
            let mut revisions = all_revisions(name_match);
            let linked = |revision: &NameRevision| revision.operator_link.and_then(|link| link.player);
            revisions.any(|revision| {
                let links = [revision.link, linked(revision)];
                revision.players.contains(&player) || links.contains(&Some(player))
            })
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
        let Some(decision) = self.decide(request, |name_match| name_match.revisions.last()) else {
            return Some("lookup pending".into());
        };
        match decision.resolution {
            Resolution::Player(..) | Resolution::Nobody => None,
            Resolution::Ambiguous(players) => {
                let players: Vec<String> = players.iter().map(ToString::to_string).collect();
                Some(format!("ambiguous: {}", players.join(", ")))
            }
            Resolution::Unknown => Some("matches no player".into()),
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

/// Returns a function that selects the revision of a name as of the cutoff of a game. On the retrospective basis, an operator's link counts
/// whenever it was made: it corrects what was known at the cutoff.
pub fn known_by_cutoff(cutoff: Cutoff) -> impl Fn(&NameMatch) -> Option<&NameRevision> + Copy {
    move |name_match| {
        let in_retrospect = name_match.revisions_in_retrospect.as_deref();
        let last = cutoff.revisions(&name_match.revisions, in_retrospect).last();
        if cutoff.basis() == Basis::Retrospective && last.is_some_and(|last| last.operator_link.is_some()) {
            return last;
        }
        cutoff.as_of(&name_match.revisions, in_retrospect, |revision| revision.known_at)
    }
}
