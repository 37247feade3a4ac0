//! The market of a player in a game, and the players whom any book quotes for a game.
//!
//! Content is known since the latest instant at which anything became known that it depends on: a quote, its withdrawal, a retraction, the
//! player of a name, the pair of an event, or the day of the game.
//!
//! Invariant: no row uses a quote that its book updated at or after tip-off. The issued content uses only facts known before tip-off.
//! Not here: the selection of quotes (`quotes`) and of lines (`main_line`), injury reports (`availability_rows`).
use super::{
    bases::{Bases, on_both_bases},
    facts::{LookupName, Tables},
    main_line,
    odds::Event,
    quotes::PlayerQuotes,
};
use crate::history::{Cutoff, Known, known_content};
use schemas::{
    CandidateId, EasternDate, GameId, PlayerId, Timestamp,
    features::Basis,
    market::{Market, MarketView, QuotedPlayer},
};
use std::collections::BTreeMap;

/// A name in an event on the day of a date.
#[derive(Clone, Copy)]
struct QuotedName<'a> {
    id: &'a str,
    event: &'a Event,
    name: &'a str,
}

/// One date of a game, and the names in all events on its day.
struct QuotedDate<'a> {
    tables: &'a Tables,
    game: GameId,
    day: EasternDate,
}

impl<'a> QuotedDate<'a> {
    /// Returns the names in all events on the day.
    fn names(&self) -> impl Iterator<Item = QuotedName<'a>> + use<'a> {
        let day = self.day;
        self.tables.events.iter().flat_map(move |(id, event)| {
            event.names_on(day).into_iter().map(move |name| QuotedName { id, event, name })
        })
    }
    const fn lookup_name(&self, name: &'a str) -> LookupName<'a> {
        LookupName::in_odds(self.day, name)
    }
    /// Returns the quotes of a player as of a cutoff, and when the newest of them was added, changed or withdrawn.
    fn player_quotes(
        &self,
        player: PlayerId,
        names: &[QuotedName<'a>],
        cutoff: Cutoff,
    ) -> (PlayerQuotes<'a>, Timestamp) {
        let mut quotes = PlayerQuotes::new(cutoff);
        let is_on_day = self.tables.has_day(self.game, self.day, cutoff);
        for QuotedName { id, event, name } in names.iter().filter(|_| is_on_day.content) {
            let name_known_at = self.tables.refers_since(self.lookup_name(name), player, cutoff);
            if let Some(name_known_at) = name_known_at {
                let pair = self.tables.event_pairs.at(id, cutoff);
                quotes.add((*event, pair), self.day, name, name_known_at);
            }
        }
        let changed_at = quotes.changed_at().map(|changed_at| changed_at.max(is_on_day.known_at));
        (quotes, changed_at.unwrap_or(Timestamp::DISTANT_PAST))
    }
    /// Returns the instants at which quotes under these names may be replaced by earlier ones, or by none.
    fn ends(&self, names: &[QuotedName<'a>]) -> Vec<Timestamp> {
        let mut ends = self.tables.day_instants(self.day);
        for QuotedName { id, event, name } in names {
            ends.extend(self.tables.event_pairs.instants(id));
            ends.extend(event.history.retraction_instants());
            self.tables.name_instants(self.lookup_name(name), &mut |instant| ends.push(instant));
        }
        ends
    }
}

/// Derives the row of a player on a date of a game; `None` if no book has quoted the player.
pub fn market(tables: &Tables, id: CandidateId) -> Option<Market> {
    let CandidateId { player, game, date, matchup } = id;
    let quoted = QuotedDate { tables, game, day: date };
    let mut names: Vec<QuotedName<'_>> = quoted.names().collect();
    names.retain(|name| tables.may_refer(quoted.lookup_name(name.name), player));
    let content_by = |cutoff| {
        let (quotes, changed_at) = quoted.player_quotes(player, &names, cutoff);
        market_content(&quotes, changed_at)
    };
    let content_on = |cutoff: Cutoff| known_content(cutoff, quoted.ends(&names), content_by);
    let with_time = |known_at, view| MarketView { known_at, ..view };
    let Bases { issued, retrospective, issued_absent_since, retrospective_absent_since } =
        on_both_bases(tables, (game, date), content_on)?.into_rows(with_time)?;
    Some(Market {
        player,
        game,
        date,
        matchup,
        issued,
        retrospective,
        issued_absent_since,
        retrospective_absent_since,
    })
}

/// Returns the market of some quotes. Its own time is not set.
fn market_content(quotes: &PlayerQuotes<'_>, changed_at: Timestamp) -> Known<Option<MarketView>> {
    let mut known_at = changed_at;
    let mut main_lines = |quotes: Vec<super::ladder::LadderQuote<'_>>| -> Vec<main_line::MainLine> {
        known_at = quotes.iter().map(|quote| quote.known_at).fold(known_at, Timestamp::max);
        quotes.iter().filter_map(|quote| main_line::for_ladder(&quote.lines)).collect()
    };
    let (opening_lines, newest_lines) = (main_lines(quotes.opening()), main_lines(quotes.newest()));
    let main = main_line::for_market(&newest_lines);
    let content = main.map(|main| MarketView {
        known_at: Timestamp::DISTANT_PAST,
        main: main.line,
        opening: main_line::for_market(&opening_lines).map_or(main.line, |opening| opening.line),
        no_vig_over: main.no_vig_over,
        books: newest_lines.len() as i32,
    });
    Known { content, known_at }
}

/// Returns the players whom any book quotes or has quoted for a date of a game, on a basis.
pub fn quoted_players(
    tables: &Tables,
    (game, day): (GameId, EasternDate),
    basis: Basis,
) -> Vec<QuotedPlayer> {
    let Some(date) = tables.date(game, day) else { return Vec::new() };
    let date_quotes = QuotedDate { tables, game, day };
    let mut names_by_player: BTreeMap<PlayerId, Vec<QuotedName<'_>>> = BTreeMap::new();
    for name in date_quotes.names() {
        tables.candidates(date_quotes.lookup_name(name.name), &mut |player| {
            let names = names_by_player.entry(player).or_default();
            if !names.last().is_some_and(|last| std::ptr::eq(last.name, name.name)) {
                names.push(name);
            }
        });
    }
    let quoted = names_by_player.into_iter().filter_map(|(player, names)| {
        let content_by = |cutoff| {
            let (quotes, changed_at) = date_quotes.player_quotes(player, &names, cutoff);
            let is_on_day = tables.has_day(game, day, cutoff);
            let first = quotes.quoted_since().map(|since| since.max(is_on_day.known_at));
            Known { content: first.is_some(), known_at: first.unwrap_or(changed_at) }
        };
        let cutoff = Cutoff::at_tip_off(date.tip_off, basis);
        let quoted = known_content(cutoff, date_quotes.ends(&names), content_by);
        let was_quoted = quoted.content || quoted.known_at > Timestamp::DISTANT_PAST;
        was_quoted.then_some(QuotedPlayer { player, known_at: quoted.known_at, is_quoted: quoted.content })
    });
    quoted.collect()
}
