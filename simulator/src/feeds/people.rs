//! nbacom/player-list and espn/roster: the rosters of the teams.
//!
//! Invariant: both feeds show a trade from its day on. Only ESPN has birth dates. ESPN has no nba.com ids, and uses its own codes for six
//! teams.
//! Not here: the times of the fetches (`fetches`).
use crate::{
    league::Player,
    world::{Speller, World},
};
use schemas::{EasternDate, Team};
use serde_json::{Value, json};

#[rustfmt::skip]
const HEADERS: [&str; 26] = [
    "PERSON_ID", "PLAYER_LAST_NAME", "PLAYER_FIRST_NAME", "PLAYER_SLUG", "TEAM_ID", "TEAM_SLUG",
    "IS_DEFUNCT", "TEAM_CITY", "TEAM_NAME", "TEAM_ABBREVIATION", "JERSEY_NUMBER", "POSITION", "HEIGHT",
    "WEIGHT", "COLLEGE", "COUNTRY", "DRAFT_YEAR", "DRAFT_ROUND", "DRAFT_NUMBER", "ROSTER_STATUS",
    "FROM_YEAR", "TO_YEAR", "PTS", "REB", "AST", "STATS_TIMEFRAME",
];

/// Returns nba.com's index of players, ordered by last name.
pub(crate) fn player_list(world: &World<'_>, date: EasternDate) -> Value {
    let mut players: Vec<&Player> = world.league.players.iter().collect();
    players.sort_by_key(|player| (player.name.last, player.name.first));
    let rows: Vec<Value> = players
        .into_iter()
        .map(|player| {
            let team = world.league.team_of(player.index, date);
            json!([
                player.id.0,
                player.name.last_with_suffix(),
                player.name.first,
                player.name.slug(),
                team.nba_id(),
                team_slug(team),
                0,
                team.city(),
                team.name(),
                team.code(),
                player.jersey.to_string(),
                player.position,
                format!("{}-{}", player.height_inches / 12, player.height_inches % 12),
                player.weight_pounds.to_string(),
                player.college,
                player.country,
                player.drafted,
                1,
                1 + player.index % 30,
                1.0,
                player.drafted.to_string(),
                world.season.start_year.to_string(),
                null,
                null,
                null,
                "Season",
            ])
        })
        .collect();
    json!({
        "resource": "playerindex",
        "parameters": {
            "LeagueID": "00", "Season": world.season.name(), "Historical": 0, "TeamID": 0, "Country": null,
            "College": null, "DraftYear": null, "DraftPick": null, "PlayerPosition": null, "Height": null,
            "Weight": null, "Active": null, "AllStar": null,
        },
        "resultSets": [{"name": "PlayerIndex", "headers": HEADERS, "rowSet": rows}],
    })
}

/// Returns one team's roster in the shape of ESPN's payload.
pub(crate) fn roster(world: &World<'_>, team: Team, date: EasternDate) -> Value {
    let code = espn_code(team);
    let id = (1 + team as u32).to_string();
    let full = format!("{} {}", team.city(), team.name());
    let athletes: Vec<Value> =
        world.league.roster(team, date).into_iter().map(|player| athlete(world, player, date)).collect();
    json!({"team": {
        "id": id, "uid": format!("s:40~l:46~t:{id}"),
        "slug": full.to_lowercase().replace(' ', "-"),
        "location": team.city(), "name": team.name(), "abbreviation": code,
        "displayName": full, "shortDisplayName": team.name(),
        "color": "1d428a", "alternateColor": "ffffff", "isActive": true,
        "logos": [], "record": {}, "groups": {}, "links": [], "franchise": {}, "nextEvent": [],
        "standingSummary": "",
        "athletes": athletes,
    }})
}

fn athlete(world: &World<'_>, player: &Player, date: EasternDate) -> Value {
    let spelling = world.spelling(player, Speller::Espn);
    let id = (5_900_000 + 11 * player.index).to_string();
    let full = spelling.joined();
    let initial: String = spelling.first.chars().take(1).collect();
    let born = player.born.civil();
    let midnight_in_los_angeles = if (4..=10).contains(&born.month()) { 7 } else { 8 };
    let (feet, inches) = (player.height_inches / 12, player.height_inches % 12);
    json!({
        "id": id, "uid": format!("s:40~l:46~a:{id}"), "guid": format!("{:032x}", player.id.0), "type": "basketball",
        "alternateIds": {"sdr": id},
        "firstName": spelling.first, "lastName": spelling.last, "fullName": full, "displayName": full,
        "shortName": format!("{initial}. {}", spelling.last),
        "weight": f64::from(player.weight_pounds), "displayWeight": format!("{} lbs", player.weight_pounds),
        "height": f64::from(player.height_inches), "displayHeight": format!("{feet}' {inches}\""),
        "age": (date.0 - player.born.0) * 4 / 1461,
        "dateOfBirth": format!("{}T{midnight_in_los_angeles:02}:00Z", player.born),
        "links": [], "birthPlace": {"country": player.country}, "slug": player.name.slug(),
        "headshot": {}, "jersey": player.jersey.to_string(),
        "position": {"abbreviation": player.position}, "injuries": [], "linked": true, "teams": [{}],
        "experience": {"years": (date.civil().year() - player.drafted).max(0)}, "active": true,
        "contract": {}, "eventLog": {},
        "status": {"id": "1", "name": "Active", "type": "active", "abbreviation": "Active"},
    })
}

const fn espn_code(team: Team) -> &'static str {
    match team {
        Team::GSW => "GS",
        Team::NOP => "NO",
        Team::NYK => "NY",
        Team::SAS => "SA",
        Team::UTA => "UTAH",
        Team::WAS => "WSH",
        other => other.code(),
    }
}

fn team_slug(team: Team) -> String {
    match team {
        Team::POR => "blazers".to_owned(),
        Team::PHI => "sixers".to_owned(),
        other => other.name().to_lowercase(),
    }
}
