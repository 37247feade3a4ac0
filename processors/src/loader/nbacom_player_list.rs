//! nbacom/player-list: the rosters of all teams, with nba.com's ids.
//!
//! Invariant: a player who is on no NBA team's roster is out of scope, not an error: the list also contains former players. Each team has
//! its own list; its date is the Eastern day of the fetch, so it is not ambiguous.
//! Not here: birth dates, which this list lacks.
use super::{
    cell::Cell,
    dates,
    incomplete::{IncompleteLists, ListName},
    json::parse_row,
    lists::{NamesDay, by_player, deduplicate, known_names, players_of_league},
    loaded::{Loaded, Observation, Reject, fetched_at, is_complete, provenance},
    player_name::full_name,
    result_set::ResultSet,
};
use schemas::{
    ids::PlayerId,
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
    let table = ResultSet::parse(&raw.payload, &HEADERS, &[])?;
    let season = season(table.parameters).map_err(Reject::bad_payload)?;
    let day = NamesDay { season, date: fetched_at(raw).eastern_date() };
    let mut loaded = Loaded::default();
    let mut rosters: BTreeMap<Team, Vec<RosterMember>> = BTreeMap::new();
    let mut incomplete = IncompleteLists::default();
    for row in &table.rows {
        let cells = table.parse_row(row);
        let decoded = cells.as_ref().map_err(Clone::clone).and_then(member);
        if decoded.is_err() {
            let team = cells.as_ref().ok().and_then(|[_, _, _, team, _]| team.team("TEAM_ABBREVIATION").ok());
            incomplete.add(ListName { team, ..ListName::default() });
        }
        if let Some((team, member)) = loaded.count_row(row, decoded) {
            rosters.entry(team).or_default().push(member);
        }
    }
    let players: Vec<PlayerId> = rosters.values().flatten().filter_map(|member| member.player.nba).collect();
    for (team, mut members) in rosters {
        loaded.rows_repeated += deduplicate(&mut members, |a, b| by_player(&a.player, &b.player));
        let names = members.iter().map(|member| member.player.clone()).collect();
        loaded.observations.push(Observation::Roster(RosterObservation {
            feed: raw.feed,
            team,
            date: day.date,
            complete: is_complete(raw)
                && !incomplete.contains(&ListName { team: Some(team), ..ListName::default() }),
            members,
            provenance: provenance(raw),
        }));
        loaded.observations.push(known_names(raw, team, day, names));
    }
    loaded.observations.extend(players_of_league(raw, players));
    Ok(loaded)
}

fn season(parameters: Option<&RawValue>) -> Result<Season, String> {
    let parameters =
        parameters.ok_or("parameters: found nothing, expected an object with the field Season")?;
    let Parameters { season } = parse_row(parameters)?;
    dates::season(&season, "Season")
}

/// Decodes a row; `None` if the player is on no NBA team's roster, whatever else the row contains.
fn member([id, last, first, team, status]: &[Cell; 5]) -> Result<Option<(Team, RosterMember)>, String> {
    let is_on_roster = match status {
        Cell::Null => false,
        status => match status.integer("ROSTER_STATUS")? {
            0 => false,
            1 => true,
            _ => return Err(status.type_error("ROSTER_STATUS", "0 or 1")),
        },
    };
    if !is_on_roster {
        return Ok(None);
    }
    if team.is_blank() {
        return Ok(None);
    }
    let Some(team) = team.team_or_other("TEAM_ABBREVIATION")? else { return Ok(None) };
    let player = PlayerRef {
        nba: Some(id.player("PERSON_ID")?),
        name: full_name(first, "PLAYER_FIRST_NAME", last, "PLAYER_LAST_NAME")?,
    };
    Ok(Some((team, RosterMember { player, born: None })))
}
