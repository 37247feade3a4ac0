//! Law of event pairs: an issued market has a quote of an odds event that belonged to its pair of teams at the cutoff.
//!
//! The odds source uses an id of an event again, and a response may state a wrong pair, which a later one or an operator corrects.
//! Invariant: the pair of an event is decided from the observations of the loader, not from the rows of a view.
//! Not here: the lines of a market (crate `processors`), that whoever is quoted has a row (`quoted`).
use crate::{
    batch::batch,
    harness::{Schedule, content, run},
    histories::season_with_faults,
    log::{MemoryLog, partitions, read_all},
    quoted::rows,
    seeds,
};
use processors::{materialized_view::MaterializedView, odds_events::OddsEvents};
use schemas::{
    Matchup, RawId, Timestamp,
    game::Game,
    market::Market,
    observation::{OddsEventObservation, OddsObservation, Provenance, Retraction},
    wire::{self, Event},
};
use std::collections::{BTreeMap, BTreeSet};
use topics::TopicInfo;

/// The retractions of raw events.
#[derive(Default)]
struct Retractions(BTreeMap<RawId, BTreeSet<(Timestamp, bool)>>);
impl Retractions {
    fn add(&mut self, provenance: &Provenance) {
        if let Some(Retraction { at, is_undone }) = provenance.retraction {
            self.0.entry(provenance.raw).or_default().insert((at, !is_undone));
        }
    }
    /// True if a fetch was made before an instant and counted then.
    fn is_known(&self, provenance: &Provenance, before: Timestamp) -> bool {
        let retractions = self.0.get(&provenance.raw).into_iter().flatten();
        let newest = retractions.filter(|(at, _)| *at < before).max();
        provenance.fetched_at < before && newest.is_none_or(|(_, is_retracted)| !is_retracted)
    }
}

/// What every fetch states about the pair of each event.
pub struct EventPairs {
    stated: Vec<OddsEventObservation>,
    retractions: Retractions,
}
impl EventPairs {
    pub fn read(log: &mut MemoryLog) -> EventPairs {
        let stated: Vec<OddsEventObservation> = observations(log, topics::ODDS_EVENT_OBSERVATIONS.info);
        let mut retractions = Retractions::default();
        stated.iter().for_each(|observation| retractions.add(&observation.provenance));
        EventPairs { stated, retractions }
    }
    /// Returns the pair that the newest fetch before an instant states; of several ones at one instant, the greatest.
    pub fn pair_before(&self, event: &str, instant: Timestamp) -> Option<Matchup> {
        let of_event = self.stated.iter().filter(|observation| observation.event == event);
        let known =
            of_event.filter(|observation| self.retractions.is_known(&observation.provenance, instant));
        known.map(|observation| (observation.provenance.fetched_at, observation.matchup)).max()?.1
    }
}

fn observations<E: Event>(log: &mut MemoryLog, topic: TopicInfo) -> Vec<E> {
    let decode = |value: Option<&[u8]>| wire::decode(value.unwrap()).unwrap();
    let batches = partitions(topic).map(|partition| read_all(log, partition));
    let of_batch = |batch: runtime::RecordBatch| -> Vec<E> {
        batch.records().map(Result::unwrap).map(|record| decode(record.value)).collect()
    };
    batches.flat_map(of_batch).collect()
}

/// Returns the issued markets, and of those the ones that have no quote of an event of their pair.
fn issued_markets(log: &mut MemoryLog) -> (usize, Vec<String>) {
    let content = content(log);
    let odds: Vec<OddsObservation> = observations(log, topics::ODDS_OBSERVATIONS.info);
    let pairs = EventPairs::read(log);
    let games: Vec<Game> = rows(&content, topics::GAMES.info);
    let issued = rows::<Market>(&content, topics::MARKETS.info).into_iter();
    let issued: Vec<Market> = issued.filter(|market| market.issued.is_some()).collect();
    let wrong = issued.iter().filter_map(|market| {
        let of_game = |game: &&Game| {
            game.game == market.game && Matchup::new(game.home, game.away) == Some(market.matchup)
        };
        let dates = &games.iter().find(of_game).unwrap().dates;
        let tip_off = dates.iter().find(|date| date.date == market.date).unwrap().tip_off;
        let is_usable = |odds: &&OddsObservation| {
            Matchup::new(odds.home, odds.away) == Some(market.matchup)
                && odds.date == market.date
                && !odds.quotes.is_empty()
                && pairs.retractions.is_known(&odds.provenance, tip_off)
        };
        let events: BTreeSet<&str> = odds.iter().filter(is_usable).map(|odds| odds.event.as_str()).collect();
        let is_of_pair = |event: &&str| pairs.pair_before(event, tip_off) == Some(market.matchup);
        (!events.iter().any(is_of_pair)).then(|| format!("{market:?} has quotes of {events:?} only"))
    });
    let wrong = wrong.collect();
    (issued.len(), wrong)
}

#[test]
fn an_issued_market_has_a_quote_of_an_event_of_its_pair() {
    let (mut markets, mut wrong_without_view) = (0, 0);
    for seed in seeds(18, 4) {
        let events = season_with_faults(seed.0);
        let (count, wrong) = issued_markets(&mut batch(&events));
        assert!(wrong.is_empty(), "{wrong:#?}");
        markets += count;
        // Without the view of odds events, every event belongs to each pair that was stated for it.
        let mut log = MemoryLog::default();
        run(&mut log, events, Schedule::STRAIGHT, |name| name != OddsEvents::NAME);
        wrong_without_view += issued_markets(&mut log).1.len();
    }
    eprintln!(
        "{markets} issued markets; without the view of odds events, {wrong_without_view} would be wrong"
    );
}
