//! Tests of the quirks of the sources, one test for each quirk.
//!
//! Invariant: payloads are written by hand.
//! Not here: real payloads (`real`).
use crate::payloads::*;
use processors::loader::{Observation, load};
use schemas::{
    ids::{PlayerId, Scope},
    observation::{BoxMember, GameStatus, InjuryStatus},
    raw::{Feed, FetchOutcome, Source},
    team::{Matchup, Team},
    units::{EasternDate, PlayingTime, Season},
};
use serde_json::{Value, json};

fn day(text: &str) -> EasternDate {
    text.parse().unwrap()
}

#[test]
fn every_hand_written_payload_decodes_without_a_bad_row_and_counts_every_row() {
    for feed in Feed::ALL {
        let loaded = decode(feed, &payload_for(feed));
        assert_eq!(loaded.bad_rows, [], "{feed}");
        assert_eq!((loaded.rows_emitted(), members(&loaded)), (2, 2), "{feed}");
        assert_eq!(loaded.rows, 2 + loaded.rows_out_of_scope, "{feed}");
    }
}

#[test]
fn the_game_date_is_read_as_written_and_the_tip_off_as_an_instant() {
    let loaded = decode(Feed::NbacomSchedule, &payload_for(Feed::NbacomSchedule));
    let game = games(&loaded)[0];
    assert_eq!((game.fixture.home, game.fixture.away), (Team::UTA, Team::GSW));
    assert_eq!(game.fixture.date, day("2024-01-17"));
    assert_eq!(game.fixture.tip_off.to_string(), "2024-01-18T02:00:00Z");
    assert!(!game.fixture.tip_estimated && !game.fixture.called_off);
    assert_eq!((game.result.home_points, game.result.away_points), (Some(112), Some(104)));
}
#[test]
fn a_tip_off_that_is_missing_or_at_midnight_or_on_another_eastern_day_is_estimated_at_half_past_seven() {
    for tip in [json!("2024-01-17T02:00:00Z"), json!("2024-01-17T05:00:00Z"), json!(null), json!("")] {
        let mut game = game("0022300576", "UTA", "GSW");
        game["gameDateTimeUTC"] = tip;
        let loaded = decode(Feed::NbacomSchedule, &schedule_of(vec![game]));
        let fixture = games(&loaded)[0].fixture;
        assert_eq!(fixture.tip_off.to_string(), "2024-01-18T00:30:00Z");
        assert!(fixture.tip_estimated);
    }
    let mut game = game("0022300576", "UTA", "GSW");
    game["gameDateTimeUTC"] = json!("2024-01-18T00:30:00Z");
    let loaded = decode(Feed::NbacomSchedule, &schedule_of(vec![game]));
    assert!(
        !games(&loaded)[0].fixture.tip_estimated,
        "a tip-off at 19:30 from the source must not count as estimated"
    );
}
#[test]
fn a_status_text_of_tbd_and_no_other_outweighs_every_tip_off() {
    for (text, is_estimated) in [("TBD", true), ("7:00 pm ET", false), ("", false), ("Final", false)] {
        let mut game = game("0022300576", "UTA", "GSW");
        game["gameStatusText"] = json!(text);
        let loaded = decode(Feed::NbacomSchedule, &schedule_of(vec![game]));
        assert_eq!(games(&loaded)[0].fixture.tip_estimated, is_estimated, "{text:?}");
    }
}
#[test]
fn preseason_all_star_foreign_and_undecided_games_are_counted_as_out_of_scope() {
    let games = vec![
        game("0012300001", "UTA", "GSW"),
        game("0032300001", "EST", "WST"),
        game("0022300001", "NOP", "MEL"),
        game("0042300401", "", ""),
        game("0062300001", "LAL", "IND"),
    ];
    let loaded = decode(Feed::NbacomSchedule, &schedule_of(games));
    assert_eq!((loaded.rows, loaded.rows_out_of_scope, members(&loaded)), (5, 4, 1));
    assert_eq!(loaded.bad_rows, []);
}
#[test]
fn a_postponed_game_is_called_off_and_a_final_score_of_zero_is_ignored() {
    let mut postponed = game("0022300576", "UTA", "GSW");
    postponed["postponedStatus"] = json!("Y");
    postponed["homeTeam"]["score"] = json!(null);
    postponed["awayTeam"]["score"] = json!(null);
    let mut ppd = game("0022300577", "BOS", "NYK");
    ppd["gameStatusText"] = json!("PPD");
    ppd["homeTeam"]["score"] = json!(0);
    ppd["awayTeam"]["score"] = json!(0);
    let mut scheduled = game("0022300578", "BKN", "PHX");
    scheduled["gameStatus"] = json!(1);
    let loaded = decode(Feed::NbacomSchedule, &json!({"games": [postponed, ppd, scheduled]}));
    let decoded = games(&loaded).into_iter().map(|game| (game.fixture.called_off, game.result.home_points));
    assert_eq!(decoded.collect::<Vec<_>>(), [(true, None), (true, None), (false, None)]);
    assert_eq!(games(&loaded)[2].result.status, GameStatus::Scheduled);
}

