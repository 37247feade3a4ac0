//! espn/roster: one team's roster, with birth dates.
//!
//! Invariant: a birth date is parsed as written and is never later than the roster; the names are looked up among the players of all teams,
//! because a player may be new to this team. The payload is one list, so each bad row makes it incomplete. Its date is the Eastern day of
//! the fetch, so it is not ambiguous.
//! Not here: injuries and contracts, which the payload also contains.
use super::{
    cell::Cell,
    dates,
    json::{Object, parse_payload, parse_row},
    lists::{by_player, deduplicate, lookup_in_league},
    loaded::{Loaded, Observation, Reject, fetched_at, is_complete, provenance},
};
use schemas::{
    observation::{PlayerRef, RosterMember, RosterObservation},
    raw::RawEvent,
    units::EasternDate,
};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    team: Object<TeamRef<'a>>,
    /// The players, if the payload is ESPN's roster resource; otherwise `None`.
    #[serde(borrow)]
    athletes: Option<Vec<&'a RawValue>>,
}
#[derive(Deserialize)]
struct TeamRef<'a> {
    #[serde(borrow, default)]
    abbreviation: Cell<'a>,
    /// The players, if the payload is ESPN's team resource; otherwise `None`.
    #[serde(borrow)]
    athletes: Option<Vec<&'a RawValue>>,
}
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Athlete<'a> {
    #[serde(borrow)]
    full_name: Cell<'a>,
    #[serde(borrow)]
    display_name: Cell<'a>,
    #[serde(borrow)]
    date_of_birth: Cell<'a>,
}

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let Payload { team: Object(team), athletes } = parse_payload(&raw.payload)?;
    let rows = team
        .athletes
        .or(athletes)
        .ok_or_else(|| Reject::bad_payload("athletes: found nothing, expected a list of players"))?;
    let mut loaded = Loaded::default();
    let team = team.abbreviation.team_or_other("team.abbreviation").map_err(Reject::bad_payload)?;
    let Some(team) = team else {
        loaded.rows = rows.len() as u64;
        loaded.rows_out_of_scope = loaded.rows;
        return Ok(loaded);
    };
    let date = fetched_at(raw).eastern_date();
    let mut members = Vec::with_capacity(rows.len());
    for row in rows {
        let member = parse_row(row).and_then(|athlete| member(&athlete, date));
        members.extend(loaded.count_row(row, member.map(Some)));
    }
    if members.is_empty() {
        return Ok(loaded);
    }
    loaded.rows_repeated += deduplicate(&mut members, |a, b| by_player(&a.player, &b.player));
    let names = members.iter().map(|member| member.player.clone()).collect();
    let complete = is_complete(raw) && loaded.bad_rows.is_empty();
    let roster =
        RosterObservation { feed: raw.feed, team, date, complete, members, provenance: provenance(raw) };
    loaded.observations.push(Observation::Roster(roster));
    loaded.observations.extend(lookup_in_league(raw, team, date.into(), names));
    Ok(loaded)
}

fn member(athlete: &Athlete, roster_date: EasternDate) -> Result<RosterMember, String> {
    let name = match athlete.full_name.text_or_blank("fullName")? {
        Some(name) => name,
        None => athlete.display_name.text("displayName")?,
    };
    let born = if athlete.date_of_birth.is_blank() {
        None
    } else {
        let born = dates::day(&athlete.date_of_birth, "dateOfBirth")?;
        let is_past = born <= roster_date;
        Some(is_past.then_some(born).ok_or_else(|| {
            athlete.date_of_birth.type_error("dateOfBirth", "a date that is not later than the fetch")
        })?)
    };
    Ok(RosterMember { player: PlayerRef { name: name.to_owned(), nba: None }, born })
}
