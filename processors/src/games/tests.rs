//! Tests of the rules of the games view: dates, precedence of feeds, absence of players, names.
//!
//! - `dates`: lists whose date is not that of the fixture.
//! - `fetches`: several fetches of one list; live lists.
//! - `retractions`: retracted fixtures and box scores.
//! - `laws`: random histories.
//! - `sources`: one game as every feed with box scores reports it.
//!
//! Invariant: all games are of one matchup.
//! Not here: how the engine runs the view (crate `runtime`).
mod dates;
mod fetches;
mod laws;
mod retractions;
mod sources;

use super::*;
use crate::{
    fixtures::{self, Fixtures},
    view_test_driver::{ViewTestDriver, provenance},
};
use schemas::{
    EasternDate, PlayingTime, Team, Timestamp,
    fixture::{GameDate, VoidReason},
    game::PlayerGameRevision,
    identity::{NameMatch, NameRevision, NameRule},
    observation::{
        BoxMember, BoxScoreStats, FinalBoxScoreObservation, Fixture, GameObservation, GameResult, GameStatus,
        PlayerRef, Provenance, Retraction,
    },
    raw::{Feed, Source},
};

const GAME: GameId = GameId(22_400_100);
const NEXT: GameId = GameId(22_400_101);
const HOME: Team = Team::BOS;
const AWAY: Team = Team::NYK;
const GAMELOG: Feed = Feed::NbacomLeaguegamelog;
const STATS: Feed = Feed::BalldontlieStats;

/// An observation, as a loader publishes it, or a table row.
#[derive(Clone, Debug)]
enum Input {
    Game(GameObservation),
    BoxScore(BoxScoreObservation),
    Names(NamesId, Option<Names>),
}

/// Drives the games view, and the fixtures view that publishes its fixtures.
struct GamesDriver {
    fixtures: ViewTestDriver<Fixtures>,
    games: ViewTestDriver<Games>,
}
impl Default for GamesDriver {
    fn default() -> Self {
        GamesDriver { fixtures: ViewTestDriver::new(Fixtures), games: ViewTestDriver::new(Games) }
    }
}
impl GamesDriver {
    /// Applies an input to both views; returns how the state of the games view changed.
    fn put(&mut self, input: Input) -> StateChange {
        match input {
            Input::Game(observation) => {
                let game = observation.game;
                self.put_fixtures(game, fixtures::In::Game(observation))
            }
            Input::BoxScore(observation) => {
                if let Some(game) = observation.game.filter(|_| observation.is_final) {
                    let (date, provenance) = (observation.date, observation.provenance.clone());
                    let observation = FinalBoxScoreObservation { game, date, provenance };
                    self.put_fixtures(game, fixtures::In::FinalBoxScore(observation));
                }
                self.games.put(In::BoxScore(observation))
            }
            Input::Names(id, row) => self.games.put(In::Names(id, row)),
        }
    }
    fn put_fixtures(&mut self, game: GameId, input: fixtures::In) -> StateChange {
        self.fixtures.put(input);
        let id = MatchupGameId { matchup: matchup(), game };
        let row = self.fixtures.row(&id).cloned();
        self.games.put(In::Fixtures(id, row))
    }
    fn row(&self, output_key: &OutputKey) -> Option<&Out> {
        self.games.row(output_key)
    }
    fn rows(&self) -> &std::collections::BTreeMap<OutputKey, Out> {
        self.games.rows()
    }
    fn parked(&self) -> Vec<ParkedItem> {
        self.games.parked()
    }
    fn changelog_len(&self) -> usize {
        self.games.changelog_len()
    }
}

