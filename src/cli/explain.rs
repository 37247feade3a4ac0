//! `explain`: every event, feature and version behind a prediction, from the log alone.
use super::{Ended, Output, output};
use crate::{config::Config, reading};
use anyhow::{Result, bail};
use processors::names::Name;
use runtime::Storage;
use schemas::{
    EasternDate, Instant, Matchup, PlayerId, RawId,
    features::{FEATURES, Feature, Features},
    form::SlateEntry,
    game::PlayerGame,
    market::{Availability, Market},
    prediction::{Prediction, SystemOutcome},
    raw::RawEvent,
};
use serde::Serialize;
use std::collections::BTreeMap;
use topics::Topic;

#[derive(Serialize)]
struct Report {
    prediction: Prediction,
    input_version: String,
    model_version: String,
    features: BTreeMap<&'static str, Feature>,
    row: Features,
    candidate: Option<SlateEntry>,
    market: Option<Market>,
    availability: Option<Availability>,
    games: Vec<GameRow>,
    events: Vec<EventRow>,
}
/// An earlier game as it was believed.
#[derive(Serialize)]
struct GameRow {
    game: String,
    date: String,
    team: String,
    opponent: String,
    minutes: f64,
    points: i32,
    known_at: String,
    raw: String,
}
/// A raw event that had a part in it.
#[derive(Serialize)]
struct EventRow {
    raw: String,
    feed: String,
    key: String,
    fetched_at: String,
    said: String,
}

pub fn explain(config: &Config, player: &str, date: EasternDate, output: Output) -> Result<Ended> {
    let mut log = crate::storage::open(config)?;
    let wanted = Name::new(player);
    let id: Option<PlayerId> = player.parse().ok();
    let of_player = id.map(|id| format!("{id}/"));
    let all = reading::table(log.as_mut(), &topics::FEATURES, |key| {
        of_player.as_ref().is_none_or(|id| key.starts_with(id.as_str()))
    })?;
    let mut found: Vec<Features> = all
        .into_iter()
        .filter(|row| row.date == date && (id.is_some() || Name::new(&row.name).key() == wanted.key()))
        .collect();
    let Some(row) = found.pop() else {
        bail!("{player} was no candidate on {date}; `fastbreak coverage {date} --players` lists who was");
    };
    if !found.is_empty() {
        let ids: Vec<String> = found.iter().chain([&row]).map(|row| row.player.to_string()).collect();
        bail!("several players are called {player}: name one of the ids {}", ids.join(", "));
    }
    let key = format!("{}/{}", row.player, row.game);
    let Some(prediction) = newest::<Prediction>(log.as_mut(), &topics::PREDICTIONS, &key)? else {
        bail!("the predictor has not read the features of {key} yet; run `fastbreak run --until-caught-up`");
    };
    let season = row.game.season();
    let prefix = format!("{}/", row.player);
    let games: Vec<PlayerGame> =
        reading::table(log.as_mut(), &topics::PLAYER_GAMES, |key| key.starts_with(&prefix))?;
    let mut games: Vec<GameRow> = games
        .iter()
        .filter(|game| game.game.season() == season)
        .filter_map(|game| believed(game, &row))
        .collect();
    games.sort_by(|a, b| (&a.date, &a.game).cmp(&(&b.date, &b.game)));
    let events = events(log.as_mut(), &row, &games)?;
    let report = Report {
        input_version: format!("{:016x}", prediction.input_version),
        model_version: format!("{:016x}", prediction.model_version),
        features: FEATURES.into_iter().zip(row.vector.iter().copied()).collect(),
        candidate: newest(log.as_mut(), &topics::SLATE_ENTRIES, &key)?,
        market: newest(log.as_mut(), &topics::MARKETS, &key)?,
        availability: newest(log.as_mut(), &topics::AVAILABILITY, &key)?,
        prediction,
        row,
        games,
        events,
    };
    output::print(output, &report, show)?;
    Ok(Ended::Done)
}

fn newest<E: schemas::Row>(log: &mut dyn Storage, topic: &Topic<E>, key: &str) -> Result<Option<E>> {
    Ok(reading::table(log, topic, |known| known == key)?.pop())
}

/// The step of an earlier game that the features read.
fn believed(game: &PlayerGame, row: &Features) -> Option<GameRow> {
    let cut = processors::fact::Cutoff::at_tip_off(row.tip_off, row.basis);
    let step = cut.believe(&game.steps, |step| step.known_at)?;
    let line = step.line.filter(|_| cut.is_past(step.effective_at()))?;
    Some(GameRow {
        game: game.game.to_string(),
        date: step.date.to_string(),
        team: step.team.to_string(),
        opponent: step.opponent.to_string(),
        minutes: line.playing_time.minutes(),
        points: line.points,
        known_at: step.known_at.to_string(),
        raw: step.raw.to_string(),
    })
}

