//! nbacom/player-list: who is on which roster, with nba.com's ids.
//!
//! Invariant: who has no place on an NBA team's roster is out of scope, not an error: the list also comes with its past.
//! Not here: birth dates; this list has none.
use super::{
    Loaded, Observation, Reject,
    cell::Cell,
    lists::{Day, by_player, distinct, known_names},
    player_name::full_name,
    provenance, read,
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
    let table = ResultSet::open(&raw.payload, &HEADERS)?;
    let season = season(table.parameters).map_err(Reject::bad_payload)?;
    let day = Day { season, date: raw.fetched_at.eastern_date() };
    let mut loaded = Loaded::default();
    let mut rosters: BTreeMap<Team, Vec<RosterMember>> = BTreeMap::new();
    for row in &table.rows {
        let member = table.read(row).and_then(member);
        if let Some((team, member)) = loaded.count(row, member) {
            rosters.entry(team).or_default().push(member);
        }
    }
    let complete = loaded.is_complete(raw);
    for (team, mut members) in rosters {
        loaded.rows_repeated += distinct(&mut members, |a, b| by_player(&a.player, &b.player));
        let names = members.iter().map(|m| m.player.clone()).collect();
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
    let parameters = parameters.ok_or("parameters: found nothing, expected a Season in them")?;
    let Parameters { season } = read(parameters)?;
    season.text("Season")?.parse().map_err(|error| format!("Season: {error}"))
}

fn member([id, last, first, team, status]: [Cell; 5]) -> Result<Option<(Team, RosterMember)>, String> {
    let player = PlayerRef {
        nba: Some(id.player("PERSON_ID")?),
        name: full_name(&first, "PLAYER_FIRST_NAME", &last, "PLAYER_LAST_NAME")?,
    };
    let on_roster = match &status {
        Cell::Null => false,
        status => match status.integer("ROSTER_STATUS")? {
            0 => false,
            1 => true,
            _ => return Err(status.type_error("ROSTER_STATUS", "0 or 1")),
        },
    };
    let team = team.team_or_other("TEAM_ABBREVIATION")?.filter(|_| on_roster);
    Ok(team.map(|team| (team, RosterMember { player, born: None })))
}