#[test]
fn zero_minutes_in_the_game_log_are_an_appearance_and_missing_minutes_are_none() {
    let row = |player, minutes| log_row(player, "Ann Archer", "BOS", "BOS vs. NYK", minutes);
    let log =
        log_of(vec![row(1, json!(0)), row(2, json!(null)), row(3, json!("")), row(4, json!("PT34M12.00S"))]);
    let loaded = decode(Feed::NbacomLeaguegamelog, &log);
    let seconds =
        |member: &BoxMember| (member.player.nba.unwrap().0, member.stats.map(|stats| stats.playing_time.0));
    let members: Vec<_> = box_scores(&loaded)[0].members.iter().map(seconds).collect();
    assert_eq!(members, [(1, Some(0)), (2, None), (3, None), (4, Some(2052))]);
}
#[test]
fn the_opponent_is_the_other_code_even_if_both_teams_are_listed_as_away() {
    let log = log_of(vec![
        log_row(101, "Ann Archer", "BOS", "BOS @ NYK", json!(34)),
        log_row(102, "Bea Baker", "NYK", "NYK @ BOS", json!(34)),
        log_row(103, "Cy Cook", "NYK", "BOS @ NYK", json!(34)),
    ]);
    let loaded = decode(Feed::NbacomLeaguegamelog, &log);
    let lists = box_scores(&loaded);
    let lists: Vec<_> = lists.iter().map(|list| (list.team, list.opponent, list.members.len())).collect();
    assert_eq!(lists, [(Team::BOS, Team::NYK, 1), (Team::NYK, Team::BOS, 2)]);
}
#[test]
fn the_game_log_is_read_by_its_headers_and_gives_both_teams_known_names() {
    let mut log = payload_for(Feed::NbacomLeaguegamelog);
    let ordered = decode(Feed::NbacomLeaguegamelog, &log);
    let reverse = |list: &mut Value| list.as_array_mut().unwrap().reverse();
    let set = &mut log["resultSets"][0];
    reverse(&mut set["headers"]);
    for row in set["rowSet"].as_array_mut().unwrap() {
        reverse(row);
    }
    let reversed = decode(Feed::NbacomLeaguegamelog, &log);
    let members = |loaded| box_scores(loaded).iter().map(|list| list.members.clone()).collect::<Vec<_>>();
    assert_eq!(members(&ordered), members(&reversed));
    let (of_league, known): (Vec<_>, Vec<_>) = names(&ordered).into_iter().partition(|names| names.of_league);
    assert_eq!((known.len(), of_league.len()), (2, Team::ALL.len()));
    let ids: Vec<_> = of_league[0].names.iter().map(|player| player.nba.unwrap().0).collect();
    assert_eq!(ids, [101, 102]);
    assert_eq!((known[0].team, known[0].lookup_scope(), known[0].season), (Team::BOS, None, Season(2023)));
    assert_eq!(known[0].names[0].nba, Some(PlayerId(101)));
}
#[test]
fn a_bad_row_is_rejected_with_its_bytes_and_only_its_list_is_not_complete() {
    let mut log = payload_for(Feed::NbacomLeaguegamelog);
    let mut bad = log_row(103, "Cy Cook", "NYK", "NYK @ BOS", json!(30));
    bad[28] = json!("many");
    log["resultSets"][0]["rowSet"].as_array_mut().unwrap().push(bad.clone());
    let loaded = decode(Feed::NbacomLeaguegamelog, &log);
    assert_eq!(loaded.bad_rows[0].reason, "PTS: found \"many\", expected a whole number");
    assert_eq!(loaded.bad_rows[0].value, bad.to_string());
    let lists: Vec<_> = box_scores(&loaded).iter().map(|list| (list.team, list.complete)).collect();
    assert_eq!(lists, [(Team::BOS, true), (Team::NYK, false)]);
}
#[test]
fn a_row_with_an_impossible_value_is_bad_with_the_field_and_the_value() {
    for (column, value, reason) in [
        (11, json!(9), "FGM: found 9, expected no more than FGA 8"),
        (1, json!(0), "PLAYER_ID: found 0, expected an nba.com player id"),
        (4, json!("XXX"), "TEAM_ABBREVIATION: found \"XXX\", expected an NBA team"),
        (10, json!(101), "MIN: found 101, expected minutes from 0 to 100"),
        (8, json!("BOS vs. BOS"), "MATCHUP: found \"BOS vs. BOS\", expected BOS and another team"),
        (12, json!(-1), "FGA: found -1, expected a count from 0 to 300"),
    ] {
        let mut log = payload_for(Feed::NbacomLeaguegamelog);
        log["resultSets"][0]["rowSet"][0][column] = value;
        assert_eq!(decode(Feed::NbacomLeaguegamelog, &log).bad_rows[0].reason, reason);
    }
}
#[test]
fn a_repeated_row_is_one_member_and_of_two_different_rows_the_greater_is_used_in_any_order() {
    let row = |minutes| log_row(101, "Ann Archer", "BOS", "BOS vs. NYK", json!(minutes));
    let one = decode(Feed::NbacomLeaguegamelog, &log_of(vec![row(30), row(31), row(30)]));
    let other = decode(Feed::NbacomLeaguegamelog, &log_of(vec![row(31), row(30), row(30)]));
    let members_of = |loaded| box_scores(loaded)[0].members.clone();
    assert_eq!(members_of(&one), members_of(&other));
    assert_eq!(members_of(&one)[0].stats.unwrap().playing_time, PlayingTime(31 * 60));
    assert_eq!((one.rows, one.rows_repeated, one.rows_emitted()), (3, 2, 1));
}

