//! Laws of games in time: the rows of a history are those of the dates that the naive model of the schedule names.
//!
//! Invariant: a row is void exactly if it was issued, and its date does not stand now or its team does not play on this date. No game has
//! two rows of a player that are not void. A line that was quoted in play is in no issued row.
//! Not here: the naive model (`schedule_model`), that an issued row does not change (`issued`).
use crate::{
    harness::Content,
    schedule_faults::LINE_IN_PLAY,
    schedule_model::{self, GameModel, NOW},
};
use schemas::{
    EasternDate, GameId, Matchup, PlayerId, Team, Timestamp,
    features::{Basis, Features, QualityFlag},
    fixture::{VoidReason, Voided},
    game::Game,
    market::Market,
    raw::{Feed, FetchOutcome, RawEvent},
    team_form::TeamForm,
    wire::{self, Event},
};
use std::collections::{BTreeMap, BTreeSet};
use topics::TopicInfo;

type Games = BTreeMap<GameId, GameModel>;

/// Checks all laws of this file on the content of a history.
pub fn check_fixtures(raw_events: &[RawEvent], content: &Content) {
    let games = schedule_model::games(raw_events);
    check_dates(&games, content);
    check_rows(&games, content);
    check_lines(&games, raw_events, content);
    check_averages(&games, content);
}

fn rows<E: Event>(content: &Content, topic: TopicInfo) -> impl Iterator<Item = E> {
    let rows = content.iter().filter(move |((name, _), _)| *name == topic.name);
    rows.map(|(_, bytes)| wire::decode(bytes).unwrap())
}

/// What is compared of a date of a game.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct DateRow {
    game: GameId,
    date: EasternDate,
    home: Team,
    away: Team,
    cutoff: (Timestamp, bool),
    stood_at_cutoff: bool,
    end: Option<(Timestamp, VoidReason)>,
}

/// Checks that exactly those dates have rows which stood at their cutoff, or stand now.
fn check_dates(games: &Games, content: &Content) {
    let mut expected: BTreeSet<DateRow> = BTreeSet::new();
    for (game, model) in games {
        expected.extend(model.dates().into_iter().filter_map(|date| date_row(*game, model, date)));
    }
    let mut actual: BTreeSet<DateRow> = BTreeSet::new();
    for row in rows::<Game>(content, topics::GAMES.info) {
        for date in row.dates.into_iter().filter(|date| date.has_rows()) {
            actual.insert(DateRow {
                game: row.game,
                date: date.date,
                home: date.home,
                away: date.away,
                cutoff: (date.tip_off, date.tip_estimated),
                stood_at_cutoff: date.stood_at_cutoff,
                end: date.end.map(|end| (end.at, end.reason)),
            });
        }
    }
    let only_actual: Vec<_> = actual.difference(&expected).collect();
    let only_expected: Vec<_> = expected.difference(&actual).collect();
    assert!(
        only_actual.is_empty() && only_expected.is_empty(),
        "dates differ from those of the model; only actual: {only_actual:#?}; only expected: {only_expected:#?}"
    );
}

/// Returns the row of a date with a pair of teams; `None` if the date neither stood at its cutoff nor stands now.
fn date_row(game: GameId, model: &GameModel, (pair, date): (Matchup, EasternDate)) -> Option<DateRow> {
    let cutoff = model.cutoff(date)?;
    let before = Timestamp(cutoff.0.0 - 1);
    let [stood_at_cutoff, stands] = [before, NOW].map(|at| model.pair_on(date, at) == Some(pair));
    let sides = model.standing(if stood_at_cutoff { before } else { NOW })?;
    (stood_at_cutoff || stands).then(|| DateRow {
        game,
        date,
        home: sides.home,
        away: sides.away,
        cutoff,
        stood_at_cutoff,
        end: voided(model, (pair, None), date).map(|voided| (voided.at, voided.reason)),
    })
}

