//! Law of event pairs: an issued market has a quote of an odds event that belonged to its pair of teams at the cutoff.
//!
//! The odds source uses an id of an event again, and a response may state a wrong pair, which a later one or an operator corrects.
//! Invariant: the pair of an event is decided from the observations of the loader, not from the rows of a view.
//! Not here: the lines of a market (crate `processors`), that whoever is quoted has a row (`quoted`).
use crate::{
    batch::batch,
    harness::content,
    histories::season_with_faults,
    log::{MemoryLog, partitions, read_all},
    quoted::rows,
    seeds,
};
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

#[test]
fn an_issued_market_has_a_quote_of_an_event_of_its_pair() {
    let (mut markets, mut of_several_pairs) = (0, 0);
    for seed in seeds(18, 4) {
        let mut log = batch(&season_with_faults(seed.0));
        let content = content(&mut log);
        let odds: Vec<OddsObservation> = observations(&mut log, topics::ODDS_OBSERVATIONS.info);
        let pairs = EventPairs::read(&mut log);
        let games: Vec<Game> = rows(&content, topics::GAMES.info);
        for market in rows::<Market>(&content, topics::MARKETS.info) {
            if market.issued.is_none() {
                continue;
            }
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
            let events: BTreeSet<&str> =
                odds.iter().filter(is_usable).map(|odds| odds.event.as_str()).collect();
            let is_of_pair = |event: &&str| pairs.pair_before(event, tip_off) == Some(market.matchup);
            assert!(
                events.iter().any(is_of_pair),
                "{market:?} has quotes of {events:?}, which are of other pairs"
            );
            markets += 1;
            of_several_pairs += usize::from(!events.iter().all(is_of_pair));
        }
    }
    eprintln!(
        "{of_several_pairs} of {markets} markets also have an event that was another pair's at the cutoff"
    );
}
