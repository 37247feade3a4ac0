//! nbacom/injury-report: the league's report as a scraper parsed it from the PDF.
//!
//! Invariant: a report is effective at the Eastern clock time that it states, and names both teams of each game.
//! Not here: the season in its metadata, which is the scraper's guess.
use super::{
    Loaded, Observation, Reject,
    cell::Cell,
    dates,
    lists::{distinct, lookup_in_matchup},
    open,
    player_name::first_name_first,
    provenance, read,
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
    let report: Report = open(&raw.payload)?;
    let reported_at = reported_at(&report.metadata).map_err(Reject::bad_payload)?;
    let mut loaded = Loaded::default();
    let mut games: BTreeMap<(Matchup, EasternDate), Vec<InjuryMember>> = BTreeMap::new();
    for row in report.records {
        let member = read(row).and_then(|record| member(&record));
        if let Some((game, member)) = loaded.count(row, member) {
            games.entry(game).or_default().push(member);
        }
    }
    let complete = loaded.is_complete(raw);
    let mut asked: BTreeMap<Matchup, Vec<PlayerRef>> = BTreeMap::new();
    for ((matchup, date), mut members) in games {
        loaded.rows_repeated += distinct(&mut members, |a, b| (a.team, &a.name).cmp(&(b.team, &b.name)));
        let names = members.iter().map(|m| PlayerRef { name: m.name.clone(), nba: None });
        asked.entry(matchup).or_default().extend(names);
        loaded.observations.push(Observation::Injury(InjuryObservation {
            matchup,
            date,
            reported_at,
            complete,
            members,
            provenance: provenance(raw),
        }));
    }
    for (matchup, names) in asked {
        loaded.observations.extend(lookup_in_matchup(raw, matchup, reported_at.eastern_date().into(), names));
    }
    Ok(loaded)
}

fn reported_at(metadata: &Metadata) -> Result<Timestamp, String> {
    let date = dates::compact_day(&metadata.gamedate, "gamedate")?;
    let clock = match (metadata.hour.is_blank(), metadata.period.is_blank()) {
        (false, false) => Some(twelve_hour_clock(&metadata.hour, &metadata.period)?),
        _ => None,
    };
    let stated = match metadata.hour24.is_blank() {
        false => Some(hour(&metadata.hour24, "hour24", 0..=23)?),
        true => None,
    };
    match (clock, stated) {
        (Some(a), Some(b)) if a != b => Err(metadata
            .hour24
            .type_error("hour24", &format!("{a} as {} {} is", metadata.hour, metadata.period))),
        (Some(hour), _) | (None, Some(hour)) => Ok(date.at(hour, 0)),
        (None, None) => Err(metadata.hour24.type_error("hour24", "an hour of the day")),
    }
}

fn twelve_hour_clock(written: &Cell, period: &Cell) -> Result<i8, String> {
    let hour = hour(written, "hour", 1..=12)? % 12;
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
    hour.filter(|hour| range.contains(hour)).ok_or_else(|| cell.type_error(field, "an hour"))
}

type Game = (Matchup, EasternDate);

fn member(record: &Record) -> Result<Option<(Game, InjuryMember)>, String> {
    let type_error = |expected| record.matchup.type_error("matchup", expected);
    let (away, home) = record
        .matchup
        .text("matchup")?
        .split_once('@')
        .ok_or_else(|| type_error("two teams like MIL@SAS"))?;
    let (Some(away), Some(home)) = (Team::from_source_name(away.trim()), Team::from_source_name(home.trim()))
    else {
        return Ok(None);
    };
    let matchup = Matchup::new(away, home).ok_or_else(|| type_error("two teams like MIL@SAS"))?;
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
        return Err(record.player.type_error("player", "a name like Green, Draymond"));
    }
    let reason = record.reason.text_or_blank("reason")?.unwrap_or_default().to_owned();
    Ok(Some(((matchup, date), InjuryMember { team, name, status, reason })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn twelve_at_noon_is_twelve_and_at_midnight_zero() {
        let text = |written| Cell::Text(Cow::Borrowed(written));
        let at = |hour, period, hour24| {
            let metadata = Metadata {
                gamedate: text("20240104"),
                hour: text(hour),
                period: text(period),
                hour24: text(hour24),
            };
            reported_at(&metadata).map(|at| at.to_string())
        };
        assert_eq!(at("12", "PM", "12").unwrap(), "2024-01-04T17:00:00Z");
        assert_eq!(at("12", "AM", "0").unwrap(), "2024-01-04T05:00:00Z");
        assert_eq!(at("05", "PM", "").unwrap(), "2024-01-04T22:00:00Z");
        assert_eq!(at("", "", "17").unwrap(), "2024-01-04T22:00:00Z");
        assert!(at("05", "PM", "5").is_err() && at("", "", "").is_err() && at("13", "PM", "").is_err());
    }
}
