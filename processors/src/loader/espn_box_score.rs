//! ESPN: the statistics of a player in both of its box-score feeds, which are texts.
//!
//! Invariant: minutes are whole, and the points and rebounds of a player are the sums of their parts; otherwise the columns are not in the
//! order that is expected of them.
//! Not here: where the texts are in a payload (`espn_boxscore`, `espn_summary`).
use super::{
    box_scores::{COLUMNS, box_score_stats},
    cell::Cell,
    minutes::playing_time,
};
use schemas::observation::BoxScoreStats;
use std::borrow::Cow;

/// The number of texts that [`stats`] reads.
pub const TEXTS: usize = 14;

/// The names of the texts, in the order in which [`stats`] expects them.
pub const LABELS: [&str; TEXTS] =
    ["MIN", "FG", "3PT", "FT", "OREB", "DREB", "REB", "AST", "STL", "BLK", "TO", "PF", "+/-", "PTS"];

const COUNTS: [&str; COLUMNS] = [
    "FG made",
    "FG attempted",
    "3PT made",
    "3PT attempted",
    "FT made",
    "FT attempted",
    "OREB",
    "DREB",
    "AST",
    "STL",
    "BLK",
    "TO",
    "PF",
    "PTS",
    "+/-",
];

/// Reads the statistics; `None` if the player has no minutes, which ESPN writes as nothing or as `--`.
pub fn stats(texts: &[Cell; TEXTS]) -> Result<Option<BoxScoreStats>, String> {
    let [minutes, field_goals, threes, free_throws, oreb, dreb, reb, ast, stl, blk, to, pf, plus_minus, pts] =
        texts;
    if matches!(minutes, Cell::Text(text) if text.trim() == "--") {
        return Ok(None);
    }
    let Some(playing_time) = playing_time(minutes, LABELS[0])? else { return Ok(None) };
    let [fgm, fga] = made_and_attempted(field_goals, LABELS[1])?;
    let [fg3m, fg3a] = made_and_attempted(threes, LABELS[2])?;
    let [ftm, fta] = made_and_attempted(free_throws, LABELS[3])?;
    let [oreb, dreb, ast, stl, blk, to, pf, pts, plus_minus] =
        [oreb, dreb, ast, stl, blk, to, pf, pts, plus_minus].map(number);
    let cells = [fgm, fga, fg3m, fg3a, ftm, fta, oreb, dreb, ast, stl, blk, to, pf, pts, plus_minus];
    let stats = box_score_stats(playing_time, &COUNTS, &cells)?;
    let points = 2 * stats.field_goals_made + stats.threes_made + stats.free_throws_made;
    if stats.points != points {
        return Err(format!("PTS: found {}, expected {points}, the points of the shots made", stats.points));
    }
    let rebounds = number(reb).count(LABELS[6])?;
    let parts = stats.offensive_rebounds + stats.defensive_rebounds;
    if rebounds != parts {
        return Err(format!("REB: found {rebounds}, expected {parts}, the sum of OREB and DREB"));
    }
    Ok(Some(stats))
}

/// Converts `5` and `+5` to a number. Any other cell stays as it is and is rejected by its reader.
fn number<'a>(cell: &Cell<'a>) -> Cell<'a> {
    let Cell::Text(text) = cell else { return cell.clone() };
    let text = text.trim();
    let parsed = text.strip_prefix('+').unwrap_or(text).parse().ok().map(Cell::Integer);
    parsed.unwrap_or_else(|| cell.clone())
}

/// Parses `5-9`.
fn made_and_attempted(cell: &Cell, label: &str) -> Result<[Cell<'static>; 2], String> {
    let parts = match cell {
        Cell::Text(text) => text.trim().split_once('-'),
        _ => None,
    };
    let cells = parts.map(|(made, attempted)| {
        [made, attempted].map(|text| number(&Cell::Text(Cow::Owned(text.to_owned()))))
    });
    let is_number = |cells: &[Cell; 2]| cells.iter().all(|cell| matches!(cell, Cell::Integer(_)));
    cells.filter(is_number).ok_or_else(|| cell.type_error(label, "shots made and attempted, such as 5-9"))
}
