//! Lineage: every event, feature and version that a prediction was made from.
//!
//! The as-of cutoff of a prediction is the tip-off of the predicted game.
//! Invariant: it reads only the log, never the warehouse; the games and events are those known at the as-of cutoff of the prediction.
//! Not here: finding the candidate (`find_features`) and the raw events (`events`), the fields of the report (`report`), its text (`cli::explain`).
mod events;
mod find_features;
pub mod report;

use crate::app::App;
use anyhow::{Result, bail};
use find_features::find_features;
use processors::history::Cutoff;
use report::{
    AvailabilityReport, CandidateReport, FeatureReport, FeatureRowReport, GameReport, LineageReport,
    MarketReport, PredictionReport,
};
use runtime::{LogBackend, inspect};
use schemas::{
    EasternDate, GameId, Matchup, Row,
    features::{FEATURES, Features},
    game::PlayerGame,
    prediction::Prediction,
};
use topics::Topic;

/// Finds everything that the prediction for a player, given by id or name, on a date was made from. `game` is needed only if the player is a
/// candidate of several games of the date.
///
/// # Errors
/// If the player was not a candidate on this date, has no prediction yet, several players have this name, or the player is a candidate of
/// several games; if the log cannot be read.
pub fn lineage(app: &App, player: &str, date: EasternDate, game: Option<GameId>) -> Result<LineageReport> {
    let mut log = app.open_log_read_only()?;
    let features = find_features(log.as_mut(), player, date, game)?;
    let key = features.row_id().map(|id| id.to_string()).unwrap_or_default();
    let Some(matchup) = Matchup::new(features.home, features.away) else {
        bail!("game {} has {} as both home and away team", features.game, features.home)
    };
    let candidate_key = format!("{key}/{matchup}");
    let Some(prediction) = find_row::<Prediction>(log.as_mut(), &topics::PREDICTIONS, &key)? else {
        bail!(
            "the predictor has not read the features of {key} yet\nnext: `fastbreak run --until-caught-up`"
        );
    };
    let games = earlier_games(log.as_mut(), &features)?;
    let events = events::find_events(log.as_mut(), &features, &games)?;
    let candidate = find_row(log.as_mut(), &topics::SLATE_ENTRIES, &candidate_key)?;
    let market = find_row(log.as_mut(), &topics::MARKETS, &candidate_key)?;
    let availability = find_row(log.as_mut(), &topics::AVAILABILITY, &candidate_key)?;
    Ok(LineageReport {
        prediction: PredictionReport::new(&prediction),
        features: FEATURES.into_iter().zip(features.vector.iter().map(FeatureReport::new)).collect(),
        feature_row: FeatureRowReport::new(&features),
        candidate: candidate.as_ref().map(CandidateReport::new),
        market: market.as_ref().map(MarketReport::new),
        availability: availability.as_ref().map(AvailabilityReport::new),
        games,
        events,
    })
}

fn find_row<E: schemas::Row>(log: &mut dyn LogBackend, topic: &Topic<E>, key: &str) -> Result<Option<E>> {
    Ok(inspect::table(log, topic, |row_key| row_key == key)?.pop())
}

/// Returns the player's earlier games of the same season, as known at the cutoff, oldest first.
fn earlier_games(log: &mut dyn LogBackend, features: &Features) -> Result<Vec<GameReport>> {
    let prefix = format!("{}/", features.player);
    let games = inspect::table(log, &topics::PLAYER_GAMES, |key| key.starts_with(&prefix))?;
    let mut games: Vec<GameReport> = games
        .iter()
        .filter(|game| game.game.season() == features.game.season())
        .filter_map(|game| game_as_of_cutoff(game, features))
        .collect();
    games.sort_by(|a, b| (&a.date, &a.game_id).cmp(&(&b.date, &b.game_id)));
    Ok(games)
}

/// Returns the revision of an earlier game from which the features were derived; `None` if the player did not appear in it or the game was
/// not known at the cutoff.
fn game_as_of_cutoff(game: &PlayerGame, features: &Features) -> Option<GameReport> {
    let cutoff = Cutoff::at_tip_off(features.tip_off, features.basis);
    let revision = cutoff
        .as_of(&game.revisions, game.revisions_in_retrospect.as_deref(), |revision| revision.known_at)?;
    let stats = revision.stats.filter(|_| cutoff.is_past(revision.effective_at()))?;
    Some(GameReport {
        game_id: game.game.to_string(),
        date: revision.date.to_string(),
        team: revision.team.to_string(),
        opponent: revision.opponent.to_string(),
        minutes: stats.playing_time.minutes(),
        points: stats.points,
        known_at: revision.known_at.to_string(),
        raw: revision.raw,
    })
}