#[test]
fn a_player_without_a_team_or_not_on_its_roster_is_out_of_scope_in_the_player_list() {
    let loaded = decode(Feed::NbacomPlayerList, &payload_for(Feed::NbacomPlayerList));
    assert_eq!((loaded.rows, loaded.rows_out_of_scope), (4, 2));
    let roster = rosters(&loaded)[0];
    assert_eq!((roster.team, roster.date, roster.complete), (Team::BOS, day("2024-01-18"), true));
    let listed: Vec<_> = roster.members.iter().map(|member| member.player.name.as_str()).collect();
    assert_eq!(listed, ["Ann Archer", "Baker"]);
    assert_eq!(names(&loaded)[0].names.len(), 2);
}
#[test]
fn an_injury_report_at_twelve_pm_is_at_noon_and_its_names_are_looked_up_in_both_teams() {
    let loaded = decode(Feed::NbacomInjuryReport, &payload_for(Feed::NbacomInjuryReport));
    let report = injuries(&loaded)[0];
    assert_eq!(report.reported_at.to_string(), "2024-01-18T17:00:00Z");
    assert_eq!((report.members[0].team, report.members[0].status), (Team::BOS, InjuryStatus::Out));
    assert_eq!(report.members[0].name, "Ann Archer Jr.");
    let scope = Some(Scope::Matchup(Matchup::new(Team::BOS, Team::NYK).unwrap()));
    let lookups = names(&loaded);
    let scopes: Vec<_> =
        lookups.iter().map(|lookup| (lookup.team, lookup.lookup_scope(), lookup.season)).collect();
    assert_eq!(scopes, [(Team::BOS, scope, Season(2023)), (Team::NYK, scope, Season(2023))]);
    assert!(lookups.iter().all(|lookup| lookup.names.iter().all(|name| name.nba.is_none())));
}

