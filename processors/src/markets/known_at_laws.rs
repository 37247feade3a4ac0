//! Laws of the time at which issued content became known: whatever ends or replaces it is dated, and what changes nothing is not.
//!
//! Invariant: the inputs of a history arrive in the order in which they became known, so each change of a row is due to the input before it.
//! Not here: the content (`laws`).
use super::{laws::*, *};
use crate::view_test_driver::{ViewTestDriver, ended_date, provenance, scheduled_date};
use proptest::prelude::*;
use schemas::{
    EasternDate, GameId, Line, PlayerId, Price, RawId, Team, Timestamp,
    features::Basis,
    fixture::{GameDate, StandingRevision, VoidReason},
    identity::{NameMatch, NameRevision, NameRule},
    market::{AvailabilityView, MarketView},
    observation::{InjuryMember, InjuryStatus, QuoteLine, Retraction},
    raw::Source,
};
use std::collections::BTreeMap;

const PLAYERS: [PlayerId; 2] = [PlayerId(1), PlayerId(2)];

/// A fetch of an injury report that lists at most one player.
#[derive(Clone, Debug)]
struct Fetch {
    at: usize,
    raw: i64,
    reported: usize,
    day: i32,
    team: usize,
    listed: Option<(usize, bool)>,
    complete: bool,
    request: u8,
    retracted: Option<usize>,
}
impl Fetch {
    fn observation(&self, is_retraction: bool) -> In {
        let members = self.listed.map(|(name, is_out)| InjuryMember {
            team: TEAMS[self.team],
            name: NAMES[name].into(),
            status: if is_out { InjuryStatus::Out } else { InjuryStatus::Questionable },
            reason: String::new(),
        });
        let mut provenance = provenance(instant(self.at));
        provenance.raw = RawId(1_000 + self.raw);
        provenance.request = self.request.to_string();
        let retraction = |n: usize| Retraction { at: instant(n.max(self.at)), is_undone: false };
        provenance.retraction = self.retracted.filter(|_| is_retraction).map(retraction);
        In::Injury(InjuryObservation {
            incomplete_teams: Vec::new(),
            not_submitted: Vec::new(),
            matchup: matchup(),
            date: day(self.day),
            reported_at: instant(self.reported),
            complete: self.complete,
            members: members.into_iter().collect(),
            provenance,
        })
    }
}
fn fetches() -> impl Strategy<Value = Vec<Fetch>> {
    let listed = prop::option::weighted(0.6, (0usize..2, any::<bool>()));
    let fetch = (
        0usize..10,
        0usize..10,
        0i32..2,
        0usize..2,
        listed,
        0u8..4,
        0u8..2,
        prop::option::weighted(0.2, 0usize..10),
    );
    prop::collection::vec(fetch, 0..6).prop_map(|fetches| {
        let fetches = fetches.into_iter().enumerate();
        let fetch = |(raw, (at, reported, day, team, listed, complete, request, retracted))| Fetch {
            at,
            raw: raw as i64,
            reported,
            day,
            team,
            listed,
            complete: complete != 0,
            request,
            retracted,
        };
        fetches.map(fetch).collect()
    })
}

/// A new day of a game, or a new match of a name.
#[derive(Clone, Debug)]
enum Revision {
    Day { game: usize, day: i32 },
    Retracted { game: usize },
    Name { is_odds: bool, day: i32, name: usize, player: usize },
}
fn revisions() -> impl Strategy<Value = Vec<(usize, Revision)>> {
    let revision = prop_oneof![
        3 => (0usize..2, 0i32..2).prop_map(|(game, day)| Revision::Day { game, day }),
        1 => (0usize..2).prop_map(|game| Revision::Retracted { game }),
        3 => (any::<bool>(), 0i32..2, 0usize..2, 0usize..3)
            .prop_map(|(is_odds, day, name, player)| Revision::Name { is_odds, day, name, player }),
    ];
    prop::collection::vec((0usize..10, revision), 0..4)
}

