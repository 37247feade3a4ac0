//! Tests of listings: since when a player is a member, when a membership ends, names, and retractions.
//!
//! Invariant: all rosters are of one team; they are fetched on the hour.
//! Not here: for which team a player plays (`feature_builder::side`).
use super::*;
use crate::view_test_driver::{ViewTestDriver, provenance};
use proptest::prelude::*;
use schemas::{
    EasternDate, RawId, Timestamp,
    identity::{NameMatch, NameRevision, NameRule, OperatorLink},
    membership::{Listing, MembershipHistory, MembershipRevision},
    observation::{PlayerRef, Retraction, RosterMember},
};

const TEAM: Team = Team::BOS;

fn day(n: i32) -> EasternDate {
    "2025-01-10".parse::<EasternDate>().unwrap().plus_days(n)
}
/// Six o'clock on day `n`.
fn at(n: i32) -> Timestamp {
    day(n).at(6, 0)
}
fn member(player: u32, name: &str) -> RosterMember {
    RosterMember { player: PlayerRef { name: name.into(), nba: Some(PlayerId(player)) }, born: None }
}
fn roster_of(fetched_at: Timestamp, complete: bool, members: Vec<RosterMember>) -> In {
    In::Roster(RosterObservation {
        feed: Feed::NbacomPlayerList,
        team: TEAM,
        date: fetched_at.eastern_date(),
        complete,
        members,
        provenance: provenance(fetched_at),
    })
}
/// nba.com's list of the team.
fn roster(fetched_at: Timestamp, complete: bool, players: &[u32]) -> In {
    roster_of(fetched_at, complete, players.iter().map(|player| member(*player, "A")).collect())
}
/// ESPN's roster, which has names only.
fn espn(fetched_at: Timestamp, names: &[&str]) -> In {
    let member = |name: &&str| RosterMember {
        player: PlayerRef { name: (*name).into(), nba: None },
        born: Some(day(-9_000)),
    };
    let In::Roster(observation) = roster_of(fetched_at, true, names.iter().map(member).collect()) else {
        unreachable!()
    };
    In::Roster(RosterObservation { feed: Feed::EspnRoster, ..observation })
}
/// Returns a roster as another request returned it, in a raw event of its own.
fn of_request(roster: In, request: &str) -> In {
    let In::Roster(mut observation) = roster else { unreachable!() };
    let provenance = &mut observation.provenance;
    provenance.raw = RawId(provenance.raw.0 + i64::from(request.as_bytes()[0]));
    provenance.request = request.to_owned();
    In::Roster(observation)
}
/// Returns the observation by which a retraction of a roster, or its undoing, reaches the view.
fn retracted(roster: &In, at: Timestamp, is_undone: bool) -> In {
    let In::Roster(mut observation) = roster.clone() else { unreachable!() };
    observation.provenance.retraction = Some(Retraction { at, is_undone });
    In::Roster(observation)
}
/// The lookups of ESPN's names on a day: each refers to a player from an instant on.
fn lookups(date: EasternDate, names: &[(&str, u32)], link: Option<OperatorLink>) -> Vec<In> {
    let row = |team: Team| {
        let id = NamesId { scope: Scope::Team(TEAM), team, source: Feed::EspnRoster.source(), date };
        let revision = |player: u32, known_at, operator_link| NameRevision {
            known_at,
            rule: (team == TEAM).then_some(NameRule::Exact),
            players: (team == TEAM).then_some(PlayerId(player)).into_iter().collect(),
            link: None,
            operator_link,
        };
        let of_name = |(name, player): &(&str, u32)| {
            let mut revisions = vec![revision(*player, Timestamp::DISTANT_PAST, None)];
            if let Some(link) = link {
                revisions.push(revision(*player, at(5), Some(link)));
            }
            NameMatch { name: (*name).into(), revisions, revisions_in_retrospect: None }
        };
        let mut matches: Vec<NameMatch> = names.iter().map(of_name).collect();
        matches.sort_by(|a, b| a.name.cmp(&b.name));
        In::Names(id, Some(Names { scope: TEAM.to_string(), team, source: id.source, date, matches }))
    };
    Team::ALL.into_iter().map(row).collect()
}
fn driver_with(inputs: impl IntoIterator<Item = In>) -> ViewTestDriver<Memberships> {
    let mut driver = ViewTestDriver::new(Memberships);
    for input in inputs {
        driver.put(input);
    }
    driver
}
fn history(driver: &ViewTestDriver<Memberships>, player: u32) -> MembershipHistory {
    let player = PlayerId(player);
    let row = driver.row(&OutputKey::Membership(MembershipId { player, team: TEAM })).cloned();
    let of_team = driver.row(&OutputKey::TeamMember(TeamMemberId { team: TEAM, player })).cloned();
    let (Some(Out::Membership(row)), Some(Out::TeamMember(of_team))) = (row, of_team) else {
        return MembershipHistory { revisions: Vec::new(), revisions_in_retrospect: None };
    };
    assert_eq!(row.history, of_team.history);
    row.history
}
/// Returns the times at which the revisions of a player became known, each with the start of each listing.
fn known(revisions: &[MembershipRevision]) -> Vec<(Timestamp, Vec<Timestamp>)> {
    let since = |listings: &[Listing]| listings.iter().map(|listing| listing.since).collect();
    revisions.iter().map(|revision| (revision.known_at, since(&revision.listings))).collect()
}
fn revisions(driver: &ViewTestDriver<Memberships>, player: u32) -> Vec<(Timestamp, Vec<Timestamp>)> {
    known(&history(driver, player).revisions)
}

