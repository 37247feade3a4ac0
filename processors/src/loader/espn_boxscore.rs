//! espn/boxscore: the box score of one game, as a scraper parsed it from ESPN's page, in two layouts: a list of all players with their
//! teams, and (older) a list of players under the code of each team.
//!
//! Invariant: a player without statistics did not play. The page does not state whether the game is over, so its box score is final only if it
//! was fetched on a later morning. `gamedate` is the Eastern date of the game.
//! Not here: starters, and the reasons of absences, which stay in the raw payload; ESPN's player ids, which are not used.
use super::{
    cell::Cell,
    dates,
    espn_box_score::{TEXTS, stats},
    json::{Object, parse_payload, parse_row, parse_rows},
    loaded::{Loaded, Reject},
    single_game::{SingleGame, is_fetched_later, two_teams},
};
use schemas::{
    observation::{BoxMember, PlayerRef},
    raw::RawEvent,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeMap};

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, default)]
    gamedate: Cell<'a>,
    #[serde(borrow, default)]
    teams: Option<Object<Teams<'a>>>,
    /// `None` in the older layout.
    #[serde(borrow, default)]
    players: Option<Vec<&'a RawValue>>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct Teams<'a> {
    #[serde(borrow)]
    home: Cell<'a>,
    #[serde(borrow)]
    away: Cell<'a>,
}
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Player<'a> {
    #[serde(borrow)]
    player_name: Cell<'a>,
    #[serde(borrow)]
    team: Cell<'a>,
    #[serde(borrow)]
    stats: Option<Vec<Cell<'a>>>,
}
/// The fields of a page that are not lists of a team's players.
const OTHER_FIELDS: [&str; 6] = ["game_id", "gamedate", "timestamp", "teams", "players", "playerCount"];

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let page: Page = parse_payload(&raw.payload)?;
    match &page.players {
        Some(players) => load_list(raw, &page, players),
        None => load_lists_by_team(raw, &page),
    }
}

/// Loads a page in the layout with one list of players.
fn load_list(raw: &RawEvent, page: &Page, players: &[&RawValue]) -> Result<Loaded, Reject> {
    let teams = page.teams.as_ref().ok_or_else(|| {
        Reject::bad_payload("teams: found nothing, expected the codes of the home and the away team")
    })?;
    let teams = [(&teams.home, "teams.home"), (&teams.away, "teams.away")];
    let mut loaded = Loaded::default();
    let Some(mut game) = game(raw, page, teams)? else {
        loaded.count_out_of_scope(players.len());
        return Ok(loaded);
    };
    for row in players {
        let (team, member) = match parse_row::<Player>(row) {
            Ok(player) => (game.team(&player.team, "team"), player.member()),
            Err(reason) => (Err(reason.clone()), Err(reason)),
        };
        game.add(row, team, member, &mut loaded);
    }
    game.box_scores.publish_with_lookups(raw, true, &mut loaded);
    Ok(loaded)
}

/// Loads a page in the layout with a list of players under the code of each team.
fn load_lists_by_team(raw: &RawEvent, page: &Page) -> Result<Loaded, Reject> {
    let fields: BTreeMap<String, &RawValue> = parse_payload(&raw.payload)?;
    let lists: Vec<(&String, &&RawValue)> =
        fields.iter().filter(|(field, _)| !OTHER_FIELDS.contains(&field.as_str())).collect();
    let [(first, first_rows), (second, second_rows)] = lists[..] else {
        return Err(Reject::bad_payload(format!(
            "found neither \"players\" nor a list of players for each of two teams, but {} such lists",
            lists.len()
        )));
    };
    let sides = [players_of(first, first_rows)?, players_of(second, second_rows)?];
    let codes = [first, second].map(|code| Cell::Text(Cow::Borrowed(code.as_str())));
    let mut loaded = Loaded::default();
    let Some(mut game) =
        game(raw, page, [(&codes[0], "the field of a list"), (&codes[1], "the field of a list")])?
    else {
        loaded.count_out_of_scope(sides.iter().map(Vec::len).sum());
        return Ok(loaded);
    };
    for (side, team) in sides.iter().zip(game.teams) {
        for row in side {
            let member = parse_row::<Player>(row).and_then(|player| player.member());
            game.add(row, Ok(team), member, &mut loaded);
        }
    }
    game.box_scores.publish_with_lookups(raw, true, &mut loaded);
    Ok(loaded)
}

/// Returns the rows of the players under the code of a team.
fn players_of<'a>(team: &str, list: &'a RawValue) -> Result<Vec<&'a RawValue>, Reject> {
    parse_rows(list.get()).map_err(|reject| Reject { reason: format!("{team}: {}", reject.reason), ..reject })
}

/// Decodes the game; `None` if one of its teams is a known team that is not an NBA team.
fn game(
    raw: &RawEvent,
    page: &Page,
    [first, second]: [(&Cell, &str); 2],
) -> Result<Option<SingleGame>, Reject> {
    let Some(teams) = two_teams(first, second).map_err(Reject::bad_payload)? else { return Ok(None) };
    let date = dates::day(&page.gamedate, "gamedate").map_err(Reject::bad_payload)?;
    Ok(Some(SingleGame::new(None, date, teams, is_fetched_later(raw, date))))
}

impl Player<'_> {
    fn member(self) -> Result<BoxMember, String> {
        let name = self.player_name.text("playerName")?.to_owned();
        let player = PlayerRef { name, nba: None };
        let texts = self.stats.ok_or("stats: found nothing, expected a list of texts")?;
        if texts.is_empty() {
            return Ok(BoxMember { player, stats: None });
        }
        let count = texts.len();
        let texts: [Cell; TEXTS] =
            texts.try_into().map_err(|_| format!("stats: found {count} elements, expected {TEXTS}"))?;
        Ok(BoxMember { player, stats: stats(&texts)? })
    }
}
