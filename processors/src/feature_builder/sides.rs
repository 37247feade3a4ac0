//! Tests of the team of a player: the order of the evidence, and dates on which two games have the player as a candidate.
//!
//! Invariant: the player has three appearances for Boston; the games of day 0 are Boston at home against Miami at 19:00, and New York at home
//! against Utah at 21:00.
//! Not here: the derivation of memberships (`memberships`), histories with trades (the laws of the topology).
use super::{tests::candidacy, *};
use crate::view_test_driver::ViewTestDriver;
use proptest::prelude::*;
use schemas::{
    PlayingTime, RawId,
    fixture::{DateEnd, VoidReason},
    game::PlayerGameRevision,
    membership::{Listing, MembershipHistory, MembershipRevision},
    observation::BoxScoreStats,
    raw::Feed,
};

const PLAYER: PlayerId = PlayerId(1);

fn day(n: i32) -> EasternDate {
    "2025-01-10".parse::<EasternDate>().unwrap().plus_days(n)
}
/// A game on day `n` in which the player appeared for a team, with tip-off at 19:30.
fn played(n: i32, team: Team) -> In {
    let (game, opponent) = (GameId((22_400_100 + n) as u32), Team::MIA);
    let matchup = Matchup::new(team, opponent).unwrap();
    let stats = BoxScoreStats { playing_time: PlayingTime(1_800), points: 20, ..BoxScoreStats::default() };
    let revision = PlayerGameRevision {
        known_at: day(n + 1).at(9, 0),
        raw: RawId(0),
        feed: Feed::NbacomLeaguegamelog,
        name: "A".into(),
        team,
        opponent,
        is_home: true,
        date: day(n),
        tip_off: day(n).at(19, 30),
        stats: Some(stats),
    };
    let (revisions, revisions_in_retrospect) = (vec![revision], None);
    In::PlayerGame(
        PlayerMatchupGameId { player: PLAYER, game, matchup },
        Some(PlayerGame { player: PLAYER, game, matchup, revisions, revisions_in_retrospect }),
    )
}
fn three_games() -> Vec<In> {
    [-8, -7, -6].map(|n| played(n, Team::BOS)).to_vec()
}
/// A membership whose listing begins, ends, begins again and so on at these instants.
fn member(team: Team, feed: Feed, instants: &[Timestamp]) -> In {
    let revision = |(index, known_at): (usize, &Timestamp)| MembershipRevision {
        known_at: *known_at,
        listings: if index % 2 == 0 {
            vec![Listing { feed, since: *known_at, name: format!("{team} {feed}"), born: None }]
        } else {
            Vec::new()
        },
    };
    let revisions = instants.iter().enumerate().map(revision).collect();
    let history = MembershipHistory { revisions, revisions_in_retrospect: None };
    In::Membership(MembershipId { player: PLAYER, team }, Some(Membership { player: PLAYER, team, history }))
}
fn listed(team: Team, instants: &[Timestamp]) -> In {
    member(team, Feed::NbacomPlayerList, instants)
}
/// A game of day 0.
struct DayGame {
    game: GameId,
    home: Team,
    away: Team,
    tip_off: Timestamp,
}
fn boston() -> DayGame {
    DayGame { game: GameId(22_400_200), home: Team::BOS, away: Team::MIA, tip_off: day(0).at(19, 0) }
}
fn new_york() -> DayGame {
    DayGame { game: GameId(22_400_201), home: Team::NYK, away: Team::UTA, tip_off: day(0).at(21, 0) }
}
fn entry_on(game: DayGame, is_issued: bool, end: Option<DateEnd>) -> In {
    entry_opened_at(Timestamp::DISTANT_PAST, game, is_issued, end)
}
fn entry_opened_at(
    opened_at: Timestamp,
    DayGame { game, home, away, tip_off }: DayGame,
    is_issued: bool,
    end: Option<DateEnd>,
) -> In {
    let candidacy = candidacy();
    let (issued, retrospective) = if is_issued { (Some(candidacy), None) } else { (None, Some(candidacy)) };
    let id = CandidateId { player: PLAYER, game, date: day(0), matchup: Matchup::new(home, away).unwrap() };
    let row = SlateEntry {
        player: PLAYER,
        game,
        home,
        away,
        date: day(0),
        tip_off,
        tip_estimated: false,
        opened_at,
        issued,
        retrospective,
        end,
    };
    In::Entry(id, Some(row))
}
fn entry(game: DayGame) -> In {
    entry_on(game, true, None)
}
fn driver_with(inputs: impl IntoIterator<Item = In>) -> ViewTestDriver<FeatureBuilder> {
    let mut driver = ViewTestDriver::new(FeatureBuilder);
    for input in inputs {
        driver.put(input);
    }
    driver
}
fn row(driver: &ViewTestDriver<FeatureBuilder>, game: DayGame) -> &Features {
    driver.row(&PlayerGameDateId { player: PLAYER, game: game.game, date: day(0) }).unwrap()
}
fn team_and_status(driver: &ViewTestDriver<FeatureBuilder>, game: DayGame) -> (Option<Team>, Eligibility) {
    let row = row(driver, game);
    (row.team, row.eligibility)
}
/// Returns the team of the player in the later game of day 0, in which the player is a candidate.
fn team_after(evidence: &[In]) -> Option<Team> {
    let inputs = three_games().into_iter().chain(evidence.iter().cloned()).chain([entry(new_york())]);
    row(&driver_with(inputs), new_york()).team
}
const NEW_YORK: (Option<Team>, Eligibility) = (Some(Team::NYK), Eligibility::Eligible);
const BOSTON: (Option<Team>, Eligibility) = (Some(Team::BOS), Eligibility::Eligible);
const NO_SIDE: (Option<Team>, Eligibility) = (None, Eligibility::NoSide);
const OTHER_TEAM: (Option<Team>, Eligibility) = (None, Eligibility::OtherTeam);

