//! Tests of the facts that the feature builder uses: earlier games, issued and retrospective basis.
//!
//! Invariant: the predicted game is Boston at home against New York on day 0 at 19:30.
//! Not here: eligibility (`eligibility`), sides (`sides`), the formulas of the features (`vector`, `workload`).
use super::*;
use crate::view_test_driver::ViewTestDriver;
use schemas::{
    EasternDate, PlayingTime, RawId, Team,
    features::{Feature, MissingReason, index},
    game::PlayerGameRevision,
    market::MarketView,
    observation::BoxScoreStats,
    raw::Feed,
    team_form::Rotation,
};

const PLAYER: PlayerId = PlayerId(1_690_001);
const GAME: GameId = GameId(22_400_050);

fn day(n: i32) -> EasternDate {
    "2025-01-10".parse::<EasternDate>().unwrap().plus_days(n)
}
fn output_key() -> PlayerGameDateId {
    PlayerGameDateId { player: PLAYER, game: GAME, date: day(0) }
}
/// The key of the inputs about the predicted game.
fn candidate() -> CandidateId {
    let matchup = Matchup::new(Team::BOS, Team::NYK).unwrap();
    CandidateId { player: PLAYER, game: GAME, date: day(0), matchup }
}
/// An appearance on day `n`.
fn played(game: u32, n: i32, team: Team, points: i32, known_at: Timestamp) -> In {
    let stats = BoxScoreStats { points, playing_time: PlayingTime(30 * 60), ..BoxScoreStats::default() };
    let revision = PlayerGameRevision {
        known_at,
        raw: RawId(1),
        feed: Feed::NbacomLeaguegamelog,
        name: "Aron Vale".into(),
        team,
        opponent: Team::MIA,
        is_home: true,
        date: day(n),
        tip_off: day(n).at(19, 30),
        stats: Some(stats),
    };
    let (game, matchup) = (GameId(game), Matchup::new(team, Team::MIA).unwrap());
    let (revisions, revisions_in_retrospect) = (vec![revision], None);
    In::PlayerGame(
        PlayerMatchupGameId { player: PLAYER, game, matchup },
        Some(PlayerGame { player: PLAYER, game, matchup, revisions, revisions_in_retrospect }),
    )
}
/// An appearance that became known on the next morning.
fn on_time(game: u32, n: i32, points: i32) -> In {
    played(game, n, Team::BOS, points, day(n + 1).at(6, 0))
}
pub fn candidacy() -> Candidacy {
    Candidacy {
        known_at: day(-1).at(6, 0),
        sides: Vec::new(),
        quoted: true,
        teams_reported: Vec::new(),
        home: FormNumbers::default(),
        away: FormNumbers::default(),
        home_rotation: None,
        away_rotation: None,
    }
}
/// The slate entry of the predicted game.
fn entry() -> In {
    let row = SlateEntry {
        player: PLAYER,
        game: GAME,
        home: Team::BOS,
        away: Team::NYK,
        date: day(0),
        tip_off: day(0).at(19, 30),
        tip_estimated: false,
        opened_at: Timestamp::DISTANT_PAST,
        issued: Some(candidacy()),
        retrospective: None,
        end: None,
    };
    In::Entry(candidate(), Some(row))
}
fn driver_with(inputs: impl IntoIterator<Item = In>) -> ViewTestDriver<FeatureBuilder> {
    let mut driver = ViewTestDriver::new(FeatureBuilder);
    for input in inputs {
        driver.put(input);
    }
    driver
}
fn features(driver: &ViewTestDriver<FeatureBuilder>) -> &Features {
    driver.row(&output_key()).expect("the candidate has no features")
}
fn three_games() -> Vec<In> {
    (0..3).map(|n| on_time(22_400_010 + n, -7 + 2 * n as i32, 20)).collect()
}

