//! Tests of known names, the seasons they are used in, links, and retractions.
//!
//! Invariant: every lookup is for the roster of one team.
//! Not here: the decision over several teams (`names`), a lookup from end to end (`games`).
mod links;

use super::*;
use crate::view_test_driver::{ViewTestDriver, provenance};
use proptest::prelude::*;
use schemas::{
    PlayerId, RawId,
    identity::NameRule,
    observation::{PlayerRef, Provenance, Retraction},
    raw::Feed,
};

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
        of_league: false,
        suffix_matters: Vec::new(),
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
        is_nobody: false,
        only_team: None,
        only_source: None,
        only_from: None,
    })
}
/// A fetch that lists these players for some team.
fn players_of_league(fetched_at: Timestamp, players: &[u32]) -> In {
    let players: Vec<_> = players.iter().map(|id| ("", Some(*id))).collect();
    let In::Names(observation) = names(Source::Nbacom, None, day(0), fetched_at, &players) else {
        unreachable!()
    };
    In::Names(NamesObservation { of_league: true, ..observation })
}
fn driver_with(inputs: impl IntoIterator<Item = In>) -> ViewTestDriver<NameResolver> {
    let mut driver = ViewTestDriver::new(NameResolver);
    for input in inputs {
        driver.put(input);
    }
    driver
}
/// Returns the observation by which a retraction of an input, or its undoing, reaches the view.
fn retracted(input: &In, at: Timestamp, is_undone: bool) -> In {
    let mut input = input.clone();
    let provenance: &mut Provenance = match &mut input {
        In::Names(observation) => &mut observation.provenance,
        In::Link(observation) => &mut observation.provenance,
    };
    provenance.retraction = Some(Retraction { at, is_undone });
    input
}
/// A fetch of the player list, effective on the Eastern day of its fetch.
fn player_list(fetched_at: Timestamp, listed: &[(&str, Option<u32>)]) -> In {
    let In::Names(mut observation) =
        names(Source::Nbacom, None, fetched_at.eastern_date(), fetched_at, listed)
    else {
        unreachable!()
    };
    (observation.feed, observation.season) = (Some(Feed::NbacomPlayerList), day(0).season());
    In::Names(observation)
}
fn in_retrospect(driver: &ViewTestDriver<NameResolver>, date: EasternDate) -> Option<Vec<Revision>> {
    let row = driver.row(&Names::id(SCOPE, TEAM, Source::Espn, date)).unwrap();
    row.matches[0].revisions_in_retrospect.as_deref().map(contents)
}
/// Known-at time, rule, players and operator's link of a revision.
type Revision = (Timestamp, Option<NameRule>, Vec<u32>, Option<u32>);
fn match_of(driver: &ViewTestDriver<NameResolver>, date: EasternDate) -> Vec<Revision> {
    let row = driver.row(&Names::id(SCOPE, TEAM, Source::Espn, date)).unwrap();
    contents(&row.matches[0].revisions)
}
fn contents(revisions: &[NameRevision]) -> Vec<Revision> {
    let ids = |players: &[PlayerId]| players.iter().map(|player| player.0).collect();
    let content = |r: &NameRevision| {
        let linked = r.operator_link.and_then(|link| link.player);
        (r.known_at, r.rule, ids(&r.players), linked.map(|player| player.0))
    };
    revisions.iter().map(content).collect()
}
fn exact(known_at: Timestamp, player: u32) -> Revision {
    (known_at, Some(NameRule::Exact), vec![player], None)
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
        players_of_league(day(-9).at(9, 0), &[1]),
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
#[test]
fn a_name_is_unknown_from_its_retraction_until_the_retraction_is_undone() {
    let listed = known_name(day(-3), day(-2).at(9, 0), "Jo Do", 1);
    let mut driver = driver_with([lookup(day(0), "Jo Do"), listed.clone()]);
    driver.put(retracted(&listed, day(1).at(9, 0), false));
    let unknown = |known_at| -> Revision { (known_at, None, vec![], None) };
    let until_retracted = [NO_MATCH, exact(day(-2).at(9, 0), 1), unknown(day(1).at(9, 0))];
    assert_eq!(match_of(&driver, day(0)), until_retracted);
    assert_eq!(in_retrospect(&driver, day(0)), Some(vec![NO_MATCH]));
    driver.put(retracted(&listed, day(2).at(9, 0), true));
    let undone = [&until_retracted[..], &[exact(day(2).at(9, 0), 1)]].concat();
    assert_eq!(match_of(&driver, day(0)), undone);
    assert_eq!(in_retrospect(&driver, day(0)), Some(vec![NO_MATCH, exact(day(-2).at(9, 0), 1)]));
}
#[test]
fn a_name_that_another_observation_also_lists_stays_known_from_that_one_on() {
    let listed = known_name(day(-3), day(-2).at(9, 0), "Jo Do", 1);
    let again = known_name(day(-3), day(-1).at(9, 0), "Jo Do", 1);
    let mut driver = driver_with([lookup(day(0), "Jo Do"), listed.clone(), again]);
    driver.put(retracted(&listed, day(1).at(9, 0), false));
    assert_eq!(match_of(&driver, day(0)), [NO_MATCH, exact(day(-2).at(9, 0), 1)]);
    assert_eq!(in_retrospect(&driver, day(0)), Some(vec![NO_MATCH, exact(day(-1).at(9, 0), 1)]));
}
#[test]
fn a_link_is_unknown_from_its_retraction_on() {
    let linked = link(day(5).at(9, 0), "Big Jo", Some(1));
    let players = players_of_league(day(-9).at(9, 0), &[1]);
    let mut driver = driver_with([players, lookup(day(0), "Big Jo"), linked.clone()]);
    driver.put(retracted(&linked, day(6).at(9, 0), false));
    let expected =
        [NO_MATCH, (day(5).at(9, 0), None, vec![], Some(1)), (day(6).at(9, 0), None, vec![], None)];
    assert_eq!(match_of(&driver, day(0)), expected);
    assert_eq!(in_retrospect(&driver, day(0)), Some(vec![NO_MATCH]));
}
#[test]
fn two_lookups_of_one_payload_are_both_retained() {
    let of_event = |name| names(Source::Espn, Some(SCOPE), day(0), day(0).at(12, 0), &[(name, None)]);
    let mut driver = driver_with([of_event("Jo Do"), of_event("Al Bo")]);
    let row = driver.row(&Names::id(SCOPE, TEAM, Source::Espn, day(0))).unwrap();
    assert_eq!(row.matches.len(), 2);
    assert_eq!(driver.put(of_event("Jo Do")), StateChange::Unchanged);
}
#[test]
fn the_box_scores_of_two_days_in_one_payload_have_separate_records() {
    let of_day = |offset, name, id| known_name(day(offset), day(-1).at(9, 0), name, id);
    // The driver compares the restored tables with the running ones.
    let driver = driver_with([of_day(-3, "Jo Do", 1), of_day(-2, "Al Bo", 2), lookup(day(0), "Jo Do")]);
    assert_eq!(match_of(&driver, day(0)), [NO_MATCH, exact(day(-1).at(9, 0), 1)]);
}
#[test]
fn a_player_list_that_is_polled_is_effective_on_the_day_of_its_first_fetch() {
    let polls = (0..40).map(|hour| player_list(day(0).at(0, 0).plus_hours(hour), &[("Jo Do", Some(1))]));
    let driver = driver_with([lookup(day(-1), "Jo Do"), lookup(day(0), "Jo Do")].into_iter().chain(polls));
    assert_eq!(match_of(&driver, day(-1)), [NO_MATCH]);
    assert_eq!(match_of(&driver, day(0)), [NO_MATCH, exact(day(0).at(0, 0), 1)]);
}
#[test]
fn a_poll_that_lists_the_same_names_invalidates_no_lookup() {
    let poll = |hour| player_list(day(0).at(hour, 0), &[("Jo Do", Some(1))]);
    let (mut tables, mut invalidated) = (Tables::default(), Vec::new());
    let mut counts = Vec::new();
    for input in [lookup(day(1), "Jo Do"), lookup(day(1), "Al Bo"), poll(8), poll(9), poll(10)] {
        let mut effects =
            Effects { invalidate: &mut |output_key| invalidated.push(output_key), retain: &mut |_, _| {} };
        NameResolver.apply(&mut tables, input, &mut effects);
        counts.push(invalidated.len());
    }
    assert_eq!(counts, [1, 2, 3, 3, 3]);
}

const SPELLINGS: [&str; 4] = ["Jo Do", "Joe Do", "Jo Do Jr.", "Al Bo"];

/// An observation of known names, and whether it or its retraction arrives.
fn history() -> impl Strategy<Value = Vec<In>> {
    let listed = prop::collection::vec((0usize..4, 1u32..4), 0..3);
    let retraction = prop::option::of((0i32..5, any::<bool>()));
    let arrival = (0u8..3, 0i32..4, 0i32..4, listed, retraction).prop_map(
        |(kind, effective, fetched, listed, retraction)| {
            let listed: Vec<_> = listed.iter().map(|(name, id)| (SPELLINGS[*name], Some(*id))).collect();
            let fetched_at = day(fetched).at(9, 0);
            let input = match (kind, listed.as_slice()) {
                (0, [(name, player), ..]) => link(fetched_at, name, player.filter(|id| *id < 3)),
                (1, listed) => player_list(fetched_at, listed),
                (_, listed) => names(Source::Nbacom, None, day(effective), fetched_at, listed),
            };
            retraction
                .map_or(input.clone(), |(at, is_undone)| retracted(&input, day(at).at(21, 0), is_undone))
        },
    );
    let of_raw = |(raw, mut input): (usize, In)| {
        let (In::Names(NamesObservation { provenance, .. }) | In::Link(LinkObservation { provenance, .. })) =
            &mut input;
        provenance.raw = RawId(raw as i64);
        input
    };
    // An input with a retraction sometimes follows the same input without one.
    let copies = prop::collection::vec((arrival, any::<bool>()), 0..7).prop_map(move |arrivals| {
        let raw_inputs = arrivals.into_iter().enumerate().flat_map(move |(raw, (input, is_twice))| {
            let input = of_raw((raw, input));
            let mut first = input.clone();
            let (In::Names(NamesObservation { provenance, .. })
            | In::Link(LinkObservation { provenance, .. })) = &mut first;
            provenance.retraction = None;
            [Some(input), is_twice.then_some(first)].into_iter().flatten()
        });
        raw_inputs.collect::<Vec<In>>()
    });
    copies.prop_shuffle()
}
/// Returns the players whom a name matches for a day as of an instant, evaluated naively over all inputs.
fn naive_match(
    inputs: &[In],
    written: &str,
    date: EasternDate,
    until: Timestamp,
    retractions_until: Timestamp,
) -> Option<(NameRule, Vec<PlayerId>)> {
    let observations: Vec<&NamesObservation> = inputs
        .iter()
        .filter_map(|input| if let In::Names(observation) = input { Some(observation) } else { None })
        .collect();
    let is_retracted = |raw: RawId| {
        let of_raw = observations.iter().filter(|observation| observation.provenance.raw == raw);
        let retractions = of_raw.filter_map(|observation| observation.provenance.retraction);
        let known = retractions.filter(|retraction| retraction.at <= retractions_until);
        known.max_by_key(|retraction| (retraction.at, !retraction.is_undone)).is_some_and(|r| !r.is_undone)
    };
    let known = observations.iter().filter(|observation| {
        let Provenance { fetched_at, raw, .. } = observation.provenance;
        fetched_at <= until && observation.date <= date && !is_retracted(raw)
    });
    let names: Vec<(PlayerId, Name)> = known
        .flat_map(|observation| &observation.names)
        .map(|player| (player.nba.unwrap(), Name::new(&player.name)))
        .collect();
    match_name(&Name::new(written), names.iter().map(|(player, name)| (*player, name)))
}
proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn every_revision_has_the_match_that_the_observations_known_at_its_time_give(
        inputs in history(),
        lookups_after in 0usize..4,
    ) {
        let mut driver = ViewTestDriver::new(NameResolver);
        let lookups = || (0..4).flat_map(|offset| ["Jo Do", "J. Do"].map(|name| lookup(day(offset), name)));
        for (index, input) in inputs.iter().enumerate() {
            if index == lookups_after {
                lookups().for_each(|lookup| _ = driver.put(lookup));
            }
            driver.put(input.clone());
        }
        lookups().for_each(|lookup| _ = driver.put(lookup));
        for date in (0..4).map(day) {
            let row = driver.row(&Names::id(SCOPE, TEAM, Source::Espn, date)).unwrap();
            for (name_match, hour) in row.matches.iter().flat_map(|m| (0..120).step_by(6).map(move |h| (m, h))) {
                let instant = day(0).at(0, 0).plus_hours(hour);
                for (as_of, retractions_until) in
                    [(AsOf::known_at(instant), instant), (AsOf::in_retrospect(instant), Timestamp::DISTANT_FUTURE)]
                {
                    let revision = crate::name_lookup::known_as_of(as_of)(name_match).unwrap();
                    let matched = revision.rule.map(|rule| (rule, revision.players.clone()));
                    let expected = naive_match(&inputs, &name_match.name, date, instant, retractions_until);
                    prop_assert_eq!(matched, expected, "{} on {} as of {:?}", name_match.name, date, as_of);
                }
            }
        }
    }
}