/// The rows of games and names, with all revisions so far.
struct Rows {
    /// The day of each game since an instant; `None` if the game does not stand.
    days: [Vec<(Timestamp, Option<i32>)>; 2],
    names: BTreeMap<(bool, i32, usize), Vec<NameRevision>>,
}
impl Rows {
    fn new() -> Rows {
        let days = [0, 1].map(|n| vec![(Timestamp::DISTANT_PAST, Some(n))]);
        Rows { days, names: BTreeMap::new() }
    }
    /// Returns a date of a game; `None` if no revision so far states it.
    fn date(&self, game: usize, on: i32) -> Option<GameDate> {
        let mut standing: Vec<StandingRevision> = Vec::new();
        for (known_at, day) in &self.days[game] {
            let stands = *day == Some(on);
            if standing.last().map_or(stands, |last| last.stands != stands) {
                standing.push(StandingRevision { known_at: *known_at, stands });
            }
        }
        let last = *standing.last()?;
        let date = scheduled_date(TEAMS[0], TEAMS[1], tip_off(on as usize));
        let at_cutoff = standing.iter().rfind(|revision| revision.known_at < date.tip_off);
        let stood_at_cutoff = at_cutoff.is_some_and(|revision| revision.stands);
        let ended = ended_date(date.clone(), last.known_at, VoidReason::Moved);
        let date = if last.stands { date } else { ended };
        Some(GameDate { stood_at_cutoff, standing, ..date })
    }
    /// True if a date of a game is such as `is_such` states.
    fn is_date(&self, game: GameId, date: EasternDate, is_such: impl Fn(&GameDate) -> bool) -> bool {
        let game = GAMES.iter().position(|other| *other == game).unwrap();
        self.date(game, date.0 - day(0).0).is_some_and(|date| is_such(&date))
    }
    fn first_revision(player: Option<PlayerId>, known_at: Timestamp) -> NameRevision {
        let rule = player.map(|_| NameRule::Exact);
        NameRevision {
            known_at,
            rule,
            players: player.into_iter().collect(),
            link: None,
            operator_link: None,
        }
    }
    fn names(&self, is_odds: bool, on: i32) -> Vec<In> {
        let source = if is_odds { Source::Oddsapi } else { Source::Nbacom };
        let row = |team: Team| {
            let name_match = |name: usize| {
                let player = Some(PLAYERS[0]).filter(|_| team == TEAMS[0]);
                let later = self.names.get(&(is_odds, on, name)).filter(|_| team == TEAMS[0]);
                let first = Self::first_revision(player, Timestamp::DISTANT_PAST);
                let revisions = [first].into_iter().chain(later.into_iter().flatten().cloned()).collect();
                NameMatch { name: NAMES[name].into(), revisions, revisions_in_retrospect: None }
            };
            let scope = Scope::Matchup(matchup());
            let matches = vec![name_match(0), name_match(1)];
            let row = Names { scope: scope.to_string(), team, source, date: day(on), matches };
            In::Names(Names::id(scope, team, source, day(on)), Some(row))
        };
        TEAMS.map(row).to_vec()
    }
    fn game(&self, n: usize) -> In {
        let dates = [0, 1].into_iter().filter_map(|on| self.date(n, on)).collect();
        let row = Game { dates, ..game_row(n, n as i32) };
        In::Game(MatchupGameId { matchup: matchup(), game: GAMES[n] }, Some(row))
    }
    fn first(&self) -> Vec<In> {
        let names = [true, false].into_iter().flat_map(|is_odds| [0, 1].map(|on| (is_odds, on)));
        let names = names.flat_map(|(is_odds, on)| self.names(is_odds, on));
        names.chain([self.game(0), self.game(1)]).collect()
    }
    fn put_day(&mut self, game: usize, known_at: Timestamp, on: Option<i32>) -> Vec<In> {
        self.days[game].retain(|(earlier, _)| *earlier < known_at);
        self.days[game].push((known_at, on));
        vec![self.game(game)]
    }
    fn revise(&mut self, known_at: Timestamp, revision: &Revision) -> Vec<In> {
        match *revision {
            Revision::Day { game, day } => self.put_day(game, known_at, Some(day)),
            Revision::Retracted { game } => self.put_day(game, known_at, None),
            Revision::Name { is_odds, day, name, player } => {
                let revision = Self::first_revision(PLAYERS.get(player).copied(), known_at);
                let revisions = self.names.entry((is_odds, day, name)).or_default();
                revisions.retain(|revision| revision.known_at < known_at);
                revisions.push(revision);
                self.names(is_odds, day)
            }
        }
    }
}

/// What an issued row states of one thing, with the time since which it is known.
type Issued = BTreeMap<(GameId, EasternDate, String), (String, Option<Timestamp>)>;