#[test]
fn the_newest_of_appearances_and_beginnings_of_listings_decides() {
    let at = |n| day(n).at(19, 30);
    let (nyk, uta) = (Team::NYK, Team::UTA);
    assert_eq!(team_after(&[]), None);
    assert_eq!(team_after(&[listed(nyk, &[at(-5)])]), Some(nyk));
    assert_eq!(team_after(&[listed(nyk, &[at(-9)])]), None, "the appearances for Boston are newer");
    assert_eq!(team_after(&[listed(nyk, &[at(-5), at(-4)])]), None, "the listing has ended");
    assert_eq!(team_after(&[listed(nyk, &[at(-5)]), listed(uta, &[at(-4)])]), Some(uta));
    assert_eq!(team_after(&[listed(nyk, &[at(-3)]), listed(uta, &[at(-4)])]), Some(nyk));
    assert_eq!(team_after(&[listed(nyk, &[at(-5)]), listed(Team::BOS, &[at(-4)])]), None);
    assert_eq!(team_after(&[listed(nyk, &[day(0).at(21, 0)])]), None, "it became known at the cutoff");
    assert_eq!(team_after(&[played(-3, nyk), listed(uta, &[at(-4)])]), Some(nyk));
}
#[test]
fn of_evidence_with_the_same_date_an_appearance_outranks_a_listing_and_nbacom_another_source() {
    let at = |n| day(n).at(19, 30);
    assert_eq!(team_after(&[listed(Team::NYK, &[at(-6)])]), None, "the last appearance was for Boston");
    let nbacom = listed(Team::NYK, &[at(-5)]);
    let espn = member(Team::UTA, Feed::EspnRoster, &[at(-5)]);
    assert_eq!(team_after(&[nbacom, espn]), Some(Team::NYK));
}
#[test]
fn a_player_who_has_not_appeared_has_the_name_of_the_newest_listing() {
    let name_after = |evidence: &[In]| {
        let driver = driver_with(evidence.iter().cloned().chain([entry(new_york())]));
        row(&driver, new_york()).name.clone()
    };
    let at = |n| day(n).at(19, 30);
    assert_eq!(name_after(&[]), "");
    let (nyk, uta) = (listed(Team::NYK, &[at(-5)]), listed(Team::UTA, &[at(-9)]));
    assert_eq!(name_after(&[nyk.clone(), uta.clone()]), "NYK nbacom/player-list");
    assert_eq!(
        name_after(&[uta, listed(Team::NYK, &[at(-5), at(-4)])]),
        "UTA nbacom/player-list",
        "the newer listing has ended"
    );
    assert_eq!(name_after(&[listed(Team::NYK, &[day(0).at(21, 0)])]), "", "it became known at the cutoff");
    assert_eq!(name_after(&[nyk, played(-3, Team::NYK)]), "A", "the name in the appearance");
}
#[test]
fn a_stale_listing_does_not_take_back_a_player_who_appears_for_another_team() {
    let stale = listed(Team::UTA, &[day(-80).at(6, 0)]);
    assert_eq!(team_after(&[stale, played(-4, Team::NYK), played(-2, Team::NYK)]), Some(Team::NYK));
}
#[test]
fn a_trade_during_a_game_is_newer_than_the_appearance_in_it() {
    let during = listed(Team::NYK, &[day(-1).at(21, 0)]);
    assert_eq!(team_after(&[played(-1, Team::BOS), during]), Some(Team::NYK));
}
#[test]
fn a_trade_between_two_cutoffs_of_a_date_does_not_move_the_player() {
    let trade = |hour, minute| listed(Team::NYK, &[day(0).at(hour, minute)]);
    let both =
        |trade: In| driver_with(three_games().into_iter().chain([entry(boston()), entry(new_york()), trade]));
    let statuses =
        |driver: &ViewTestDriver<_>| (team_and_status(driver, boston()), team_and_status(driver, new_york()));
    assert_eq!(statuses(&both(trade(18, 59))), (NO_SIDE, NEW_YORK));
    assert_eq!(statuses(&both(trade(19, 0))), (BOSTON, OTHER_TEAM));
    assert_eq!(statuses(&both(trade(20, 59))), (BOSTON, OTHER_TEAM));
    assert_eq!(statuses(&both(trade(21, 0))), (BOSTON, NO_SIDE));
    let row = row(&both(trade(20, 0)), new_york()).clone();
    assert_eq!((row.known_at, row.vector.len()), (day(0).at(20, 0), 0));
}
#[test]
fn an_earlier_game_in_which_the_player_had_no_side_does_not_decide() {
    let utah = || DayGame { game: GameId(22_400_202), home: Team::UTA, away: Team::LAL, ..boston() };
    let trade = listed(Team::NYK, &[day(0).at(20, 0)]);
    let driver = driver_with(three_games().into_iter().chain([entry(utah()), entry(new_york()), trade]));
    assert_eq!(team_and_status(&driver, utah()), NO_SIDE);
    assert_eq!(team_and_status(&driver, new_york()), NEW_YORK);
}
#[test]
fn a_void_date_decides_for_issued_rows_and_not_in_retrospect() {
    let end = DateEnd { at: day(0).at(22, 30), reason: VoidReason::CalledOff, teams: None };
    let trade = listed(Team::NYK, &[day(0).at(20, 0)]);
    let inputs = three_games().into_iter().chain([entry(new_york()), trade, entry(boston())]);
    let mut driver = driver_with(inputs);
    assert_eq!(team_and_status(&driver, new_york()), OTHER_TEAM);
    driver.put(entry_on(boston(), true, Some(end)));
    assert_eq!(row(&driver, boston()).team, Some(Team::BOS));
    let row = row(&driver, new_york()).clone();
    assert_eq!(
        (row.team, row.eligibility, row.basis),
        (Some(Team::NYK), Eligibility::Eligible, Basis::Retrospective)
    );
    assert_eq!(row.known_at, end.at, "nobody knew before that the other game is void");
}
#[test]
fn a_retrospective_row_follows_an_issued_prediction_of_the_date() {
    let trade = listed(Team::NYK, &[day(0).at(20, 0)]);
    let inputs = three_games().into_iter().chain([entry_on(boston(), false, None), entry(new_york()), trade]);
    let driver = driver_with(inputs);
    assert_eq!(team_and_status(&driver, new_york()), NEW_YORK);
    assert_eq!(team_and_status(&driver, boston()), OTHER_TEAM);
}
#[test]
fn a_game_that_became_open_after_another_was_predicted_does_not_decide_for_it() {
    let trade = || listed(Team::NYK, &[day(0).at(20, 0)]);
    let opened = |hour| entry_opened_at(day(0).at(hour, 30), boston(), true, None);
    let with = |entry_of_boston: In| {
        driver_with(three_games().into_iter().chain([entry(new_york()), trade(), entry_of_boston]))
    };
    let open_before = with(opened(20));
    assert_eq!(team_and_status(&open_before, boston()), BOSTON);
    assert_eq!(team_and_status(&open_before, new_york()), OTHER_TEAM);
    let open_afterwards = with(opened(21));
    assert_eq!(team_and_status(&open_afterwards, new_york()), NEW_YORK);
    assert_eq!(team_and_status(&open_afterwards, boston()), OTHER_TEAM);
    assert_eq!(
        row(&open_afterwards, boston()).basis,
        Basis::Retrospective,
        "the trade was after its tip-off"
    );
}
#[test]
fn a_void_game_that_would_not_have_decided_does_not_delay_when_a_row_is_known() {
    let end = DateEnd { at: day(0).at(22, 30), reason: VoidReason::CalledOff, teams: None };
    let listing = listed(Team::NYK, &[day(-1).at(20, 0)]);
    let inputs = three_games().into_iter().chain([
        entry_on(new_york(), false, None),
        listing,
        entry_on(boston(), true, Some(end)),
    ]);
    let driver = driver_with(inputs);
    assert_eq!(team_and_status(&driver, new_york()), NEW_YORK);
    assert_eq!(row(&driver, new_york()).known_at, day(-1).at(20, 0));
}

