//! The team form view, keyed by team: the form of a team before each date of its open games.
//!
//! A date of a game is open if the game was played on it, if its tip-off is at or before the horizon, or if it is one of the next two after
//! the horizon. The
//! horizon is the latest instant at which any fact about the team became known. So new facts open games, not a clock. A schedule for the
//! entire season does not produce forms for all its games at once, and a game whose result is missing does not block later games.
//!
//! A date that no longer stands, because the game was called off, moved or retracted or has another opponent, has a form only if it stood at
//! its cutoff; then its issued form stays. The final of the cup is in no average and in no number of rest days.
//!
//! Invariant: a form uses only games that had ended, and rosters that had been fetched, before the tip-off of its game, and only games of
//! the same season.
//! Not here: the formulas of the averages (`numbers`), the players of the season (`season_players`), who is on a roster (`memberships`), the numbers of single players
//! (`feature_builder`).
mod numbers;
mod season_players;
#[cfg(test)]
mod tests;

use crate::{
    history::{Cutoff, Known},
    materialized_view::{Effects, MaterializedView, StateChange},
    member_history::{changed_since, revision_as_of},
};
use schemas::{
    EasternDate, GameId, Matchup, PlayerId, Season, Team, TeamFormId, TeamGameId, TeamMemberId, Timestamp,
    features::Basis,
    fixture::GameDate,
    game::{TeamGame, TeamGameRevision},
    membership::{MembershipHistory, TeamMember},
    team_form::{Form, RecentPlayer, RosteredPlayer, TeamForm},
};
use std::collections::{BTreeMap, BTreeSet};

/// An input of the team form view.
#[derive(Clone, Debug)]
pub enum In {
    TeamGame(TeamGameId, Option<TeamGame>),
    Member(TeamMemberId, Option<TeamMember>),
}

/// One date of one game with one pair of teams.
type DateKey = (GameId, Matchup, EasternDate);

/// The games and members of one team.
#[derive(Debug, Default)]
pub struct Tables {
    team: Option<Team>,
    seasons: BTreeMap<Season, BTreeMap<(GameId, Matchup), TeamGame>>,
    /// The dates that may have a form, in order of tip-off.
    by_tip_off: BTreeSet<(Timestamp, DateKey)>,
    /// The players whom any roster ever listed.
    members: BTreeMap<PlayerId, TeamMember>,
    /// When the newest fact about each game and each member became known, with the number of games and members that have this time. The
    /// greatest is the horizon.
    last_known: BTreeMap<Timestamp, u32>,
}

/// A condition that selects the dates whose form an input may change.
struct AffectedDates {
    /// Selects only dates with a tip-off at or after this instant.
    since: Timestamp,
    /// Selects only games of this season; `None` selects games of all seasons.
    season: Option<Season>,
}

/// The first of all dates, as the start of a range of dates with equal tip-off.
const FIRST_DATE: DateKey = (GameId(0), Matchup::FIRST, EasternDate::MIN);

/// The team form view.
pub struct TeamForms;
impl MaterializedView for TeamForms {
    const NAME: &'static str = "team-form";
    type Key = Team;
    type Tables = Tables;
    type Retained = ();
    type In = In;
    type OutputKey = TeamFormId;
    type Out = TeamForm;

