//! Box scores: the lists and statistics that the box scores of all sources have in common.
//!
//! Invariant: a player has no more shots made than attempted and no more threes than field goals. Each team has one list per game and day,
//! and a game is over only if all its rows in the payload state it. The lists of a game that has not started are out of scope.
//! Not here: the column names of a source, and how it states that a game is over (the file of each feed).
use super::{
    cell::Cell,
    incomplete::{IncompleteLists, ListName},
    lists::{MatchupLookups, NamesDay, by_player, deduplicate, known_names, players_of_league},
    loaded::{Loaded, Observation, is_complete, provenance},
};
use schemas::{
    ids::{GameId, PlayerId},
    observation::{BoxMember, BoxScoreObservation, BoxScoreStats, FinalBoxScoreObservation, PlayerRef},
    raw::RawEvent,
    team::{Matchup, Team},
    units::{EasternDate, PlayingTime},
};
use std::collections::{BTreeMap, BTreeSet};

/// Identifies one team's list of players in the box score of one game. `game` is `None` if the source does not use nba.com's game ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListKey {
    pub game: Option<GameId>,
    pub date: EasternDate,
    pub team: Team,
    pub opponent: Team,
    /// False if the game was not over.
    pub is_final: bool,
}
impl ListKey {
    /// Returns the identity of the list, which does not depend on whether the game is over.
    fn name(&self) -> ListName {
        let game_teams = [self.team, self.opponent].into();
        ListName { game: self.game, game_teams, date: Some(self.date), team: Some(self.team), event: None }
    }
}

/// The number of statistics that [`box_score_stats`] reads; the minutes are not one of them.
pub const COLUMNS: usize = 15;

/// Reads the statistics from `cells`, which must be in this order: field goals, threes, free throws (each made, then attempted), offensive
/// rebounds, defensive rebounds, assists, steals, blocks, turnovers, fouls, points, plus-minus. `names` are the source's column names.
pub fn box_score_stats(
    playing_time: PlayingTime,
    names: &[&str; COLUMNS],
    cells: &[Cell; COLUMNS],
) -> Result<BoxScoreStats, String> {
    let mut counts = [0; COLUMNS - 1];
    for (count, (name, cell)) in counts.iter_mut().zip(names.iter().zip(cells)) {
        *count = cell.count(name)?;
    }
    let [fgm, fga, fg3m, fg3a, ftm, fta, oreb, dreb, ast, stl, blk, tov, pf, pts] = counts;
    for (part, limit) in [(0, 1), (2, 3), (4, 5), (2, 0), (3, 1)] {
        if counts[part] > counts[limit] {
            let (found, allowed) = (&cells[part], &cells[limit]);
            let (name, limit_name) = (names[part], names[limit]);
            return Err(format!("{name}: found {found}, expected no more than {limit_name} {allowed}"));
        }
    }
    let (cell, name) = (&cells[COLUMNS - 1], names[COLUMNS - 1]);
    let plus_minus = match cell {
        Cell::Absent | Cell::Null => None,
        cell => {
            let number = i32::try_from(cell.integer(name)?).ok().filter(|number| number.abs() <= 300);
            Some(number.ok_or_else(|| cell.type_error(name, "a plus-minus from -300 to 300"))?)
        }
    };
    Ok(BoxScoreStats {
        playing_time,
        points: pts,
        field_goals_made: fgm,
        field_goals_attempted: fga,
        threes_made: fg3m,
        threes_attempted: fg3a,
        free_throws_made: ftm,
        free_throws_attempted: fta,
        offensive_rebounds: oreb,
        defensive_rebounds: dreb,
        assists: ast,
        steals: stl,
        blocks: blk,
        turnovers: tov,
        fouls: pf,
        plus_minus,
    })
}