fn issued(driver: &ViewTestDriver<Markets>) -> Issued {
    let mut issued = Issued::new();
    for row in driver.rows().values() {
        match row {
            Out::Market(row) => {
                let (view, known_at) = row.on(Basis::Issued);
                let view = view.map(|view| MarketView { known_at: Timestamp::DISTANT_PAST, ..view.clone() });
                let content = known_at.map(|known_at| (format!("{view:?}"), Some(known_at)));
                issued.extend(
                    content.map(|content| ((row.game, row.date, format!("market {}", row.player)), content)),
                );
            }
            Out::Availability(row) => {
                let (view, known_at) = row.on(Basis::Issued);
                let view =
                    view.map(|view| AvailabilityView { known_at: Timestamp::DISTANT_PAST, ..view.clone() });
                let content = known_at.map(|known_at| (format!("{view:?}"), Some(known_at)));
                issued.extend(
                    content.map(|content| {
                        ((row.game, row.date, format!("availability {}", row.player)), content)
                    }),
                );
            }
            Out::QuotedPlayers(row) => {
                for quoted in &row.issued {
                    let content = (quoted.is_quoted.to_string(), Some(quoted.known_at));
                    issued.insert((row.game, row.date, format!("quoted {}", quoted.player)), content);
                }
                for team in &row.teams_reported_issued {
                    let content = (team.has_reported.to_string(), Some(team.known_at));
                    issued.insert((row.game, row.date, format!("reported {}", team.team)), content);
                }
            }
        }
    }
    issued
}