#[test]
fn balldontlie_has_zero_minutes_for_a_player_who_did_not_play() {
    let rows = ["00", "0", "", "34:12", "38"].iter().zip(["A", "B", "C", "D", "E"]);
    let data: Vec<_> =
        rows.map(|(min, name)| stats_row(name, "X", min, 2, i64::from(min.len() > 1) * 2)).collect();
    let mut payload = json!({"data": data});
    for field in ["pts", "fgm", "fga"] {
        payload["data"][0][field] = json!(0);
    }
    let loaded = decode(Feed::BalldontlieStats, &payload);
    let list = box_scores(&loaded)[0];
    let seconds = list.members.iter().map(|member| member.stats.map(|stats| stats.playing_time.0));
    assert_eq!(seconds.collect::<Vec<_>>(), [None, None, None, Some(2052), Some(2280)]);
    assert_eq!((list.team, list.opponent, list.game), (Team::BOS, Team::NYK, None));
    let scored = stats_row("A", "X", "00", 2, 2);
    let loaded = decode(Feed::BalldontlieStats, &json!({"data": [scored]}));
    let stats = box_scores(&loaded)[0].members[0].stats.unwrap();
    assert_eq!(
        (stats.playing_time, stats.points),
        (PlayingTime(0), 2),
        "a player with points must count as having played"
    );
}
#[test]
fn a_page_with_a_page_before_or_after_it_is_not_a_complete_list() {
    let row = || stats_row("Ann", "Archer", "34", 2, 10);
    let complete = |payload: &Value| box_scores(&decode(Feed::BalldontlieStats, payload))[0].complete;
    assert!(complete(&json!({"data": [row()], "meta": {"per_page": 1}})));
    assert!(complete(&json!({"startDate": "2024-01-17", "rowCount": 1, "stats": [row()]})));
    assert!(!complete(&json!({"stats": [row()], "rowCount": 2})));
    for (meta, is_only_page) in [
        (json!({"next_cursor": 77}), false),
        (json!({"prev_cursor": 77}), false),
        (json!({"next_cursor": null}), true),
        (json!({"total_pages": 1, "current_page": 1, "next_page": null, "total_count": 1}), true),
        (json!({"total_pages": 2, "current_page": 1, "next_page": 2}), false),
        (json!({"total_pages": 2, "current_page": 2, "next_page": null}), false),
        (json!({"current_page": 2, "next_page": null}), false),
        (json!({"next_page": 2}), false),
        (json!({"total_count": 2}), false),
        (json!({"total_pages": "many"}), false),
    ] {
        assert_eq!(complete(&json!({"data": [row()], "meta": meta})), is_only_page, "{meta}");
    }
}
#[test]
fn the_rows_of_a_live_game_and_of_a_game_that_has_not_started_affect_no_other_game() {
    let mut payload = json!({"data": [stats_row("Ann", "Archer", "34", 2, 10)]});
    for (status, minutes) in [("3rd Qtr", "24"), ("2024-01-18T00:30:00Z", "00"), ("7:30 pm ET", "00")] {
        let mut other = stats_row("Dan", "Drew", minutes, 20, 0);
        other["game"] =
            json!({"date": "2024-01-18", "status": status, "home_team_id": 20, "visitor_team_id": 14});
        payload["data"].as_array_mut().unwrap().push(other);
    }
    let loaded = decode(Feed::BalldontlieStats, &payload);
    let lists = box_scores(&loaded);
    let lists: Vec<_> = lists.iter().map(|list| (list.team, list.is_final, list.complete)).collect();
    assert_eq!(lists, [(Team::BOS, true, true), (Team::NYK, false, true)]);
    assert_eq!((loaded.rows, loaded.rows_out_of_scope, members(&loaded)), (4, 2, 2));
}
#[test]
fn if_one_row_states_that_the_game_is_not_over_no_row_of_the_game_is_final() {
    let mut live = stats_row("Cy", "Cook", "30", 2, 8);
    live["game"]["status"] = json!("4th Qtr");
    let payload = json!({"data": [stats_row("Ann", "Archer", "34", 2, 10), live]});
    let loaded = decode(Feed::BalldontlieStats, &payload);
    let lists: Vec<_> =
        box_scores(&loaded).iter().map(|list| (list.is_final, list.complete, list.members.len())).collect();
    assert_eq!(lists, [(false, true, 2)], "no row may be lost");
}
#[test]
fn a_response_without_any_quote_withdraws_all_unless_it_is_about_other_markets() {
    let lists = |bookmakers: Value| {
        let mut payload = payload_for(Feed::OddsapiEventOdds);
        payload["data"]["bookmakers"] = bookmakers;
        let loaded = decode(Feed::OddsapiEventOdds, &payload);
        let odds = loaded.observations.iter().filter_map(|observation| match observation {
            Observation::Odds(odds) => Some((odds.complete, odds.quotes.len())),
            _ => None,
        });
        odds.collect::<Vec<_>>()
    };
    let book = |markets: Value| json!([{"key": "draftkings", "last_update": "2024-01-18T20:00:00Z", "markets": markets}]);
    assert_eq!(lists(json!([])), [(true, 0)]);
    assert_eq!(lists(book(json!([]))), [(true, 0)]);
    assert_eq!(lists(book(json!([{"key": "player_points", "outcomes": []}]))), [(true, 0)]);
    assert_eq!(lists(book(json!([{"key": "player_assists", "outcomes": []}]))), []);
    assert_eq!(lists(json!(null)), []);
}
#[test]
fn a_live_box_score_is_not_final_and_its_names_are_looked_up() {
    let mut payload = payload_for(Feed::BalldontlieBoxScores);
    payload["data"][0]["status"] = json!("Halftime");
    let live = json!({"liveBoxes": payload["data"], "pollId": "1", "timestamp": "2024-01-18T00:40:00Z"});
    let loaded = decode(Feed::BalldontlieBoxScores, &live);
    let [list] = box_scores(&loaded)[..] else { panic!("not exactly one list") };
    assert_eq!((list.team, list.is_final, list.complete, names(&loaded).len()), (Team::BOS, false, true, 2));
    assert_eq!(
        (loaded.rows, loaded.rows_out_of_scope),
        (2, 1),
        "the list of a team of which nobody has played must be out of scope"
    );
}
#[test]
fn a_game_that_has_not_started_is_out_of_scope_and_an_empty_response_is_not_an_error() {
    for status in ["2024-01-18T00:30:00Z", "7:30 pm ET", "scheduled"] {
        let mut payload = payload_for(Feed::BalldontlieBoxScores);
        payload["data"][0]["status"] = json!(status);
        let live = json!({"liveBoxes": payload["data"], "pollId": "1", "timestamp": "2024-01-18T00:40:00Z"});
        let loaded = decode(Feed::BalldontlieBoxScores, &live);
        assert_eq!((loaded.rows, loaded.rows_out_of_scope, loaded.observations.len()), (2, 2, 0));
    }
    assert_eq!(decode(Feed::BalldontlieBoxScores, &json!({"data": []})).rows, 0);
}
#[test]
fn a_game_log_without_winner_is_not_final_and_one_without_this_column_is() {
    let finals = |log: &Value| -> Vec<bool> {
        let loaded = decode(Feed::NbacomLeaguegamelog, log);
        let known = names(&loaded).iter().filter(|names| !names.of_league).count();
        assert_eq!((loaded.rows, members(&loaded), known), (2, 2, 2));
        box_scores(&loaded).iter().map(|list| list.is_final && list.complete).collect()
    };
    let mut log = payload_for(Feed::NbacomLeaguegamelog);
    assert_eq!(finals(&log), [true, true]);
    log["resultSets"][0]["rowSet"][0][9] = json!(null);
    assert_eq!(finals(&log), [false, false]);
    let set = &mut log["resultSets"][0];
    set["headers"].as_array_mut().unwrap().remove(9);
    for row in set["rowSet"].as_array_mut().unwrap() {
        row.as_array_mut().unwrap().remove(9);
    }
    assert_eq!(finals(&log), [true, true]);
}

