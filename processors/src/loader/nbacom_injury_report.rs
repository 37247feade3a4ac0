//! nbacom/injury-report: the league's report as a scraper parsed it from the PDF.
//!
//! Invariant: a report is effective at its own Eastern time (hour and minute), but not later than its fetch. Each team of a game
//! has a list of its own, and either the list or the statement that it is not yet submitted, never both. The dates of games are Eastern
//! dates, so they are not ambiguous.
//! Not here: the notation of the time (`report_time`); the season in the metadata, which is not used because the scraper guesses it.
use super::{
    cell::Cell,
    dates,
    incomplete::{BadObject, IncompleteLists, ListName},
    json::{Object, parse_payload, parse_row},
    lists::{MatchupLookups, deduplicate},
    loaded::{Loaded, Observation, Reject, fetched_at, is_complete, provenance},
    other_teams::is_other_team,
    player_name::first_name_first,
    report_time::ReportTime,
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
    metadata: Object<ReportTime<'a>>,
    #[serde(borrow)]
    records: Vec<&'a RawValue>,
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

/// The rows of a report for one game.
#[derive(Default)]
struct GameRows {
    members: Vec<InjuryMember>,
    not_submitted: Vec<Team>,
    /// The teams of which the report lists players, although it also states that their list is not yet submitted.
    contradicted: Vec<Team>,
}
impl GameRows {
    /// Removes repeated rows and contradictions, and returns the number of the removed rows.
    fn remove_repetitions(&mut self) -> u64 {
        let GameRows { members, not_submitted, contradicted } = self;
        let mut removed = deduplicate(members, |a, b| (a.team, &a.name).cmp(&(b.team, &b.name)));
        removed += deduplicate(not_submitted, Team::cmp);
        let is_listed = |team: &Team| members.iter().any(|member| member.team == *team);
        *contradicted = not_submitted.extract_if(.., |team| is_listed(team)).collect();
        removed + contradicted.len() as u64
    }
}

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let report: Report = parse_payload(&raw.payload)?;
    let reported_at = report.metadata.instant(&raw.key).map_err(Reject::bad_payload)?.min(fetched_at(raw));
    let mut loaded = Loaded::default();
    let mut games: BTreeMap<Game, GameRows> = BTreeMap::new();
    let mut incomplete = IncompleteLists::default();
    for row in report.records {
        let decoded = parse_row(row).and_then(|record| decode(&record));
        if decoded.is_err() {
            incomplete.add(stated(&BadObject::new(row)));
        }
        match loaded.count_row(row, decoded) {
            Some((game, Entry::Listed(member))) => games.entry(game).or_default().members.push(member),
            Some((game, Entry::NotSubmitted(team))) => {
                games.entry(game).or_default().not_submitted.push(team);
            }
            None => {}
        }
    }
    let mut lookups = MatchupLookups::default();
    for (game, mut rows) in games {
        loaded.rows_repeated += rows.remove_repetitions();
        let report = observation(raw, game, reported_at, rows, &incomplete);
        for of_team in report.members.chunk_by(|a, b| a.team == b.team) {
            let names = of_team.iter().map(|member| PlayerRef { name: member.name.clone(), nba: None });
            lookups.add(report.matchup, reported_at.eastern_date(), names);
        }
        loaded.observations.push(Observation::Injury(report));
    }
    loaded.observations.extend(lookups.observations(raw));
    Ok(loaded)
}

fn observation(
    raw: &RawEvent,
    (matchup, date): Game,
    reported_at: Timestamp,
    rows: GameRows,
    incomplete: &IncompleteLists,
) -> InjuryObservation {
    let is_incomplete = |team: &Team| {
        let (game_teams, date, team) = (matchup.teams().into(), Some(date), Some(*team));
        incomplete.contains(&ListName { game_teams, date, team, ..ListName::default() })
    };
    let mut incomplete_teams = rows.contradicted;
    if !incomplete.contains_all() {
        incomplete_teams.extend(matchup.teams().iter().filter(|team| is_incomplete(team)));
    }
    incomplete_teams.sort_unstable();
    incomplete_teams.dedup();
    InjuryObservation {
        matchup,
        date,
        reported_at,
        complete: is_complete(raw) && !incomplete.contains_all(),
        members: rows.members,
        provenance: provenance(raw),
        incomplete_teams,
        not_submitted: rows.not_submitted,
    }
}

type Game = (Matchup, EasternDate);

/// A row of a report.
enum Entry {
    Listed(InjuryMember),
    NotSubmitted(Team),
}

/// Decodes a row; `None` if a team of its game is a known team that is not an NBA team.
fn decode(record: &Record) -> Result<Option<(Game, Entry)>, String> {
    let Some(matchup) = matchup(&record.matchup)? else { return Ok(None) };
    let date = dates::american_day(&record.date, "date")?;
    let team = record.team.team("team")?;
    if !matchup.teams().contains(&team) {
        return Err(record.team.type_error("team", &format!("a team of {matchup}")));
    }
    let entry = if is_not_submitted(record) {
        Entry::NotSubmitted(team)
    } else {
        Entry::Listed(member(team, record)?)
    };
    Ok(Some(((matchup, date), entry)))
}

/// Parses `MIL@SAS`; `None` if one of these is a known team that is not an NBA team.
fn matchup(cell: &Cell) -> Result<Option<Matchup>, String> {
    let type_error = |expected| cell.type_error("matchup", expected);
    cell.text("matchup")?;
    let sides = sides(cell).ok_or_else(|| type_error("two NBA teams, such as MIL@SAS"))?;
    if sides.into_iter().any(is_other_team) {
        return Ok(None);
    }
    let [Some(away), Some(home)] = sides.map(Team::from_source_name) else {
        return Err(type_error("two NBA teams, such as MIL@SAS"));
    };
    Matchup::new(away, home).map(Some).ok_or_else(|| type_error("two different teams"))
}

/// Returns the two names of `MIL@SAS`.
fn sides<'a>(matchup: &'a Cell) -> Option<[&'a str; 2]> {
    let (away, home) = matchup.text("matchup").ok()?.split_once('@')?;
    Some([away.trim(), home.trim()])
}

/// True if the row states that the team has not submitted its list: it has no player, and the statement is in one of the other columns.
fn is_not_submitted(record: &Record) -> bool {
    let has_statement =
        |cell: &Cell| matches!(cell, Cell::Text(text) if text.to_ascii_uppercase().contains(NOT_SUBMITTED));
    let is_without_player = record.player.is_blank() || has_statement(&record.player);
    is_without_player && [&record.player, &record.status, &record.reason].into_iter().any(has_statement)
}
const NOT_SUBMITTED: &str = "NOT YET SUBMITTED";

fn member(team: Team, record: &Record) -> Result<InjuryMember, String> {
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
    Ok(InjuryMember { team, name, status, reason })
}

/// Returns what a bad row states about its list.
fn stated(row: &BadObject) -> ListName {
    let matchup = row.cell("/matchup");
    let sides = sides(&matchup).into_iter().flatten();
    ListName {
        game_teams: sides.filter_map(Team::from_source_name).collect(),
        date: dates::american_day(&row.cell("/date"), "").ok(),
        team: row.cell("/team").team("").ok(),
        ..ListName::default()
    }
}