fn matchup() -> Matchup {
    Matchup::new(HOME, AWAY).unwrap()
}
fn day(offset: i32) -> EasternDate {
    "2025-01-10".parse::<EasternDate>().unwrap().plus_days(offset)
}
/// An observation of a fixture at 19:30 on a day.
fn fixture(game: GameId, date: EasternDate, called_off: bool, fetched_at: Timestamp) -> Input {
    let tip_off = date.at(19, 30);
    let fixture = Fixture { home: HOME, away: AWAY, date, tip_off, tip_estimated: false, called_off };
    let result = GameResult { status: GameStatus::Scheduled, home_points: None, away_points: None };
    Input::Game(GameObservation { game, fixture, result, provenance: provenance(fetched_at) })
}
fn member(id: Option<u32>, name: &str, points: Option<i32>) -> BoxMember {
    let stats = points.map(|points| BoxScoreStats {
        points,
        playing_time: PlayingTime(1_800),
        ..BoxScoreStats::default()
    });
    BoxMember { player: PlayerRef { name: name.into(), nba: id.map(PlayerId) }, stats }
}
/// A box score of the home team. A box score from nba.com identifies its game by id; a box score from another source, by date.
fn box_score(
    feed: Feed,
    date: EasternDate,
    fetched_at: Timestamp,
    complete: bool,
    members: &[BoxMember],
) -> Input {
    let game = (feed == GAMELOG).then_some(GAME);
    let (team, opponent, members) = (HOME, AWAY, members.to_vec());
    Input::BoxScore(BoxScoreObservation {
        is_final: true,
        feed,
        game,
        date,
        team,
        opponent,
        complete,
        members,
        provenance: provenance(fetched_at),
    })
}
fn scored(feed: Feed, date: EasternDate, fetched_at: Timestamp, points: i32) -> Input {
    box_score(feed, date, fetched_at, true, &[member(Some(1), "A", Some(points))])
}
fn game(driver: &GamesDriver, game: GameId) -> &Game {
    match driver.row(&OutputKey::Game(MatchupGameId { matchup: matchup(), game })) {
        Some(Out::Game(row)) => row,
        other => panic!("{other:?}"),
    }
}
fn revisions(driver: &GamesDriver, game: GameId, player: u32) -> Vec<PlayerGameRevision> {
    let id = PlayerMatchupGameId { player: PlayerId(player), game, matchup: matchup() };
    match driver.row(&OutputKey::PlayerGame(id)) {
        Some(Out::PlayerGame(row)) => row.revisions.clone(),
        _ => Vec::new(),
    }
}
fn points(driver: &GamesDriver, game: GameId, player: u32) -> Vec<(Timestamp, Option<i32>)> {
    let revisions = revisions(driver, game, player).into_iter();
    revisions.map(|revision| (revision.known_at, revision.stats.map(|stats| stats.points))).collect()
}
/// Changes the provenance of an observation.
fn with(mut input: Input, change: impl FnOnce(&mut Provenance)) -> Input {
    match &mut input {
        Input::Game(observation) => change(&mut observation.provenance),
        Input::BoxScore(observation) => change(&mut observation.provenance),
        Input::Names(..) => {}
    }
    input
}
/// The retraction of an observation, or its undoing.
fn retracted(input: &Input, at: Timestamp, is_undone: bool) -> Input {
    with(input.clone(), |provenance| provenance.retraction = Some(Retraction { at, is_undone }))
}
fn live(mut input: Input) -> Input {
    if let Input::BoxScore(observation) = &mut input {
        observation.is_final = false;
    }
    input
}
fn parked_keys(driver: &GamesDriver) -> Vec<String> {
    driver.parked().into_iter().map(|item| item.key).collect()
}
fn driver_with(inputs: impl IntoIterator<Item = Input>) -> GamesDriver {
    let mut driver = GamesDriver::default();
    for input in inputs {
        driver.put(input);
    }
    driver
}
/// A team's lookup results for one name: the known-at time and the players of each revision.
fn name_matches(team: Team, date: EasternDate, name: &str, revisions: &[(Timestamp, &[u32])]) -> Input {
    let scope = Scope::Matchup(matchup());
    let revision = |(known_at, players): &(Timestamp, &[u32])| NameRevision {
        known_at: *known_at,
        rule: (!players.is_empty()).then_some(NameRule::Exact),
        players: players.iter().map(|id| PlayerId(*id)).collect(),
        link: None,
        operator_link: None,
    };
    let matches = vec![NameMatch {
        name: name.into(),
        revisions: revisions.iter().map(revision).collect(),
        revisions_in_retrospect: None,
    }];
    let row = Names { scope: scope.to_string(), team, source: Source::Balldontlie, date, matches };
    Input::Names(Names::id(scope, team, Source::Balldontlie, date), Some(row))
}
fn called_off_and_rescheduled() -> [Input; 3] {
    [
        fixture(GAME, day(0), false, day(-14).at(12, 0)),
        fixture(GAME, day(0), true, day(0).at(16, 30)),
        fixture(GAME, day(5), false, day(1).at(12, 0)),
    ]
}