#[test]
fn a_birthday_is_the_day_as_written_and_the_names_of_a_roster_are_looked_up_in_all_teams() {
    let loaded = decode(Feed::EspnRoster, &payload_for(Feed::EspnRoster));
    let roster = rosters(&loaded)[0];
    assert_eq!(roster.team, Team::GSW);
    let born: Vec<_> = roster.members.iter().map(|member| member.born).collect();
    assert_eq!(born, [Some(day("1996-10-24")), None]);
    let lookups = names(&loaded);
    assert!(lookups.iter().map(|lookup| lookup.team).eq(Team::ALL));
    assert!(lookups.iter().all(|lookup| lookup.lookup_scope() == Some(Scope::Team(Team::GSW))));
}

#[test]
fn a_failed_fetch_has_no_content_and_a_partial_one_is_not_a_complete_list() {
    let load_as = |outcome| {
        load(&raw(Feed::NbacomLeaguegamelog, outcome, payload_for(Feed::NbacomLeaguegamelog).to_string()))
            .unwrap()
    };
    assert_eq!(load_as(FetchOutcome::Failed), Default::default());
    for outcome in [FetchOutcome::Partial, FetchOutcome::EmptyOk, FetchOutcome::NoDataYet] {
        let loaded = load_as(outcome);
        assert!(members(&loaded) == 2 && box_scores(&loaded).iter().all(|list| !list.complete));
    }
}
#[test]
fn a_link_is_published_to_every_team_and_revoked_only_by_an_explicit_null() {
    let loaded = decode(Feed::OperatorIdentityLinks, &payload_for(Feed::OperatorIdentityLinks));
    assert_eq!(links(&loaded).len(), 60);
    assert_eq!((links(&loaded)[0].player, links(&loaded)[1].player), (Some(PlayerId(101)), None));
    let loaded = decode(Feed::OperatorIdentityLinks, &json!({"links": [{"spelling": "A. Archer"}]}));
    assert_eq!(loaded.bad_rows[0].reason, "player_id: found nothing, expected an nba.com player id");
}
#[test]
fn a_link_may_be_limited_and_may_be_to_nobody() {
    let row = json!({"spelling": "A", "nobody": true, "team": "BOS", "source": "espn", "from": "2024-11-01"});
    let loaded =
        decode(Feed::OperatorIdentityLinks, &json!({"links": [row, {"spelling": "A", "player_id": 7}]}));
    let [limited, general] = [links(&loaded)[1], links(&loaded)[0]];
    assert_eq!((limited.player, limited.is_nobody), (None, true));
    let limits = (limited.only_team, limited.only_source, limited.only_from);
    assert_eq!(limits, (Some(Team::BOS), Some(Source::Espn), Some(day("2024-11-01"))));
    assert_eq!((general.player, general.is_nobody, general.only_team), (Some(PlayerId(7)), false, None));
    for (field, value, reason) in [
        ("player_id", json!(7), "player_id: found 7, expected nothing, because nobody is true"),
        ("nobody", json!(1), "nobody: found 1, expected true or false"),
        ("team", json!("XYZ"), "team: found \"XYZ\", expected an NBA team"),
        (
            "source",
            json!("operator"),
            "source: found \"operator\", expected a source whose names are looked up",
        ),
    ] {
        let mut row = json!({"spelling": "A", "nobody": true});
        row[field] = value;
        let loaded = decode(Feed::OperatorIdentityLinks, &json!({"links": [row]}));
        assert_eq!(loaded.bad_rows[0].reason, reason);
    }
}
#[test]
fn a_suffix_matters_only_if_one_list_has_both_forms_of_a_name() {
    let roster = |names: &[&str]| {
        let athletes: Vec<Value> = names.iter().map(|name| json!({"fullName": name})).collect();
        let payload = json!({"team": {"abbreviation": "GS", "athletes": athletes}});
        names_of(&decode(Feed::EspnRoster, &payload))
    };
    assert_eq!(roster(&["Leon Jarvis", "Leon Jarvis Jr."]), ["Leon Jarvis", "Leon Jarvis Jr."]);
    assert_eq!(roster(&["Leon Jarvis II", "Jarvis Leon", "Al Bo Jr."]), ["Jarvis Leon", "Leon Jarvis II"]);
    assert_eq!(roster(&["Leon Jarvis Jr.", "Leon Jarvis Jr", "Al Bo"]), Vec::<String>::new());
}
fn names_of(loaded: &processors::loader::Loaded) -> Vec<String> {
    names(loaded)[0].suffix_matters.clone()
}
