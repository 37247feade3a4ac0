//! nbacom/player-list: the rosters of all teams, with nba.com's ids.
//!
//! Invariant: a player who is on no NBA team's roster is out of scope, not an error: the list also contains former players.
//! Not here: birth dates, which this list lacks.
use super::{
    cell::Cell,
    json::parse_row,
    lists::{NamesDay, by_player, deduplicate, known_names},
    loaded::{Loaded, Observation, Reject, provenance},
    player_name::full_name,
    result_set::ResultSet,
};
use schemas::{
    observation::{PlayerRef, RosterMember, RosterObservation},
    raw::RawEvent,
    team::Team,
    units::Season,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

const HEADERS: [&str; 5] =
    ["PERSON_ID", "PLAYER_LAST_NAME", "PLAYER_FIRST_NAME", "TEAM_ABBREVIATION", "ROSTER_STATUS"];

#[derive(Deserialize)]
struct Parameters<'a> {
    #[serde(borrow, default, rename = "Season")]
    season: Cell<'a>,
}

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let table = ResultSet::parse(&raw.payload, &HEADERS)?;
    let season = season(table.parameters).map_err(Reject::bad_payload)?;
    let day = NamesDay { season, date: raw.fetched_at.eastern_date() };
    let mut loaded = Loaded::default();
    let mut rosters: BTreeMap<Team, Vec<RosterMember>> = BTreeMap::new();
    for row in &table.rows {
        let member = table.parse_row(row).and_then(member);
        if let Some((team, member)) = loaded.count_row(row, member) {
            rosters.entry(team).or_default().push(member);
        }
    }
    let complete = loaded.is_complete(raw);
    for (team, mut members) in rosters {
        loaded.rows_repeated += deduplicate(&mut members, |a, b| by_player(&a.player, &b.player));
        let names = members.iter().map(|member| member.player.clone()).collect();
        loaded.observations.push(Observation::Roster(RosterObservation {
            feed: raw.feed,
            team,
            date: day.date,
            complete,
            members,
            provenance: provenance(raw),
        }));
        loaded.observations.push(known_names(raw, team, day, names));
    }
    Ok(loaded)
}

fn season(parameters: Option<&RawValue>) -> Result<Season, String> {
    let parameters =
        parameters.ok_or("parameters: found nothing, expected an object with the field Season")?;
    let Parameters { season } = parse_row(parameters)?;
    season.text("Season")?.parse().map_err(|error| format!("Season: {error}"))
}

fn member([id, last, first, team, status]: [Cell; 5]) -> Result<Option<(Team, RosterMember)>, String> {
    let player = PlayerRef {
        nba: Some(id.player("PERSON_ID")?),
        name: full_name(&first, "PLAYER_FIRST_NAME", &last, "PLAYER_LAST_NAME")?,
    };
    let is_on_roster = match &status {
        Cell::Null => false,
        status => match status.integer("ROSTER_STATUS")? {
            0 => false,
            1 => true,
            _ => return Err(status.type_error("ROSTER_STATUS", "0 or 1")),
        },
    };
    let team = team.team_or_other("TEAM_ABBREVIATION")?.filter(|_| is_on_roster);
    Ok(team.map(|team| (team, RosterMember { player, born: None })))
}
