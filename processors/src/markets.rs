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

use crate::view::{Merged, View, Waiting};
pub use facts::Tables;
use schemas::{
    EasternDate, Instant, Matchup, MatchupGameId, NamesId, PlayerGameId, Scope,
    game::Game,
    identity::Names,
    market::{Availability, Market, Quoted},
    sighting::{InjurySighting, OddsSighting},
};

/// What the view reads.
#[derive(Clone, Debug)]
pub enum In {
    Odds(OddsSighting),
    Injury(InjurySighting),
    Game(MatchupGameId, Option<Game>),
    Names(NamesId, Option<Names>),
}
/// The rows it publishes, and two pseudo rows that are never published but may wait: an event's odds, a report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    Market(PlayerGameId, Matchup),
    Availability(PlayerGameId, Matchup),
    Quoted(MatchupGameId),
    Event(Matchup, String),
    Report(Matchup, EasternDate, Instant),
}
/// Its output rows.
#[derive(Clone, Debug)]
pub enum Out {
    Market(Market),
    Availability(Availability),
    Quoted(Quoted),
}

/// The markets view.
pub struct Markets;
impl View for Markets {
    const NAME: &'static str = "markets";
    type Key = Matchup;
    type Tables = Tables;
    type In = In;
    type Slot = Slot;
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
    fn key_of(&self, slot: &Slot) -> Matchup {
        match slot {
            Slot::Quoted(id) => id.matchup,
            Slot::Market(_, m) | Slot::Availability(_, m) | Slot::Event(m, _) | Slot::Report(m, ..) => *m,
        }
    }
    fn apply(&self, tables: &mut Tables, input: In, reached: &mut dyn FnMut(Slot)) -> Merged {
        let Some(matchup) = self.key(&input) else { return Merged::Unchanged };
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
        tables.reach(matchup, &days, reached);
        let merged = match input {
            In::Odds(s) => tables.merge_odds(s),
            In::Injury(s) => tables.merge_report(s),
            In::Game(id, row) => tables.put_game(id.game, row),
            In::Names(id, row) => tables.put_names(id, row),
        };
        if merged != Merged::Unchanged {
            tables.reach(matchup, &days, reached);
        }
        merged
    }
    fn slots(&self, tables: &Tables, known: &mut dyn FnMut(Slot)) {
        let Some(matchup) = tables.matchup else { return };
        tables.reach(matchup, &tables.all_days(), known);
    }
    fn derive(&self, tables: &Tables, slot: &Slot) -> Option<Out> {
        match slot {
            Slot::Market(id, _) => tables.market(id.game, id.player).map(Out::Market),
            Slot::Availability(id, _) => tables.availability(id.game, id.player).map(Out::Availability),
            Slot::Quoted(id) => tables.quoted(id.game).map(Out::Quoted),
            Slot::Event(..) | Slot::Report(..) => None,
        }
    }
    fn waiting(&self, tables: &Tables, slot: &Slot) -> (u32, Vec<Waiting>) {
        match slot {
            Slot::Event(_, event) => tables.event_waiting(event),
            Slot::Report(_, date, at) => tables.report_waiting(*date, *at),
            _ => (0, Vec::new()),
        }
    }
}
