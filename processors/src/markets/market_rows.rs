//! The market of a player in a game, and the players whom any book quotes for a game.
//!
//! Content is known since the latest instant at which anything became known that it depends on: a quote, its withdrawal, a retraction, the
//! player of a name, or the day of the game.
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
    EasternDate, GameId, PlayerId, Timestamp,
    features::Basis,
    market::{Market, MarketView, QuotedPlayer},
};
use std::collections::BTreeMap;

/// A name in an event on one of the days of a game.
#[derive(Clone, Copy)]
struct QuotedName<'a> {
    event: &'a Event,
    day: EasternDate,
    name: &'a str,
}

/// Returns the names in all events on the days of a game.
fn quoted_names(tables: &Tables, game: GameId) -> impl Iterator<Item = QuotedName<'_>> {
    let days = tables.games.get(&game).map(|times| times.all_days()).unwrap_or_default();
    days.into_iter().flat_map(move |day| {
        let names = move |event| {
            Event::names_on(event, day).into_iter().map(move |name| QuotedName { event, day, name })
        };
        tables.events.values().flat_map(names)
    })
}

/// Returns the quotes of a player as of a cutoff, and when the newest of them was added, changed or withdrawn.
fn player_quotes<'a>(
    tables: &Tables,
    (game, player): (GameId, PlayerId),
    names: &[QuotedName<'a>],
    cutoff: Cutoff,
) -> (PlayerQuotes<'a>, Timestamp) {
    let mut quotes = PlayerQuotes::new(cutoff);
    let day = tables.day_of(game, cutoff);
    for QuotedName { event, day, name } in names.iter().filter(|name| day.content == Some(name.day)) {
        let name_known_at = tables.refers_since(LookupName::in_odds(*day, name), player, cutoff);
        if let Some(name_known_at) = name_known_at {
            quotes.add(event, *day, name, name_known_at);
        }
    }
    let changed_at = quotes.changed_at().map(|changed_at| changed_at.max(day.known_at));
    (quotes, changed_at.unwrap_or(Timestamp::DISTANT_PAST))
}

/// Returns the instants at which quotes under these names may be replaced by earlier ones, or by none.
fn ends(tables: &Tables, game: GameId, names: &[QuotedName<'_>]) -> Vec<Timestamp> {
    let mut ends = tables.day_instants(game);
    for name in names {
        ends.extend(name.event.history.retraction_instants());
        tables.name_instants(LookupName::in_odds(name.day, name.name), &mut |instant| ends.push(instant));
    }
    ends
}

/// Derives the row of a player in a game; `None` if no book has quoted the player.
pub fn market(tables: &Tables, game: GameId, player: PlayerId) -> Option<Market> {
    let mut names: Vec<QuotedName<'_>> = quoted_names(tables, game).collect();
    names.retain(|name| tables.may_refer(LookupName::in_odds(name.day, name.name), player));
    let content_by = |cutoff| {
        let (quotes, changed_at) = player_quotes(tables, (game, player), &names, cutoff);
        market_content(&quotes, changed_at)
    };
    let content_on = |cutoff: Cutoff| known_content(cutoff, ends(tables, game, &names), content_by);
    let with_time = |known_at, view| MarketView { known_at, ..view };
    let Bases { issued, retrospective, issued_absent_since, retrospective_absent_since } =
        on_both_bases(tables, game, content_on)?.into_rows(with_time)?;
    Some(Market { player, game, issued, retrospective, issued_absent_since, retrospective_absent_since })
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

/// Returns the players whom any book quotes or has quoted for a game, on a basis.
pub fn quoted_players(tables: &Tables, game: GameId, basis: Basis) -> Vec<QuotedPlayer> {
    let Some(tip_off) = tables.games.get(&game).map(|times| times.tip_off) else { return Vec::new() };
    let mut names_by_player: BTreeMap<PlayerId, Vec<QuotedName<'_>>> = BTreeMap::new();
    for name in quoted_names(tables, game) {
        tables.candidates(LookupName::in_odds(name.day, name.name), &mut |player| {
            let names = names_by_player.entry(player).or_default();
            if !names.last().is_some_and(|last| std::ptr::eq(last.name, name.name) && last.day == name.day) {
                names.push(name);
            }
        });
    }
    let quoted = names_by_player.into_iter().filter_map(|(player, names)| {
        let content_by = |cutoff| {
            let (quotes, changed_at) = player_quotes(tables, (game, player), &names, cutoff);
            let day = tables.day_of(game, cutoff);
            let first = quotes.newest().iter().map(|quote| quote.known_at.max(day.known_at)).min();
            Known { content: first.is_some(), known_at: first.unwrap_or(changed_at) }
        };
        let quoted =
            known_content(Cutoff::at_tip_off(tip_off, basis), ends(tables, game, &names), content_by);
        let was_quoted = quoted.content || quoted.known_at > Timestamp::DISTANT_PAST;
        was_quoted.then_some(QuotedPlayer { player, known_at: quoted.known_at, is_quoted: quoted.content })
    });
    quoted.collect()
}
