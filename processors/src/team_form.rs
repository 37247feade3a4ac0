//! The team form view, keyed by team: the form of a team before each of its open games.
//!
//! A game is open if it was played, if its tip-off is at or before the horizon, or if it is one of the next two after the horizon. The
//! horizon is the latest instant at which any fact about the team became known. So new facts open games, not a clock. A schedule for the
//! entire season does not produce forms for all its games at once, and a game whose result is missing does not block later games.
//!
//! Invariant: a form uses only games that had ended, and rosters that had been fetched, before the tip-off of its game, and only games of
//! the same season.
//! Not here: the formulas of the averages (`numbers`), the numbers of single players (`feature_builder`).
mod numbers;
#[cfg(test)]
mod tests;

use crate::{
    fact_history::{Cutoff, FactHistory, since_last_complete},
    materialized_view::{Effects, MaterializedView, ParkedItem, StateChange},
    name_lookup::{LookupRequest, NameLookups, known_by_cutoff},
};
use schemas::{
    EasternDate, GameId, NamesId, PlayerId, Scope, Season, Team, TeamGameId, Timestamp,
    features::Basis,
    game::{TeamGame, TeamGameRevision},
    identity::Names,
    observation::{RosterMember, RosterObservation},
    raw::Feed,
    team_form::{Form, RecentPlayer, RosteredPlayer, TeamForm},
};
use std::collections::{BTreeMap, BTreeSet};

/// An input of the team form view.
#[derive(Clone, Debug)]
pub enum In {
    TeamGame(TeamGameId, Option<TeamGame>),
    Roster(RosterObservation),
    Names(NamesId, Option<Names>),
}
/// The key of an output row. The variant `Roster` (the team's roster in one feed) has no row; it only reports parked items, which are names
/// that resolve to no player yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputKey {
    Form { team: Team, game: GameId },
    Roster(Team, Feed),
}

/// The members of a roster in one fetch, and the Eastern day of their name lookup.
type Roster = (EasternDate, Vec<RosterMember>);

/// The games and rosters of one team.
#[derive(Debug, Default)]
pub struct Tables {
    team: Option<Team>,
    seasons: BTreeMap<Season, BTreeMap<GameId, TeamGame>>,
    /// Games in order of tip-off, without called-off games.
    by_tip_off: BTreeSet<(Timestamp, GameId)>,
    rosters: BTreeMap<Feed, FactHistory<Roster>>,
    name_lookups: NameLookups,
    /// The known-at time of the last revision of each game, with the number of games that have this time. The greatest is used for the
    /// horizon.
    last_known: BTreeMap<Timestamp, u32>,
}

/// A condition that selects the games whose form an input may change.
struct AffectedGames {
    /// Selects only games with a tip-off at or after this instant.
    since: Timestamp,
    /// Selects only games of this season; `None` selects games of all seasons.
    season: Option<Season>,
}

/// The team form view.
pub struct TeamForms;
impl MaterializedView for TeamForms {
    const NAME: &'static str = "team-form";
    type Key = Team;
    type Tables = Tables;
    type Retained = ();
    type In = In;
    type OutputKey = OutputKey;
    type Out = TeamForm;

