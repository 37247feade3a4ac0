//! Box scores: the lists and statistics that the box scores of all sources have in common.
//!
//! Invariant: a player has no more shots made than attempted and no more threes than field goals; each team has one list per game.
//! Not here: the column names of a source (the file of each feed).
use super::{
    cell::Cell,
    lists::{by_player, deduplicate},
    loaded::{Loaded, Observation, provenance},
};
use schemas::{
    ids::GameId,
    observation::{BoxMember, BoxScoreObservation, BoxScoreStats},
    raw::RawEvent,
    team::Team,
    units::{EasternDate, PlayingTime},
};
use std::collections::BTreeMap;

/// Identifies one team's list of players in the box score of one game. `game` is `None` if the source does not use nba.com's game ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListKey {
    pub game: Option<GameId>,
    pub date: EasternDate,
    pub team: Team,
    pub opponent: Team,
}
pub type Lists = BTreeMap<ListKey, Vec<BoxMember>>;

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

/// Adds one box-score observation per list to `loaded`.
pub fn publish(raw: &RawEvent, lists: Lists, complete: bool, loaded: &mut Loaded) {
    for (ListKey { game, date, team, opponent }, mut members) in lists {
        loaded.rows_repeated += deduplicate(&mut members, |a, b| by_player(&a.player, &b.player));
        loaded.observations.push(Observation::BoxScore(BoxScoreObservation {
            feed: raw.feed,
            game,
            date,
            team,
            opponent,
            complete,
            members,
            provenance: provenance(raw),
            is_final: true,
        }));
    }
}
