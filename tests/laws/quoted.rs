//! Law 14: whoever is quoted for a date of a game that stands has a row of features and a prediction for it, or is parked by name.
//!
//! It also holds for a player whose name nobody knew before the game: his row is then retrospective.
//! Invariant: the player of a name is decided from the published results of the name lookups, not from the rows of a view.
//! Not here: that each candidate has one row (`accounting`), the lines of the quotes (crate `processors`).
use crate::{
    accounting::{checked_content, restored_node},
    event_pairs::EventPairs,
    harness::{Content, Schedule, run},
    histories::season_with_faults,
    log::{MemoryLog, partitions, read_all},
    random::Random,
    seeds,
};
use fastbreak::topology::topology;
use processors::{
    names::{Resolution, decide},
    predictor::Predictor,
};
use schemas::{
    EasternDate, GameId, Matchup, PlayerGameDateId, PlayerId, Scope, TeamFormId, Timestamp,
    game::Game,
    identity::{NameRevision, Names},
    observation::OddsObservation,
    raw::{Feed, RawEvent, Source},
    wire::{self, Event},
};
use std::collections::{BTreeMap, BTreeSet};
use topics::TopicInfo;

/// A name that a book quotes for a date of a game.
#[derive(Debug)]
struct QuotedName {
    event: String,
    name: String,
    matchup: Matchup,
    game: GameId,
    date: EasternDate,
}

/// Number of quoted names by what they have in the end.
#[derive(Debug, Default)]
struct Counts {
    with_issued_name: usize,
    with_later_name: usize,
    parked: usize,
    nobody: usize,
    not_open: usize,
}

pub fn rows<E: Event>(content: &Content, topic: TopicInfo) -> Vec<E> {
    let rows = content.iter().filter(|((name, _), _)| *name == topic.name);
    rows.map(|(_, bytes)| wire::decode(bytes).unwrap()).collect()
}

/// Removes most lists with ids that are fetched before a random instant, so that nobody knows most names before it.
fn with_late_names(mut events: Vec<RawEvent>, random: &mut Random) -> Vec<RawEvent> {
    let first_known = events[random.below(events.len())].fetched_at;
    let has_ids = |event: &RawEvent| matches!(event.feed, Feed::NbacomPlayerList | Feed::NbacomLeaguegamelog);
    events.retain(|event| !has_ids(event) || event.fetched_at >= first_known || random.percent(20));
    events
}

/// Returns the names that the newest fetch of each event lists for a date that stands, with an update before its tip-off.
fn quoted_names(log: &mut MemoryLog, games: &[Game]) -> Vec<QuotedName> {
    let mut newest: BTreeMap<String, OddsObservation> = BTreeMap::new();
    let mut retracted = BTreeSet::new();
    for partition in partitions(topics::ODDS_OBSERVATIONS.info) {
        for record in read_all(log, partition).records().map(Result::unwrap) {
            let observation: OddsObservation = wire::decode(record.value.unwrap()).unwrap();
            if observation.provenance.retraction.is_some() {
                retracted.insert(observation.event);
                continue;
            }
            let fetched = |observation: &OddsObservation| {
                (observation.provenance.fetched_at, observation.provenance.raw)
            };
            match newest.get(&observation.event) {
                Some(stored) if fetched(stored) >= fetched(&observation) => {}
                _ => _ = newest.insert(observation.event.clone(), observation),
            }
        }
    }
    let pairs = EventPairs::read(log);
    let is_of_pair = |observation: &OddsObservation| {
        Matchup::new(observation.home, observation.away)
            == pairs.pair_before(&observation.event, Timestamp::DISTANT_FUTURE)
    };
    let events = newest.into_values().filter(|observation| !retracted.contains(&observation.event));
    let events = events.filter(is_of_pair);
    events.flat_map(|observation| names_of(&observation, games)).collect()
}

fn names_of(observation: &OddsObservation, games: &[Game]) -> Vec<QuotedName> {
    let Some(matchup) = Matchup::new(observation.home, observation.away) else { return Vec::new() };
    let of_pair = games.iter().filter(|game| Matchup::new(game.home, game.away) == Some(matchup));
    let dates = of_pair.flat_map(|game| game.dates.iter().map(move |date| (game.game, date)));
    // Of two games on one day, the quotes belong to the one with the smaller id.
    let standing = dates.filter(|(_, date)| date.date == observation.date && date.stands());
    let Some((game, date)) = standing.min_by_key(|(game, _)| *game) else { return Vec::new() };
    let is_before = |updated_at: Timestamp| updated_at.min(observation.provenance.fetched_at) < date.tip_off;
    let quotes = observation.quotes.iter().filter(|quote| is_before(quote.updated_at));
    let names: BTreeSet<&String> = quotes.map(|quote| &quote.name).collect();
    let quoted = |name: &String| QuotedName {
        event: observation.event.clone(),
        name: name.clone(),
        matchup,
        game,
        date: date.date,
    };
    names.into_iter().map(quoted).collect()
}