#[test]
fn a_player_with_three_appearances_is_predicted_from_facts_known_by_tip_off() {
    let driver = driver_with(three_games().into_iter().chain([entry()]));
    let row = features(&driver);
    assert_eq!(
        (row.eligibility, row.basis, row.team),
        (Eligibility::Eligible, Basis::Issued, Some(Team::BOS))
    );
    assert_eq!(row.get(index::POINTS_AVG_LAST_5), Feature::Value(20.0));
    assert_eq!(row.known_at, day(-1).at(6, 0), "known_at must be the latest known-at time of the facts used");
    assert_eq!(row.rest_days, Some(2));
    assert_eq!(row.get(index::VEGAS_POINTS_LINE), Feature::Missing(MissingReason::NoMarket));
    assert_eq!(row.quality_flags, [QualityFlag::AgeUnknown]);
}

#[test]
fn a_box_score_after_tip_off_changes_no_issued_row_and_makes_a_missing_one_retrospective() {
    let late = || played(22_400_020, -2, Team::BOS, 40, day(5).at(6, 0));
    let mut four = driver_with(three_games().into_iter().chain([entry()]));
    let issued = features(&four).clone();
    four.put(late());
    assert_eq!(features(&four), &issued);

    let mut three = driver_with(three_games().into_iter().skip(1).chain([entry()]));
    assert_eq!(features(&three).eligibility, Eligibility::TooFewAppearances);
    three.put(late());
    let row = features(&three);
    assert_eq!(
        (row.eligibility, row.basis, row.known_at),
        (Eligibility::Eligible, Basis::Retrospective, day(5).at(6, 0))
    );
}

#[test]
fn the_game_itself_and_later_ones_are_never_used() {
    let before = driver_with(three_games().into_iter().chain([entry()]));
    let future =
        [(22_400_050, 0), (22_400_060, 2)].map(|(game, n)| played(game, n, Team::BOS, 50, day(-6).at(6, 0)));
    let after = driver_with(three_games().into_iter().chain([entry()]).chain(future));
    assert_eq!(
        features(&before),
        features(&after),
        "later games must not be used, even if known before tip-off"
    );
}

#[test]
fn a_game_without_minutes_is_not_an_appearance() {
    let mut benched = on_time(22_400_020, -2, 0);
    if let In::PlayerGame(_, Some(row)) = &mut benched {
        row.revisions[0].stats = Some(BoxScoreStats::default());
    }
    let driver = driver_with(three_games().into_iter().chain([benched, entry()]));
    assert_eq!((features(&driver).appearances, features(&driver).rest_days), (3, Some(2)));
}

#[test]
fn the_final_of_the_cup_shows_the_team_of_a_player_and_is_in_no_average() {
    let cup_final = played(62_400_001, -1, Team::NYK, 50, day(0).at(6, 0));
    let driver = driver_with(three_games().into_iter().chain([cup_final, entry()]));
    let row = features(&driver);
    assert_eq!((row.team, row.appearances, row.rest_days), (Some(Team::NYK), 3, Some(2)));
    assert_eq!(row.get(index::POINTS_AVG_SEASON), Feature::Value(20.0));
}

#[test]
fn back_to_back_is_a_game_on_the_day_before() {
    let driver = driver_with(three_games().into_iter().chain([on_time(22_400_020, -1, 20), entry()]));
    let row = features(&driver);
    assert_eq!(row.get(index::BACK_TO_BACK), Feature::Value(1.0));
    assert_eq!(row.get(index::GAMES_IN_LAST_7_DAYS), Feature::Value(4.0));
    let score = 100.0 - 15.0 - 10.0;
    assert_eq!(row.get(index::FATIGUE_SCORE), Feature::Value(score));
}

#[test]
fn a_market_known_after_tip_off_is_not_in_an_issued_row() {
    let view = MarketView {
        known_at: day(1).at(6, 0),
        main: schemas::Line(2050),
        opening: schemas::Line(1950),
        no_vig_over: 0.5,
        books: 3,
    };
    let market = |issued: bool| {
        let view = Some(view.clone());
        let (issued, retrospective) = if issued { (view, None) } else { (None, view) };
        let CandidateId { player, game, date, matchup } = candidate();
        let (issued_absent_since, retrospective_absent_since) = (None, None);
        let row = Market {
            player,
            game,
            date,
            matchup,
            issued,
            retrospective,
            issued_absent_since,
            retrospective_absent_since,
        };
        In::Market(candidate(), Some(row))
    };
    let with =
        |issued| features(&driver_with(three_games().into_iter().chain([entry(), market(issued)]))).clone();
    assert_eq!(with(true).get(index::VEGAS_LINE_MOVE), Feature::Value(1.0));
    assert_eq!((with(false).main_line, with(false).basis), (None, Basis::Issued));
}

