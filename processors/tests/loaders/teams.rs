//! Tests of the teams in payloads: every feed reads the same code or name as an NBA team, as a known other team, or as unknown.
//!
//! Invariant: no row is skipped in silence because of its team: it is used, counted as out of scope, or bad with the name in its reason.
//! Not here: the table of other teams (unit tests of the loader).
use crate::payloads::*;
use proptest::{prelude::*, sample::select};
use schemas::{
    raw::{Feed, RejectCode},
    team::Team,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Where a payload of `payload_for` names a team: the JSON pointer, and the text around the name.
struct TeamField {
    feed: Feed,
    pointer: &'static str,
    around: (&'static str, &'static str),
}
const fn team_field(feed: Feed, pointer: &'static str) -> TeamField {
    TeamField { feed, pointer, around: ("", "") }
}
const TEAM_FIELDS: [TeamField; 21] = [
    team_field(Feed::NbacomSchedule, "/leagueSchedule/gameDates/0/games/1/homeTeam/teamTricode"),
    team_field(Feed::NbacomSchedule, "/leagueSchedule/gameDates/0/games/1/awayTeam/teamTricode"),
    team_field(Feed::NbacomLeaguegamelog, "/resultSets/0/rowSet/0/4"),
    TeamField {
        feed: Feed::NbacomLeaguegamelog,
        pointer: "/resultSets/0/rowSet/0/8",
        around: ("BOS vs. ", ""),
    },
    TeamField {
        feed: Feed::NbacomLeaguegamelog,
        pointer: "/resultSets/0/rowSet/0/8",
        around: ("", " @ BOS"),
    },
    team_field(Feed::NbacomPlayerList, "/resultSets/0/rowSet/0/3"),
    TeamField { feed: Feed::NbacomInjuryReport, pointer: "/records/0/matchup", around: ("BOS@", "") },
    TeamField { feed: Feed::NbacomInjuryReport, pointer: "/records/0/matchup", around: ("", "@BOS") },
    team_field(Feed::BalldontlieBoxScores, "/data/0/home_team/abbreviation"),
    team_field(Feed::BalldontlieBoxScores, "/data/0/visitor_team/abbreviation"),
    team_field(Feed::NbacomBoxscore, "/game/homeTeam/teamTricode"),
    team_field(Feed::NbacomBoxscore, "/game/awayTeam/teamTricode"),
    team_field(Feed::NbacomGamebook, "/home_team"),
    team_field(Feed::NbacomGamebook, "/away_team"),
    team_field(Feed::EspnBoxscore, "/teams/home"),
    team_field(Feed::EspnBoxscore, "/teams/away"),
    team_field(Feed::EspnSummary, "/header/competitions/0/competitors/0/team/abbreviation"),
    team_field(Feed::EspnSummary, "/header/competitions/0/competitors/1/team/abbreviation"),
    team_field(Feed::EspnRoster, "/team/abbreviation"),
    team_field(Feed::OddsapiEventOdds, "/data/home_team"),
    team_field(Feed::OddsapiEventOdds, "/data/away_team"),
];
impl TeamField {
    fn payload(&self, name: &str) -> Value {
        let mut payload = payload_for(self.feed);
        let (before, after) = self.around;
        *payload.pointer_mut(self.pointer).unwrap() = json!(format!("{before}{name}{after}"));
        payload
    }
    /// Returns the reason by which a team with this name is refused; `None` if the name is known.
    fn refusal(&self, name: &str) -> Option<String> {
        match try_decode(self.feed, &self.payload(name)) {
            Err(reject) => {
                assert_eq!(reject.code, RejectCode::BadPayload, "{}", self.pointer);
                Some(reject.reason)
            }
            Ok(loaded) => loaded.bad_rows.first().map(|row| row.reason.clone()),
        }
    }
}

const OTHER_TEAMS: [&str; 6] = ["MEL", "Real Madrid", "EST", "Team LeBron", "SXF", "Austin Spurs"];
const UNKNOWN: [&str; 6] = ["XXX", "BOSS", "bos", "Bostn Celtics", "Los Angeles", "BAL"];

#[test]
fn an_unknown_team_is_a_bad_row_with_its_name_in_every_feed() {
    for team_field in TEAM_FIELDS {
        for name in UNKNOWN {
            let reason = team_field
                .refusal(name)
                .unwrap_or_else(|| panic!("{} {}", team_field.feed, team_field.pointer));
            assert!(reason.contains(name) && reason.contains("expected"), "{}: {reason}", team_field.feed);
        }
    }
}
#[test]
fn a_known_team_that_is_not_an_nba_team_is_out_of_scope_in_every_feed() {
    for team_field in TEAM_FIELDS {
        let valid = decode(team_field.feed, &payload_for(team_field.feed));
        for name in OTHER_TEAMS {
            let loaded = decode(team_field.feed, &team_field.payload(name));
            assert_eq!(loaded.bad_rows, [], "{} {}", team_field.feed, team_field.pointer);
            assert_eq!(loaded.rows, valid.rows);
            assert!(
                loaded.rows_out_of_scope > valid.rows_out_of_scope,
                "{} {}",
                team_field.feed,
                team_field.pointer
            );
            assert_eq!(loaded.rows_emitted(), members(&loaded));
        }
    }
}
#[test]
fn an_unknown_balldontlie_id_is_a_bad_row_and_that_of_a_former_franchise_out_of_scope() {
    for field in ["home_team_id", "visitor_team_id"] {
        let loaded = |id: i64| {
            let mut payload = payload_for(Feed::BalldontlieStats);
            payload["data"][0]["game"][field] = json!(id);
            decode(Feed::BalldontlieStats, &payload)
        };
        for id in [-1, 0, 31, 36, 52, 15_016, i64::MAX] {
            let reason = &loaded(id).bad_rows[0].reason;
            assert!(reason.contains(field) && reason.contains(&id.to_string()), "{reason}");
        }
        for id in [37, 51] {
            let loaded = loaded(id);
            assert_eq!((loaded.bad_rows.len(), loaded.rows_out_of_scope), (0, 1));
        }
    }
}
#[test]
fn a_game_of_a_known_other_team_is_out_of_scope_whatever_the_name_of_its_opponent() {
    let [home, away] = ["XXX", "MEL"];
    let schedule = schedule_of(vec![game("0022300001", home, "BOS"), game("0022300002", "BOS", away)]);
    let loaded = decode(Feed::NbacomSchedule, &schedule);
    assert_eq!((loaded.rows, loaded.rows_out_of_scope, loaded.bad_rows.len()), (2, 1, 1));
    let loaded = decode(Feed::OddsapiEventOdds, &event("Real Madrid", "New York Knickers", vec![]));
    assert_eq!((loaded.bad_rows.len(), odds(&loaded).len(), names(&loaded).len()), (0, 0, 0));
}
#[test]
fn a_game_with_an_unknown_team_makes_only_the_lists_of_its_other_team_incomplete() {
    let team = |code: &str| json!({"abbreviation": code, "players": [player_row("Ann", "Archer", "34", 10)]});
    let game = |home: &str, visitor: &str| json!({"date": "2024-01-17", "status": "Final", "home_team": team(home), "visitor_team": team(visitor)});
    let payload = json!({"data": [game("BOS", "NYK"), game("UTA", "GSW"), game("XXX", "NYK")]});
    let loaded = decode(Feed::BalldontlieBoxScores, &payload);
    let incomplete =
        |complete: &dyn Fn(&str) -> bool| ["BOS", "NYK", "UTA", "GSW"].map(|team| !complete(team));
    let lists = box_scores(&loaded);
    let is_complete = |team: &str| lists.iter().any(|list| list.team.code() == team && list.complete);
    assert_eq!(incomplete(&is_complete), [true, true, false, false]);

    let record = |matchup: &str, team: &str| json!({"date": "01/18/2024", "matchup": matchup, "team": team, "player": "Archer, Ann", "status": "Out", "reason": ""});
    let records = [("NYK@BOS", "BOS"), ("GSW@UTA", "UTA"), ("XXX@BOS", "BOS")].map(|(a, b)| record(a, b));
    let report = json!({"metadata": {"gamedate": "20240118", "hour24": 11}, "records": records});
    let loaded = decode(Feed::NbacomInjuryReport, &report);
    let incomplete: Vec<_> =
        injuries(&loaded).iter().map(|report| (report.complete, report.incomplete_teams.clone())).collect();
    assert_eq!(incomplete, [(true, vec![Team::BOS]), (true, vec![])]);
}

proptest! {
    #[test]
    fn every_feed_decides_alike_whether_a_name_is_known(name in prop_oneof![
        "[A-Z]{2,4}",
        "[A-Z][a-z]{1,8} [A-Z][a-z]{1,8}",
        select(OTHER_TEAMS.to_vec()).prop_map(str::to_owned),
        select(UNKNOWN.to_vec()).prop_map(str::to_owned),
        select(vec!["NJN", "SEA", "CHH", "PHO", "Los Angeles Clippers"]).prop_map(str::to_owned),
    ]) {
        // An NBA team that does not fit the rest of its row is a bad row, too, but a known name.
        let is_nba = Team::from_source_name(&name).is_some();
        let known: BTreeSet<bool> =
            TEAM_FIELDS.iter().map(|team_field| is_nba || team_field.refusal(&name).is_none()).collect();
        prop_assert_eq!(known.len(), 1, "{} is not read alike", name);
    }
}
