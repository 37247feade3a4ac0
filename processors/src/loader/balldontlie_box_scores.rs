//! balldontlie/box-scores and balldontlie/live-box-scores: ended and live games, each with the players of both teams.
//!
//! Invariant: each player counts as one row; a game that cannot be decoded counts as one bad row. Each team of a game has a list of its own.
//! Not here: games that have not started, which are out of scope; scores and periods of live games.
use super::{
    balldontlie::{Progress, Row, progress},
    box_scores::{BoxScores, ListKey},
    cell::Cell,
    dates,
    incomplete::{BadObject, ListName},
    json::{Object, parse_payload, parse_row},
    loaded::{Loaded, Reject},
};
use schemas::{raw::RawEvent, team::Team, units::EasternDate};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(borrow)]
    data: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    live_boxes: Option<Vec<&'a RawValue>>,
}
#[derive(Deserialize)]
struct Game<'a> {
    #[serde(borrow, default)]
    date: Cell<'a>,
    #[serde(borrow, default)]
    status: Cell<'a>,
    #[serde(borrow)]
    home_team: Object<Side<'a>>,
    #[serde(borrow)]
    visitor_team: Object<Side<'a>>,
}
#[derive(Deserialize)]
struct Side<'a> {
    #[serde(borrow, default)]
    abbreviation: Cell<'a>,
    #[serde(borrow)]
    players: Vec<&'a RawValue>,
}

/// The day and the teams of a game.
struct Fixture {
    date: EasternDate,
    home: Team,
    visitor: Team,
    is_final: bool,
}

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let payload: Payload = parse_payload(&raw.payload)?;
    let games = payload.data.or(payload.live_boxes);
    let games = games.ok_or_else(|| {
        Reject::bad_payload(
            "the payload has neither \"data\" nor \"liveBoxes\", expected a list of games in one of them",
        )
    })?;
    let mut loaded = Loaded::default();
    let mut box_scores = BoxScores::default();
    for row in games {
        match parse_row::<Game>(row).and_then(|game| Ok((fixture(&game)?, game))) {
            Ok((Some(fixture), game)) => add_game(&game, fixture, &mut box_scores, &mut loaded),
            Ok((None, game)) => {
                let rows = game.home_team.players.len() + game.visitor_team.players.len();
                loaded.rows += rows as u64;
                loaded.rows_out_of_scope += rows as u64;
            }
            Err(reason) => {
                let game = BadObject::new(row);
                if is_out_of_scope(&game) {
                    loaded.rows += 1;
                    loaded.rows_out_of_scope += 1;
                } else {
                    box_scores.add_bad_row(stated(&game));
                    loaded.add_bad_row(row, reason);
                }
            }
        }
    }
    box_scores.publish_with_lookups(raw, true, &mut loaded);
    Ok(loaded)
}

/// Decodes the day and the teams of a game; `None` if it has not started, or if a team is a known team that is not an NBA team.
fn fixture(game: &Game) -> Result<Option<Fixture>, String> {
    let progress = progress(&game.status)?;
    let home = game.home_team.abbreviation.team_or_other("home_team.abbreviation")?;
    let visitor = game.visitor_team.abbreviation.team_or_other("visitor_team.abbreviation")?;
    let (Some(home), Some(visitor)) = (home, visitor) else { return Ok(None) };
    if progress == Progress::NotStarted {
        return Ok(None);
    }
    if home == visitor {
        let cell = &game.visitor_team.abbreviation;
        return Err(cell.type_error("visitor_team.abbreviation", "a team other than the home team"));
    }
    let date = dates::day(&game.date, "date")?;
    Ok(Some(Fixture { date, home, visitor, is_final: progress == Progress::Over }))
}

const TEAMS: [&str; 2] = ["/home_team/abbreviation", "/visitor_team/abbreviation"];

/// True if a bad game states legibly that it is out of scope.
fn is_out_of_scope(game: &BadObject) -> bool {
    progress(&game.cell("/status")) == Ok(Progress::NotStarted)
        || TEAMS.iter().any(|pointer| game.cell(pointer).team_or_other("") == Ok(None))
}

/// Returns what a bad game states about its two lists.
fn stated(game: &BadObject) -> ListName {
    ListName {
        game_teams: TEAMS.iter().filter_map(|pointer| game.cell(pointer).team("").ok()).collect(),
        date: dates::day(&game.cell("/date"), "").ok(),
        ..ListName::default()
    }
}

fn add_game(game: &Game, fixture: Fixture, box_scores: &mut BoxScores, loaded: &mut Loaded) {
    let Fixture { date, home, visitor, is_final } = fixture;
    for (side, team, opponent) in [(&game.home_team, home, visitor), (&game.visitor_team, visitor, home)] {
        for row in &side.players {
            let decoded = parse_row::<Row>(row).and_then(Row::member);
            if decoded.is_err() {
                let (date, team) = (Some(date), Some(team));
                let game_teams = [home, visitor].into();
                box_scores.add_bad_row(ListName { game_teams, date, team, ..ListName::default() });
            }
            if let Some(member) = loaded.count_row(row, decoded.map(Some)) {
                box_scores.add(ListKey { game: None, date, team, opponent, is_final }, member);
            }
        }
    }
}
