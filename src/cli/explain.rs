//! `explain`: every event, feature and version behind a prediction, from the log alone.
use super::{CommandOutcome, Output, output};
use crate::config::Config;
use anyhow::{Result, bail};
use processors::names::Name;
use runtime::{LogBackend, inspect};
use schemas::{
    EasternDate, Matchup, PlayerId, RawId, Timestamp,
    features::{FEATURES, Feature, Features},
    game::PlayerGame,
    market::{Availability, Market},
    prediction::{Prediction, SystemOutcome},
    raw::RawEvent,
    team_form::SlateEntry,
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
    facts: String,
}

pub fn explain(config: &Config, player: &str, date: EasternDate, output: Output) -> Result<CommandOutcome> {
    let mut log = crate::storage::open(config)?;
    let wanted = Name::new(player);
    let id: Option<PlayerId> = player.parse().ok();
    let of_player = id.map(|id| format!("{id}/"));
    let all = inspect::table(log.as_mut(), &topics::FEATURES, |key| {
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
        inspect::table(log.as_mut(), &topics::PLAYER_GAMES, |key| key.starts_with(&prefix))?;
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
    Ok(CommandOutcome::Done)
}

fn newest<E: schemas::Row>(log: &mut dyn LogBackend, topic: &Topic<E>, key: &str) -> Result<Option<E>> {
    Ok(inspect::table(log, topic, |known| known == key)?.pop())
}

/// The revision of an earlier game that the features read.
fn believed(game: &PlayerGame, row: &Features) -> Option<GameRow> {
    let cut = processors::fact_history::Cutoff::at_tip_off(row.tip_off, row.basis);
    let revision = cut.as_of(&game.revisions, |revision| revision.known_at)?;
    let line = revision.line.filter(|_| cut.is_past(revision.effective_at()))?;
    Some(GameRow {
        game: game.game.to_string(),
        date: revision.date.to_string(),
        team: revision.team.to_string(),
        opponent: revision.opponent.to_string(),
        minutes: line.playing_time.minutes(),
        points: line.points,
        known_at: revision.known_at.to_string(),
        raw: revision.raw.to_string(),
    })
}

/// The raw events that the revisions used name, and all that spoke of the game itself.
fn events(log: &mut dyn LogBackend, row: &Features, games: &[GameRow]) -> Result<Vec<EventRow>> {
    let mut facts: BTreeMap<RawId, String> = BTreeMap::new();
    for game in games {
        if let Ok(raw) = game.raw.parse() {
            facts.entry(raw).or_default().push_str(&format!("{} points on {}; ", game.points, game.date));
        }
    }
    let Some(matchup) = Matchup::new(row.home, row.away) else { bail!("{} meets itself", row.home) };
    let mut note = |raw: RawId, at: Timestamp, what: String| {
        if row.basis == schemas::features::Basis::Retrospective || at < row.tip_off {
            facts.entry(raw).or_default().push_str(&format!("{what}; "));
        }
    };
    inspect::events(log, &topics::GAME_OBSERVATIONS, |s| {
        if s.game == row.game {
            note(
                s.provenance.raw,
                s.provenance.fetched_at,
                format!("the game's fixture, {}", s.fixture.date),
            );
        }
    })?;
    inspect::events(log, &topics::ODDS_OBSERVATIONS, |s| {
        if Matchup::new(s.home, s.away) == Some(matchup) && (s.date.0 - row.date.0).abs() <= 1 {
            note(s.provenance.raw, s.provenance.fetched_at, format!("{} quotes on the game", s.quotes.len()));
        }
    })?;
    inspect::events(log, &topics::INJURY_OBSERVATIONS, |s| {
        if s.matchup == matchup && (s.date.0 - row.date.0).abs() <= 1 {
            note(s.provenance.raw, s.provenance.fetched_at, format!("an injury report of {}", s.reported_at));
        }
    })?;
    let mut rosters: BTreeMap<_, _> = BTreeMap::new();
    inspect::events(log, &topics::ROSTER_OBSERVATIONS, |s| {
        if [row.home, row.away].contains(&s.team) && s.provenance.fetched_at < row.tip_off {
            let newest = rosters.entry((s.team, s.feed)).or_insert(s.provenance);
            *newest = (*newest).max(s.provenance);
        }
    })?;
    rosters.into_iter().for_each(|((team, _), provenance)| {
        note(provenance.raw, provenance.fetched_at, format!("the roster of {team}"))
    });
    let mut events = Vec::new();
    for topic in [&topics::RAW_SCHEDULES, &topics::RAW_BOX_SCORES, &topics::RAW_ROSTERS, &topics::RAW_ODDS] {
        inspect::events(log, topic, |raw: RawEvent| {
            if let Some(facts) = facts.get(&raw.id) {
                events.push(EventRow {
                    raw: raw.id.to_string(),
                    feed: raw.feed.to_string(),
                    key: raw.key,
                    fetched_at: raw.fetched_at.to_string(),
                    facts: facts.trim_end_matches("; ").to_owned(),
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
            .line_ladder
            .iter()
            .map(|ladder_line| {
                [
                    system.system.name().to_owned(),
                    format!("{:.2} ± {:.1}", predicted.points, predicted.stddev_points),
                    format!("{:+}", ladder_line.line_offset),
                    ladder_line.line.to_string(),
                    format!("{:.3}", ladder_line.p_over),
                    format!("{:.3}", ladder_line.p_push),
                    ladder_line.recommendation.name().to_owned(),
                    predicted.missing_adjustments.join(", "),
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
        ["system", "points", "line offset", "line", "P(over)", "P(push)", "call", "missing adjustments"],
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
        let EventRow { raw, feed, key, fetched_at, facts } = event;
        [raw.clone(), feed.clone(), key.clone(), fetched_at.clone(), facts.chars().take(80).collect()]
    });
    text + &format!("\n\n{}", output::table(["raw event", "feed", "key", "fetched at", "facts"], events))
}