#[test]
fn a_game_called_off_before_its_tip_off_is_played_under_its_id_on_its_new_day() {
    let mut driver = GamesDriver::default();
    let [planned, called_off, rescheduled] = called_off_and_rescheduled();
    driver.put(planned);
    driver.put(called_off);
    assert!(game(&driver, GAME).called_off);
    driver.put(rescheduled);
    let row = game(&driver, GAME);
    assert_eq!((row.date, row.called_off, row.tip_off), (day(5), false, day(5).at(19, 30)));
    let dates: Vec<_> =
        row.dates.iter().map(|date| (date.date, date.stood_at_cutoff, reason(date))).collect();
    assert_eq!(dates, [(day(0), false, Some(VoidReason::Moved)), (day(5), true, None)]);
    assert_eq!(row.known_at, day(1).at(12, 0));
}
fn reason(date: &GameDate) -> Option<VoidReason> {
    date.end.map(|end| end.reason)
}
#[test]
fn a_game_called_off_after_its_tip_off_stood_at_the_cutoff_and_no_longer_stands() {
    let driver = driver_with([
        fixture(GAME, day(0), false, day(-14).at(12, 0)),
        fixture(GAME, day(0), true, day(0).at(19, 30)),
    ]);
    let date = &game(&driver, GAME).dates[0];
    assert!(game(&driver, GAME).called_off && date.stood_at_cutoff);
    assert_eq!((reason(date), date.known_at), (Some(VoidReason::CalledOff), day(-14).at(12, 0)));
}
#[test]
fn a_date_that_became_known_after_its_tip_off_did_not_stand_at_its_cutoff() {
    let late =
        [fixture(GAME, day(0), false, day(9).at(12, 0)), fixture(GAME, day(1), false, day(10).at(12, 0))];
    let driver = driver_with(late);
    let dates = game(&driver, GAME).dates.iter().map(|date| (date.stood_at_cutoff, date.stands()));
    assert_eq!(dates.collect::<Vec<_>>(), [(false, false), (false, true)]);
    assert_eq!(game(&driver, GAME).date, day(1));
}
#[test]
fn a_box_score_by_date_belongs_to_the_game_of_exactly_its_date() {
    for (offset, matches) in [(-1, false), (0, true), (1, false)] {
        let driver = driver_with([
            fixture(GAME, day(0), false, day(-14).at(12, 0)),
            scored(STATS, day(offset), day(3).at(9, 0), 20),
        ]);
        assert_eq!(!revisions(&driver, GAME, 1).is_empty(), matches, "{offset} days off");
        let keys: Vec<String> = driver.parked().into_iter().map(|item| item.key).collect();
        let missing = (!matches).then(|| format!("fixture of BOS-NYK on {}", day(offset)));
        assert_eq!(keys, Vec::from_iter(missing), "a box score without a fixture of its date must be parked");
    }
}
#[test]
fn of_two_consecutive_games_each_has_the_box_score_of_its_day() {
    let scores = [scored(STATS, day(0), day(3).at(9, 0), 20), scored(STATS, day(1), day(3).at(9, 0), 31)];
    let fixtures =
        [fixture(GAME, day(0), false, day(-14).at(12, 0)), fixture(NEXT, day(1), false, day(-14).at(12, 0))];
    let driver = driver_with(fixtures.into_iter().chain(scores));
    assert_eq!(points(&driver, GAME, 1), [(day(3).at(9, 0), Some(20))]);
    assert_eq!(points(&driver, NEXT, 1), [(day(3).at(9, 0), Some(31))]);
}
#[test]
fn a_box_score_of_a_rescheduled_game_is_matched_by_the_day_known_when_it_was_fetched() {
    let box_score = scored(STATS, day(5), day(6).at(9, 0), 20);
    let driver = driver_with(called_off_and_rescheduled().into_iter().chain([box_score]));
    assert_eq!(points(&driver, GAME, 1), [(day(6).at(9, 0), Some(20))]);
    assert_eq!(revisions(&driver, GAME, 1)[0].date, day(5));
}
#[test]
fn a_feed_with_higher_precedence_is_used_from_its_first_observation_on() {
    let hour = |hour| day(1).at(hour, 0);
    let driver = driver_with([
        fixture(GAME, day(0), false, day(-14).at(12, 0)),
        scored(Feed::BalldontlieBoxScores, day(0), hour(1), 18),
        scored(STATS, day(0), hour(2), 19),
        scored(GAMELOG, day(0), hour(3), 20),
        scored(STATS, day(0), hour(4), 25),
    ]);
    assert_eq!(points(&driver, GAME, 1), [(hour(1), Some(18)), (hour(2), Some(19)), (hour(3), Some(20))]);
    let feeds: Vec<Feed> = revisions(&driver, GAME, 1).iter().map(|revision| revision.feed).collect();
    assert_eq!(feeds, [Feed::BalldontlieBoxScores, STATS, GAMELOG]);
}
#[test]
fn a_correction_is_a_new_revision_and_a_refetch_of_the_same_content_is_not() {
    let hour = |hour| day(1).at(hour, 0);
    let driver = driver_with([
        fixture(GAME, day(0), false, day(-14).at(12, 0)),
        scored(GAMELOG, day(0), hour(5), 22),
        scored(GAMELOG, day(0), hour(3), 20),
        scored(GAMELOG, day(0), hour(4), 20),
    ]);
    assert_eq!(points(&driver, GAME, 1), [(hour(3), Some(20)), (hour(5), Some(22))]);
}
#[test]
fn a_partial_fetch_removes_no_player_and_a_complete_one_removes_the_players_it_lacks() {
    let hour = |hour| day(1).at(hour, 0);
    let both = [member(Some(1), "A", Some(20)), member(Some(2), "B", Some(9))];
    let mut driver = driver_with([
        fixture(GAME, day(0), false, day(-14).at(12, 0)),
        box_score(GAMELOG, day(0), hour(1), true, &both),
        box_score(GAMELOG, day(0), hour(2), false, &both[..1]),
    ]);
    assert_eq!(points(&driver, GAME, 2), [(hour(1), Some(9))]);
    driver.put(box_score(GAMELOG, day(0), hour(3), true, &both[..1]));
    assert_eq!(points(&driver, GAME, 2), [(hour(1), Some(9)), (hour(3), None)]);
    assert_eq!(points(&driver, GAME, 1), [(hour(1), Some(20))]);
}
#[test]
fn a_name_is_parked_until_all_teams_have_matches_and_its_player_changes_with_them() {
    const PAST: Timestamp = Timestamp::DISTANT_PAST;
    let hour = |hour| day(1).at(hour, 0);
    let mut driver = driver_with([
        fixture(GAME, day(0), false, day(-14).at(12, 0)),
        box_score(STATS, day(0), hour(1), true, &[member(None, "Jo Do", Some(20))]),
    ]);
    assert_eq!(driver.parked().len(), 1);
    driver.put(name_matches(HOME, day(0), "Jo Do", &[(PAST, &[])]));
    assert!(driver.parked()[0].key.contains("lookup pending"), "{:?}", driver.parked());
    driver.put(name_matches(AWAY, day(0), "Jo Do", &[(PAST, &[])]));
    assert!(driver.parked()[0].key.contains("matches no player"), "{:?}", driver.parked());
    driver.put(name_matches(HOME, day(0), "Jo Do", &[(PAST, &[]), (hour(7), &[1])]));
    assert_eq!(driver.parked(), []);
    assert_eq!(points(&driver, GAME, 1), [(hour(7), Some(20))]);
    driver.put(name_matches(HOME, day(0), "Jo Do", &[(PAST, &[]), (hour(7), &[1]), (hour(9), &[2])]));
    assert_eq!(
        points(&driver, GAME, 1),
        [(hour(7), Some(20)), (hour(9), None)],
        "the statistics must be removed from player 1, to whom the name no longer refers"
    );
    assert_eq!(points(&driver, GAME, 2), [(hour(9), Some(20))]);
    driver.put(name_matches(HOME, day(0), "Jo Do", &[(PAST, &[]), (hour(7), &[1]), (hour(11), &[2, 3])]));
    assert!(driver.parked()[0].key.contains("ambiguous: 2, 3"), "{:?}", driver.parked());
    assert_eq!(points(&driver, GAME, 1), [(hour(7), Some(20)), (hour(11), None)]);
}
#[test]
fn if_both_teams_have_a_player_of_the_name_the_line_is_that_of_the_listed_team_and_else_of_the_other() {
    const PAST: Timestamp = Timestamp::DISTANT_PAST;
    let hour = |hour| day(1).at(hour, 0);
    let mut driver = driver_with([
        fixture(GAME, day(0), false, day(-14).at(12, 0)),
        box_score(STATS, day(0), hour(1), true, &[member(None, "Jo Do", Some(22))]),
        name_matches(HOME, day(0), "Jo Do", &[(PAST, &[1])]),
        name_matches(AWAY, day(0), "Jo Do", &[(PAST, &[3])]),
    ]);
    assert_eq!(driver.parked(), []);
    assert_eq!(points(&driver, GAME, 1), [(hour(1), Some(22))]);
    assert_eq!(points(&driver, GAME, 3), []);
    driver.put(name_matches(HOME, day(0), "Jo Do", &[(PAST, &[1]), (hour(9), &[])]));
    assert_eq!(points(&driver, GAME, 1), [(hour(1), Some(22)), (hour(9), None)]);
    assert_eq!(points(&driver, GAME, 3), [(hour(9), Some(22))]);
}
