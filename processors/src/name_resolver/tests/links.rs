//! Tests of links with limits, of links whose player is unknown, and of names whose suffix matters.
//!
//! Invariant: the naive evaluation shares no code with the view, apart from the comparison of names.
//! Not here: known names and their retractions (the parent module).
use super::*;
use crate::name_lookup::known_as_of;
use schemas::{Matchup, identity::OperatorLink};

fn with(link: In, change: impl FnOnce(&mut LinkObservation)) -> In {
    let In::Link(mut observation) = link else { unreachable!() };
    change(&mut observation);
    In::Link(observation)
}
fn linked(driver: &ViewTestDriver<NameResolver>, id: NamesId) -> Option<OperatorLink> {
    driver.row(&id).unwrap().matches[0].revisions.last().unwrap().operator_link
}

#[test]
fn a_link_to_an_unknown_player_waits_until_a_fetch_lists_the_player_for_any_team() {
    let driver = driver_with([
        lookup(day(0), "Jo Do"),
        link(day(5).at(9, 0), "Jo Do", Some(7)),
        players_of_league(day(8).at(9, 0), &[7]),
        players_of_league(day(7).at(9, 0), &[6, 7]),
    ]);
    assert_eq!(match_of(&driver, day(0)), [NO_MATCH, (day(7).at(9, 0), None, vec![], Some(7))]);
}
#[test]
fn a_retraction_of_the_fetch_that_lists_a_linked_player_reveals_the_next_one() {
    let fetches = [2, 4, 6].map(|offset| players_of_league(day(offset).at(9, 0), &[7]));
    let mut driver = driver_with([lookup(day(0), "Jo Do"), link(day(1).at(9, 0), "Jo Do", Some(7))]);
    fetches.iter().for_each(|fetch| _ = driver.put(fetch.clone()));
    let linked = |offset| (day(offset).at(9, 0), None, vec![], Some(7));
    assert_eq!(match_of(&driver, day(0)), [NO_MATCH, linked(2)]);
    driver.put(retracted(&fetches[0], day(3).at(9, 0), false));
    let none = |offset| (day(offset).at(9, 0), None, vec![], None);
    assert_eq!(match_of(&driver, day(0)), [NO_MATCH, linked(2), none(3), linked(4)]);
    assert_eq!(in_retrospect(&driver, day(0)), Some(vec![NO_MATCH, linked(4)]));
    driver.put(retracted(&fetches[1], day(8).at(9, 0), false));
    assert_eq!(match_of(&driver, day(0)), [NO_MATCH, linked(2), none(3), linked(4)]);
    assert_eq!(in_retrospect(&driver, day(0)), Some(vec![NO_MATCH, linked(6)]));
    driver.put(retracted(&fetches[0], day(5).at(9, 0), true));
    assert_eq!(in_retrospect(&driver, day(0)), Some(vec![NO_MATCH, linked(2)]));
}
#[test]
fn fetches_that_list_the_same_players_store_them_once() {
    let mut driver = driver_with([]);
    for poll in 0..50 {
        let listed: &[u32] = if poll < 25 { &[6, 7] } else { &[6, 7, 8] };
        driver.put(players_of_league(day(poll).at(9, 0), listed));
    }
    assert_eq!(driver.changelog_len(), 50 + 2);
}
#[test]
fn of_the_links_that_apply_the_one_of_the_team_outranks_that_of_the_source_and_that_from_the_latest_day() {
    let all = players_of_league(day(-9).at(9, 0), &[1, 2, 3, 4]);
    let at = day(1).at(9, 0);
    let general = link(at, "Jo Do", Some(1));
    let from = with(link(at, "Jo Do", Some(2)), |link| link.only_from = Some(day(0)));
    let of_source = with(link(at, "Jo Do", Some(3)), |link| link.only_source = Some(Source::Espn));
    let of_team = with(link(at, "Jo Do", Some(4)), |link| link.only_team = Some(TEAM));
    let inputs = [lookup(day(-1), "Jo Do"), lookup(day(0), "Jo Do"), general, from, of_source, of_team];
    let expected =
        [[None, None], [Some(1), Some(1)], [Some(1), Some(2)], [Some(3), Some(3)], [Some(4), Some(4)]];
    let mut driver = driver_with([all]);
    for (index, input) in inputs.into_iter().enumerate() {
        driver.put(input);
        let Some(expected) = index.checked_sub(1).map(|count| expected[count]) else { continue };
        for (date, player) in [day(-1), day(0)].into_iter().zip(expected) {
            let link = linked(&driver, Names::id(SCOPE, TEAM, Source::Espn, date));
            assert_eq!(link.and_then(|link| link.player), player.map(PlayerId), "{index} on {date}");
            assert_eq!(link.is_some_and(|link| link.is_of_team), player == Some(4));
        }
    }
}
#[test]
fn a_link_of_a_team_applies_to_its_own_roster_and_to_its_games_only() {
    let other = Team::NYK;
    let matchup = Scope::Matchup(Matchup::new(TEAM, other).unwrap());
    let lookups = [SCOPE, Scope::Team(other), matchup]
        .map(|scope| names(Source::Espn, Some(scope), day(0), day(0).at(12, 0), &[("Jo Do", None)]));
    let of = |team| {
        let all = players_of_league(day(-9).at(9, 0), &[1]);
        let link = with(link(day(1).at(9, 0), "Jo Do", Some(1)), |link| link.only_team = Some(team));
        let driver = driver_with(lookups.iter().cloned().chain([all, link]));
        [SCOPE, Scope::Team(other), matchup]
            .map(|scope| linked(&driver, Names::id(scope, TEAM, Source::Espn, day(0))).is_some())
    };
    assert_eq!(of(TEAM), [true, false, true]);
    assert_eq!(of(other), [false, false, false]);
}
#[test]
fn a_link_to_nobody_needs_no_player_and_is_revoked_by_its_own_limits_only() {
    let id = Names::id(SCOPE, TEAM, Source::Espn, day(0));
    let nobody = |at, is_nobody| {
        with(link(at, "Jo Do", None), |link| {
            (link.is_nobody, link.only_source) = (is_nobody, Some(Source::Espn))
        })
    };
    let mut driver = driver_with([lookup(day(0), "Jo Do"), nobody(day(1).at(9, 0), true)]);
    let expected = Some(OperatorLink { player: None, is_of_team: false });
    assert_eq!(linked(&driver, id), expected);
    driver.put(link(day(2).at(9, 0), "Jo Do", None));
    assert_eq!(linked(&driver, id), expected);
    driver.put(nobody(day(3).at(9, 0), false));
    assert_eq!(linked(&driver, id), None);
}
#[test]
fn from_the_first_list_with_both_forms_on_a_name_matches_only_players_with_its_suffix() {
    let both = |fetched_at| {
        let forms = [("Jo Do", None), ("Jo Do Jr.", None)];
        let In::Names(observation) = names(Source::Espn, Some(SCOPE), day(0), fetched_at, &forms) else {
            unreachable!()
        };
        let suffix_matters = vec!["Jo Do".into(), "Jo Do Jr.".into()];
        In::Names(NamesObservation { suffix_matters, ..observation })
    };
    let mut driver = driver_with([
        known_name(day(-3), day(-2).at(9, 0), "Jo Do", 1),
        lookup(day(0), "Jo Do Jr."),
        lookup(day(1), "Jo Do Jr."),
    ]);
    let by_suffix = (day(-2).at(9, 0), Some(NameRule::Suffix), vec![1], None);
    assert_eq!(match_of(&driver, day(0)), [NO_MATCH, by_suffix.clone()]);
    driver.put(both(day(0).at(15, 0)));
    let row = driver.row(&Names::id(SCOPE, TEAM, Source::Espn, day(0))).unwrap();
    let matches: Vec<_> = row.matches.iter().map(|name_match| contents(&name_match.revisions)).collect();
    assert_eq!(matches[0], [NO_MATCH, exact(day(-2).at(9, 0), 1)]);
    let none = (day(0).at(15, 0), None, vec![], None);
    assert_eq!(matches[1], [NO_MATCH, by_suffix.clone(), none.clone()]);
    assert_eq!(match_of(&driver, day(1)), [NO_MATCH, by_suffix.clone()], "the lists of another day");
    driver.put(retracted(&both(day(0).at(15, 0)), day(0).at(16, 0), false));
    let row = driver.row(&Names::id(SCOPE, TEAM, Source::Espn, day(0))).unwrap();
    let again = (day(0).at(16, 0), Some(NameRule::Suffix), vec![1], None);
    assert_eq!(contents(&row.matches[1].revisions), [NO_MATCH, by_suffix, none, again]);
}

