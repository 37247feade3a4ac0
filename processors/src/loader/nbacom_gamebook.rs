//! nbacom/gamebook: the gamebook of one game, as a scraper parsed it from the PDF that nba.com publishes after the game.
//!
//! Invariant: the box score is final, its minutes are exact to the second, and the names are looked up among the players of both teams,
//! because a gamebook has no ids. A player in the list `dnp_players` did not play. A team is written as its full name, in some gamebooks in
//! capitals.
//! Not here: the inactive players, of whom a gamebook has only the surname, under the wrong team in some parsed files; the reasons of
//! absences, officials and attendance. They stay in the raw payload.
use super::{
    box_scores::{COLUMNS, box_score_stats},
    cell::Cell,
    dates,
    json::{Object, parse_payload, parse_row},
    loaded::{Loaded, Reject},
    minutes::playing_time,
    single_game::{SingleGame, two_teams},
};
use schemas::{
    observation::{BoxMember, BoxScoreStats, PlayerRef},
    raw::RawEvent,
    team::Team,
};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Gamebook<'a> {
    #[serde(borrow, default)]
    date: Cell<'a>,
    #[serde(borrow, default)]
    away_team: Cell<'a>,
    #[serde(borrow, default)]
    home_team: Cell<'a>,
    #[serde(borrow)]
    active_players: Vec<&'a RawValue>,
    #[serde(borrow)]
    dnp_players: Vec<&'a RawValue>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct Player<'a> {
    #[serde(borrow)]
    name: Cell<'a>,
    #[serde(borrow)]
    team: Cell<'a>,
    #[serde(borrow)]
    stats: Object<Statistics<'a>>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct Statistics<'a> {
    #[serde(borrow)]
    minutes: Cell<'a>,
    #[serde(borrow)]
    field_goals_made: Cell<'a>,
    #[serde(borrow)]
    field_goals_attempted: Cell<'a>,
    #[serde(borrow)]
    three_pointers_made: Cell<'a>,
    #[serde(borrow)]
    three_pointers_attempted: Cell<'a>,
    #[serde(borrow)]
    free_throws_made: Cell<'a>,
    #[serde(borrow)]
    free_throws_attempted: Cell<'a>,
    #[serde(borrow)]
    offensive_rebounds: Cell<'a>,
    #[serde(borrow)]
    defensive_rebounds: Cell<'a>,
    #[serde(borrow)]
    assists: Cell<'a>,
    #[serde(borrow)]
    steals: Cell<'a>,
    #[serde(borrow)]
    blocks: Cell<'a>,
    #[serde(borrow)]
    turnovers: Cell<'a>,
    #[serde(borrow)]
    personal_fouls: Cell<'a>,
    #[serde(borrow)]
    points: Cell<'a>,
    #[serde(borrow)]
    plus_minus: Cell<'a>,
}
const COUNTS: [&str; COLUMNS] = [
    "stats.field_goals_made",
    "stats.field_goals_attempted",
    "stats.three_pointers_made",
    "stats.three_pointers_attempted",
    "stats.free_throws_made",
    "stats.free_throws_attempted",
    "stats.offensive_rebounds",
    "stats.defensive_rebounds",
    "stats.assists",
    "stats.steals",
    "stats.blocks",
    "stats.turnovers",
    "stats.personal_fouls",
    "stats.points",
    "stats.plus_minus",
];

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let gamebook: Gamebook = parse_payload(&raw.payload)?;
    let mut loaded = Loaded::default();
    let Some(mut game) = game(&gamebook).map_err(Reject::bad_payload)? else {
        loaded.count_out_of_scope(gamebook.active_players.len() + gamebook.dnp_players.len());
        return Ok(loaded);
    };
    for (rows, has_played) in [(&gamebook.active_players, true), (&gamebook.dnp_players, false)] {
        for row in rows {
            let (team, member) = match parse_row::<Player>(row) {
                Ok(player) => (team(&player.team, &game), member(player, has_played)),
                Err(reason) => (Err(reason.clone()), Err(reason)),
            };
            game.add(row, team, member, &mut loaded);
        }
    }
    game.box_scores.publish_with_lookups(raw, true, &mut loaded);
    Ok(loaded)
}

/// Decodes the game; `None` if one of its teams is a known team that is not an NBA team.
fn game(gamebook: &Gamebook) -> Result<Option<SingleGame>, String> {
    let teams = two_teams((&gamebook.home_team, "home_team"), (&gamebook.away_team, "away_team"))?;
    let Some(teams) = teams else { return Ok(None) };
    let date = dates::day(&gamebook.date, "date")?;
    Ok(Some(SingleGame::new(None, date, teams, true)))
}

/// Returns the team of the game with this full name, which may be written in capitals.
fn team(cell: &Cell, game: &SingleGame) -> Result<Team, String> {
    let written = cell.text("team")?;
    let has_this_name =
        |team: &Team| format!("{} {}", team.city(), team.name()).eq_ignore_ascii_case(written);
    match game.teams.into_iter().find(has_this_name) {
        Some(team) => Ok(team),
        None => game.team(cell, "team"),
    }
}

fn member(player: Player, has_played: bool) -> Result<BoxMember, String> {
    let name = player.name.text("name")?.to_owned();
    let stats = if has_played { Some(player.stats.0.parse()?) } else { None };
    Ok(BoxMember { player: PlayerRef { name, nba: None }, stats })
}

impl Statistics<'_> {
    fn parse(self) -> Result<BoxScoreStats, String> {
        let playing_time = playing_time(&self.minutes, "stats.minutes")?
            .ok_or_else(|| self.minutes.type_error("stats.minutes", "minutes, such as 35:42"))?;
        let counts = [
            self.field_goals_made,
            self.field_goals_attempted,
            self.three_pointers_made,
            self.three_pointers_attempted,
            self.free_throws_made,
            self.free_throws_attempted,
            self.offensive_rebounds,
            self.defensive_rebounds,
            self.assists,
            self.steals,
            self.blocks,
            self.turnovers,
            self.personal_fouls,
            self.points,
            self.plus_minus,
        ];
        box_score_stats(playing_time, &COUNTS, &counts)
    }
}
