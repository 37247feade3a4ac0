//! The team form view, keyed by team: the form of a team before each date of its open games.
//!
//! A date of a game is open if the game was played on it, or if a fact about the team became known at or after the tip-off of the date two
//! before it (`openings`).
//!
//! A date that no longer stands, because the game was called off, moved or retracted or has another opponent, has a form only if it stood at
//! its cutoff; then its issued form stays. The final of the cup is in no average and in no number of rest days.
//!
//! Invariant: a form uses only games that had ended, and rosters that had been fetched, before the tip-off of its game, and only games of
//! the same season.
//! Not here: the formulas of the averages (`numbers`), the players of the season (`season_players`), when a date became open (`openings`),
//! who is on a roster (`memberships`), the numbers of single players (`feature_builder`).
mod numbers;
mod openings;
mod season_players;
#[cfg(test)]
mod tests;

use crate::{
    history::{Cutoff, Known},
    materialized_view::{Effects, MaterializedView, StateChange},
    member_history::{changed_since, revision_as_of},
};
use openings::{DateKey, Facts, Openings};
use schemas::{
    GameId, Matchup, PlayerId, Season, Team, TeamFormId, TeamGameId, TeamMemberId, Timestamp,
    features::Basis,
    fixture::GameDate,
    game::{TeamGame, TeamGameRevision},
    membership::TeamMember,
    team_form::{Form, RecentPlayer, RosteredPlayer, TeamForm},
};
use std::collections::BTreeMap;

/// An input of the team form view.
#[derive(Clone, Debug)]
pub enum In {
    TeamGame(TeamGameId, Option<TeamGame>),
    Member(TeamMemberId, Option<TeamMember>),
}

/// The games and members of one team.
#[derive(Debug, Default)]
pub struct Tables {
    team: Option<Team>,
    seasons: BTreeMap<Season, BTreeMap<(GameId, Matchup), TeamGame>>,
    /// The dates that may have a form.
    openings: Openings,
    /// The players whom any roster ever listed.
    members: BTreeMap<PlayerId, TeamMember>,
}

/// A condition that selects the dates whose form an input may change.
struct AffectedDates {
    /// Selects only dates with a tip-off at or after this instant.
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
        let mut dates: Vec<DateKey> = Vec::new();
        let affected = match input {
            In::TeamGame(id, row) => tables.put_game(id.game, id.matchup, row, &mut dates),
            In::Member(id, row) => tables.put_member(id.player, row, &mut dates),
        };
        if let Some(affected) = affected {
            dates.extend(tables.affected_dates(&affected));
        }
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
        for (game, matchup, date) in tables.openings.dates() {
            emit(TeamFormId { matchup, game, date, team });
        }
    }
    fn derive(&self, tables: &Tables, output_key: &TeamFormId) -> Option<TeamForm> {
        let TeamFormId { matchup, game, date, team } = output_key;
        let row = tables.game(*game, *matchup)?;
        let game_date = row.dates.iter().find(|game_date| game_date.date == *date)?;
        let opened_at = tables.opened_at(row, game_date)?;
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
            opened_at,
            issued,
            retrospective: retrospective.filter(|_| differs),
        })
    }
}

impl Tables {
    fn game(&self, game: GameId, matchup: Matchup) -> Option<&TeamGame> {
        self.seasons.get(&game.season())?.get(&(game, matchup))
    }
    /// Replaces a game's row. Adds the dates that may have become open, and returns those whose forms may change in addition.
    fn put_game(
        &mut self,
        game: GameId,
        matchup: Matchup,
        row: Option<TeamGame>,
        opened: &mut Vec<DateKey>,
    ) -> Option<AffectedDates> {
        let season = game.season();
        let games = self.seasons.entry(season).or_default();
        let old = match row.clone() {
            Some(row) => games.insert((game, matchup), row),
            None => games.remove(&(game, matchup)),
        };
        if games.is_empty() {
            self.seasons.remove(&season);
        }
        let facts = |row: &Option<TeamGame>| row.as_ref().map(Facts::of_game).unwrap_or_default();
        opened.extend(self.openings.replace(&facts(&old), &facts(&row)));
        let rows = old.iter().chain(&row);
        opened.extend(rows.clone().flat_map(|row| row.dates.iter().map(|date| (game, matchup, date.date))));
        let revisions =
            rows.flat_map(|row| row.revisions.iter().chain(row.revisions_in_retrospect.iter().flatten()));
        let since = revisions.map(|revision| revision.tip_off).min()?;
        Some(AffectedDates { since, season: Some(season) })
    }
    /// Replaces the row of a member. Adds the dates that may have become open, and returns those whose forms may change in addition.
    fn put_member(
        &mut self,
        player: PlayerId,
        row: Option<TeamMember>,
        opened: &mut Vec<DateKey>,
    ) -> Option<AffectedDates> {
        let old = match row.clone() {
            Some(row) => self.members.insert(player, row),
            None => self.members.remove(&player),
        };
        let facts = |row: &Option<TeamMember>| row.as_ref().map(Facts::of_member).unwrap_or_default();
        opened.extend(self.openings.replace(&facts(&old), &facts(&row)));
        let since = changed_since(old.as_ref().map(|row| &row.history), row.as_ref().map(|row| &row.history));
        since.map(|since| AffectedDates { since, season: None })
    }
    fn affected_dates(&self, affected: &AffectedDates) -> Vec<DateKey> {
        let AffectedDates { since, season } = *affected;
        let later = self.openings.dates_since(since);
        later.filter(|(game, ..)| season.is_none_or(|season| game.season() == season)).collect()
    }
    /// Returns when a date became open; `None` if it is not open.
    fn opened_at(&self, row: &TeamGame, date: &GameDate) -> Option<Timestamp> {
        let was_played = |revision: &&TeamGameRevision| revision.date == date.date && is_played(revision);
        let is_played_now = row.revisions.last().filter(was_played).is_some();
        let played_at = row.revisions.iter().find(was_played).filter(|_| is_played_now);
        let played_at = played_at.map(|revision| revision.known_at);
        let opened_at = self.openings.opened_at(date.tip_off, (row.game, row.matchup, date.date));
        opened_at.into_iter().chain(played_at).min().filter(|_| date.has_rows())
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
