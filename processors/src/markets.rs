//! Markets: the view in which quotes and injury reports of a game meet it.
//!
//! A book's main line has both sides and a no-vig probability nearest 0.5, ties to the lower line. BetRivers and Unibet are one
//! book, since they publish one feed. The market's main line is the lower median over books.
//!
//! Invariant: a quote counts only when its book updated it before tip-off, whatever its fetch time; a book that a newer whole
//! answer leaves out is no longer quoted.
//! Not here: candidates (slate), features.
mod facts;
mod main_line;
#[cfg(test)]
mod tests;

use crate::materialized_view::{MaterializedView, ParkedItem, StateChange};
pub use facts::Tables;
use schemas::{
    EasternDate, Matchup, MatchupGameId, NamesId, PlayerGameId, Scope, Timestamp,
    game::Game,
    identity::Names,
    market::{Availability, Market, QuotedPlayers},
    observation::{InjuryObservation, OddsObservation},
};

/// What the view reads.
#[derive(Clone, Debug)]
pub enum In {
    Odds(OddsObservation),
    Injury(InjuryObservation),
    Game(MatchupGameId, Option<Game>),
    Names(NamesId, Option<Names>),
}
/// The rows it publishes, and two pseudo rows that are never published but may wait: an event's odds, a report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputKey {
    Market(PlayerGameId, Matchup),
    Availability(PlayerGameId, Matchup),
    QuotedPlayers(MatchupGameId),
    Event(Matchup, String),
    Report(Matchup, EasternDate, Timestamp),
}
/// Its output rows.
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
    type In = In;
    type OutputKey = OutputKey;
    type Out = Out;

    fn key(&self, input: &In) -> Option<Matchup> {
        match input {
            In::Odds(s) => Matchup::new(s.home, s.away),
            In::Injury(s) => Some(s.matchup),
            In::Game(id, _) => Some(id.matchup),
            In::Names(id, _) => match id.scope {
                Scope::Matchup(matchup) => Some(matchup),
                Scope::Team(_) => None,
            },
        }
    }
    fn key_of(&self, output_key: &OutputKey) -> Matchup {
        match output_key {
            OutputKey::QuotedPlayers(id) => id.matchup,
            OutputKey::Market(_, m)
            | OutputKey::Availability(_, m)
            | OutputKey::Event(m, _)
            | OutputKey::Report(m, ..) => *m,
        }
    }
    fn apply(&self, tables: &mut Tables, input: In, invalidate: &mut dyn FnMut(OutputKey)) -> StateChange {
        let Some(matchup) = self.key(&input) else { return StateChange::Unchanged };
        tables.matchup = Some(matchup);
        // Whom a game's rows were about before the change, and whom after.
        let days = match &input {
            In::Odds(s) => tables.days_of_event(&s.event).into_iter().chain([s.date]).collect(),
            In::Injury(s) => vec![s.date],
            In::Game(_, row) => row.iter().flat_map(|game| game.days.iter().map(|day| day.date)).collect(),
            In::Names(id, _) => tables.days_asking(id.source, id.date),
        };
        let mut days: Vec<EasternDate> = days;
        if let In::Game(id, _) = &input {
            days.extend(tables.days_of(id.game));
        }
        tables.affected(matchup, &days, invalidate);
        let state_change = match input {
            In::Odds(s) => tables.merge_odds(s),
            In::Injury(s) => tables.merge_report(s),
            In::Game(id, row) => tables.put_game(id.game, row),
            In::Names(id, row) => tables.put_names(id, row),
        };
        if state_change != StateChange::Unchanged {
            tables.affected(matchup, &days, invalidate);
        }
        state_change
    }
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(OutputKey)) {
        let Some(matchup) = tables.matchup else { return };
        tables.affected(matchup, &tables.all_days(), emit);
    }
    fn derive(&self, tables: &Tables, output_key: &OutputKey) -> Option<Out> {
        match output_key {
            OutputKey::Market(id, _) => tables.market(id.game, id.player).map(Out::Market),
            OutputKey::Availability(id, _) => tables.availability(id.game, id.player).map(Out::Availability),
            OutputKey::QuotedPlayers(id) => tables.quoted(id.game).map(Out::QuotedPlayers),
            OutputKey::Event(..) | OutputKey::Report(..) => None,
        }
    }
    fn parked(&self, tables: &Tables, output_key: &OutputKey) -> (u32, Vec<ParkedItem>) {
        match output_key {
            OutputKey::Event(_, event) => tables.parked_event(event),
            OutputKey::Report(_, date, at) => tables.parked_report(*date, *at),
            _ => (0, Vec::new()),
        }
    }
}