    fn key(&self, input: &In) -> Option<Team> {
        match input {
            In::TeamGame(id, _) => Some(id.team),
            In::Roster(observation) => Some(observation.team),
            In::Names(id, _) => match id.scope {
                Scope::Team(team) => Some(team),
                Scope::Matchup(_) => None,
            },
        }
    }
    fn key_of(&self, output_key: &OutputKey) -> Team {
        match output_key {
            OutputKey::Form { team, .. } | OutputKey::Roster(team, _) => *team,
        }
    }
    fn apply(&self, tables: &mut Tables, input: In, effects: &mut Effects<'_, OutputKey, ()>) -> StateChange {
        let invalidate = &mut *effects.invalidate;
        let Some(team) = self.key(&input) else { return StateChange::Unchanged };
        tables.team = Some(team);
        let before = tables.horizon();
        let mut games: Vec<GameId> = tables.next_two(before).collect();
        if let In::TeamGame(id, _) = &input {
            games.push(id.game);
        }
        let (state_change, affected) = tables.merge(team, input, invalidate);
        if let Some(affected) = affected {
            games.extend(tables.affected_games(&affected));
        }
        // A change of the horizon opens or closes the games between the old and the new horizon, and the two games after each of these two
        // horizons.
        let after = tables.horizon();
        games.extend(tables.between(before.min(after), before.max(after)));
        games.extend(tables.next_two(before));
        games.extend(tables.next_two(after));
        for game in games {
            invalidate(OutputKey::Form { team, game });
        }
        state_change
    }
    fn restore(&self, _tables: &mut Tables, (): ()) {}
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(OutputKey)) {
        let Some(team) = tables.team else { return };
        for game in tables.seasons.values().flat_map(|games| games.keys()) {
            emit(OutputKey::Form { team, game: *game });
        }
        for feed in tables.rosters.keys() {
            emit(OutputKey::Roster(team, *feed));
        }
    }
    fn derive(&self, tables: &Tables, output_key: &OutputKey) -> Option<TeamForm> {
        let OutputKey::Form { team, game } = output_key else { return None };
        let row = tables.seasons.get(&game.season())?.get(game)?;
        let latest = row.revisions.last()?;
        if !tables.is_open(*game, latest) {
            return None;
        }
        let form_on = |basis| tables.form(*game, latest.date, Cutoff::at_tip_off(latest.tip_off, basis));
        let issued = form_on(Basis::Issued);
        let retrospective = form_on(Basis::Retrospective);
        let differs = retrospective != issued;
        Some(TeamForm {
            game: *game,
            team: *team,
            opponent: latest.opponent,
            issued,
            retrospective: retrospective.filter(|_| differs),
        })
    }
    fn parked(&self, tables: &Tables, output_key: &OutputKey) -> (u32, Vec<ParkedItem>) {
        match output_key {
            OutputKey::Roster(team, feed) => tables.parked(*team, *feed),
            OutputKey::Form { .. } => (0, Vec::new()),
        }
    }
}