/// The box scores of a payload.
#[derive(Default)]
pub struct BoxScores {
    lists: BTreeMap<ListKey, Vec<BoxMember>>,
    incomplete: IncompleteLists,
}
impl BoxScores {
    pub fn add(&mut self, list: ListKey, member: BoxMember) {
        self.lists.entry(list).or_default().push(member);
    }
    /// Adds what a bad row states about its list, which is then incomplete.
    pub fn add_bad_row(&mut self, stated: ListName) {
        self.incomplete.add(stated);
    }
    /// Publishes one observation per list, and one per game with nbacom's id that is over. `has_all_rows` is false if the payload is only a
    /// part of a longer response. Returns the names in each published list.
    fn publish(
        self,
        raw: &RawEvent,
        has_all_rows: bool,
        loaded: &mut Loaded,
    ) -> Vec<(ListKey, Vec<PlayerRef>)> {
        let BoxScores { lists, incomplete } = self;
        let lists = with_one_state_per_game(lists);
        let incomplete: Vec<bool> = lists.keys().map(|list| incomplete.contains(&list.name())).collect();
        let mut published = Vec::with_capacity(lists.len());
        let mut final_games: BTreeSet<(GameId, EasternDate)> = BTreeSet::new();
        for ((list, mut members), is_incomplete) in lists.into_iter().zip(incomplete) {
            if !list.is_final && members.iter().all(|member| member.stats.is_none()) {
                loaded.rows_out_of_scope += members.len() as u64;
                continue;
            }
            loaded.rows_repeated += deduplicate(&mut members, |a, b| by_player(&a.player, &b.player));
            published.push((list, members.iter().map(|member| member.player.clone()).collect()));
            let ListKey { game, date, team, opponent, is_final } = list;
            // A game that was called off may have the status of a game that is over, and players none of whom has played.
            let is_played = is_final && members.iter().any(|member| member.stats.is_some());
            final_games.extend(game.filter(|_| is_played).map(|game| (game, date)));
            loaded.observations.push(Observation::BoxScore(BoxScoreObservation {
                feed: raw.feed,
                game,
                date,
                team,
                opponent,
                complete: is_complete(raw) && has_all_rows && !is_incomplete,
                members,
                provenance: provenance(raw),
                is_final,
            }));
        }
        // The view of a game's fixtures is partitioned by game id and not by teams, and needs no statistics.
        loaded.observations.extend(final_games.into_iter().map(|(game, date)| {
            Observation::FinalBoxScore(FinalBoxScoreObservation { game, date, provenance: provenance(raw) })
        }));
        published
    }

    /// Publishes the box scores of a source that has nba.com's ids of games and players, and the names by which nba.com knows each team's
    /// players.
    pub fn publish_with_known_names(self, raw: &RawEvent, loaded: &mut Loaded) {
        let mut names_by_team: BTreeMap<(Team, EasternDate), (GameId, Vec<PlayerRef>)> = BTreeMap::new();
        for (list, names) in self.publish(raw, true, loaded) {
            let Some(game) = list.game else { continue };
            names_by_team.entry((list.team, list.date)).or_insert((game, Vec::new())).1.extend(names);
        }
        let players: Vec<PlayerId> =
            names_by_team.values().flat_map(|(_, names)| names).filter_map(|player| player.nba).collect();
        for ((team, date), (game, names)) in names_by_team {
            // The season comes from the game id, not from the date, because the finals of 2019-20 were played in October 2020.
            loaded.observations.push(known_names(raw, team, NamesDay { date, season: game.season() }, names));
        }
        loaded.observations.extend(players_of_league(raw, players));
    }
    /// Publishes the box scores of a source that has names only and, for each pair of teams and day, a lookup of the listed names among the
    /// players of both teams.
    pub fn publish_with_lookups(self, raw: &RawEvent, has_all_rows: bool, loaded: &mut Loaded) {
        let mut lookups = MatchupLookups::default();
        for (list, names) in self.publish(raw, has_all_rows, loaded) {
            if let Some(matchup) = Matchup::new(list.team, list.opponent) {
                lookups.add(matchup, list.date, names.into_iter());
            }
        }
        loaded.observations.extend(lookups.observations(raw));
    }
}

/// Unites the lists of a game whose rows disagree whether the game is over: a row which states that it is not over decides, so that no row
/// counts as final too early and none is lost.
fn with_one_state_per_game(lists: BTreeMap<ListKey, Vec<BoxMember>>) -> BTreeMap<ListKey, Vec<BoxMember>> {
    let game = |list: &ListKey| (list.game, list.date, Matchup::new(list.team, list.opponent));
    let not_over: BTreeSet<_> = lists.keys().filter(|list| !list.is_final).map(game).collect();
    let mut united: BTreeMap<ListKey, Vec<BoxMember>> = BTreeMap::new();
    for (list, members) in lists {
        let is_final = !not_over.contains(&game(&list));
        united.entry(ListKey { is_final, ..list }).or_default().extend(members);
    }
    united
}
