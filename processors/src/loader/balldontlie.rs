//! balldontlie: what its two box score feeds share.
//!
//! Invariant: who is listed with no minutes, or with zero minutes and nothing counted, did not play. Only an ended game's
//! box score is a fact.
//! Not here: its own player ids; names say who is meant.
use super::{
    Loaded,
    box_scores::{self, COLUMNS, Lists, box_line},
    cell::Cell,
    lists::lookup_in_matchup,
    minutes::playing_time,
    player_name::full_name,
};
use schemas::{
    observation::{BoxMember, PlayerRef},
    raw::RawEvent,
    team::{Matchup, Team},
    units::{EasternDate, PlayingTime},
};
use serde::Deserialize;
use std::collections::BTreeMap;

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

/// A box line; its team and game are there in one of the feeds only.
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
    player: Player<'a>,
    #[serde(borrow)]
    pub team: TeamRef<'a>,
    #[serde(borrow)]
    pub game: Game<'a>,
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
        let Player { first_name, last_name } = &self.player;
        let name = full_name(first_name, "player.first_name", last_name, "player.last_name")?;
        let player = PlayerRef { name, nba: None };
        let Some(time) = playing_time(&self.min, "min")? else {
            return Ok(BoxMember { player, line: None });
        };
        let Row { fgm, fga, fg3m, fg3a, ftm, fta, oreb, dreb, ast, stl, blk, turnover, pf, pts, .. } = self;
        let counts =
            [fgm, fga, fg3m, fg3a, ftm, fta, oreb, dreb, ast, stl, blk, turnover, pf, pts, self.plus_minus];
        let nothing = |cell: &Cell| cell.is_blank() || *cell == Cell::Integer(0);
        let sat_out = time == PlayingTime(0) && counts.iter().all(nothing);
        let line = if sat_out { None } else { Some(box_line(time, &COUNTS, &counts)?) };
        Ok(BoxMember { player, line })
    }
}

/// "Final"; while a game goes on it is the quarter, before it the time of day.
pub fn has_ended(status: &Cell) -> Result<bool, String> {
    Ok(status.text("status")?.eq_ignore_ascii_case("final"))
}

/// balldontlie's team id, 1 to 30; `None` for the ids of teams that are none of the thirty.
pub fn team_of_id(cell: &Cell, field: &str) -> Result<Option<Team>, String> {
    use Team::*;
    const BY_ID: [Team; 30] = [
        ATL, BOS, BKN, CHA, CHI, CLE, DAL, DEN, DET, GSW, HOU, IND, LAC, LAL, MEM, MIA, MIL, MIN, NOP, NYK,
        OKC, ORL, PHI, PHX, POR, SAC, SAS, TOR, UTA, WAS,
    ];
    let id = usize::try_from(cell.integer(field)?).ok().filter(|id| *id > 0);
    let id = id.ok_or_else(|| cell.type_error(field, "a team id"))?;
    Ok(BY_ID.get(id - 1).copied())
}

/// Publishes the lists, and asks both teams of each game who the players are.
pub fn publish(raw: &RawEvent, lists: Lists, complete: bool, loaded: &mut Loaded) {
    let mut asked: BTreeMap<(Matchup, EasternDate), Vec<PlayerRef>> = BTreeMap::new();
    for (list, members) in &lists {
        if let Some(matchup) = Matchup::new(list.team, list.opponent) {
            let names = members.iter().map(|m| m.player.clone());
            asked.entry((matchup, list.date)).or_default().extend(names);
        }
    }
    box_scores::publish(raw, lists, complete, loaded);
    for ((matchup, date), names) in asked {
        loaded.observations.extend(lookup_in_matchup(raw, matchup, date.into(), names));
    }
}
