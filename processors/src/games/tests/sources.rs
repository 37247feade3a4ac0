//! One game as every feed with box scores reports it: the player games do not depend on which of the feeds are there, nor on their order.
//!
//! Invariant: the payloads are written from one invented game in the shape of each source, and read by the loaders.
//! Not here: the quirks of the payloads (tests of the loaders), other games of the teams (`laws`).
use super::*;
use crate::loader::{Observation, load};
use proptest::{prelude::*, sample::select};
use schemas::raw::{FetchOutcome, RawEvent};
use serde_json::{Value, json};

/// What a player really did.
#[derive(Clone, Debug)]
struct Truth {
    id: u32,
    team: Team,
    /// `None` if the player did not play.
    stats: Option<BoxScoreStats>,
}
impl Truth {
    fn name(&self) -> String {
        format!("Player{} Number{}", self.id, self.id)
    }
    fn played(&self) -> BoxScoreStats {
        self.stats.unwrap_or_default()
    }
}

fn stats() -> impl Strategy<Value = BoxScoreStats> {
    let shots = (0..12, 0..6, 0..8, 0..9);
    let rest = (0..9, 0..9, prop::array::uniform5(0..7), -30..30);
    // A player with less than half a minute and without any statistics looks in balldontlie like one who did not play.
    (60..2_900, shots, rest).prop_map(
        |(seconds, (twos, threes, free_throws, missed), (oreb, dreb, counts, plus_minus))| {
            let [assists, steals, blocks, turnovers, fouls] = counts;
            BoxScoreStats {
                playing_time: PlayingTime(seconds),
                points: 2 * twos + 3 * threes + free_throws,
                field_goals_made: twos + threes,
                field_goals_attempted: twos + threes + missed,
                threes_made: threes,
                threes_attempted: threes + missed / 2,
                free_throws_made: free_throws,
                free_throws_attempted: free_throws + missed / 3,
                offensive_rebounds: oreb,
                defensive_rebounds: dreb,
                assists,
                steals,
                blocks,
                turnovers,
                fouls,
                plus_minus: Some(plus_minus),
            }
        },
    )
}
/// Both teams, each with one player who has played at least.
fn game_of_truth() -> impl Strategy<Value = Vec<Truth>> {
    let others = prop::collection::vec((any::<bool>(), prop::option::weighted(0.7, stats())), 0..6);
    (stats(), stats(), others).prop_map(|(home, away, others)| {
        let others = others.into_iter().map(|(is_home, stats)| (if is_home { HOME } else { AWAY }, stats));
        let all = [(HOME, Some(home)), (AWAY, Some(away))].into_iter().chain(others);
        all.zip(1..).map(|((team, stats), id)| Truth { id, team, stats }).collect()
    })
}

