//! Tests of eligibility (appearances, minutes, injury reports, no side) and of corrections.
//!
//! Invariant: every slate entry is for Boston at home against New York; game `n` is on day `n` at 19:30.
//! Not here: tests of the other facts that the feature builder uses (`tests`).
use super::*;
use crate::view_test_driver::ViewTestDriver;
use schemas::{
    EasternDate, PlayingTime, RawId, Team,
    features::{Feature, index},
    game::PlayerGameRevision,
    market::AvailabilityView,
    observation::{BoxScoreStats, InjuryStatus},
    raw::Feed,
    team_form::SideEvidence,
};

const PLAYER: PlayerId = PlayerId(1);

fn day(n: i32) -> EasternDate {
    "2025-01-10".parse::<EasternDate>().unwrap().plus_days(n)
}
fn game(n: i32) -> GameId {
    GameId((22_400_100 + n) as u32)
}
fn id(n: i32) -> CandidateId {
    let matchup = Matchup::new(Team::BOS, Team::NYK).unwrap();
    CandidateId { player: PLAYER, game: game(n), date: day(n), matchup }
}
fn revision(n: i32, team: Team, known_at: Timestamp, minutes: i32, points: i32) -> PlayerGameRevision {
    let stats = BoxScoreStats { playing_time: PlayingTime(minutes * 60), points, ..BoxScoreStats::default() };
    PlayerGameRevision {
        known_at,
        raw: RawId(0),
        feed: Feed::NbacomLeaguegamelog,
        name: "A".into(),
        team,
        opponent: Team::UTA,
        is_home: true,
        date: day(n),
        tip_off: day(n).at(19, 30),
        stats: Some(stats),
    }
}
fn player_game(n: i32, revisions: Vec<PlayerGameRevision>) -> In {
    let (player, game, matchup) = (PLAYER, game(n), Matchup::new(Team::BOS, Team::UTA).unwrap());
    In::PlayerGame(
        PlayerMatchupGameId { player, game, matchup },
        Some(PlayerGame { player, game, matchup, revisions, revisions_in_retrospect: None }),
    )
}
/// A game whose box score became known on the next morning.
fn played(n: i32, team: Team, minutes: i32) -> In {
    player_game(n, vec![revision(n, team, day(n + 1).at(9, 0), minutes, 20)])
}
fn evidence(team: Team) -> SideEvidence {
    SideEvidence { team, last_game: None, is_rostered: true, born: None }
}
/// The slate entry of game `n`.
fn entry(n: i32, sides: &[SideEvidence]) -> In {
    let candidacy = Candidacy {
        known_at: Timestamp::DISTANT_PAST,
        sides: sides.to_vec(),
        quoted: sides.is_empty(),
        teams_reported: Vec::new(),
        home: FormNumbers::default(),
        away: FormNumbers::default(),
        home_rotation: None,
        away_rotation: None,
    };
    In::Entry(
        id(n),
        Some(SlateEntry {
            player: PLAYER,
            game: id(n).game,
            home: Team::BOS,
            away: Team::NYK,
            date: day(n),
            tip_off: day(n).at(19, 30),
            tip_estimated: false,
            opened_at: Timestamp::DISTANT_PAST,
            issued: Some(candidacy),
            retrospective: None,
            end: None,
        }),
    )
}
fn boston() -> [SideEvidence; 1] {
    [evidence(Team::BOS)]
}
fn driver_with(inputs: impl IntoIterator<Item = In>) -> ViewTestDriver<FeatureBuilder> {
    let mut driver = ViewTestDriver::new(FeatureBuilder);
    for input in inputs {
        driver.put(input);
    }
    driver
}
fn three_games(team: Team, minutes: i32) -> impl Iterator<Item = In> {
    [-6, -4, -2].into_iter().map(move |n| played(n, team, minutes))
}
fn row(driver: &ViewTestDriver<FeatureBuilder>, n: i32) -> &Features {
    driver.row(&PlayerGameDateId { player: PLAYER, game: game(n), date: day(n) }).unwrap()
}

#[test]
fn a_player_whose_last_appearance_was_for_a_third_team_has_no_side() {
    let driver = driver_with(three_games(Team::MIA, 30).chain([entry(0, &boston())]));
    let features = row(&driver, 0);
    assert_eq!((features.team, features.eligibility), (None, Eligibility::NoSide));
    assert!(features.vector.is_empty());
    assert_eq!(row(&driver_with([entry(0, &[])]), 0).eligibility, Eligibility::NoSide);
}
#[test]
fn three_appearances_and_fifteen_minutes_make_a_player_eligible() {
    for (minutes, eligibility) in [(15, Eligibility::Eligible), (14, Eligibility::TooFewMinutes)] {
        let driver = driver_with(three_games(Team::BOS, minutes).chain([entry(0, &boston())]));
        assert_eq!(row(&driver, 0).eligibility, eligibility);
    }
    let mut two: Vec<In> = three_games(Team::BOS, 30).skip(1).collect();
    two.push(played(-8, Team::BOS, 0));
    let driver = driver_with(two.into_iter().chain([entry(0, &boston())]));
    let eligibility = row(&driver, 0).eligibility;
    assert_eq!(
        eligibility,
        Eligibility::TooFewAppearances,
        "a game without minutes must not count as an appearance"
    );
}
#[test]
fn a_correction_changes_later_predictions_and_no_earlier_one() {
    let corrected = |known_at| {
        let first = revision(-2, Team::BOS, day(-1).at(9, 0), 30, 20);
        player_game(-2, vec![first, revision(-2, Team::BOS, known_at, 30, 26)])
    };
    let average = |known_at: Timestamp| {
        let games = three_games(Team::BOS, 30).take(2);
        let driver = driver_with(games.chain([corrected(known_at), entry(0, &boston())]));
        (row(&driver, 0).vector[index::POINTS_AVG_LAST_5], row(&driver, 0).basis)
    };
    assert_eq!(average(day(0).at(19, 29)), (Feature::Value(22.0), Basis::Issued));
    assert_eq!(average(day(0).at(19, 30)), (Feature::Value(20.0), Basis::Issued));
}
#[test]
fn a_player_who_is_out_or_doubtful_is_ruled_out() {
    for (status, is_ruled_out) in [(InjuryStatus::Questionable, false), (InjuryStatus::Doubtful, true)] {
        let (known_at, reported_at) = (day(0).at(17, 5), day(0).at(17, 0));
        let view = AvailabilityView { known_at, reported_at, status, reason: String::new() };
        let CandidateId { player, game, date, matchup } = id(0);
        let report = Availability {
            player,
            game,
            date,
            matchup,
            issued: Some(view),
            retrospective: None,
            issued_absent_since: None,
            retrospective_absent_since: None,
        };
        let report = In::Availability(id(0), Some(report));
        let driver = driver_with(three_games(Team::BOS, 30).chain([report, entry(0, &boston())]));
        assert_eq!(row(&driver, 0).eligibility == Eligibility::RuledOut, is_ruled_out);
        assert_eq!(row(&driver, 0).known_at, known_at);
    }
}
