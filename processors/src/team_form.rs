//! The team form view, keyed by team: the form of a team before each of its open games.
//!
//! A game is open if it was played, if its tip-off is at or before the horizon, or if it is one of the next two after the horizon. The
//! horizon is the latest instant at which any fact about the team became known. So new facts open games, not a clock. A schedule for the
//! entire season does not produce forms for all its games at once, and a game whose result is missing does not block later games.
//!
//! A game that no longer stands, because all observations of it were retracted, is like a called-off game from its retraction on. If it
//! was retracted only after its tip-off, its issued form stays.
//!
//! Invariant: a form uses only games that had ended, and rosters that had been fetched, before the tip-off of its game, and only games of
//! the same season.
//! Not here: the formulas of the averages (`numbers`), who is on a roster (`rosters`), the numbers of single players (`feature_builder`).
mod numbers;
mod rosters;
#[cfg(test)]
mod tests;

use crate::{
    history::{Cutoff, Known, known_content},
    materialized_view::{Effects, MaterializedView, ParkedItem, StateChange},
    name_lookup::NameLookups,
};
use rosters::{RetainedRoster, Rosters};
use schemas::{
    EasternDate, GameId, NamesId, PlayerId, Scope, Season, Team, TeamGameId, Timestamp,
    features::Basis,
    game::{TeamGame, TeamGameRevision},
    identity::Names,
    observation::RosterObservation,
    raw::Feed,
    team_form::{Form, RecentPlayer, TeamForm},
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

/// The games and rosters of one team.
#[derive(Debug, Default)]
pub struct Tables {
    team: Option<Team>,
    seasons: BTreeMap<Season, BTreeMap<GameId, TeamGame>>,
    /// Games in order of tip-off, without called-off games and games that no longer stand.
    by_tip_off: BTreeSet<(Timestamp, GameId)>,
    /// The games that no longer stand.
    retracted: BTreeSet<GameId>,
    rosters: Rosters,
    name_lookups: NameLookups,
    /// When the newest fact about each game became known, with the number of games that have this time. The greatest is used for the
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
    type Retained = RetainedRoster;
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
    fn apply(
        &self,
        tables: &mut Tables,
        input: In,
        effects: &mut Effects<'_, OutputKey, RetainedRoster>,
    ) -> StateChange {
        let Some(team) = self.key(&input) else { return StateChange::Unchanged };
        tables.team = Some(team);
        let before = tables.horizon();
        let mut games: Vec<GameId> = tables.next_two(before).collect();
        if let In::TeamGame(id, _) = &input {
            games.push(id.game);
        }
        let (state_change, affected) = tables.merge(team, input, effects);
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
            (effects.invalidate)(OutputKey::Form { team, game });
        }
        state_change
    }
    fn restore(&self, tables: &mut Tables, retained: RetainedRoster) {
        tables.team = Some(retained.team);
        tables.rosters.restore(retained);
    }
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(OutputKey)) {
        let Some(team) = tables.team else { return };
        for game in tables.seasons.values().flat_map(|games| games.keys()) {
            emit(OutputKey::Form { team, game: *game });
        }
        for feed in tables.rosters.feeds() {
            emit(OutputKey::Roster(team, feed));
        }
    }
    fn derive(&self, tables: &Tables, output_key: &OutputKey) -> Option<TeamForm> {
        let OutputKey::Form { team, game } = output_key else { return None };
        let row = tables.seasons.get(&game.season())?.get(game)?;
        let latest = row.revisions.last()?;
        if !tables.is_open(row, latest) {
            return None;
        }
        let form_on = |basis| tables.form(row, latest.date, Cutoff::at_tip_off(latest.tip_off, basis));
        let issued = form_on(Basis::Issued);
        let retrospective = form_on(Basis::Retrospective);
        if issued.is_none() && retrospective.is_none() {
            return None;
        }
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
            OutputKey::Roster(team, feed) => {
                let items = tables.rosters.unresolved(*team, *feed, &tables.name_lookups);
                (u32::from(!items.is_empty()), items)
            }
            OutputKey::Form { .. } => (0, Vec::new()),
        }
    }
}