#[test]
fn a_player_is_listed_since_the_first_fetch_of_an_unbroken_run() {
    let mut driver = driver_with([roster(at(0), true, &[1, 2]), roster(at(1), true, &[1, 2])]);
    assert_eq!(revisions(&driver, 1), [(at(0), vec![at(0)])]);
    driver.put(roster(at(2), true, &[2]));
    driver.put(roster(at(3), true, &[1, 2]));
    assert_eq!(revisions(&driver, 1), [(at(0), vec![at(0)]), (at(2), vec![]), (at(3), vec![at(3)])]);
    driver.put(roster(at(-1), true, &[1]));
    assert_eq!(revisions(&driver, 1)[0], (at(-1), vec![at(-1)]));
    assert_eq!(revisions(&driver, 2), [(at(0), vec![at(0)])]);
}
#[test]
fn only_a_complete_list_that_lacks_a_player_ends_the_listing() {
    let driver = driver_with([roster(at(0), true, &[1, 2]), roster(at(1), false, &[2])]);
    assert_eq!(revisions(&driver, 1), [(at(0), vec![at(0)])]);
}
#[test]
fn another_request_or_spelling_continues_the_listing() {
    let season = |n, request| of_request(roster(at(n), true, &[1]), request);
    let driver = driver_with([season(0, "2023-24"), season(200, "2024-25"), season(201, "2024-25")]);
    assert_eq!(revisions(&driver, 1), [(at(0), vec![at(0)])]);
    let spelled = |n, name| roster_of(at(n), true, vec![member(1, name)]);
    let driver = driver_with([spelled(0, "Nic"), spelled(1, "Nicolas"), spelled(2, "Nicolas")]);
    assert_eq!(revisions(&driver, 1), [(at(0), vec![at(0)]), (at(1), vec![at(0)])]);
    let history = history(&driver, 1);
    let names = history.revisions.iter().map(|revision| revision.listings[0].name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["Nic", "Nicolas"], "as it was known at each instant");
}
#[test]
fn each_feed_has_its_own_listing() {
    let inputs = [roster(at(0), true, &[1]), espn(at(1), &["Jo Do"]), roster(at(2), true, &[2])];
    let driver = driver_with(inputs.into_iter().chain(lookups(day(1), &[("Jo Do", 1)], None)));
    let expected = [(at(0), vec![at(0)]), (at(1), vec![at(0), at(1)]), (at(2), vec![at(1)])];
    assert_eq!(revisions(&driver, 1), expected);
    assert_eq!(history(&driver, 1).revisions[2].listings[0].born, Some(day(-9_000)));
}
#[test]
fn a_name_is_looked_up_on_the_day_of_the_newest_fetch_that_lists_it() {
    let mut driver = driver_with([espn(at(0), &["Jo Do"]), espn(at(1), &["Jo Do"])]);
    assert_eq!(driver.parked().len(), 1);
    let both =
        lookups(day(0), &[("Jo Do", 1)], None).into_iter().chain(lookups(day(1), &[("Jo Do", 2)], None));
    for row in both {
        driver.put(row);
    }
    assert_eq!(revisions(&driver, 1), [(at(0), vec![at(0)]), (at(1), vec![])]);
    assert_eq!(revisions(&driver, 2), [(at(1), vec![at(0)])], "the name has been on the roster since then");
    assert_eq!(driver.parked(), []);
}
#[test]
fn a_retracted_list_counts_until_its_retraction_and_never_in_retrospect() {
    let (first, wrong) = (roster(at(0), true, &[1]), roster(at(1), true, &[1, 8]));
    let mut driver = driver_with([first.clone(), wrong.clone(), retracted(&wrong, at(2), false)]);
    assert_eq!(revisions(&driver, 8), [(at(1), vec![at(1)]), (at(2), vec![])]);
    assert_eq!(history(&driver, 8).revisions_in_retrospect, Some(vec![]));
    assert_eq!(revisions(&driver, 1), [(at(0), vec![at(0)])]);
    driver.put(roster(at(3), true, &[1]));
    driver.put(retracted(&first, at(4), false));
    // Of the lists before the retraction of the first one, only the newest is left.
    assert_eq!(revisions(&driver, 1), [(at(0), vec![at(0)]), (at(4), vec![at(3)])]);
    assert_eq!(known(&history(&driver, 1).revisions_in_retrospect.unwrap()), [(at(3), vec![at(3)])]);
    driver.put(retracted(&first, at(5), true));
    assert_eq!(revisions(&driver, 1).last(), Some(&(at(5), vec![at(0)])));
}
#[test]
fn an_operators_link_counts_from_its_own_time_on_and_always_in_retrospect() {
    let link = OperatorLink { player: Some(PlayerId(7)), is_of_team: false };
    let inputs = [espn(at(0), &["Jo Do"])].into_iter().chain(lookups(day(0), &[("Jo Do", 1)], Some(link)));
    let driver = driver_with(inputs);
    assert_eq!(revisions(&driver, 1), [(at(0), vec![at(0)]), (at(5), vec![])]);
    assert_eq!(revisions(&driver, 7), [(at(5), vec![at(0)])]);
    let in_retrospect = |player| known(&history(&driver, player).revisions_in_retrospect.unwrap());
    assert_eq!((in_retrospect(1), in_retrospect(7)), (vec![], vec![(at(0), vec![at(0)])]));
}

