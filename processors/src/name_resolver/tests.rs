//! Tests of whom a team knows, since when, and of links.
use super::*;
use crate::view_test_driver::ViewTestDriver;
use schemas::{
    RawId,
    identity::NameRule,
    observation::{PlayerRef, Provenance},
};

const TEAM: Team = Team::BOS;
const SCOPE: Scope = Scope::Team(Team::BOS);

fn day(n: i32) -> EasternDate {
    "2025-01-10".parse::<EasternDate>().unwrap().plus_days(n)
}
fn names(
    source: Source,
    scope: Option<Scope>,
    date: EasternDate,
    at: Timestamp,
    names: &[(&str, Option<u32>)],
) -> In {
    let player = |(name, id): &(&str, Option<u32>)| PlayerRef { name: (*name).into(), nba: id.map(PlayerId) };
    In::Names(NamesObservation {
        team: TEAM,
        source,
        scope: scope.map(|scope| scope.to_string()),
        date,
        season: date.season(),
        names: names.iter().map(player).collect(),
        provenance: Provenance { fetched_at: at, version: 1, raw: RawId(at.0) },
    })
}
fn known(date: EasternDate, at: Timestamp, name: &str, id: u32) -> In {
    names(Source::Nbacom, None, date, at, &[(name, Some(id))])
}
fn asked(date: EasternDate, name: &str) -> In {
    names(Source::Espn, Some(SCOPE), date, date.at(12, 0), &[(name, None)])
}
fn link(at: Timestamp, spelling: &str, player: Option<u32>) -> In {
    let provenance = Provenance { fetched_at: at, version: 1, raw: RawId(at.0) };
    In::Link(LinkObservation {
        team: TEAM,
        spelling: spelling.into(),
        player: player.map(PlayerId),
        provenance,
    })
}
fn driver_with(inputs: impl IntoIterator<Item = In>) -> ViewTestDriver<NameResolver> {
    let mut driver = ViewTestDriver::new(NameResolver);
    inputs.into_iter().for_each(|input| _ = driver.put(input));
    driver
}
/// Since when, by which rule, whom, and what a link says.
type Revision = (Timestamp, Option<NameRule>, Vec<u32>, Option<u32>);
fn answer(driver: &ViewTestDriver<NameResolver>, date: EasternDate) -> Vec<Revision> {
    let row = driver.row(&Names::id(SCOPE, TEAM, Source::Espn, date)).unwrap();
    let revisions = row.matches[0].revisions.iter();
    revisions
        .map(|s| (s.known_at, s.rule, s.players.iter().map(|p| p.0).collect(), s.link.map(|p| p.0)))
        .collect()
}
const NOBODY: Revision = (Timestamp::DISTANT_PAST, None, Vec::new(), None);

#[test]
fn a_name_is_answered_from_the_beginning_if_only_with_nobody() {
    assert_eq!(answer(&driver_with([asked(day(0), "Jo Do")]), day(0)), [NOBODY]);
}
#[test]
fn a_player_is_known_by_what_is_effective_by_the_day_since_it_was_heard() {
    let driver = driver_with([
        asked(day(0), "Jo Do"),
        known(day(0), day(0).at(23, 0), "Jo Do", 1),
        known(day(-3), day(3).at(9, 0), "Jo Do", 1),
        known(day(1), day(-9).at(9, 0), "Jo Do", 2),
    ]);
    let exact = |at| (at, Some(NameRule::Exact), vec![1], None);
    assert_eq!(answer(&driver, day(0)), [NOBODY, exact(day(0).at(23, 0))]);
}
#[test]
fn the_season_before_answers_only_while_this_one_does_not() {
    let driver = driver_with([
        asked(day(0), "J. Do"),
        known(day(-300), day(-299).at(9, 0), "Jo Do", 1),
        known(day(-2), day(-1).at(9, 0), "Jack Do", 2),
        known(day(-700), day(-699).at(9, 0), "Jim Do", 3),
    ]);
    let prefix = |at, id| (at, Some(NameRule::Prefix), vec![id], None);
    assert_eq!(answer(&driver, day(0)), [NOBODY, prefix(day(-299).at(9, 0), 1), prefix(day(-1).at(9, 0), 2)]);
}
#[test]
fn a_link_is_known_when_it_was_sent_until_it_is_taken_back() {
    let driver = driver_with([
        asked(day(0), "Big Jo"),
        link(day(5).at(9, 0), "big  jo", Some(1)),
        link(day(7).at(9, 0), "Big Jo", None),
    ]);
    let linked = (day(5).at(9, 0), None, vec![], Some(1));
    assert_eq!(answer(&driver, day(0)), [NOBODY, linked, (day(7).at(9, 0), None, vec![], None)]);
}
#[test]
fn two_whom_no_rule_tells_apart_are_both_answered() {
    let both =
        names(Source::Nbacom, None, day(-1), day(-1).at(9, 0), &[("Jo Do", Some(2)), ("Jay Do", Some(1))]);
    let driver = driver_with([asked(day(0), "J. Do"), both]);
    assert_eq!(answer(&driver, day(0))[1], (day(-1).at(9, 0), Some(NameRule::Prefix), vec![1, 2], None));
}