/// An arrival in the law: a link, or a fetch that lists a player; or the retraction of it.
fn arrivals() -> impl Strategy<Value = Vec<In>> {
    let limits = (prop::option::of(0usize..2), prop::option::of(0usize..2), prop::option::of(0i32..3));
    let arrival = (0u8..4, 0i32..5, 0u32..4, limits, prop::option::of((0i32..6, any::<bool>()))).prop_map(
        |(kind, fetched, player, (team, source, from), retraction)| {
            let fetched_at = day(fetched).at(9, 0);
            let input = if kind == 0 {
                players_of_league(fetched_at, &[player])
            } else {
                let target = Some(player).filter(|player| *player > 0 && kind < 3);
                with(link(fetched_at, "Jo Do", target), |link| {
                    link.is_nobody = kind == 3 && player > 1;
                    link.only_team = team.map(|team| [TEAM, Team::NYK][team]);
                    link.only_source = source.map(|source| [Source::Espn, Source::Oddsapi][source]);
                    link.only_from = from.map(day);
                })
            };
            retraction.map_or(input.clone(), |(at, undone)| retracted(&input, day(at).at(21, 0), undone))
        },
    );
    prop::collection::vec(arrival, 0..8).prop_map(|arrivals| {
        let of_raw = |(raw, mut input): (usize, In)| {
            let (In::Names(NamesObservation { provenance, .. })
            | In::Link(LinkObservation { provenance, .. })) = &mut input;
            provenance.raw = RawId(raw as i64);
            input
        };
        arrivals.into_iter().enumerate().map(of_raw).collect()
    })
}
/// Returns what the operator's links state about the name on a day as of an instant, evaluated naively over all inputs.
fn naive_link(
    inputs: &[In],
    date: EasternDate,
    until: Timestamp,
    retractions_until: Timestamp,
) -> Option<OperatorLink> {
    let is_known = |player: PlayerId| {
        inputs.iter().any(|input| match input {
            In::Names(NamesObservation { names, provenance, .. }) => {
                let retraction =
                    provenance.retraction.filter(|retraction| retraction.at <= retractions_until);
                provenance.fetched_at <= until
                    && retraction.is_none_or(|retraction| retraction.is_undone)
                    && names.iter().any(|listed| listed.nba == Some(player))
            }
            In::Link(_) => false,
        })
    };
    let links = inputs.iter().filter_map(|input| if let In::Link(link) = input { Some(link) } else { None });
    let counts = |link: &&LinkObservation| {
        let retraction = link.provenance.retraction.filter(|retraction| retraction.at <= retractions_until);
        let applies = link.only_team.is_none_or(|team| team == TEAM)
            && link.only_source.is_none_or(|source| source == Source::Espn)
            && link.only_from.is_none_or(|from| from <= date);
        applies && link.provenance.fetched_at <= until && retraction.is_none_or(|r| r.is_undone)
    };
    let mut newest: BTreeMap<_, (Timestamp, Option<PlayerId>, bool)> = BTreeMap::new();
    for link in links.filter(counts) {
        let limits = (link.only_team.is_some(), link.only_source.is_some(), link.only_from);
        let stated = (link.provenance.fetched_at, link.player, link.is_nobody);
        let stored = newest.entry(limits).or_insert(stated);
        *stored = (*stored).max(stated);
    }
    newest.into_iter().rev().find_map(|((is_of_team, ..), (_, player, is_nobody))| {
        (is_nobody || player.is_some_and(is_known)).then_some(OperatorLink { player, is_of_team })
    })
}
proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn every_revision_has_the_link_that_the_links_and_players_known_at_its_time_give(
        inputs in arrivals(),
        lookups_after in 0usize..4,
    ) {
        let mut driver = ViewTestDriver::new(NameResolver);
        let lookups = || (0..3).map(|offset| lookup(day(offset), "Jo Do"));
        for (index, input) in inputs.iter().enumerate() {
            if index == lookups_after {
                lookups().for_each(|lookup| _ = driver.put(lookup));
            }
            driver.put(input.clone());
        }
        lookups().for_each(|lookup| _ = driver.put(lookup));
        for (date, hour) in (0..3).map(day).flat_map(|date| (0..144).step_by(6).map(move |hour| (date, hour))) {
            let row = driver.row(&Names::id(SCOPE, TEAM, Source::Espn, date)).unwrap();
            let instant = day(0).at(0, 0).plus_hours(hour);
            for (as_of, retractions_until) in
                [(AsOf::known_at(instant), instant), (AsOf::in_retrospect(instant), Timestamp::DISTANT_FUTURE)]
            {
                let revision = known_as_of(as_of)(&row.matches[0]).unwrap();
                let expected = naive_link(&inputs, date, instant, retractions_until);
                prop_assert_eq!(revision.operator_link, expected, "on {} as of {:?}", date, as_of);
            }
        }
    }
}