/// Returns since when and why the rows of a team of a pair on a date are void; `None` if they are not. If no team is given, the pair counts.
fn voided(model: &GameModel, side: (Matchup, Option<Team>), date: EasternDate) -> Option<Voided> {
    if model.plays(side, date, NOW) {
        return None;
    }
    let reason = match model.standing(NOW) {
        None => VoidReason::Retracted,
        Some(standing) if standing.date != date => VoidReason::Moved,
        Some(standing) if standing.is_called_off => VoidReason::CalledOff,
        Some(_) => VoidReason::OpponentChanged,
    };
    let instants = model.instants().into_iter().rev();
    let at = instants.take_while(|instant| !model.plays(side, date, *instant)).last();
    Some(Voided { at: at?, reason })
}

/// Checks cutoff and basis of all rows, which of them are void, and that no player has two rows of a game that are not void.
fn check_rows(games: &Games, content: &Content) {
    let mut with_row: BTreeSet<(PlayerId, GameId)> = BTreeSet::new();
    for row in rows::<Features>(content, topics::FEATURES.info) {
        let id = format!("{} in {} on {}", row.player, row.game, row.date);
        let (model, pair) = (&games[&row.game], Matchup::new(row.home, row.away).unwrap());
        let (cutoff, is_estimated) = model.cutoff(row.date).unwrap();
        assert_eq!(row.tip_off, cutoff, "the cutoff of {id}");
        assert_eq!(
            row.quality_flags.contains(&QualityFlag::TipEstimated),
            is_estimated,
            "the cutoff of {id}"
        );
        let at = if row.basis == Basis::Issued { Timestamp(cutoff.0 - 1) } else { NOW };
        assert_eq!(model.pair_on(row.date, at), Some(pair), "the pair of teams of {id} ({:?})", row.basis);
        let expected = voided(model, (pair, row.team), row.date).filter(|_| row.basis == Basis::Issued);
        assert_eq!(row.voided, expected, "whether {id} is void ({:?}, {:?})", row.basis, row.team);
        if row.voided.is_none() {
            assert!(with_row.insert((row.player, row.game)), "{id} is not the only row that is not void");
        }
    }
}

/// Checks that no issued market has the line that is quoted in play, unless the quote was fetched before the cutoff.
fn check_lines(games: &Games, raw_events: &[RawEvent], content: &Content) {
    let is_in_play =
        |market: &Market| market.issued.as_ref().is_some_and(|issued| issued.main.points() == LINE_IN_PLAY);
    for market in rows::<Market>(content, topics::MARKETS.info).filter(is_in_play) {
        let (cutoff, _) = games[&market.game].cutoff(market.date).unwrap();
        let marked = format!("\"point\":{LINE_IN_PLAY}");
        let mut earlier = raw_events.iter().filter(|event| {
            let has_content = event.outcome != FetchOutcome::Failed && event.retraction.is_none();
            has_content && event.feed == Feed::OddsapiEventOdds && event.fetched_at < cutoff
        });
        assert!(
            earlier.any(|event| event.payload.contains(&marked)),
            "the market of {} in {} on {} has a line that was quoted in play",
            market.player,
            market.game,
            market.date
        );
    }
}

/// Checks that the averages of a team are not of more games than those of the season that may have been played before. The final of the cup
/// does not count.
fn check_averages(games: &Games, content: &Content) {
    for row in rows::<TeamForm>(content, topics::TEAM_FORMS.info) {
        let (cutoff, _) = games[&row.game].cutoff(row.date).unwrap();
        let is_earlier = |model: &GameModel| {
            let mut dates = model.dates().into_iter().filter(|(pair, _)| pair.teams().contains(&row.team));
            dates.any(|(_, date)| model.cutoff(date).is_none_or(|(earlier, _)| earlier < cutoff))
        };
        let others =
            games.iter().filter(|(game, _)| **game != row.game && !game.to_string().starts_with("006"));
        let earlier = others.filter(|(_, model)| is_earlier(model)).count();
        for form in row.issued.iter().chain(&row.retrospective) {
            let (counted, team, game) = (form.numbers.games as usize, row.team, row.game);
            assert!(
                counted <= earlier,
                "{team} before {game}: {counted} games count, but {earlier} were earlier"
            );
        }
    }
}