/// The raw events that the believed steps name, and all that spoke of the game itself.
fn events(log: &mut dyn Storage, row: &Features, games: &[GameRow]) -> Result<Vec<EventRow>> {
    let mut said: BTreeMap<RawId, String> = BTreeMap::new();
    for game in games {
        if let Ok(raw) = game.raw.parse() {
            said.entry(raw).or_default().push_str(&format!("{} points on {}; ", game.points, game.date));
        }
    }
    let Some(matchup) = Matchup::new(row.home, row.away) else { bail!("{} meets itself", row.home) };
    let mut note = |raw: RawId, at: Instant, what: String| {
        if row.basis == schemas::features::Basis::Hindsight || at < row.tip_off {
            said.entry(raw).or_default().push_str(&format!("{what}; "));
        }
    };
    reading::events(log, &topics::GAME_SIGHTINGS, |s| {
        if s.game == row.game {
            note(s.heard.raw, s.heard.fetched_at, format!("the game's fixture, {}", s.fixture.date));
        }
    })?;
    reading::events(log, &topics::ODDS_SIGHTINGS, |s| {
        if Matchup::new(s.home, s.away) == Some(matchup) && (s.date.0 - row.date.0).abs() <= 1 {
            note(s.heard.raw, s.heard.fetched_at, format!("{} quotes on the game", s.quotes.len()));
        }
    })?;
    reading::events(log, &topics::INJURY_SIGHTINGS, |s| {
        if s.matchup == matchup && (s.date.0 - row.date.0).abs() <= 1 {
            note(s.heard.raw, s.heard.fetched_at, format!("an injury report of {}", s.reported_at));
        }
    })?;
    let mut rosters: BTreeMap<_, _> = BTreeMap::new();
    reading::events(log, &topics::ROSTER_SIGHTINGS, |s| {
        if [row.home, row.away].contains(&s.team) && s.heard.fetched_at < row.tip_off {
            let newest = rosters.entry((s.team, s.feed)).or_insert(s.heard);
            *newest = (*newest).max(s.heard);
        }
    })?;
    rosters
        .into_iter()
        .for_each(|((team, _), heard)| note(heard.raw, heard.fetched_at, format!("the roster of {team}")));
    let mut events = Vec::new();
    for topic in [&topics::RAW_SCHEDULES, &topics::RAW_BOX_SCORES, &topics::RAW_ROSTERS, &topics::RAW_ODDS] {
        reading::events(log, topic, |raw: RawEvent| {
            if let Some(said) = said.get(&raw.id) {
                events.push(EventRow {
                    raw: raw.id.to_string(),
                    feed: raw.feed.to_string(),
                    key: raw.key,
                    fetched_at: raw.fetched_at.to_string(),
                    said: said.trim_end_matches("; ").to_owned(),
                });
            }
        })?;
    }
    events.sort_by(|a, b| (&a.fetched_at, &a.raw).cmp(&(&b.fetched_at, &b.raw)));
    Ok(events)
}

fn show(report: &Report) -> String {
    let p = &report.prediction;
    let team = p.team.map_or_else(|| "neither side".to_owned(), |team| team.to_string());
    let mut text = format!(
        "{} ({}), {} in {} @ {} on {}, tip-off {}\n{}: {}, known since {}; input {}, model {}\n",
        p.name,
        p.player,
        team,
        p.away,
        p.home,
        p.date,
        p.tip_off,
        p.basis.name(),
        p.eligibility.name(),
        p.known_at,
        report.input_version,
        report.model_version,
    );
    let systems = p.systems.iter().flat_map(|system| match &system.outcome {
        SystemOutcome::Predicted(predicted) => predicted
            .rungs
            .iter()
            .map(|rung| {
                [
                    system.system.name().to_owned(),
                    format!("{:.2} ± {:.1}", predicted.points, predicted.spread),
                    format!("{:+}", rung.rung),
                    rung.line.to_string(),
                    format!("{:.3}", rung.p_over),
                    format!("{:.3}", rung.p_push),
                    rung.recommendation.name().to_owned(),
                    predicted.without.join(", "),
                ]
            })
            .collect(),
        SystemOutcome::Skipped(why) => {
            let mut row: [String; 8] = Default::default();
            (row[0], row[1]) = (system.system.name().to_owned(), why.name().to_owned());
            vec![row]
        }
    });
    text += &output::table(
        ["system", "points", "rung", "line", "P(over)", "P(push)", "call", "without"],
        systems,
    );
    let features = FEATURES.iter().zip(&report.row.vector).map(|(name, feature)| match feature {
        Feature::Value(value) => [(*name).to_owned(), format!("{value:.4}")],
        Feature::Missing(why) => [(*name).to_owned(), format!("missing: {why:?}")],
    });
    text += &format!("\n\n{}", output::table(["feature", "value"], features));
    let games = report.games.iter().map(|game| {
        let GameRow { game, date, team, opponent, minutes, points, known_at, raw } = game;
        let versus = format!("{team} – {opponent}");
        [
            date.clone(),
            game.clone(),
            versus,
            format!("{minutes:.0}"),
            points.to_string(),
            known_at.clone(),
            raw.clone(),
        ]
    });
    text += &format!(
        "\n\n{}",
        output::table(["date", "game", "teams", "min", "pts", "known at", "raw event"], games)
    );
    let events = report.events.iter().map(|event| {
        let EventRow { raw, feed, key, fetched_at, said } = event;
        [raw.clone(), feed.clone(), key.clone(), fetched_at.clone(), said.chars().take(80).collect()]
    });
    text + &format!("\n\n{}", output::table(["raw event", "feed", "key", "fetched at", "said"], events))
}