    fn key(&self, input: &In) -> Option<Team> {
        Some(match input {
            In::TeamGame(id, _) => id.team,
            In::Member(id, _) => id.team,
        })
    }
    fn key_of(&self, output_key: &TeamFormId) -> Team {
        output_key.team
    }
    fn apply(
        &self,
        tables: &mut Tables,
        input: In,
        effects: &mut Effects<'_, TeamFormId, ()>,
    ) -> StateChange {
        let Some(team) = self.key(&input) else { return StateChange::Unchanged };
        tables.team = Some(team);
        let before = tables.horizon();
        let mut dates: Vec<DateKey> = tables.next_two(before).collect();
        if let In::TeamGame(id, row) = &input {
            let rows = tables.game(id.game, id.matchup).into_iter().chain(row);
            dates.extend(rows.flat_map(|row| row.dates.iter().map(|date| (id.game, id.matchup, date.date))));
        }
        let affected = match input {
            In::TeamGame(id, row) => tables.put_game(id.game, id.matchup, row),
            In::Member(id, row) => tables.put_member(id.player, row),
        };
        if let Some(affected) = affected {
            dates.extend(tables.affected_dates(&affected));
        }
        // A change of the horizon opens or closes the games between the old and the new horizon, and the two games after each of these two
        // horizons.
        let after = tables.horizon();
        dates.extend(tables.between(before.min(after), before.max(after)));
        dates.extend(tables.next_two(before));
        dates.extend(tables.next_two(after));
        for (game, matchup, date) in dates {
            (effects.invalidate)(TeamFormId { matchup, game, date, team });
        }
        StateChange::RowReplaced
    }
    /// Former versions stored rosters.
    fn is_formerly_retained(id: &str) -> bool {
        id.starts_with("roster/")
    }
    fn restore(&self, _tables: &mut Tables, (): ()) {}
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(TeamFormId)) {
        let Some(team) = tables.team else { return };
        for (_, (game, matchup, date)) in &tables.by_tip_off {
            emit(TeamFormId { matchup: *matchup, game: *game, date: *date, team });
        }
    }
    fn derive(&self, tables: &Tables, output_key: &TeamFormId) -> Option<TeamForm> {
        let TeamFormId { matchup, game, date, team } = output_key;
        let row = tables.game(*game, *matchup)?;
        let game_date = row.dates.iter().find(|game_date| game_date.date == *date)?;
        if !tables.is_open(row, game_date) {
            return None;
        }
        let form_on = |basis| tables.form(row, game_date, Cutoff::at_tip_off(game_date.tip_off, basis));
        let issued = form_on(Basis::Issued);
        let retrospective = form_on(Basis::Retrospective);
        if issued.is_none() && retrospective.is_none() {
            return None;
        }
        let differs = retrospective != issued;
        let [first, second] = matchup.teams();
        Some(TeamForm {
            game: *game,
            date: *date,
            team: *team,
            opponent: if *team == first { second } else { first },
            issued,
            retrospective: retrospective.filter(|_| differs),
        })
    }
}

