//! balldontlie/box-scores: ended and live games, each with the players of both teams.
//!
//! Invariant: each player counts as one row; a game that cannot be decoded counts as one bad row.
//! Not here: live scores, which are out of scope.
use super::{
    balldontlie::{Row, has_ended, publish},
    box_scores::{ListKey, Lists},
    cell::Cell,
    dates,
    json::{parse_payload, parse_row},
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
    home_team: Side<'a>,
    #[serde(borrow)]
    visitor_team: Side<'a>,
}
#[derive(Deserialize)]
struct Side<'a> {
    #[serde(borrow, default)]
    abbreviation: Cell<'a>,
    #[serde(borrow)]
    players: Vec<&'a RawValue>,
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
    let mut lists = Lists::new();
    for row in games {
        match parse_row::<Game>(row).and_then(|game| Ok((teams(&game)?, game))) {
            Ok((teams, game)) => add_game(&game, teams, &mut lists, &mut loaded),
            Err(reason) => loaded.add_bad_row(row, reason),
        }
    }
    // Each game in a payload comes with its complete lists, so a game out of scope does not make the lists of other games incomplete.
    let complete = loaded.is_complete(raw);
    publish(raw, lists, complete, &mut loaded);
    Ok(loaded)
}

/// Returns the day, the home team and the visiting team of a game; `None` if it has not ended or is not between two NBA teams.
fn teams(game: &Game) -> Result<Option<(EasternDate, Team, Team)>, String> {
    let date = dates::day(&game.date, "date")?;
    let ended = has_ended(&game.status)?;
    let home = game.home_team.abbreviation.team_or_other("home_team.abbreviation")?;
    let visitor = game.visitor_team.abbreviation.team_or_other("visitor_team.abbreviation")?;
    match (home, visitor) {
        (Some(home), Some(visitor)) if home == visitor => Err(game
            .visitor_team
            .abbreviation
            .type_error("visitor_team.abbreviation", "a team other than the home team")),
        (Some(home), Some(visitor)) if ended => Ok(Some((date, home, visitor))),
        _ => Ok(None),
    }
}

fn add_game(game: &Game, teams: Option<(EasternDate, Team, Team)>, lists: &mut Lists, loaded: &mut Loaded) {
    let Some((date, home, visitor)) = teams else {
        let rows = game.home_team.players.len() + game.visitor_team.players.len();
        loaded.rows += rows as u64;
        loaded.rows_out_of_scope += rows as u64;
        return;
    };
    for (side, team, opponent) in [(&game.home_team, home, visitor), (&game.visitor_team, visitor, home)] {
        for row in &side.players {
            let member = parse_row::<Row>(row).and_then(Row::member);
            if let Some(member) = loaded.count_row(row, member.map(Some)) {
                lists.entry(ListKey { game: None, date, team, opponent }).or_default().push(member);
            }
        }
    }
}