/// The results of the lookups of quoted names: for each matchup, date and name, the revisions of both teams.
type Lookups = BTreeMap<(Matchup, EasternDate, String), Vec<Vec<NameRevision>>>;

fn lookups(content: &Content) -> Lookups {
    let mut lookups = Lookups::new();
    for row in rows::<Names>(content, topics::NAMES.info) {
        let (Source::Oddsapi, Ok(Scope::Matchup(matchup))) = (row.source, row.scope.parse::<Scope>()) else {
            continue;
        };
        for name_match in row.matches {
            lookups.entry((matchup, row.date, name_match.name)).or_default().push(name_match.revisions);
        }
    }
    lookups
}

/// Returns the results of a lookup as they were known at each instant, oldest first.
fn resolutions(teams: &[Vec<NameRevision>]) -> Vec<Resolution> {
    let instants: BTreeSet<Timestamp> = teams.iter().flatten().map(|revision| revision.known_at).collect();
    let at = |instant: Timestamp| {
        let known = |revisions: &'_ Vec<NameRevision>| {
            revisions.iter().rposition(|revision| revision.known_at <= instant)
        };
        let revisions: Vec<&NameRevision> =
            teams.iter().filter_map(|revisions| revisions.get(known(revisions)?)).collect();
        decide(None, &revisions).resolution
    };
    instants.into_iter().map(at).collect()
}

/// Checks the law for one history; returns what the quoted names have.
fn check(events: Vec<RawEvent>) -> Counts {
    let mut log = MemoryLog::default();
    run(&mut log, events, Schedule::STRAIGHT, |_| true);
    let content = checked_content(&mut log);
    let markets = topology(Predictor::new(None)).iter().position(|node| node.name() == "markets").unwrap();
    let parked = restored_node(&mut log, markets).parked().1;
    let games: Vec<Game> = rows(&content, topics::GAMES.info);
    let lookups = lookups(&content);
    let mut counts = Counts::default();
    for quoted in quoted_names(&mut log, &games) {
        let QuotedName { event, name, matchup, game, date } = &quoted;
        let has_form = |team| {
            let id = TeamFormId { team, game: *game, date: *date, matchup: *matchup };
            content.contains_key(&(topics::TEAM_FORMS.info.name, id.to_string()))
        };
        if !matchup.teams().into_iter().all(has_form) {
            counts.not_open += 1;
            continue;
        }
        let resolutions = resolutions(&lookups[&(*matchup, *date, name.clone())]);
        let mut players: BTreeSet<PlayerId> = BTreeSet::new();
        for resolution in &resolutions {
            if let Resolution::Player(player, _) = resolution {
                players.insert(*player);
            }
        }
        match resolutions.last().unwrap() {
            Resolution::Nobody => counts.nobody += 1,
            Resolution::Unknown | Resolution::Ambiguous(_) => {
                let key = format!("name '{name}' (");
                let what = format!("odds of event {event}");
                let is_parked = parked.iter().any(|item| item.key.starts_with(&key) && item.what == what);
                assert!(
                    is_parked,
                    "{quoted:?} refers to nobody, but is not parked: {resolutions:?}, parked: {parked:?}"
                );
                counts.parked += 1;
            }
            Resolution::Player(..) => {
                let row = |player| {
                    let key = PlayerGameDateId { player, game: *game, date: *date }.to_string();
                    content.contains_key(&(topics::FEATURES.info.name, key.clone()))
                        && content.contains_key(&(topics::PREDICTIONS.info.name, key))
                };
                assert!(players.iter().any(|player| row(*player)), "{quoted:?} has no row: {players:?}");
                let tip_off = games.iter().find(|row| row.game == *game).unwrap().tip_off;
                let is_known = lookups[&(*matchup, *date, name.clone())]
                    .iter()
                    .flatten()
                    .any(|revision| revision.known_at < tip_off && !revision.players.is_empty());
                *if is_known { &mut counts.with_issued_name } else { &mut counts.with_later_name } += 1;
            }
        }
    }
    counts
}

#[test]
fn whoever_is_quoted_for_a_date_that_stands_has_a_row_or_is_parked_by_name() {
    let mut sum = Counts::default();
    for seed in seeds(14, 4) {
        let mut random = Random::new(seed.0 ^ 0x71_756f_7465);
        let mut events = season_with_faults(seed.0);
        if random.percent(60) {
            events = with_late_names(events, &mut random);
        }
        let counts = check(events);
        sum.with_issued_name += counts.with_issued_name;
        sum.with_later_name += counts.with_later_name;
        sum.parked += counts.parked;
        sum.nobody += counts.nobody;
        sum.not_open += counts.not_open;
    }
    eprintln!("quoted names: {sum:?}");
}
