//! Box scores: the lists and the counts that every source's box score comes down to.
//!
//! Invariant: no more made than attempted, no more threes than field goals; one list per team and game.
//! Not here: the columns in which a source keeps the counts.
use super::{
    Loaded, Observation,
    cell::Cell,
    lists::{by_player, distinct},
    provenance,
};
use schemas::{
    ids::GameId,
    observation::{BoxLine, BoxMember, BoxScoreObservation},
    raw::RawEvent,
    team::Team,
    units::{EasternDate, PlayingTime},
};
use std::collections::BTreeMap;

/// Which box score a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListKey {
    pub game: Option<GameId>,
    pub date: EasternDate,
    pub team: Team,
    pub opponent: Team,
}
pub type Lists = BTreeMap<ListKey, Vec<BoxMember>>;

/// The number of columns that [`box_line`] reads.
pub const COLUMNS: usize = 15;

/// Reads the counts in the order field goals, threes, free throws (each made, attempted), offensive and defensive rebounds,
/// assists, steals, blocks, turnovers, fouls, points, plus-minus; `names` are the source's names of them.
pub fn box_line(
    playing_time: PlayingTime,
    names: &[&str; COLUMNS],
    cells: &[Cell; COLUMNS],
) -> Result<BoxLine, String> {
    let mut counts = [0; COLUMNS - 1];
    for (count, (name, cell)) in counts.iter_mut().zip(names.iter().zip(cells)) {
        *count = cell.count(name)?;
    }
    let [fgm, fga, fg3m, fg3a, ftm, fta, oreb, dreb, ast, stl, blk, tov, pf, pts] = counts;
    for (part, whole) in [(0, 1), (2, 3), (4, 5), (2, 0), (3, 1)] {
        if counts[part] > counts[whole] {
            let (a, b) = (&cells[part], &cells[whole]);
            return Err(format!("{}: found {a}, expected no more than {} {b}", names[part], names[whole]));
        }
    }
    let (plus_minus, name) = (&cells[COLUMNS - 1], names[COLUMNS - 1]);
    let plus_minus = match plus_minus {
        Cell::Absent | Cell::Null => None,
        cell => {
            let sane = i32::try_from(cell.integer(name)?).ok().filter(|n| n.abs() <= 300);
            Some(sane.ok_or_else(|| cell.type_error(name, "a plus-minus within 300"))?)
        }
    };
    Ok(BoxLine {
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

/// Publishes each list as an observation.
pub fn publish(raw: &RawEvent, lists: Lists, complete: bool, loaded: &mut Loaded) {
    for (ListKey { game, date, team, opponent }, mut members) in lists {
        loaded.rows_repeated += distinct(&mut members, |a, b| by_player(&a.player, &b.player));
        loaded.observations.push(Observation::BoxScore(BoxScoreObservation {
            feed: raw.feed,
            game,
            date,
            team,
            opponent,
            complete,
            members,
            provenance: provenance(raw),
        }));
    }
}
