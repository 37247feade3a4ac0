//! Examples: the feature rows of players who played, each with the points that the player scored.
//!
//! An example has at least three earlier appearances of the season and, in the last ten of them, at least eight minutes on average. A player
//! with less is not predicted, and says little about those who are.
//! Invariant: an example is not void, and its result is the newest one that stands; the features have only one row for a player, game and
//! date, which is the issued one if that gives a prediction. Examples are in the order of date, game and player.
//! Not here: which examples a model is measured on (`evaluation`).
use crate::{app::App, audit, precondition::refused};
use anyhow::Result;
use runtime::inspect;
use schemas::{
    EasternDate, GameId, PlayerId, Season, Team,
    features::{Basis, FEATURES, Feature, Features, index},
    game::PlayerGame,
};
use std::collections::{BTreeMap, BTreeSet};

/// The fewest earlier appearances of the season.
const MIN_APPEARANCES: i32 = 3;
/// The fewest minutes on average in the last ten appearances.
const MIN_MINUTES: f64 = 8.0;
/// The fewest examples of a training: with fewer, a leaf of a tree would have less than six.
const MIN_EXAMPLES: usize = 1000;

/// The features of a player before a game, and the points in it.
pub struct Example {
    /// Without the comparable games, which no model reads.
    pub features: Features,
    pub points: i32,
}
impl Example {
    pub fn season(&self) -> Season {
        self.features.game.season()
    }
    /// Returns the values of the features, in the order of the vector.
    pub fn values(&self) -> Vec<Option<f64>> {
        self.features.vector.iter().map(|feature| feature.value()).collect()
    }
}

/// The examples of several seasons.
pub struct Examples(Vec<Example>);
impl Examples {
    /// Returns the examples up to a season.
    pub fn through(&self, season: Season) -> Vec<&Example> {
        self.0.iter().filter(|example| example.season() <= season).collect()
    }
    /// Returns the examples of the seasons before a season.
    ///
    /// # Errors
    /// If they are too few to train on.
    pub fn before(&self, season: Season) -> Result<Vec<&Example>> {
        let examples: Vec<_> = self.0.iter().filter(|example| example.season() < season).collect();
        if examples.len() < MIN_EXAMPLES {
            return Err(self.too_few(&format!("before {season}"), examples.len()));
        }
        Ok(examples)
    }
    /// Returns the examples of one season.
    pub fn of(&self, season: Season) -> Vec<&Example> {
        self.0.iter().filter(|example| example.season() == season).collect()
    }
    /// Checks that there are examples of a season, and enough up to it.
    ///
    /// # Errors
    /// If not.
    pub fn ensure_enough(&self, season: Season) -> Result<()> {
        match (self.of(season).len(), self.through(season).len()) {
            (0, _) => Err(self.too_few(&format!("of {season}"), 0)),
            (_, through) if through < MIN_EXAMPLES => {
                Err(self.too_few(&format!("through {season}"), through))
            }
            _ => Ok(()),
        }
    }
    fn too_few(&self, which: &str, count: usize) -> anyhow::Error {
        let seasons: BTreeSet<String> = self.0.iter().map(|example| example.season().to_string()).collect();
        let seasons: Vec<String> = seasons.into_iter().collect();
        let there = if seasons.is_empty() { "none".to_owned() } else { seasons.join(", ") };
        let reason = format!(
            "there are {count} player-games {which} with features and a result, of the {MIN_EXAMPLES} that a training needs; seasons in the log: {there}"
        );
        let next = "choose another season, or `fastbreak ingest FILE` and `fastbreak run --until-caught-up` add games";
        refused("training", reason, next).into()
    }
}

/// Reads the examples of all seasons from the log.
///
/// # Errors
/// If the log cannot be read.
pub fn read_examples(app: &App) -> Result<Examples> {
    let mut log = app.open_log_read_only()?;
    let mut results = BTreeMap::new();
    inspect::each_row(log.as_mut(), &topics::PLAYER_GAMES, |row| add_results(&mut results, &row))?;
    let mut examples = Vec::new();
    inspect::each_row(log.as_mut(), &topics::FEATURES, |features| {
        if is_wanted(&features)
            && let Some(team) = features.team
            && let Some(points) = results.get(&(features.player, features.game, features.date, team))
        {
            examples.push(Example { features: without_unused(features), points: *points });
        }
    })?;
    examples.sort_by_key(|Example { features, .. }| (features.date, features.game, features.player));
    Ok(Examples(examples))
}

/// Refuses a training on data that is not complete.
///
/// # Errors
/// If the audit does not balance, or fails.
pub fn ensure_balanced(app: &App) -> Result<()> {
    if audit::audit(app)?.balanced {
        return Ok(());
    }
    let (reason, next) = ("the audit does not balance", "`fastbreak audit` shows what does not balance");
    Err(refused("training", reason, next).into())
}

/// The points of players with playing time, by player, game, date and team.
type Results = BTreeMap<(PlayerId, GameId, EasternDate, Team), i32>;

fn add_results(results: &mut Results, row: &PlayerGame) {
    let revisions = row.revisions_in_retrospect.as_ref().unwrap_or(&row.revisions);
    let Some(newest) = revisions.last() else { return };
    if let Some(stats) = newest.stats
        && stats.playing_time.0 > 0
    {
        results.insert((row.player, row.game, newest.date, newest.team), stats.points);
    }
}

fn is_wanted(features: &Features) -> bool {
    let minutes = features.get(index::MINUTES_AVG_LAST_10).value();
    features.voided.is_none()
        && features.vector.len() == FEATURES.len()
        && features.appearances >= MIN_APPEARANCES
        && minutes.is_some_and(|minutes| minutes >= MIN_MINUTES)
}

fn without_unused(mut features: Features) -> Features {
    features.comparables = Vec::new();
    features.name = String::new();
    features
}

/// Returns the number of issued and of retrospective examples.
pub fn count_by_basis(examples: &[&Example]) -> (u64, u64) {
    let issued = examples.iter().filter(|example| example.features.basis == Basis::Issued).count();
    (issued as u64, (examples.len() - issued) as u64)
}

/// Returns the BLAKE3 hash, in hexadecimal, of all examples: of ids, date, basis, the features (a value as its bits, or the reason why it is
/// missing) and the points of each.
pub fn hash(examples: &[&Example]) -> String {
    let mut hasher = blake3::Hasher::new();
    for Example { features, points } in examples {
        let Features { player, game, date, basis, vector, .. } = features;
        hasher.update(&player.0.to_le_bytes()).update(&game.0.to_le_bytes()).update(&date.0.to_le_bytes());
        hasher.update(&[*basis as u8]).update(&points.to_le_bytes());
        for feature in vector {
            match feature {
                Feature::Value(value) => hasher.update(&[0]).update(&value.to_bits().to_le_bytes()),
                Feature::Missing(reason) => hasher.update(&[1, *reason as u8]),
            };
        }
    }
    hasher.finalize().to_hex().to_string()
}