#[test]
fn a_form_in_an_entry_that_moved_to_a_later_day_changes_the_comparison_with_the_game_as_it_was_known() {
    let moved_entry = |def_rating| {
        let form = FormNumbers { def_rating_15: Some(def_rating), ..FormNumbers::default() };
        let mut input = entry();
        if let In::Entry(id, Some(row)) = &mut input {
            (id.game, id.date) = (GameId(22_400_011), day(-5));
            id.matchup = Matchup::new(Team::BOS, Team::MIA).unwrap();
            (row.game, row.date, row.tip_off) = (id.game, id.date, day(1).at(19, 30));
            row.away = Team::MIA;
            row.issued = Some(Candidacy { home: form, away: form, ..candidacy() });
        }
        input
    };
    let mut driver = driver_with(three_games().into_iter().chain([entry(), moved_entry(100.0)]));
    let before = features(&driver).comparables.clone();
    driver.put(moved_entry(120.0));
    assert_ne!(features(&driver).comparables, before);
}

fn rotation(minutes_absent: f64) -> Rotation {
    Rotation {
        games_missed: Some(0),
        appearances_since_return: None,
        minutes_available: 120.0,
        minutes_absent,
        possessions_absent: minutes_absent / 2.0,
    }
}
/// The slate entry before an earlier game of Boston at home against Miami on day `n`.
fn entry_before(game: u32, n: i32, minutes_absent: f64) -> In {
    let matchup = Matchup::new(Team::BOS, Team::MIA).unwrap();
    let rotation = Some(rotation(minutes_absent));
    let row = SlateEntry {
        player: PLAYER,
        game: GameId(game),
        home: Team::BOS,
        away: Team::MIA,
        date: day(n),
        tip_off: day(n).at(19, 30),
        tip_estimated: false,
        opened_at: Timestamp::DISTANT_PAST,
        issued: Some(Candidacy { known_at: day(n).at(6, 0), home_rotation: rotation, ..candidacy() }),
        retrospective: None,
        end: None,
    };
    In::Entry(CandidateId { player: PLAYER, game: GameId(game), date: day(n), matchup }, Some(row))
}

#[test]
fn absences_are_compared_with_those_before_earlier_appearances() {
    let In::Entry(id, Some(mut predicted)) = entry() else { panic!("an entry") };
    predicted.issued.as_mut().unwrap().home_rotation = Some(rotation(40.0));
    let mut driver = driver_with(three_games().into_iter().chain([In::Entry(id, Some(predicted))]));
    let change = |driver: &ViewTestDriver<FeatureBuilder>| {
        let row = features(driver);
        (row.get(index::MINUTES_ABSENT_CHANGE), row.get(index::POSSESSIONS_ABSENT_CHANGE))
    };
    let missing = Feature::Missing(MissingReason::TooFewAppearances);
    assert_eq!(change(&driver), (missing, missing), "the player was no candidate before");
    driver.put(entry_before(22_400_011, -5, 10.0));
    assert_eq!(change(&driver), (Feature::Value(30.0), Feature::Value(15.0)));
    driver.put(entry_before(22_400_012, -3, 20.0));
    let decay = 0.5f64.powf(1.0 / 8.0);
    let (minutes, _) = change(&driver);
    let expected = 40.0 - (10.0 * decay + 20.0) / (decay + 1.0);
    assert!((minutes.value().unwrap() - expected).abs() < 1e-9);
    assert_eq!(features(&driver).get(index::TEAM_GAMES_MISSED), Feature::Value(0.0));
    assert_eq!(features(&driver).get(index::APPEARANCES_SINCE_RETURN), Feature::Value(3.0));
}