/// An input of any kind, among few instants, requests, players and names.
fn input() -> impl Strategy<Value = Vec<In>> {
    let retraction = prop::option::of((0i32..5, any::<bool>()));
    let players = prop::collection::vec(1u32..4, 0..3);
    let fetch = (0i32..5, 0u8..3, any::<bool>(), players, "[ab]", retraction);
    let fetched = fetch.prop_map(|(n, kind, complete, players, request, retraction)| {
        let names: Vec<&str> = players.iter().map(|player| ["X Y", "V W"][*player as usize % 2]).collect();
        let roster = if kind == 0 { espn(at(n), &names) } else { roster(at(n), complete, &players) };
        let roster = of_request(roster, &request);
        vec![match retraction {
            Some((n, is_undone)) => retracted(&roster, day(n).at(7, 0), is_undone),
            None => roster,
        }]
    });
    let looked_up = (0i32..5, 1u32..4, 1u32..4, prop::option::of(1u32..4)).prop_map(|(n, x, v, linked)| {
        let link = linked.map(|player| OperatorLink { player: Some(PlayerId(player)), is_of_team: false });
        lookups(day(n), &[("X Y", x), ("V W", v)], link)
    });
    prop_oneof![3 => fetched, 1 => looked_up]
}
proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_rows_do_not_depend_on_the_order_of_rosters_or_on_a_restart(
        inputs in prop::collection::vec(input(), 0..8),
        seed in any::<u64>(),
    ) {
        // The driver compares the rows with a batch, and the tables with restored ones.
        let inputs: Vec<In> = inputs.into_iter().flatten().collect();
        let in_order = driver_with(inputs.iter().cloned());
        let (rows, mut rosters): (Vec<In>, Vec<In>) =
            inputs.into_iter().partition(|input| matches!(input, In::Names(..)));
        rosters.sort_by_key(|input| {
            let In::Roster(observation) = input else { return 0 };
            let at = observation.provenance.retraction.map_or(0, |retraction| retraction.at.0);
            (observation.provenance.raw.0 ^ at).wrapping_mul(seed as i64 | 1)
        });
        let shuffled = driver_with(rows.into_iter().chain(rosters));
        for player in 1..4 {
            prop_assert_eq!(history(&in_order, player), history(&shuffled, player));
        }
        for row in in_order.rows().values() {
            let (Out::Membership(Membership { history, .. }) | Out::TeamMember(TeamMember { history, .. })) = row;
            let lists = [Some(&history.revisions), history.revisions_in_retrospect.as_ref()];
            for revisions in lists.into_iter().flatten() {
                prop_assert!(revisions.windows(2).all(|pair| pair[0].known_at < pair[1].known_at));
                prop_assert!(revisions.windows(2).all(|pair| pair[0].listings != pair[1].listings));
                let is_dated = |revision: &MembershipRevision| {
                    revision.listings.iter().all(|listing| listing.since <= revision.known_at)
                };
                prop_assert!(revisions.iter().all(is_dated));
            }
        }
    }
}
