//! Tests of known names, the seasons they are used in, and links.
//!
//! Invariant: every lookup is for the roster of one team.
//! Not here: the decision over several teams (`names`), a lookup from end to end (`games`).
use super::*;
use crate::view_test_driver::{ViewTestDriver, provenance};
use schemas::{identity::NameRule, observation::PlayerRef};

const TEAM: Team = Team::BOS;
const SCOPE: Scope = Scope::Team(Team::BOS);

fn day(offset: i32) -> EasternDate {
    "2025-01-10".parse::<EasternDate>().unwrap().plus_days(offset)
}
fn names(
    source: Source,
    scope: Option<Scope>,
    date: EasternDate,
    fetched_at: Timestamp,
    names: &[(&str, Option<u32>)],
) -> In {
    let player = |(name, id): &(&str, Option<u32>)| PlayerRef { name: (*name).into(), nba: id.map(PlayerId) };
    In::Names(NamesObservation {
        feed: None,
        team: TEAM,
        source,
        scope: scope.map(|scope| scope.to_string()),
        date,
        season: date.season(),
        names: names.iter().map(player).collect(),
        provenance: provenance(fetched_at),
    })
}
fn known_name(date: EasternDate, fetched_at: Timestamp, name: &str, id: u32) -> In {
    names(Source::Nbacom, None, date, fetched_at, &[(name, Some(id))])
}
fn lookup(date: EasternDate, name: &str) -> In {
    names(Source::Espn, Some(SCOPE), date, date.at(12, 0), &[(name, None)])
}
fn link(fetched_at: Timestamp, spelling: &str, player: Option<u32>) -> In {
    let provenance = provenance(fetched_at);
    In::Link(LinkObservation {
        team: TEAM,
        spelling: spelling.into(),
        player: player.map(PlayerId),
        provenance,
    })
}
fn driver_with(inputs: impl IntoIterator<Item = In>) -> ViewTestDriver<NameResolver> {
    let mut driver = ViewTestDriver::new(NameResolver);
    for input in inputs {
        driver.put(input);
    }
    driver
}
/// Known-at time, rule, players and link of a revision.
type Revision = (Timestamp, Option<NameRule>, Vec<u32>, Option<u32>);
fn match_of(driver: &ViewTestDriver<NameResolver>, date: EasternDate) -> Vec<Revision> {
    let row = driver.row(&Names::id(SCOPE, TEAM, Source::Espn, date)).unwrap();
    let ids = |players: &[PlayerId]| players.iter().map(|player| player.0).collect();
    let revisions = row.matches[0].revisions.iter();
    revisions.map(|r| (r.known_at, r.rule, ids(&r.players), r.link.map(|player| player.0))).collect()
}
const NO_MATCH: Revision = (Timestamp::DISTANT_PAST, None, Vec::new(), None);

#[test]
fn a_name_without_a_known_player_has_a_match_without_players() {
    assert_eq!(match_of(&driver_with([lookup(day(0), "Jo Do")]), day(0)), [NO_MATCH]);
}
#[test]
fn a_player_is_known_from_the_first_fetch_that_is_effective_by_the_day() {
    let driver = driver_with([
        lookup(day(0), "Jo Do"),
        known_name(day(0), day(0).at(23, 0), "Jo Do", 1),
        known_name(day(-3), day(3).at(9, 0), "Jo Do", 1),
        known_name(day(1), day(-9).at(9, 0), "Jo Do", 2),
    ]);
    let exact = |known_at| (known_at, Some(NameRule::Exact), vec![1], None);
    assert_eq!(match_of(&driver, day(0)), [NO_MATCH, exact(day(0).at(23, 0))]);
}
#[test]
fn the_season_before_is_used_only_until_the_same_season_matches() {
    let driver = driver_with([
        lookup(day(0), "J. Do"),
        known_name(day(-300), day(-299).at(9, 0), "Jo Do", 1),
        known_name(day(-2), day(-1).at(9, 0), "Jack Do", 2),
        known_name(day(-700), day(-699).at(9, 0), "Jim Do", 3),
    ]);
    let prefix = |known_at, id| (known_at, Some(NameRule::Prefix), vec![id], None);
    let expected = [NO_MATCH, prefix(day(-299).at(9, 0), 1), prefix(day(-1).at(9, 0), 2)];
    assert_eq!(match_of(&driver, day(0)), expected);
}
#[test]
fn a_link_is_known_from_its_event_until_it_is_revoked() {
    let driver = driver_with([
        lookup(day(0), "Big Jo"),
        link(day(5).at(9, 0), "big  jo", Some(1)),
        link(day(7).at(9, 0), "Big Jo", None),
    ]);
    let linked = (day(5).at(9, 0), None, vec![], Some(1));
    assert_eq!(match_of(&driver, day(0)), [NO_MATCH, linked, (day(7).at(9, 0), None, vec![], None)]);
}
#[test]
fn an_ambiguous_name_matches_all_its_players() {
    let both =
        names(Source::Nbacom, None, day(-1), day(-1).at(9, 0), &[("Jo Do", Some(2)), ("Jay Do", Some(1))]);
    let driver = driver_with([lookup(day(0), "J. Do"), both]);
    let expected = (day(-1).at(9, 0), Some(NameRule::Prefix), vec![1, 2], None);
    assert_eq!(match_of(&driver, day(0))[1], expected);
}