impl Tables {
    fn merge(
        &mut self,
        team: Team,
        input: In,
        effects: &mut Effects<'_, OutputKey, RetainedRoster>,
    ) -> (StateChange, Option<AffectedGames>) {
        match input {
            In::TeamGame(id, row) => (StateChange::RowReplaced, self.put_game(id.game, row)),
            In::Roster(observation) => {
                let (feed, since) = (observation.feed, observation.provenance.fetched_at);
                if !self.rosters.merge(observation, effects.retain) {
                    return (StateChange::Unchanged, None);
                }
                (effects.invalidate)(OutputKey::Roster(team, feed));
                (StateChange::Stored, Some(AffectedGames { since, season: None }))
            }
            In::Names(id, row) => {
                self.name_lookups.put(id, row);
                for feed in self.rosters.feeds() {
                    (effects.invalidate)(OutputKey::Roster(team, feed));
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
        if games.is_empty() {
            self.seasons.remove(&season);
        }
        self.retracted.remove(&game);
        if let Some((row, revision)) = old.as_ref().and_then(|row| Some((row, row.revisions.last()?))) {
            self.by_tip_off.remove(&(revision.tip_off, game));
            let last_known = last_known(row, revision);
            let count = self.last_known.entry(last_known).or_insert(1);
            *count -= 1;
            if *count == 0 {
                self.last_known.remove(&last_known);
            }
        }
        if let Some((row, revision)) = row.as_ref().and_then(|row| Some((row, row.revisions.last()?))) {
            *self.last_known.entry(last_known(row, revision)).or_insert(0) += 1;
            if row.retracted_at.is_some() {
                self.retracted.insert(game);
            } else if !revision.called_off {
                self.by_tip_off.insert((revision.tip_off, game));
            }
        }
        let rows = old.iter().chain(&row);
        let revisions =
            rows.flat_map(|row| row.revisions.iter().chain(row.revisions_in_retrospect.iter().flatten()));
        let since = revisions.map(|revision| revision.tip_off).min()?;
        Some(AffectedGames { since, season: Some(season) })
    }
    fn affected_games(&self, affected: &AffectedGames) -> Vec<GameId> {
        let AffectedGames { since, season } = *affected;
        let later = self.by_tip_off.range((since, GameId(0))..).map(|(_, game)| *game);
        let mut games: Vec<GameId> =
            later.filter(|game| season.is_none_or(|season| game.season() == season)).collect();
        games
            .extend(self.retracted.iter().filter(|game| season.is_none_or(|season| game.season() == season)));
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
        last_game.max(self.rosters.last_change()).unwrap_or(Timestamp::DISTANT_PAST)
    }
    fn next_two(&self, horizon: Timestamp) -> impl Iterator<Item = GameId> {
        self.by_tip_off.range((Timestamp(horizon.0 + 1), GameId(0))..).take(2).map(|(_, game)| *game)
    }
    /// Returns the games with a tip-off from `first` to `last`, including both.
    fn between(&self, first: Timestamp, last: Timestamp) -> impl Iterator<Item = GameId> {
        self.by_tip_off.range((first, GameId(0))..=(last, GameId(u32::MAX))).map(|(_, game)| *game)
    }
    fn is_open(&self, row: &TeamGame, latest: &TeamGameRevision) -> bool {
        if latest.called_off {
            return false;
        }
        if row.retracted_at.is_some() {
            return is_not_retracted(row, Cutoff::at_tip_off(latest.tip_off, Basis::Issued));
        }
        let horizon = self.horizon();
        is_played(latest) || latest.tip_off <= horizon || self.next_two(horizon).any(|next| next == row.game)
    }
    /// Derives the form before a game on `date`; `None` on a basis on which the game did not stand before the cutoff.
    fn form(&self, row: &TeamGame, date: EasternDate, cutoff: Cutoff) -> Option<Form> {
        let content_by = |cutoff| self.form_content(row, date, cutoff);
        let form = known_content(cutoff, self.rosters.retraction_instants(), content_by);
        form.content.map(|content| Form { known_at: form.known_at, ..content })
    }
    /// Computes the form before a game. The time of the content is not set.
    fn form_content(&self, row: &TeamGame, date: EasternDate, cutoff: Cutoff) -> Known<Option<Form>> {
        let in_retrospect = row.revisions_in_retrospect.as_deref();
        let own = cutoff.as_of(&row.revisions, in_retrospect, |revision| revision.known_at);
        let games = self.seasons.get(&row.game.season());
        let (Some(own), Some(games), true) = (own, games, is_not_retracted(row, cutoff)) else {
            return Known::default();
        };
        let mut known_at = own.known_at;
        let mut past: Vec<&TeamGameRevision> = Vec::with_capacity(games.len());
        for row in games.values().filter(|past| past.game != row.game) {
            let Known { content, known_at: past_known_at } = past_game(row, cutoff);
            known_at = known_at.max(past_known_at);
            past.extend(content);
        }
        past.sort_by_key(|revision| std::cmp::Reverse((revision.tip_off, revision.opponent)));
        let mut last_games: BTreeMap<PlayerId, Timestamp> = BTreeMap::new();
        for revision in past.iter().take(10) {
            for player in &revision.appeared {
                last_games.entry(*player).or_insert(revision.tip_off);
            }
        }
        let recent = last_games.into_iter().map(|(player, last_game)| RecentPlayer { player, last_game });
        let (roster, roster_known_at) = self.rosters.as_of(cutoff, &self.name_lookups);
        let content = Form {
            known_at: Timestamp::DISTANT_PAST,
            numbers: numbers::form_numbers(&past, date),
            recent: recent.collect(),
            roster,
        };
        Known { content: Some(content), known_at: known_at.max(roster_known_at) }
    }
}

/// Returns the revision of an earlier game as of a cutoff; `None` if the game had not been played by then. If it is not a past game any
/// more, the content is known since this is.
fn past_game(row: &TeamGame, cutoff: Cutoff) -> Known<Option<&TeamGameRevision>> {
    let is_past = |revision: &TeamGameRevision| {
        is_played(revision) && !revision.called_off && cutoff.is_past(revision.effective_at())
    };
    let revision = past_revision(row, cutoff).filter(|_| is_not_retracted(row, cutoff));
    if let Some(revision) = revision.filter(|revision| is_past(revision)) {
        return Known { content: Some(revision), known_at: revision.known_at };
    }
    let revisions = cutoff.revisions(&row.revisions, row.revisions_in_retrospect.as_deref());
    let was_past = revisions.iter().any(|revision| cutoff.is_known(revision.known_at) && is_past(revision));
    match revision.map(|revision| revision.known_at).or(row.retracted_at) {
        Some(known_at) if was_past => Known { content: None, known_at },
        _ => Known::default(),
    }
}

/// True unless a game had been retracted: by the cutoff on the issued basis, ever on the retrospective basis.
fn is_not_retracted(row: &TeamGame, cutoff: Cutoff) -> bool {
    row.retracted_at.is_none_or(|at| cutoff.basis() == Basis::Issued && !cutoff.is_known(at))
}
/// Returns when the newest fact about a game became known.
fn last_known(row: &TeamGame, last: &TeamGameRevision) -> Timestamp {
    row.retracted_at.map_or(last.known_at, |at| at.max(last.known_at))
}
fn is_played(revision: &TeamGameRevision) -> bool {
    revision.totals.is_some() || revision.score.is_some()
}

/// Returns the revision of an earlier game to use at a cutoff: normally the last one known before it. Fixture (schedule entry), score and
/// box score are separate facts, so this revision may lack the box score or the score. In this case, the retrospective basis uses the first
/// later revision that has both; if there is none, the first with a box score; if there is none either, the first with a score.
fn past_revision(row: &TeamGame, cutoff: Cutoff) -> Option<&TeamGameRevision> {
    let in_retrospect = row.revisions_in_retrospect.as_deref();
    let revision = cutoff.as_of(&row.revisions, in_retrospect, |revision| revision.known_at)?;
    if cutoff.basis() == Basis::Issued {
        return Some(revision);
    }
    let revisions = cutoff.revisions(&row.revisions, in_retrospect);
    let later = revisions.iter().filter(|later| later.known_at >= revision.known_at);
    later.rev().max_by_key(|revision| (revision.totals.is_some(), revision.score.is_some()))
}