fn input() -> impl Strategy<Value = In> {
    let team = || prop::sample::select(vec![Team::BOS, Team::NYK, Team::UTA]);
    let instant = || (-5i32..1, 17i8..23).prop_map(|(n, hour)| day(n).at(hour, 0));
    let appearance = (-10i32..0, team()).prop_map(|(n, team)| played(n, team));
    let feed = prop::sample::select(vec![Feed::NbacomPlayerList, Feed::EspnRoster]);
    let membership = (team(), feed, prop::collection::btree_set(instant(), 0..4))
        .prop_map(|(team, feed, instants)| member(team, feed, &instants.into_iter().collect::<Vec<_>>()));
    let end_hour = prop::option::weighted(0.3, 18i8..24);
    let opened =
        prop_oneof![2 => Just(Timestamp::DISTANT_PAST), 1 => (17i8..24).prop_map(|hour| day(0).at(hour, 0))];
    let game = (0usize..3, any::<bool>(), 18i8..22, end_hour, opened).prop_map(
        |(index, is_issued, hour, end_hour, opened_at)| {
            let teams = [(Team::BOS, Team::MIA), (Team::NYK, Team::LAL), (Team::UTA, Team::DEN)][index];
            let (game, tip_off) = (GameId(22_400_200 + index as u32), day(0).at(hour, 0));
            let end = end_hour.filter(|end| is_issued && *end >= hour).map(|end| DateEnd {
                at: day(0).at(end, 0),
                reason: VoidReason::CalledOff,
                teams: None,
            });
            let game = DayGame { game, home: teams.0, away: teams.1, tip_off };
            entry_opened_at(opened_at, game, is_issued, end)
        },
    );
    prop_oneof![1 => appearance, 2 => membership, 2 => game]
}
proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn nobody_is_predicted_for_two_teams_on_one_date_and_later_facts_change_no_issued_row(
        inputs in prop::collection::vec(input(), 0..12),
        hour in 17i8..24,
    ) {
        // The driver compares the rows with a batch, and the tables with restored ones.
        let driver = driver_with(three_games().into_iter().chain(inputs.iter().cloned()));
        let stand = driver.rows().values().filter(|row| row.voided.is_none());
        let predicted = stand.filter(|row| row.eligibility == Eligibility::Eligible);
        let teams: BTreeSet<Option<Team>> = predicted.map(|row| row.team).collect();
        prop_assert!(teams.len() < 2, "{teams:?}");
        let issued = |driver: &ViewTestDriver<_>| {
            let rows = driver.rows().values().filter(|row: &&Features| row.basis == Basis::Issued);
            rows.cloned().collect::<Vec<Features>>()
        };
        for row in issued(&driver) {
            prop_assert!(row.known_at < row.tip_off);
        }
        // What is issued at an instant stands, whatever becomes known, or opens, at it or later.
        let standing = (0..inputs.len()).filter(|index| !is_replaced(&inputs, *index));
        let instant = day(0).at(hour, 0);
        let known = standing.filter_map(|index| before(&inputs[index], instant));
        let earlier = driver_with(three_games().into_iter().chain(known));
        for row in issued(&earlier).into_iter().filter(|row| row.tip_off <= instant) {
            let id = PlayerGameDateId { player: PLAYER, game: row.game, date: row.date };
            let now = driver.row(&id).map(|row| Features { voided: None, ..row.clone() });
            // A row without a prediction may get one in retrospect.
            let is_predicted = row.eligibility == Eligibility::Eligible;
            if is_predicted || now.as_ref().is_none_or(|now| now.basis == Basis::Issued) {
                prop_assert_eq!(now, Some(Features { voided: None, ..row }));
            }
        }
    }
}
/// True if a later input replaces the entry of the same candidate.
fn is_replaced(inputs: &[In], index: usize) -> bool {
    let entry = |input: &In| if let In::Entry(id, _) = input { Some(*id) } else { None };
    let id = entry(&inputs[index]);
    id.is_some() && inputs[index + 1..].iter().any(|later| entry(later) == id)
}
/// Returns what was known of an input before an instant.
fn before(input: &In, instant: Timestamp) -> Option<In> {
    let mut input = input.clone();
    match &mut input {
        In::Membership(_, Some(row)) => row.history.revisions.retain(|revision| revision.known_at < instant),
        In::Entry(_, Some(row)) => {
            row.end = row.end.filter(|end| end.at < instant);
            return (row.opened_at < instant).then_some(input);
        }
        _ => {}
    }
    Some(input)
}
