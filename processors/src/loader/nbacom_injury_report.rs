//! nbacom/injury-report: the league's report as a scraper parsed it from the PDF.
//!
//! Invariant: a report is effective at the Eastern time in its metadata, and covers both teams of each game.
//! Not here: the season in the metadata, which is not used because the scraper guesses it.
use super::{
    cell::Cell,
    dates,
    json::{parse_payload, parse_row},
    lists::{deduplicate, lookup_in_matchup},
    loaded::{Loaded, Observation, Reject, provenance},
    player_name::first_name_first,
};
use schemas::{
    observation::{InjuryMember, InjuryObservation, InjuryStatus, PlayerRef},
    raw::RawEvent,
    team::{Matchup, Team},
    units::{EasternDate, Timestamp},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Report<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    records: Vec<&'a RawValue>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata<'a> {
    #[serde(borrow)]
    gamedate: Cell<'a>,
    #[serde(borrow)]
    hour: Cell<'a>,
    #[serde(borrow)]
    period: Cell<'a>,
    #[serde(borrow)]
    hour24: Cell<'a>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct Record<'a> {
    #[serde(borrow)]
    date: Cell<'a>,
    #[serde(borrow)]
    matchup: Cell<'a>,
    #[serde(borrow)]
    team: Cell<'a>,
    #[serde(borrow)]
    player: Cell<'a>,
    #[serde(borrow)]
    status: Cell<'a>,
    #[serde(borrow)]
    reason: Cell<'a>,
}

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let report: Report = parse_payload(&raw.payload)?;
    let reported_at = reported_at(&report.metadata).map_err(Reject::bad_payload)?;
    let mut loaded = Loaded::default();
    let mut games: BTreeMap<(Matchup, EasternDate), Vec<InjuryMember>> = BTreeMap::new();
    for row in report.records {
        let member = parse_row(row).and_then(|record| member(&record));
        if let Some((game, member)) = loaded.count_row(row, member) {
            games.entry(game).or_default().push(member);
        }
    }
    let complete = loaded.is_complete(raw);
    let mut lookups: BTreeMap<Matchup, Vec<PlayerRef>> = BTreeMap::new();
    for ((matchup, date), mut members) in games {
        loaded.rows_repeated += deduplicate(&mut members, |a, b| (a.team, &a.name).cmp(&(b.team, &b.name)));
        let names = members.iter().map(|member| PlayerRef { name: member.name.clone(), nba: None });
        lookups.entry(matchup).or_default().extend(names);
        loaded.observations.push(Observation::Injury(InjuryObservation {
            matchup,
            date,
            reported_at,
            complete,
            members,
            provenance: provenance(raw),
            incomplete_teams: Vec::new(),
            not_submitted: Vec::new(),
        }));
    }
    for (matchup, names) in lookups {
        loaded.observations.extend(lookup_in_matchup(raw, matchup, reported_at.eastern_date().into(), names));
    }
    Ok(loaded)
}

/// Returns the time of the report from its 12-hour clock or its 24-hour clock; if it has both, they must agree.
fn reported_at(metadata: &Metadata) -> Result<Timestamp, String> {
    let Metadata { gamedate, hour: hour12, period, hour24 } = metadata;
    let date = dates::compact_day(gamedate, "gamedate")?;
    let from_hour12 =
        if hour12.is_blank() || period.is_blank() { None } else { Some(twelve_hour_clock(hour12, period)?) };
    let from_hour24 = if hour24.is_blank() { None } else { Some(hour(hour24, "hour24", 0..=23)?) };
    match (from_hour12, from_hour24) {
        (Some(a), Some(b)) if a != b => Err(hour24
            .type_error("hour24", &format!("{a}; hour24 contradicts hour {hour12} and period {period}"))),
        (Some(hour), _) | (None, Some(hour)) => Ok(date.at(hour, 0)),
        (None, None) => {
            Err(hour24.type_error("hour24", "an hour from 0 to 23, because hour or period is blank"))
        }
    }
}

fn twelve_hour_clock(hour12: &Cell, period: &Cell) -> Result<i8, String> {
    let hour = hour(hour12, "hour", 1..=12)? % 12;
    match period.text("period")? {
        "AM" => Ok(hour),
        "PM" => Ok(hour + 12),
        _ => Err(period.type_error("period", "AM or PM")),
    }
}

fn hour(cell: &Cell, field: &str, range: std::ops::RangeInclusive<i8>) -> Result<i8, String> {
    let hour = match cell {
        Cell::Text(text) => text.trim().parse().ok(),
        cell => cell.integer(field).ok().and_then(|hour| i8::try_from(hour).ok()),
    };
    hour.filter(|hour| range.contains(hour))
        .ok_or_else(|| cell.type_error(field, &format!("an hour from {} to {}", range.start(), range.end())))
}

type Game = (Matchup, EasternDate);

fn member(record: &Record) -> Result<Option<(Game, InjuryMember)>, String> {
    let type_error = |expected| record.matchup.type_error("matchup", expected);
    let (away, home) = record
        .matchup
        .text("matchup")?
        .split_once('@')
        .ok_or_else(|| type_error("two NBA teams, such as MIL@SAS"))?;
    let (Some(away), Some(home)) = (Team::from_source_name(away.trim()), Team::from_source_name(home.trim()))
    else {
        return Ok(None);
    };
    let matchup = Matchup::new(away, home).ok_or_else(|| type_error("two different teams"))?;
    let date = dates::american_day(&record.date, "date")?;
    let team = record.team.team("team")?;
    if !matchup.teams().contains(&team) {
        return Err(record.team.type_error("team", &format!("a team of {matchup}")));
    }
    let status = match record.status.text("status")? {
        "Available" => InjuryStatus::Available,
        "Probable" => InjuryStatus::Probable,
        "Questionable" => InjuryStatus::Questionable,
        "Doubtful" => InjuryStatus::Doubtful,
        "Out" => InjuryStatus::Out,
        _ => {
            return Err(record
                .status
                .type_error("status", "Available, Probable, Questionable, Doubtful or Out"));
        }
    };
    let name = first_name_first(record.player.text("player")?);
    if name.is_empty() {
        return Err(record.player.type_error("player", "a name, such as Green, Draymond"));
    }
    let reason = record.reason.text_or_blank("reason")?.unwrap_or_default().to_owned();
    Ok(Some(((matchup, date), InjuryMember { team, name, status, reason })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn twelve_pm_is_noon_and_twelve_am_is_midnight() {
        let text = |written| Cell::Text(Cow::Borrowed(written));
        let time = |hour, period, hour24| {
            let metadata = Metadata {
                gamedate: text("20240104"),
                hour: text(hour),
                period: text(period),
                hour24: text(hour24),
            };
            reported_at(&metadata).map(|reported_at| reported_at.to_string())
        };
        assert_eq!(time("12", "PM", "12").unwrap(), "2024-01-04T17:00:00Z");
        assert_eq!(time("12", "AM", "0").unwrap(), "2024-01-04T05:00:00Z");
        assert_eq!(time("05", "PM", "").unwrap(), "2024-01-04T22:00:00Z");
        assert_eq!(time("", "", "17").unwrap(), "2024-01-04T22:00:00Z");
        assert!(time("05", "PM", "5").is_err() && time("", "", "").is_err() && time("13", "PM", "").is_err());
    }
}