impl Tables {
    fn merge(
        &mut self,
        team: Team,
        input: In,
        invalidate: &mut dyn FnMut(OutputKey),
    ) -> (StateChange, Option<AffectedGames>) {
        match input {
            In::TeamGame(id, row) => (StateChange::RowReplaced, self.put_game(id.game, row)),
            In::Roster(observation) => {
                let RosterObservation { feed, date, complete, members, provenance, .. } = observation;
                if !self.rosters.entry(feed).or_default().merge(&provenance, complete, (date, members)) {
                    return (StateChange::Unchanged, None);
                }
                invalidate(OutputKey::Roster(team, feed));
                let since = provenance.fetched_at;
                let retained = StateChange::Retained(format!("roster/{feed}/{}", since.0));
                (retained, Some(AffectedGames { since, season: None }))
            }
            In::Names(id, row) => {
                self.name_lookups.put(id, row);
                for feed in self.rosters.keys() {
                    invalidate(OutputKey::Roster(team, *feed));
                }
                let affected = AffectedGames { since: id.date.at(0, 0), season: None };
                (StateChange::RowReplaced, Some(affected))
            }
        }
    }
    /// Replaces a game's row and returns the games whose forms may change as a result.
    fn put_game(&mut self, game: GameId, row: Option<TeamGame>) -> Option<AffectedGames> {
        let season = game.season();
        let games = self.seasons.entry(season).or_default();
        let old = match row.clone() {
            Some(row) => games.insert(game, row),
            None => games.remove(&game),
        };
        if let Some(revision) = old.as_ref().and_then(|row| row.revisions.last()) {
            self.by_tip_off.remove(&(revision.tip_off, game));
            let count = self.last_known.entry(revision.known_at).or_insert(1);
            *count -= 1;
            if *count == 0 {
                self.last_known.remove(&revision.known_at);
            }
        }
        if let Some(revision) = row.as_ref().and_then(|row| row.revisions.last()) {
            *self.last_known.entry(revision.known_at).or_insert(0) += 1;
            if !revision.called_off {
                self.by_tip_off.insert((revision.tip_off, game));
            }
        }
        let revisions = old.iter().chain(&row).flat_map(|row| &row.revisions);
        let since = revisions.map(|revision| revision.tip_off).min()?;
        Some(AffectedGames { since, season: Some(season) })
    }
    fn affected_games(&self, affected: &AffectedGames) -> Vec<GameId> {
        let AffectedGames { since, season } = *affected;
        let later = self.by_tip_off.range((since, GameId(0))..).map(|(_, game)| *game);
        let mut games: Vec<GameId> =
            later.filter(|game| season.is_none_or(|season| game.season() == season)).collect();
        // The form of a called-off game must be deleted. Called-off games are not in `by_tip_off`, so they are added here.
        let of_season = season.and_then(|season| self.seasons.get(&season)).into_iter();
        let called_off = of_season
            .flat_map(|games| games.values())
            .filter(|row| row.revisions.last().is_some_and(|revision| revision.called_off));
        games.extend(called_off.map(|row| row.game));
        games
    }
    /// Returns the latest instant at which a fact about the team became known.
    fn horizon(&self) -> Timestamp {
        let last_game = self.last_known.keys().next_back().copied();
        let last_roster_change = |history: &FactHistory<Roster>| {
            let entries = history.entries();
            let members = &entries.last()?.content.1;
            let unchanged = entries.iter().rev().take_while(|entry| entry.content.1 == *members);
            unchanged.last().map(|entry| entry.fetched_at)
        };
        let rosters = self.rosters.values().filter_map(last_roster_change);
        rosters.chain(last_game).max().unwrap_or(Timestamp::DISTANT_PAST)
    }
    fn next_two(&self, horizon: Timestamp) -> impl Iterator<Item = GameId> {
        self.by_tip_off.range((Timestamp(horizon.0 + 1), GameId(0))..).take(2).map(|(_, game)| *game)
    }
    /// Returns the games with a tip-off from `first` to `last`, including both.
    fn between(&self, first: Timestamp, last: Timestamp) -> impl Iterator<Item = GameId> {
        self.by_tip_off.range((first, GameId(0))..=(last, GameId(u32::MAX))).map(|(_, game)| *game)
    }
    fn is_open(&self, game: GameId, latest: &TeamGameRevision) -> bool {
        if latest.called_off {
            return false;
        }
        let horizon = self.horizon();
        is_played(latest) || latest.tip_off <= horizon || self.next_two(horizon).any(|next| next == game)
    }
    /// Computes the form before a game on `date`; `None` on the issued basis if the game itself was not known before the cutoff.
    fn form(&self, game: GameId, date: EasternDate, cutoff: Cutoff) -> Option<Form> {
        let games = self.seasons.get(&game.season())?;
        let own = {
            let row = games.get(&game)?;
            let in_retrospect = row.revisions_in_retrospect.as_deref();
            cutoff.as_of(&row.revisions, in_retrospect, |revision| revision.known_at)?
        };
        let mut known_at = own.known_at;
        let mut past: Vec<&TeamGameRevision> = Vec::with_capacity(games.len());
        for row in games.values().filter(|row| row.game != game) {
            let Some(revision) = past_revision(row, cutoff) else { continue };
            if is_played(revision) && !revision.called_off && cutoff.is_past(revision.effective_at()) {
                known_at = known_at.max(revision.known_at);
                past.push(revision);
            }
        }
        past.sort_by_key(|revision| std::cmp::Reverse((revision.tip_off, revision.opponent)));
        let mut last_games: BTreeMap<PlayerId, Timestamp> = BTreeMap::new();
        for revision in past.iter().take(10) {
            for player in &revision.appeared {
                last_games.entry(*player).or_insert(revision.tip_off);
            }
        }
        let recent = last_games.into_iter().map(|(player, last_game)| RecentPlayer { player, last_game });
        let (roster, roster_known_at) = self.roster(cutoff);
        Some(Form {
            known_at: known_at.max(roster_known_at),
            numbers: numbers::form_numbers(&past, date),
            recent: recent.collect(),
            roster,
        })
    }
    /// Returns the players on the roster, and when the roster became known. The players are those in each feed's newest complete fetch
    /// before tip-off and in the partial fetches between that fetch and tip-off.
    fn roster(&self, cutoff: Cutoff) -> (Vec<RosteredPlayer>, Timestamp) {
        let mut roster: BTreeMap<PlayerId, RosteredPlayer> = BTreeMap::new();
        let mut known_at = Timestamp::DISTANT_PAST;
        for (feed, history) in &self.rosters {
            let entries = history.entries();
            let known = &entries[..entries.partition_point(|entry| cutoff.is_known(entry.fetched_at))];
            for entry in since_last_complete(known) {
                let (date, members) = &entry.content;
                for member in members {
                    let Some((player, name_known_at)) = self.player(*feed, *date, member, cutoff) else {
                        continue;
                    };
                    known_at = known_at.max(entry.fetched_at).max(name_known_at);
                    let since = entry.fetched_at;
                    let rostered =
                        roster.entry(player).or_insert(RosteredPlayer { player, since, born: None });
                    rostered.since = rostered.since.max(since);
                    rostered.born = rostered.born.or(member.born);
                }
            }
        }
        (roster.into_values().collect(), known_at)
    }
    /// Returns the player of a roster entry, and when the name of the entry resolved to this player.
    fn player(
        &self,
        feed: Feed,
        date: EasternDate,
        member: &RosterMember,
        cutoff: Cutoff,
    ) -> Option<(PlayerId, Timestamp)> {
        if let Some(player) = member.player.nba {
            return Some((player, Timestamp::DISTANT_PAST));
        }
        let request = Self::lookup_request(feed, date, &member.player.name);
        self.name_lookups.player(request, known_by_cutoff(cutoff))
    }
    fn lookup_request(feed: Feed, date: EasternDate, name: &str) -> LookupRequest<'_> {
        LookupRequest { teams: &Team::ALL, source: feed.source(), date, name }
    }
    /// Returns the unresolved names of the newest roster, and the number of parked observations (0 or 1).
    fn parked(&self, team: Team, feed: Feed) -> (u32, Vec<ParkedItem>) {
        let newest = self.rosters.get(&feed).and_then(|history| history.entries().last());
        let Some(newest) = newest else { return (0, Vec::new()) };
        let (date, members) = &newest.content;
        let names = members.iter().filter(|member| member.player.nba.is_none());
        let unresolved = names.filter_map(|member| {
            let name = &member.player.name;
            let reason = self.name_lookups.unresolved(Self::lookup_request(feed, *date, name))?;
            Some(ParkedItem { key: format!("name '{name}' ({reason})"), what: format!("{feed} of {team}") })
        });
        let items: Vec<ParkedItem> = unresolved.collect();
        (u32::from(!items.is_empty()), items)
    }
}

fn is_played(revision: &TeamGameRevision) -> bool {
    revision.totals.is_some() || revision.score.is_some()
}

/// Returns the revision of an earlier game to use at a cutoff: normally the last one known before it. Fixture (schedule entry), score and
/// box score are separate facts, so this revision may lack the box score. In this case, the retrospective basis uses the first revision
/// with a box score. If there is none, and the score was not known before the cutoff either, it uses the first revision with a score.
fn past_revision(row: &TeamGame, cutoff: Cutoff) -> Option<&TeamGameRevision> {
    let in_retrospect = row.revisions_in_retrospect.as_deref();
    let revision = cutoff.as_of(&row.revisions, in_retrospect, |revision| revision.known_at)?;
    let first = |has: fn(&TeamGameRevision) -> bool| row.revisions.iter().find(|revision| has(revision));
    match (cutoff.basis(), revision.totals) {
        (Basis::Issued, _) | (_, Some(_)) => Some(revision),
        (Basis::Retrospective, None) => first(|revision| revision.totals.is_some())
            .or_else(|| first(|revision| revision.score.is_some()).filter(|_| revision.score.is_none()))
            .or(Some(revision)),
    }
}