fn clock(seconds: i32) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
fn whole_minutes(seconds: i32) -> i32 {
    (seconds + 30) / 60
}
fn counts(stats: &BoxScoreStats) -> [i32; 14] {
    [
        stats.field_goals_made,
        stats.field_goals_attempted,
        stats.threes_made,
        stats.threes_attempted,
        stats.free_throws_made,
        stats.free_throws_attempted,
        stats.offensive_rebounds,
        stats.defensive_rebounds,
        stats.assists,
        stats.steals,
        stats.blocks,
        stats.turnovers,
        stats.fouls,
        stats.points,
    ]
}
/// Returns an object with the counts under the names of a source.
fn object(names: [&str; 14], stats: &BoxScoreStats) -> Value {
    names
        .iter()
        .zip(counts(stats))
        .map(|(name, count)| (*name, count))
        .collect::<std::collections::BTreeMap<_, _>>()
        .into_iter()
        .map(|(name, count)| (name.to_owned(), json!(count)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
fn of_team(truth: &[Truth], team: Team) -> Vec<&Truth> {
    truth.iter().filter(|line| line.team == team).collect()
}

fn gamelog(truth: &[Truth]) -> Value {
    let row = |line: &Truth| {
        let stats = line.stats?;
        let other = if line.team == HOME { AWAY } else { HOME };
        let mut row = vec![
            json!(GAME.to_string()),
            json!(day(0).to_string()),
            json!(line.team.code()),
            json!(format!("{} vs. {other}", line.team)),
            json!("W"),
            json!(line.id),
            json!(line.name()),
            json!(whole_minutes(stats.playing_time.0)),
        ];
        row.extend(counts(&stats).map(|count| json!(count)));
        row.push(json!(stats.plus_minus));
        Some(Value::Array(row))
    };
    json!({"resultSets": [{"headers": [
        "GAME_ID", "GAME_DATE", "TEAM_ABBREVIATION", "MATCHUP", "WL", "PLAYER_ID", "PLAYER_NAME", "MIN", "FGM", "FGA", "FG3M",
        "FG3A", "FTM", "FTA", "OREB", "DREB", "AST", "STL", "BLK", "TOV", "PF", "PTS", "PLUS_MINUS"
    ], "rowSet": truth.iter().filter_map(row).collect::<Vec<_>>()}]})
}
fn nbacom_boxscore(truth: &[Truth]) -> Value {
    let player = |line: &&Truth| {
        let stats = line.played();
        let mut statistics = object(
            [
                "fieldGoalsMade",
                "fieldGoalsAttempted",
                "threePointersMade",
                "threePointersAttempted",
                "freeThrowsMade",
                "freeThrowsAttempted",
                "reboundsOffensive",
                "reboundsDefensive",
                "assists",
                "steals",
                "blocks",
                "turnovers",
                "foulsPersonal",
                "points",
            ],
            &stats,
        );
        statistics["minutes"] =
            json!(format!("PT{:02}M{:02}.00S", stats.playing_time.0 / 60, stats.playing_time.0 % 60));
        statistics["plusMinusPoints"] = json!(stats.plus_minus);
        json!({"personId": line.id, "name": line.name(), "played": if line.stats.is_some() { "1" } else { "0" }, "statistics": statistics})
    };
    let side = |team: Team| json!({"teamTricode": team.code(), "players": of_team(truth, team).iter().map(player).collect::<Vec<_>>()});
    json!({"game": {
        "gameId": GAME.to_string(), "gameStatus": 3, "gameEt": format!("{}T19:30:00-05:00", day(0)), "homeTeam": side(HOME), "awayTeam": side(AWAY)
    }})
}
fn gamebook(truth: &[Truth]) -> Value {
    let team = |team: Team| format!("{} {}", team.city(), team.name());
    let active = |line: &Truth| {
        let stats = line.stats?;
        let mut texts = object(
            [
                "field_goals_made",
                "field_goals_attempted",
                "three_pointers_made",
                "three_pointers_attempted",
                "free_throws_made",
                "free_throws_attempted",
                "offensive_rebounds",
                "defensive_rebounds",
                "assists",
                "steals",
                "blocks",
                "turnovers",
                "personal_fouls",
                "points",
            ],
            &stats,
        );
        texts["minutes"] = json!(clock(stats.playing_time.0));
        texts["plus_minus"] = json!(stats.plus_minus);
        Some(json!({"name": line.name(), "team": team(line.team), "stats": texts}))
    };
    let absent = truth.iter().filter(|line| line.stats.is_none());
    let absent = absent.map(|line| json!({"name": line.name(), "team": team(line.team).to_uppercase()}));
    json!({
        "date": day(0).to_string(), "home_team": HOME.code(), "away_team": AWAY.code(),
        "active_players": truth.iter().filter_map(active).collect::<Vec<_>>(), "dnp_players": absent.collect::<Vec<_>>()
    })
}
fn balldontlie_row(line: &Truth, minutes: String) -> Value {
    let mut row = object(
        [
            "fgm", "fga", "fg3m", "fg3a", "ftm", "fta", "oreb", "dreb", "ast", "stl", "blk", "turnover",
            "pf", "pts",
        ],
        &line.played(),
    );
    row["min"] = json!(if line.stats.is_some() { minutes } else { "00".to_owned() });
    let (first, last) = (format!("Player{}", line.id), format!("Number{}", line.id));
    row["player"] = json!({"first_name": first, "last_name": last});
    row
}
fn balldontlie_stats(truth: &[Truth]) -> Value {
    let row = |line: &Truth| {
        let mut row = balldontlie_row(line, clock(line.played().playing_time.0));
        row["team"] = json!({"abbreviation": line.team.code()});
        row["game"] =
            json!({"date": day(0).to_string(), "status": "Final", "home_team_id": 2, "visitor_team_id": 20});
        row
    };
    json!({"data": truth.iter().map(row).collect::<Vec<_>>()})
}
fn balldontlie_box_scores(truth: &[Truth], field: &str) -> Value {
    let row = |line: &&Truth| balldontlie_row(line, whole_minutes(line.played().playing_time.0).to_string());
    let side = |team: Team| json!({"abbreviation": team.code(), "players": of_team(truth, team).iter().map(row).collect::<Vec<_>>()});
    json!({field: [{"date": day(0).to_string(), "status": "Final", "home_team": side(HOME), "visitor_team": side(AWAY)}]})
}
/// Returns the texts of ESPN's page, in its order.
fn espn_texts(line: &Truth) -> Vec<String> {
    let Some(stats) = line.stats else { return Vec::new() };
    let [fgm, fga, fg3m, fg3a, ftm, fta, oreb, dreb, ast, stl, blk, to, pf, pts] = counts(&stats);
    let pair = |made: i32, attempted: i32| format!("{made}-{attempted}");
    let mut texts = vec![
        whole_minutes(stats.playing_time.0).to_string(),
        pair(fgm, fga),
        pair(fg3m, fg3a),
        pair(ftm, fta),
    ];
    texts.extend([oreb, dreb, oreb + dreb, ast, stl, blk, to, pf].map(|count| count.to_string()));
    texts.extend([format!("{:+}", stats.plus_minus.unwrap_or_default()), pts.to_string()]);
    texts
}
fn espn_boxscore(truth: &[Truth]) -> Value {
    let player = |line: &Truth| json!({"playerName": line.name(), "team": if line.team == AWAY { "NY" } else { "BOS" }, "stats": espn_texts(line)});
    json!({
        "gamedate": day(0).to_string(), "teams": {"home": "BOS", "away": "NY"},
        "players": truth.iter().map(player).collect::<Vec<_>>()
    })
}
fn espn_summary(truth: &[Truth]) -> Value {
    let athlete = |line: &&Truth| json!({"athlete": {"displayName": line.name()}, "didNotPlay": line.stats.is_none(), "stats": espn_texts(line)});
    let side = |team: Team, code: &str| {
        json!({"team": {"abbreviation": code}, "statistics": [{"keys": [
        "minutes", "fieldGoalsMade-fieldGoalsAttempted", "threePointFieldGoalsMade-threePointFieldGoalsAttempted",
        "freeThrowsMade-freeThrowsAttempted", "offensiveRebounds", "defensiveRebounds", "rebounds", "assists", "steals", "blocks",
        "turnovers", "fouls", "plusMinus", "points"
    ], "athletes": of_team(truth, team).iter().map(athlete).collect::<Vec<_>>()}]})
    };
    json!({
        "boxscore": {"players": [side(HOME, "BOS"), side(AWAY, "NY")]},
        "header": {"competitions": [{
            "date": day(0).at(19, 30).to_string(), "status": {"type": {"state": "post", "completed": true}},
            "competitors": [{"team": {"abbreviation": "NY"}}, {"team": {"abbreviation": "BOS"}}]
        }]}
    })
}
fn payload(feed: Feed, truth: &[Truth]) -> Value {
    match feed {
        Feed::NbacomLeaguegamelog => gamelog(truth),
        Feed::NbacomBoxscore => nbacom_boxscore(truth),
        Feed::NbacomGamebook => gamebook(truth),
        Feed::BalldontlieStats => balldontlie_stats(truth),
        Feed::BalldontlieBoxScores => balldontlie_box_scores(truth, "data"),
        Feed::BalldontlieLiveBoxScores => balldontlie_box_scores(truth, "liveBoxes"),
        Feed::EspnSummary => espn_summary(truth),
        Feed::EspnBoxscore => espn_boxscore(truth),
        other => panic!("{other} has no box scores"),
    }
}

/// Returns the observations of the box scores of a feed.
fn observed(feed: Feed, truth: &[Truth], hour: i8) -> Vec<Input> {
    let payload = payload(feed, truth).to_string();
    let raw = RawEvent::new(feed, "key".to_owned(), day(1).at(hour, 0), FetchOutcome::Complete, payload);
    let loaded = load(&raw).unwrap();
    assert_eq!(loaded.bad_rows, [], "{feed}");
    let lists = loaded.observations.into_iter().filter_map(|observation| match observation {
        Observation::BoxScore(list) => Some(Input::BoxScore(list)),
        _ => None,
    });
    lists.collect()
}
/// Returns the results of all name lookups.
fn lookup_results(truth: &[Truth]) -> Vec<Input> {
    let scope = Scope::Matchup(matchup());
    let of = |source: Source, team: Team| {
        let matched = |line: &Truth| NameMatch {
            name: line.name(),
            revisions: vec![NameRevision {
                known_at: Timestamp::DISTANT_PAST,
                rule: (line.team == team).then_some(NameRule::Exact),
                players: (line.team == team).then_some(PlayerId(line.id)).into_iter().collect(),
                link: None,
                operator_link: None,
            }],
            revisions_in_retrospect: None,
        };
        let mut matches: Vec<NameMatch> = truth.iter().map(matched).collect();
        matches.sort_by(|a, b| a.name.cmp(&b.name));
        let row = Names { scope: scope.to_string(), team, source, date: day(0), matches };
        Input::Names(Names::id(scope, team, source, day(0)), Some(row))
    };
    let sources = [Source::Nbacom, Source::Balldontlie, Source::Espn];
    sources.into_iter().flat_map(|source| [HOME, AWAY].map(|team| of(source, team))).collect()
}
fn is_exact(feed: Feed) -> bool {
    matches!(feed, Feed::NbacomBoxscore | Feed::NbacomGamebook | Feed::BalldontlieStats)
}
fn has_plus_minus(feed: Feed) -> bool {
    feed.source() != Source::Balldontlie
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn the_player_games_are_those_of_the_game_whichever_feeds_report_it_in_whatever_order(
        truth in game_of_truth(),
        reports in prop::collection::vec((select(PRECEDENCE.to_vec()), 7i8..23), 1..9),
        fixture_at in 0usize..20,
        lookups_at in 0usize..20,
    ) {
        let mut inputs: Vec<Input> =
            reports.iter().flat_map(|(feed, hour)| observed(*feed, &truth, *hour)).collect();
        inputs.insert(fixture_at.min(inputs.len()), fixture(GAME, day(0), false, day(-14).at(12, 0)));
        let at = lookups_at.min(inputs.len());
        inputs.splice(at..at, lookup_results(&truth));
        let driver = driver_with(inputs);

        let feeds: Vec<Feed> = PRECEDENCE.into_iter().filter(|feed| reports.iter().any(|(other, _)| other == feed)).collect();
        prop_assert_eq!(driver.parked(), []);
        for line in &truth {
            let revisions = revisions(&driver, GAME, line.id);
            let Some(expected) = line.stats else {
                prop_assert_eq!(&revisions, &[]);
                continue;
            };
            let last = revisions.last().unwrap();
            let found = last.stats.unwrap();
            prop_assert_eq!((last.feed, last.team, &last.name), (feeds[0], line.team, &line.name()));
            prop_assert_eq!(counts(&found), counts(&expected));
            let plus_minus = expected.plus_minus.filter(|_| feeds.iter().any(|feed| has_plus_minus(*feed)));
            prop_assert_eq!(found.plus_minus, plus_minus);
            let seconds = expected.playing_time.0;
            let minutes = if feeds.iter().any(|feed| is_exact(*feed)) { seconds } else { whole_minutes(seconds) * 60 };
            prop_assert_eq!(found.playing_time, PlayingTime(minutes));
        }
    }
}

#[test]
fn a_live_list_of_one_feed_waits_until_another_feed_has_the_final_one() {
    let lines = [member(Some(1), "A", Some(10))];
    let planned = fixture(GAME, day(0), false, day(-14).at(12, 0));
    let polled = live(box_score(Feed::NbacomBoxscore, day(0), day(0).at(21, 0), true, &lines));
    let mut driver = driver_with([planned, polled]);
    assert_eq!(driver.parked().len(), 1);
    let last = scored(GAMELOG, day(0), day(1).at(9, 0), 22);
    driver.put(last.clone());
    assert_eq!((driver.parked(), points(&driver, GAME, 1)), (vec![], vec![(day(1).at(9, 0), Some(22))]));
    driver.put(retracted(&last, day(2).at(9, 0), false));
    assert_eq!(driver.parked().len(), 1);
}
