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
use std::collections::{BTreeMap, BTreeSet};

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
        self.decide(request, as_of)?.player()
    }
    /// Resolves a name as of the cutoff of a game. On the retrospective basis, a name that referred to no player by the cutoff counts as not
    /// known by then: as of every fact, its first later content counts, which is the first resolution to a player.
    pub fn decide_by_cutoff(&self, request: LookupRequest<'_>, cutoff: Cutoff) -> Option<Decision> {
        let decision = self.decide(request, known_by_cutoff(cutoff))?;
        match (cutoff.basis(), &decision.resolution) {
            (Basis::Retrospective, Resolution::Unknown | Resolution::Ambiguous(_)) => {
                Some(self.first_player_after(request, cutoff).unwrap_or(decision))
            }
            (Basis::Issued | Basis::Retrospective, _) => Some(decision),
        }
    }
    /// Returns the first resolution to a player that became known after the cutoff of a game.
    fn first_player_after(&self, request: LookupRequest<'_>, cutoff: Cutoff) -> Option<Decision> {
        let mut later = BTreeSet::new();
        self.instants(request, &mut |instant| {
            if !cutoff.is_known(instant) {
                later.insert(instant);
            }
        });
        let mut decisions =
            later.into_iter().filter_map(|instant| self.decide(request, known_later(instant)));
        decisions.find(|decision| decision.player().is_some())
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
    /// True if the name may refer to another player in retrospect: a match of it depends on a retracted observation, or an operator linked it.
    pub fn differs_in_retrospect(&self, request: LookupRequest<'_>) -> bool {
        let mut matches = request.teams.iter().filter_map(|team| self.name_match(request, *team));
        matches.any(|name_match| {
            name_match.revisions_in_retrospect.is_some()
                || name_match.revisions.last().is_some_and(|last| last.operator_link.is_some())
        })
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

/// Returns a function that selects the last revision known at an instant. In retrospect, an operator's link counts whenever it was made.
pub fn corrected_as_of(as_of: AsOf) -> impl Fn(&NameMatch) -> Option<&NameRevision> + Copy {
    move |name_match| {
        let in_retrospect = name_match.revisions_in_retrospect.as_deref();
        let revisions = in_retrospect.filter(|_| as_of.is_in_retrospect()).unwrap_or(&name_match.revisions);
        let last = revisions.last();
        if as_of.is_in_retrospect() && last.is_some_and(|last| last.operator_link.is_some()) {
            return last;
        }
        as_of.last_of(&name_match.revisions, in_retrospect, |revision| revision.known_at)
    }
}

/// Returns a function that selects the revision of a name as of the cutoff of a game. On the retrospective basis, an operator's link counts
/// whenever it was made: it corrects what was known at the cutoff.
fn known_by_cutoff(cutoff: Cutoff) -> impl Fn(&NameMatch) -> Option<&NameRevision> + Copy {
    move |name_match| {
        let in_retrospect = name_match.revisions_in_retrospect.as_deref();
        let last = cutoff.revisions(&name_match.revisions, in_retrospect).last();
        if cutoff.basis() == Basis::Retrospective && last.is_some_and(|last| last.operator_link.is_some()) {
            return last;
        }
        cutoff.as_of(&name_match.revisions, in_retrospect, |revision| revision.known_at)
    }
}

/// Returns a function that selects the revision of a name as it became known at an instant after a cutoff. An operator's link counts whenever
/// it was made, and not at all if it was withdrawn.
fn known_later(instant: Timestamp) -> impl Fn(&NameMatch) -> Option<&NameRevision> + Copy {
    move |name_match| {
        let in_retrospect = name_match.revisions_in_retrospect.as_deref();
        let last = in_retrospect.unwrap_or(&name_match.revisions).last();
        if last.is_some_and(|last| last.operator_link.is_some()) {
            return last;
        }
        let as_of = AsOf::in_retrospect(instant);
        let known = as_of.last_of(&name_match.revisions, in_retrospect, |revision| revision.known_at);
        known.filter(|revision| revision.operator_link.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{
        Matchup, Scope,
        identity::{NameRule, OperatorLink},
    };

    const TEAMS: [Team; 2] = [Team::BOS, Team::NYK];
    const TIP_OFF: Timestamp = Timestamp(10);

    fn revision(known_at: i64, players: &[u32]) -> NameRevision {
        NameRevision {
            known_at: Timestamp(known_at),
            rule: (!players.is_empty()).then_some(NameRule::Exact),
            players: players.iter().copied().map(PlayerId).collect(),
            link: None,
            operator_link: None,
        }
    }
    fn linked(known_at: i64, player: u32) -> NameRevision {
        let link = OperatorLink { player: Some(PlayerId(player)), is_of_team: false };
        NameRevision { operator_link: Some(link), ..revision(known_at, &[]) }
    }
    /// Returns the player on the issued and on the retrospective basis, if one team has these revisions and the other knows nobody.
    fn players(revisions: Vec<NameRevision>) -> [Option<u32>; 2] {
        let (source, date) = (Source::Oddsapi, EasternDate(0));
        let scope = Scope::Matchup(Matchup::new(TEAMS[0], TEAMS[1]).unwrap());
        let mut lookups = NameLookups::default();
        for (team, revisions) in TEAMS.into_iter().zip([revisions, vec![revision(i64::MIN, &[])]]) {
            let matches = vec![NameMatch { name: "A".into(), revisions, revisions_in_retrospect: None }];
            let row = Names { scope: scope.to_string(), team, source, date, matches };
            lookups.put(Names::id(scope, team, source, date), Some(row));
        }
        let request = LookupRequest { teams: &TEAMS, listed_for: None, source, date, name: "A" };
        [Basis::Issued, Basis::Retrospective].map(|basis| {
            let decision = lookups.decide_by_cutoff(request, Cutoff::at_tip_off(TIP_OFF, basis));
            decision.unwrap().player().map(|(player, _)| player.0)
        })
    }

    #[test]
    fn in_retrospect_a_name_that_nobody_knew_by_the_cutoff_refers_to_its_first_later_player() {
        let nobody = || revision(i64::MIN, &[]);
        assert_eq!(players(vec![nobody(), revision(9, &[1]), revision(12, &[2])]), [Some(1), Some(1)]);
        assert_eq!(players(vec![nobody(), revision(10, &[1]), revision(12, &[2])]), [None, Some(1)]);
        assert_eq!(players(vec![revision(1, &[1, 2]), revision(10, &[2])]), [None, Some(2)]);
        assert_eq!(players(vec![nobody(), revision(10, &[1, 2]), revision(11, &[])]), [None, None]);
    }
    #[test]
    fn in_retrospect_a_link_counts_whenever_it_was_made_and_a_withdrawn_one_does_not() {
        let nobody = || revision(i64::MIN, &[]);
        assert_eq!(players(vec![nobody(), revision(10, &[1]), linked(12, 2)]), [None, Some(2)]);
        let of_wrong_player = revision(i64::MIN, &[1]);
        assert_eq!(players(vec![of_wrong_player, linked(12, 2)]), [Some(1), Some(2)]);
        assert_eq!(players(vec![nobody(), linked(10, 2), revision(12, &[])]), [None, None]);
        assert_eq!(players(vec![nobody(), linked(10, 2), revision(12, &[1])]), [None, Some(1)]);
    }
}
