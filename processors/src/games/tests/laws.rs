//! Random histories of games and box lists.
//!
//! Invariant: the driver compares incrementally derived rows with those of a batch, and restored tables with the running ones, after each
//! input.
//! Not here: the laws of single histories (`history::laws`).
use super::*;
use proptest::prelude::*;
use schemas::{RawId, raw::FetchOutcome};

/// One raw event: what it contains, when it was fetched by which request, and in which copies it arrives.
#[derive(Clone, Debug)]
struct RawEvent {
    content: Content,
    hour: i8,
    request: u8,
    /// Versions and retractions: hour and whether it is an undoing.
    copies: Vec<(i32, Option<(i8, bool)>)>,
}
/// The numbers and points of players.
type Members = Vec<(u32, Option<i32>)>;

#[derive(Clone, Debug)]
enum Content {
    Fixture {
        game: GameId,
        day: i32,
        is_called_off: bool,
        points: Option<i32>,
    },
    /// A box score with the lists of one day, or of one day and the next.
    BoxScore {
        feed: Feed,
        days: std::ops::Range<i32>,
        is_complete: bool,
        is_final: bool,
        members: Members,
    },
}

fn content() -> impl Strategy<Value = Content> {
    let fixture = (any::<bool>(), 0i32..3, prop::bool::weighted(0.2), prop::option::of(90i32..92));
    let members = prop::collection::vec((1u32..4, prop::option::of(1i32..3)), 0..4);
    let days = (0i32..3, 1i32..3).prop_map(|(first, count)| first..first + count);
    let box_score = (0usize..4, days, any::<bool>(), prop::bool::weighted(0.7), members);
    prop_oneof![
        fixture.prop_map(|(is_next, day, is_called_off, points)| Content::Fixture {
            game: if is_next { NEXT } else { GAME },
            day,
            is_called_off,
            points,
        }),
        box_score.prop_map(|(feed, days, is_complete, is_final, members)| Content::BoxScore {
            feed: [GAMELOG, STATS, Feed::BalldontlieBoxScores, Feed::NbacomBoxscore][feed],
            days,
            is_complete,
            is_final,
            members,
        }),
    ]
}
fn raw_events() -> impl Strategy<Value = Vec<RawEvent>> {
    let retraction = prop::option::weighted(0.3, (0i8..24, any::<bool>()));
    let copies = prop::collection::vec((Just(1i32), retraction), 1..3);
    let raw_event = (content(), 0i8..8, 0u8..2, copies)
        .prop_map(|(content, hour, request, copies)| RawEvent { content, hour: hour * 3, request, copies });
    prop::collection::vec(raw_event, 0..9)
}

/// Returns the observations of a history. Members with an odd number have an id, the others a name.
fn observations(raw_events: &[RawEvent]) -> Vec<Input> {
    let mut inputs = Vec::new();
    for (index, raw_event) in raw_events.iter().enumerate() {
        let fetched_at = day(1).at(raw_event.hour, 0);
        let contents = match &raw_event.content {
            Content::Fixture { game, day: offset, is_called_off, points } => {
                let mut input = fixture(*game, day(*offset), *is_called_off, fetched_at);
                if let Input::Game(GameObservation { result, .. }) = &mut input
                    && points.is_some()
                {
                    *result =
                        GameResult { status: GameStatus::Final, home_points: *points, away_points: *points };
                }
                vec![input]
            }
            Content::BoxScore { feed, days, is_complete, is_final, members } => {
                let by_id = |number: &u32| (number % 2 == 1).then_some(*number);
                let name = |number: &u32| if number % 2 == 1 { "A" } else { "Jo Do" };
                let members: Vec<BoxMember> = members
                    .iter()
                    .map(|(number, points)| member(by_id(number), name(number), *points))
                    .collect();
                let of_day = |offset| {
                    let input = box_score(*feed, day(offset), fetched_at, *is_complete, &members);
                    if *is_final { input } else { live(input) }
                };
                days.clone().map(of_day).collect()
            }
        };
        for ((version, retraction), input) in
            raw_event.copies.iter().flat_map(|copy| contents.iter().map(move |input| (copy, input)))
        {
            inputs.push(with(input.clone(), |provenance| {
                provenance.raw = RawId(index as i64);
                provenance.request = raw_event.request.to_string();
                provenance.version = *version;
                provenance.outcome = FetchOutcome::Complete;
                let order = |(hour, is_undone)| Retraction { at: day(1).at(hour, 30), is_undone };
                provenance.retraction = retraction.map(order);
            }));
        }
    }
    for offset in 0..3 {
        for (team, revisions) in
            [(HOME, &[(day(1).at(5, 0), &[2][..])][..]), (AWAY, &[(Timestamp::DISTANT_PAST, &[][..])])]
        {
            inputs.push(name_matches(team, day(offset), "Jo Do", revisions));
        }
    }
    inputs
}

fn shuffled(inputs: &[Input], mut state: u64) -> Vec<Input> {
    let mut shuffled = [inputs, inputs].concat();
    for i in (1..shuffled.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        shuffled.swap(i, (state >> 33) as usize % (i + 1));
    }
    shuffled
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn rows_and_parked_items_do_not_depend_on_the_order_or_repetition_of_observations(
        raw_events in raw_events(),
        seed in any::<u64>(),
    ) {
        let inputs = observations(&raw_events);
        let in_order = driver_with(inputs.clone());
        let other = driver_with(shuffled(&inputs, seed));
        prop_assert_eq!(format!("{:#?}", in_order.rows()), format!("{:#?}", other.rows()));
        prop_assert_eq!(in_order.parked(), other.parked());
    }
    #[test]
    fn an_observation_changes_no_revision_that_was_known_before_it(raw_events in raw_events(), last in content()) {
        let before = driver_with(observations(&raw_events));
        let at = day(2).at(0, 0);
        let added = RawEvent { content: last, hour: 0, request: 0, copies: vec![(1, None)] };
        let later = observations(&[added]).remove(0);
        let later = with(later, |provenance| (provenance.fetched_at, provenance.raw) = (at, RawId(100)));
        let retractions = observations(&raw_events).into_iter().filter(|input| !matches!(input, Input::Names(..)));
        let retractions: Vec<Input> = retractions.map(|input| retracted(&input, at, false)).collect();
        for addition in [vec![later], retractions] {
            let after = driver_with(observations(&raw_events).into_iter().chain(addition));
            for player in 1..4 {
                for game in [GAME, NEXT] {
                    let known: Vec<_> = revisions(&before, game, player);
                    let now = revisions(&after, game, player);
                    let known_then: Vec<_> = now.into_iter().filter(|revision| revision.known_at < at).collect();
                    prop_assert_eq!(known, known_then);
                }
            }
        }
    }
}
