//! The markets view: joins the odds and injury reports of a matchup with its games.
//!
//! A book's main line is the line with both prices whose no-vig probability is nearest 0.5; on a tie, the lower line. BetRivers and Unibet
//! count as one book, because both publish the same price feed. The market's main line is the lower median of the bookmakers' main lines.
//!
//! Invariant: a quote is used only if its book updated it before tip-off, whatever its fetch time; a book that is absent from a newer
//! complete fetch no longer has a current quote, nor has any book in an event that a newer fetch states to be another pair's. The cost of an input does not grow with the number of earlier fetches.
//! Not here: the pair of an odds event (`odds_events`), candidates (`slate`), features (`feature_builder`).
mod affected;
mod availability_rows;
mod bases;
#[cfg(test)]
mod bench;
mod event_pair;
mod facts;
#[cfg(test)]
mod known_at_laws;
mod ladder;
#[cfg(test)]
mod laws;
mod main_line;
mod market_rows;
mod odds;
mod odds_member;
mod output_key;
mod quotes;
mod reports;
#[cfg(test)]
mod tests;
mod update_index;

use crate::materialized_view::{Effects, MaterializedView, ParkedItem, StateChange};
pub use affected::Retained;
pub use facts::Tables;
pub use output_key::OutputKey;
use schemas::{
    Matchup, MatchupEventId, MatchupGameDateId, MatchupGameId, NamesId, Scope,
    features::Basis,
    game::Game,
    identity::Names,
    market::{Availability, Market, OddsEvent, QuotedPlayers},
    observation::{InjuryObservation, OddsObservation},
};

/// An input of the markets view.
#[derive(Clone, Debug)]
pub enum In {
    Odds(OddsObservation),
    Event(MatchupEventId, Option<OddsEvent>),
    Injury(InjuryObservation),
    Game(MatchupGameId, Option<Game>),
    Names(NamesId, Option<Names>),
}
/// An output row.
#[derive(Clone, Debug)]
pub enum Out {
    Market(Market),
    Availability(Availability),
    QuotedPlayers(QuotedPlayers),
}

/// The markets view.
pub struct Markets;
impl MaterializedView for Markets {
    const NAME: &'static str = "markets";
    type Key = Matchup;
    type Tables = Tables;
    type Retained = Retained;
    type In = In;
    type OutputKey = OutputKey;
    type Out = Out;

    fn key(&self, input: &In) -> Option<Matchup> {
        match input {
            In::Odds(observation) => Matchup::new(observation.home, observation.away),
            In::Event(id, _) => Some(id.matchup),
            In::Injury(observation) => Some(observation.matchup),
            In::Game(id, _) => Some(id.matchup),
            In::Names(id, _) => match id.scope {
                Scope::Matchup(matchup) => Some(matchup),
                Scope::Team(_) => None,
            },
        }
    }
    fn key_of(&self, output_key: &OutputKey) -> Matchup {
        output_key.matchup()
    }
    fn apply(
        &self,
        tables: &mut Tables,
        input: In,
        effects: &mut Effects<'_, OutputKey, Retained>,
    ) -> StateChange {
        let Some(matchup) = self.key(&input) else { return StateChange::Unchanged };
        tables.matchup = Some(matchup);
        match input {
            In::Odds(observation) => tables.merge_odds(matchup, observation, effects),
            In::Event(id, row) => tables.put_event(id, row, effects.invalidate),
            In::Injury(observation) => tables.merge_report(matchup, observation, effects),
            In::Game(id, row) => {
                tables.put_game(matchup, id.game, row.map(|game| game.dates), effects.invalidate)
            }
            In::Names(id, row) => tables.put_names(matchup, id, row, effects.invalidate),
        }
    }
    fn restore(&self, tables: &mut Tables, retained: Retained) {
        tables.restore(retained);
    }
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(OutputKey)) {
        let Some(matchup) = tables.matchup else { return };
        tables.all_keys(matchup, emit);
    }
    fn derive(&self, tables: &Tables, output_key: &OutputKey) -> Option<Out> {
        match output_key {
            OutputKey::Market(id) => market_rows::market(tables, *id).map(Out::Market),
            OutputKey::Availability(id) => {
                availability_rows::availability(tables, *id).map(Out::Availability)
            }
            OutputKey::QuotedPlayers(id) => quoted_players(tables, *id).map(Out::QuotedPlayers),
            OutputKey::Event(..) | OutputKey::Report(..) => None,
        }
    }
    fn parked(&self, tables: &Tables, output_key: &OutputKey) -> (u32, Vec<ParkedItem>) {
        match output_key {
            OutputKey::Event(_, event) => tables.parked_event(event),
            OutputKey::Report(_, date, reported_at) => tables.parked_report(*date, *reported_at),
            _ => (0, Vec::new()),
        }
    }
}

/// Derives the row of a date of a game; `None` if no book quotes a player for it, and no team has reported.
fn quoted_players(tables: &Tables, id: MatchupGameDateId) -> Option<QuotedPlayers> {
    let MatchupGameDateId { matchup, game, date } = id;
    tables.date(game, date)?;
    let quoted = |basis| market_rows::quoted_players(tables, (game, date), basis);
    let reported = |basis| availability_rows::teams_reported(tables, (game, date), basis);
    let row = QuotedPlayers {
        matchup,
        game,
        date,
        issued: quoted(Basis::Issued),
        retrospective: quoted(Basis::Retrospective),
        teams_reported_issued: reported(Basis::Issued),
        teams_reported_retrospective: reported(Basis::Retrospective),
    };
    let has_quotes = !row.issued.is_empty() || !row.retrospective.is_empty();
    let has_reports = !row.teams_reported_issued.is_empty() || !row.teams_reported_retrospective.is_empty();
    (has_quotes || has_reports).then_some(row)
}