impl Tables {
    fn game(&self, game: GameId, matchup: Matchup) -> Option<&TeamGame> {
        self.seasons.get(&game.season())?.get(&(game, matchup))
    }
    /// Replaces a game's row and returns the dates whose forms may change as a result.
    fn put_game(&mut self, game: GameId, matchup: Matchup, row: Option<TeamGame>) -> Option<AffectedDates> {
        let season = game.season();
        let games = self.seasons.entry(season).or_default();
        let old = match row.clone() {
            Some(row) => games.insert((game, matchup), row),
            None => games.remove(&(game, matchup)),
        };
        if games.is_empty() {
            self.seasons.remove(&season);
        }
        for date in old.iter().flat_map(|row| &row.dates) {
            self.by_tip_off.remove(&(date.tip_off, (game, matchup, date.date)));
        }
        for date in row.iter().flat_map(|row| &row.dates).filter(|date| date.has_rows()) {
            self.by_tip_off.insert((date.tip_off, (game, matchup, date.date)));
        }
        let last_known = |row: &Option<TeamGame>| {
            row.as_ref().and_then(|row| row.revisions.last()).map(|last| last.known_at)
        };
        self.replace_last_known(last_known(&old), last_known(&row));
        let rows = old.iter().chain(&row);
        let revisions =
            rows.flat_map(|row| row.revisions.iter().chain(row.revisions_in_retrospect.iter().flatten()));
        let since = revisions.map(|revision| revision.tip_off).min()?;
        Some(AffectedDates { since, season: Some(season) })
    }
    /// Replaces the row of a member and returns the dates whose forms may change as a result.
    fn put_member(&mut self, player: PlayerId, row: Option<TeamMember>) -> Option<AffectedDates> {
        let old = match row.clone() {
            Some(row) => self.members.insert(player, row),
            None => self.members.remove(&player),
        };
        let history = |row: &Option<TeamMember>| row.as_ref().map(|row| row.history.clone());
        let (old, new) = (history(&old), history(&row));
        let last_known = |history: &Option<MembershipHistory>| {
            history.as_ref().and_then(|history| history.revisions.last()).map(|last| last.known_at)
        };
        self.replace_last_known(last_known(&old), last_known(&new));
        changed_since(old.as_ref(), new.as_ref()).map(|since| AffectedDates { since, season: None })
    }
    fn replace_last_known(&mut self, old: Option<Timestamp>, new: Option<Timestamp>) {
        if let Some(old) = old {
            let count = self.last_known.entry(old).or_insert(1);
            *count -= 1;
            if *count == 0 {
                self.last_known.remove(&old);
            }
        }
        if let Some(new) = new {
            *self.last_known.entry(new).or_insert(0) += 1;
        }
    }
    fn affected_dates(&self, affected: &AffectedDates) -> Vec<DateKey> {
        let AffectedDates { since, season } = *affected;
        let later = self.by_tip_off.range((since, FIRST_DATE)..).map(|(_, date)| *date);
        later.filter(|(game, ..)| season.is_none_or(|season| game.season() == season)).collect()
    }
    /// Returns the latest instant at which a fact about the team became known.
    fn horizon(&self) -> Timestamp {
        self.last_known.keys().next_back().copied().unwrap_or(Timestamp::DISTANT_PAST)
    }
    fn next_two(&self, horizon: Timestamp) -> impl Iterator<Item = DateKey> {
        self.by_tip_off.range((Timestamp(horizon.0 + 1), FIRST_DATE)..).take(2).map(|(_, date)| *date)
    }
    /// Returns the dates with a tip-off from `first` to `last`, including both.
    fn between(&self, first: Timestamp, last: Timestamp) -> impl Iterator<Item = DateKey> {
        self.by_tip_off.range((first, FIRST_DATE)..(Timestamp(last.0 + 1), FIRST_DATE)).map(|(_, date)| *date)
    }
    fn is_open(&self, row: &TeamGame, date: &GameDate) -> bool {
        let horizon = self.horizon();
        let newest = row.revisions.last();
        let was_played = newest.is_some_and(|newest| newest.date == date.date && is_played(newest));
        let is_next = || self.next_two(horizon).any(|next| next == (row.game, row.matchup, date.date));
        date.has_rows() && (was_played || date.tip_off <= horizon || is_next())
    }
    /// Derives the form before a game on a date; `None` on a basis on which the date does not stand.
    fn form(&self, row: &TeamGame, date: &GameDate, cutoff: Cutoff) -> Option<Form> {
        let stands = match cutoff.basis() {
            Basis::Issued => date.stood_at_cutoff,
            Basis::Retrospective => date.stands(),
        };
        let games = self.seasons.get(&row.game.season()).filter(|_| stands)?;
        let mut known_at = date.known_at;
        let mut past: Vec<&TeamGameRevision> = Vec::with_capacity(games.len());
        let is_other = |past: &&TeamGame| past.game != row.game && past.game.counts_in_averages();
        for row in games.values().filter(is_other) {
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
        let (roster, roster_known_at) = self.roster(cutoff);
        Some(Form {
            known_at: known_at.max(roster_known_at),
            numbers: numbers::form_numbers(&past, date.date),
            recent: recent.collect(),
            roster,
            season_players: season_players::season_players(&past),
        })
    }
    /// Returns the players on the team's rosters as of a cutoff, and when it became known that they, and no others, are.
    fn roster(&self, cutoff: Cutoff) -> (Vec<RosteredPlayer>, Timestamp) {
        let mut known_at = Timestamp::DISTANT_PAST;
        let mut roster = Vec::new();
        for (player, member) in &self.members {
            let Some(revision) = revision_as_of(&member.history, cutoff) else { continue };
            known_at = known_at.max(revision.known_at);
            if !revision.listings.is_empty() {
                let born = revision.listings.iter().find_map(|listing| listing.born);
                roster.push(RosteredPlayer { player: *player, born });
            }
        }
        (roster, known_at)
    }
}

/// Returns the revision of an earlier game as of a cutoff; `None` if the game had not been played by then. If it is not a past game any
/// more, the content is known since this is.
fn past_game(row: &TeamGame, cutoff: Cutoff) -> Known<Option<&TeamGameRevision>> {
    let is_past = |revision: &TeamGameRevision| {
        is_played(revision) && !revision.called_off && cutoff.is_past(revision.effective_at())
    };
    let revision = past_revision(row, cutoff);
    if let Some(revision) = revision.filter(|revision| is_past(revision)) {
        return Known { content: Some(revision), known_at: revision.known_at };
    }
    let revisions = cutoff.revisions(&row.revisions, row.revisions_in_retrospect.as_deref());
    let was_past = revisions.iter().any(|revision| cutoff.is_known(revision.known_at) && is_past(revision));
    match revision.map(|revision| revision.known_at) {
        Some(known_at) if was_past => Known { content: None, known_at },
        _ => Known::default(),
    }
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
    // A game that was called off or has another opponent now was never played by the team.
    if revisions.last().is_some_and(|newest| newest.called_off) {
        return None;
    }
    let later = revisions.iter().filter(|later| later.known_at >= revision.known_at);
    later.rev().max_by_key(|revision| (revision.totals.is_some(), revision.score.is_some()))
}
