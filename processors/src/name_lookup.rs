//! NameLookups: what the teams that were asked said of names, where the asker sits, and the decision over them.
//!
//! Invariant: a name is decided only when every team asked has answered; until then it is not known, not unknown.
//! Not here: the rules by which a team recognises a name (`names`), the view that answers (`name_resolver`).
use crate::names::{Resolution, decide};
use schemas::{
    EasternDate, NamesId, PlayerId, Team, Timestamp,
    identity::{NameRevision, Names},
    raw::Source,
};
use std::collections::BTreeMap;

/// The answers that reached one asker.
#[derive(Default)]
pub struct NameLookups(BTreeMap<(Source, EasternDate, Team), Names>);

/// What is to be decided: a source's name on an Eastern day, over the teams that were asked.
#[derive(Clone, Copy)]
pub struct LookupRequest<'a> {
    pub teams: &'a [Team],
    pub source: Source,
    pub date: EasternDate,
    pub name: &'a str,
}

impl NameLookups {
    pub fn put(&mut self, id: NamesId, row: Option<Names>) {
        let at = (id.source, id.date, id.team);
        match row {
            Some(row) => _ = self.0.insert(at, row),
            None => _ = self.0.remove(&at),
        }
    }
    fn revisions(&self, request: LookupRequest<'_>, team: Team) -> Option<&[NameRevision]> {
        let row = self.0.get(&(request.source, request.date, team))?;
        let at =
            row.matches.binary_search_by(|name_match| name_match.name.as_str().cmp(request.name)).ok()?;
        Some(&row.matches[at].revisions)
    }
    /// The decision over the revisions believed; `None` while a team has not answered, or had nothing to say by then.
    pub fn decide(
        &self,
        request: LookupRequest<'_>,
        as_of: impl Fn(&[NameRevision]) -> Option<&NameRevision>,
    ) -> Option<(Resolution, Timestamp)> {
        let mut believed = Vec::with_capacity(request.teams.len());
        for team in request.teams {
            believed.push(as_of(self.revisions(request, *team)?)?);
        }
        let known_at =
            believed.iter().map(|revision| revision.known_at).max().unwrap_or(Timestamp::DISTANT_PAST);
        Some((decide(believed.into_iter()), known_at))
    }
    /// The player a name means, and since when that is known.
    pub fn player(
        &self,
        request: LookupRequest<'_>,
        as_of: impl Fn(&[NameRevision]) -> Option<&NameRevision>,
    ) -> Option<(PlayerId, Timestamp)> {
        match self.decide(request, as_of)? {
            (Resolution::Player(player, _), known_at) => Some((player, known_at)),
            _ => None,
        }
    }
    /// Everyone whom a name has ever been taken to mean.
    pub fn anyone(&self, request: LookupRequest<'_>, player: &mut dyn FnMut(PlayerId)) {
        for team in request.teams {
            for revision in self.revisions(request, *team).unwrap_or(&[]) {
                revision.players.iter().chain(&revision.link).for_each(|p| player(*p));
            }
        }
    }
    /// Every instant at which an answer changed.
    pub fn instants(&self, request: LookupRequest<'_>, at: &mut dyn FnMut(Timestamp)) {
        for team in request.teams {
            self.revisions(request, *team).unwrap_or(&[]).iter().for_each(|revision| at(revision.known_at));
        }
    }
    /// Why a name is not resolved in the end, for a person; `None` when it is.
    pub fn unresolved(&self, request: LookupRequest<'_>) -> Option<String> {
        match self.decide(request, |revisions| revisions.last()) {
            None => Some("waits for the teams' answers".into()),
            Some((Resolution::Player(..), _)) => None,
            Some((Resolution::Ambiguous(players), _)) => {
                let players: Vec<String> = players.iter().map(ToString::to_string).collect();
                Some(format!("may be any of {}", players.join(", ")))
            }
            Some((Resolution::Unknown, _)) => Some("nobody knows this name".into()),
        }
    }
}

/// The last revision known at or before an instant.
pub fn known_by(at: Timestamp) -> impl Fn(&[NameRevision]) -> Option<&NameRevision> + Copy {
    move |revisions| {
        revisions
            .partition_point(|revision| revision.known_at <= at)
            .checked_sub(1)
            .and_then(|last| revisions.get(last))
    }
}
