//! balldontlie: the common part of the loaders for its box-score feeds.
//!
//! Invariant: a player listed without minutes, or with zero minutes and all counts zero, did not play. Only the status of a game states
//! whether it is over. The date of a game is its local day, which is the Eastern day of every game, because no game starts within three
//! hours before midnight; so it is not ambiguous.
//! Not here: balldontlie's own player ids, which are not used: its players are resolved by name lookup.
use super::{
    box_scores::{COLUMNS, box_score_stats},
    cell::Cell,
    dates,
    json::Object,
    minutes::playing_time,
    player_name::full_name,
};
use schemas::{
    observation::{BoxMember, PlayerRef},
    team::Team,
    units::PlayingTime,
};
use serde::Deserialize;
use std::ops::RangeInclusive;

const COUNTS: [&str; COLUMNS] = [
    "fgm",
    "fga",
    "fg3m",
    "fg3a",
    "ftm",
    "fta",
    "oreb",
    "dreb",
    "ast",
    "stl",
    "blk",
    "turnover",
    "pf",
    "pts",
    "plus_minus",
];

/// A player's row in a box score. Only the rows of the stats feed have `team` and `game`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Row<'a> {
    #[serde(borrow)]
    min: Cell<'a>,
    #[serde(borrow)]
    fgm: Cell<'a>,
    #[serde(borrow)]
    fga: Cell<'a>,
    #[serde(borrow)]
    fg3m: Cell<'a>,
    #[serde(borrow)]
    fg3a: Cell<'a>,
    #[serde(borrow)]
    ftm: Cell<'a>,
    #[serde(borrow)]
    fta: Cell<'a>,
    #[serde(borrow)]
    oreb: Cell<'a>,
    #[serde(borrow)]
    dreb: Cell<'a>,
    #[serde(borrow)]
    ast: Cell<'a>,
    #[serde(borrow)]
    stl: Cell<'a>,
    #[serde(borrow)]
    blk: Cell<'a>,
    #[serde(borrow)]
    turnover: Cell<'a>,
    #[serde(borrow)]
    pf: Cell<'a>,
    #[serde(borrow)]
    pts: Cell<'a>,
    #[serde(borrow)]
    plus_minus: Cell<'a>,
    #[serde(borrow)]
    player: Object<Player<'a>>,
    #[serde(borrow)]
    pub team: Object<TeamRef<'a>>,
    #[serde(borrow)]
    pub game: Object<Game<'a>>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct Player<'a> {
    #[serde(borrow)]
    first_name: Cell<'a>,
    #[serde(borrow)]
    last_name: Cell<'a>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct TeamRef<'a> {
    #[serde(borrow)]
    pub abbreviation: Cell<'a>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Game<'a> {
    #[serde(borrow)]
    pub date: Cell<'a>,
    #[serde(borrow)]
    pub status: Cell<'a>,
    #[serde(borrow)]
    pub home_team_id: Cell<'a>,
    #[serde(borrow)]
    pub visitor_team_id: Cell<'a>,
}

impl Row<'_> {
    pub fn member(self) -> Result<BoxMember, String> {
        let Player { first_name, last_name } = &*self.player;
        let name = full_name(first_name, "player.first_name", last_name, "player.last_name")?;
        let player = PlayerRef { name, nba: None };
        let Some(playing_time) = playing_time(&self.min, "min")? else {
            return Ok(BoxMember { player, stats: None });
        };
        let Row { fgm, fga, fg3m, fg3a, ftm, fta, oreb, dreb, ast, stl, blk, turnover, pf, pts, .. } = self;
        let counts =
            [fgm, fga, fg3m, fg3a, ftm, fta, oreb, dreb, ast, stl, blk, turnover, pf, pts, self.plus_minus];
        let is_zero = |cell: &Cell| cell.is_blank() || *cell == Cell::Integer(0);
        let did_not_play = playing_time == PlayingTime(0) && counts.iter().all(is_zero);
        let stats = if did_not_play { None } else { Some(box_score_stats(playing_time, &COUNTS, &counts)?) };
        Ok(BoxMember { player, stats })
    }
}

/// The progress of a game.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    NotStarted,
    Live,
    Over,
}

/// Returns the progress of a game by its status: "Final", a start time before the game, anything else (for example a quarter) during it.
pub fn progress(status: &Cell) -> Result<Progress, String> {
    let text = status.text("status")?.to_ascii_lowercase();
    let is_start_time = || {
        let clock = text.strip_suffix(" et").unwrap_or(&text);
        clock.ends_with(" am") || clock.ends_with(" pm") || dates::day(status, "status").is_ok()
    };
    Ok(match text.as_str() {
        final_status if final_status.starts_with("final") => Progress::Over,
        "scheduled" | "postponed" | "canceled" | "cancelled" => Progress::NotStarted,
        _ if is_start_time() => Progress::NotStarted,
        _ => Progress::Live,
    })
}

/// The balldontlie ids of franchises that left the league by 1955.
const FORMER_FRANCHISES: RangeInclusive<i64> = 37..=51;

/// Returns the NBA team with this balldontlie id, 1 to 30; `None` if it is a former franchise, whose games are out of scope.
pub fn team_of_id(cell: &Cell, field: &str) -> Result<Option<Team>, String> {
    use Team::*;
    const BY_ID: [Team; 30] = [
        ATL, BOS, BKN, CHA, CHI, CLE, DAL, DEN, DET, GSW, HOU, IND, LAC, LAL, MEM, MIA, MIL, MIN, NOP, NYK,
        OKC, ORL, PHI, PHX, POR, SAC, SAS, TOR, UTA, WAS,
    ];
    let id = cell.integer(field)?;
    if FORMER_FRANCHISES.contains(&id) {
        return Ok(None);
    }
    let index = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
    let team = index.and_then(|index| BY_ID.get(index)).copied();
    team.map(Some).ok_or_else(|| cell.type_error(field, "the id of an NBA team, from 1 to 30"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn only_a_final_status_is_over_and_a_start_time_is_not_a_quarter() {
        for (status, expected) in [
            ("Final", Progress::Over),
            ("FINAL", Progress::Over),
            ("final", Progress::Over),
            ("Final/OT", Progress::Over),
            ("1st Qtr", Progress::Live),
            ("Halftime", Progress::Live),
            ("Q3 5:22", Progress::Live),
            ("in_progress", Progress::Live),
            ("2024-01-18T00:30:00Z", Progress::NotStarted),
            ("7:30 pm ET", Progress::NotStarted),
            ("scheduled", Progress::NotStarted),
        ] {
            assert_eq!(progress(&Cell::Text(Cow::Borrowed(status))), Ok(expected), "{status}");
        }
        assert!(progress(&Cell::Null).is_err());
    }
}