/// Checks what one input changed, which became known at an instant.
fn check(
    (before, after): (&Issued, &Issued),
    rows: &Rows,
    at: Timestamp,
    input: &str,
) -> Result<(), TestCaseError> {
    for key in before.keys().chain(after.keys()) {
        let of = |issued: &Issued| issued.get(key).cloned();
        let content = |issued: &Issued| {
            let nothing =
                if key.2.starts_with("market") || key.2.starts_with("avail") { "None" } else { "false" };
            of(issued).map_or(nothing.to_owned(), |(content, _)| content)
        };
        let tip_off = tip_off((key.1.0 - day(0).0) as usize);
        if at >= tip_off && !rows.is_date(key.0, key.1, |date| date.stood_at_cutoff) {
            prop_assert_eq!(
                content(before),
                content(after),
                "{:?} has content of a date that did not stand",
                key
            );
        } else if at >= tip_off {
            prop_assert_eq!(of(before), of(after), "{:?} changed after tip-off by {}", key, input);
        } else if !rows.is_date(key.0, key.1, GameDate::has_rows) {
            prop_assert!(of(after).is_none(), "{:?} is a row of a date that never stood at its cutoff", key);
        } else if content(before) != content(after) {
            let known_at = of(after).and_then(|(_, known_at)| known_at);
            let is_dated = known_at.is_some_and(|known_at| at <= known_at && known_at < tip_off);
            prop_assert!(
                is_dated,
                "{:?} changed at {} by {}: {:?} -> {:?}",
                key,
                at,
                input,
                of(before),
                of(after)
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn issued_content_that_changes_is_known_since_the_change_at_the_earliest(
        polls in polls(),
        fetches in fetches(),
        revisions in revisions(),
    ) {
        let mut rows = Rows::new();
        let mut drivers = Drivers::new();
        rows.first().into_iter().for_each(|input| drivers.put(Arrival::Input(input)));
        let mut inputs: Vec<(Timestamp, Vec<Arrival>)> = Vec::new();
        for poll in &polls {
            inputs.push((poll.at, arrivals(poll, false)));
            inputs.extend(poll.retracted_at.map(|at| (at, arrivals(poll, true))));
        }
        for fetch in &fetches {
            inputs.push((instant(fetch.at), vec![Arrival::Input(fetch.observation(false))]));
            let at = fetch.retracted.map(|at| instant(at.max(fetch.at)));
            inputs.extend(at.map(|at| (at, vec![Arrival::Input(fetch.observation(true))])));
        }
        let mut revisions = revisions;
        revisions.sort_by_key(|(at, _)| *at);
        for (at, revision) in &revisions {
            let revised = rows.revise(instant(*at), revision).into_iter().map(Arrival::Input);
            inputs.push((instant(*at), revised.collect()));
        }
        inputs.sort_by_key(|(at, _)| *at);
        let mut revisions = revisions.into_iter().peekable();
        let mut rows = Rows::new();
        let mut before = issued(&drivers.markets);
        for of_instant in inputs.chunk_by(|a, b| a.0 == b.0) {
            let (at, text) = (of_instant[0].0, format!("{of_instant:?}"));
            of_instant.iter().flat_map(|(_, inputs)| inputs).for_each(|input| drivers.put(input.clone()));
            let after = issued(&drivers.markets);
            while let Some((_, revision)) = revisions.next_if(|(of, _)| instant(*of) == at) {
                rows.revise(at, &revision);
            }
            check((&before, &after), &rows, at, &text)?;
            before = after;
        }
    }
    #[test]
    fn what_is_retracted_at_its_own_instant_leaves_no_trace(
        polls in polls(),
        fetches in fetches(),
        retracted in any::<u16>(),
    ) {
        let is_retracted = |n: usize| retracted & (1 << (n % 16)) != 0;
        let rows = |is_with: bool| {
            let mut driver = ViewTestDriver::new(Markets);
            Rows::new().first().into_iter().for_each(|input| _ = driver.put(input));
            for (n, poll) in polls.iter().enumerate().filter(|(n, _)| is_with || !is_retracted(*n)) {
                let retracted_at = if is_retracted(n) { Some(poll.at) } else { poll.retracted_at };
                driver.put(observation(poll, false));
                if retracted_at.is_some() {
                    driver.put(observation(&Poll { retracted_at, ..poll.clone() }, true));
                }
            }
            let is_used = |n: usize| is_with || !is_retracted(n + 8);
            for (n, fetch) in fetches.iter().enumerate().filter(|(n, _)| is_used(*n)) {
                let retracted = if is_retracted(n + 8) { Some(fetch.at) } else { fetch.retracted };
                driver.put(fetch.observation(false));
                if retracted.is_some() {
                    driver.put(Fetch { retracted, ..fetch.clone() }.observation(true));
                }
            }
            format!("{:#?}", driver.rows())
        };
        prop_assert_eq!(rows(true), rows(false));
    }
    #[test]
    fn a_poll_that_repeats_the_one_before_changes_no_row(polls in polls()) {
        let of_one_request = |poll| Poll { request: 0, event: 0, is_of_other_pair: false, ..poll };
        let mut polls: Vec<Poll> = polls.into_iter().map(of_one_request).collect();
        polls.sort_by_key(|poll| (poll.at, poll.raw));
        let Some(last) = polls.last_mut() else { return Ok(()) };
        last.retracted_at = None;
        let last = last.clone();
        let repeated = Poll { at: Timestamp(last.at.0 + 30_000), raw: 99, ..last.clone() };
        prop_assume!(polls.iter().filter(|poll| poll.at == last.at).count() == 1);
        let mut driver = ViewTestDriver::new(Markets);
        Rows::new().first().into_iter().for_each(|input| _ = driver.put(input));
        for poll in &polls {
            driver.put(observation(poll, false));
            if poll.retracted_at.is_some() {
                driver.put(observation(poll, true));
            }
        }
        let before = format!("{:?}", driver.rows());
        driver.put(observation(&repeated, false));
        prop_assert_eq!(before, format!("{:?}", driver.rows()));
    }
}
/// A poll of book "fanduel" that quotes one name.
fn poll_of(name: usize, at: usize, updated: usize, lines: Vec<QuoteLine>) -> In {
    let poll = Poll {
        at: instant(at),
        raw: at as i64,
        request: 0,
        event: 0,
        is_of_other_pair: false,
        date: day(1),
        complete: false,
        incomplete_book: None,
        quotes: BTreeMap::from([((1, name), (lines, false))]),
        updated: [instant(updated); 3],
        retracted_at: None,
    };
    observation(&poll, false)
}
#[test]
fn a_poll_in_which_only_update_times_move_affects_a_player_whom_the_book_lists_under_two_names() {
    let price = Price::new(-110.0);
    let line = QuoteLine { line: Line(2050), over: price, under: price };
    let mut driver = ViewTestDriver::new(Markets);
    Rows::new().first().into_iter().for_each(|input| _ = driver.put(input));
    for (name, at, updated, lines) in [(1, 1, 1, vec![]), (0, 2, 1, vec![line]), (0, 3, 3, vec![line])] {
        // The driver compares the rows with those of a batch.
        driver.put(poll_of(name, at, updated, lines));
    }
    assert!(driver.rows().values().any(|row| matches!(row, Out::Market(_))));
}
