//! Computes the features; each is a value or the reason why the value is missing.
//!
//! Means, counts and standard deviations use appearances of the same season; only the two features about earlier games against the opponent
//! cover three years. If a player has fewer appearances than the window of a mean, the mean is over all appearances. A standard deviation
//! requires two appearances.
//!
//! Invariant: the features are in the order of [`FEATURES`], and each is set exactly once.
//! Not here: imputation of missing values, which is left to the models.
use super::{
    absences::Absences,
    appearance::Appearance,
    history::{History, mean},
    player_facts::{PlayerFacts, Side},
    player_form::{Indexed, PlayerForm},
    workload::Workload,
};
use schemas::{
    features::{FEATURES, Feature, MissingReason, index},
    ids::GameKind,
    observation::{BoxScoreStats, InjuryStatus},
    team_form::FormNumbers,
};

/// Computes all features of a player who is on one of the game's two teams. `usual` is what was absent before the earlier appearances.
pub fn compute(facts: &PlayerFacts<'_>, side: Side, usual: Absences) -> Vec<Feature> {
    let inputs = Inputs::new(facts, side);
    let mut vector = vec![Feature::Missing(MissingReason::NoAppearances); FEATURES.len()];
    let groups = inputs.scoring().into_iter().chain(inputs.workload()).chain(inputs.teams());
    let groups = groups.chain(inputs.market()).chain(inputs.versus()).chain(without_feed());
    let player_form = PlayerForm::new(facts, side, inputs.own, &inputs.workload, usual);
    for (index, feature) in groups.chain(player_form.features()) {
        vector[index] = feature;
    }
    vector
}

/// Returns the features that are always missing, because no feed has their source data.
const fn without_feed() -> [Indexed; 4] {
    [
        (index::SHOT_ZONE_MISMATCH_SCORE, Feature::Missing(MissingReason::NoShotZones)),
        (index::USAGE_SPIKE_SCORE, Feature::Missing(MissingReason::NoProjection)),
        (index::PCT_PAINT, Feature::Missing(MissingReason::NoShotZones)),
        (index::PCT_MID_RANGE, Feature::Missing(MissingReason::NoShotZones)),
    ]
}

/// The inputs of the features: the facts about the player, and the forms of the player's team and of the opponent.
struct Inputs<'a> {
    facts: &'a PlayerFacts<'a>,
    history: &'a History<'a>,
    side: Side,
    own: &'a FormNumbers,
    opponent: &'a FormNumbers,
    workload: Workload,
}
impl<'a> Inputs<'a> {
    fn new(facts: &'a PlayerFacts<'a>, side: Side) -> Self {
        let (home, away) = (&facts.candidacy.home, &facts.candidacy.away);
        let (own, opponent) = if side.team == facts.entry.home { (home, away) } else { (away, home) };
        let workload = Workload::new(&facts.history.season, facts.entry.date, side.born);
        Inputs { facts, history: &facts.history, side, own, opponent, workload }
    }
    fn scoring(&self) -> [Indexed; 10] {
        let history = self.history;
        let season = history.season.len();
        let sum = |stat: fn(&BoxScoreStats) -> i32| -> f64 {
            history.last(10).map(|appearance| f64::from(stat(appearance.stats))).sum()
        };
        let (shots, points) = (sum(|stats| stats.field_goals_attempted), sum(|stats| stats.points));
        let minutes: f64 = history.last(10).map(Appearance::minutes).sum();
        let free_throws = self.ratio(sum(|stats| stats.free_throws_made), points);
        let free_throws = free_throws.value().map_or(free_throws, |share| Feature::Value(share.min(0.5)));
        let minutes_change = history
            .mean_minutes(5)
            .zip(history.mean_minutes(season))
            .map(|(recent, season)| minutes_change(recent, season));
        let points_of = |count| history.last(count).map(Appearance::points).collect();
        [
            (index::POINTS_AVG_LAST_5, or_no_appearances(history.mean_points(5))),
            (index::POINTS_AVG_LAST_10, or_no_appearances(history.mean_points(10))),
            (index::POINTS_AVG_SEASON, or_no_appearances(history.mean_points(season))),
            (index::POINTS_STD_LAST_10, sample_deviation(points_of(10))),
            (index::RECENT_TREND, recent_trend(points_of(5))),
            (index::MINUTES_CHANGE, or_no_appearances(minutes_change)),
            (index::PCT_THREE, self.ratio(sum(|stats| stats.threes_attempted), shots)),
            (index::PCT_FREE_THROW, free_throws),
            (index::MINUTES_AVG_LAST_10, or_no_appearances(history.mean_minutes(10))),
            (index::PPM_AVG_LAST_10, self.ratio(points, minutes)),
        ]
    }
    fn workload(&self) -> [Indexed; 4] {
        let rest_days = self.workload.rest_days;
        let rest_advantage = match (rest_days, self.opponent.rest_days) {
            (None, _) => Feature::Missing(MissingReason::NoAppearances),
            (_, None) => Feature::Missing(MissingReason::NoTeamGames),
            (Some(player), Some(opponent)) => Feature::Value(f64::from((player - opponent).clamp(-2, 2))),
        };
        let back_to_back = rest_days.map(|days| f64::from(u8::from(days == 0)));
        let fatigue_score = rest_days.map(|_| self.workload.fatigue_score());
        [
            (index::GAMES_IN_LAST_7_DAYS, Feature::Value(self.workload.games_7 as f64)),
            (index::FATIGUE_SCORE, or_no_appearances(fatigue_score)),
            (index::BACK_TO_BACK, or_no_appearances(back_to_back)),
            (index::REST_ADVANTAGE, rest_advantage),
        ]
    }
    fn teams(&self) -> [Indexed; 8] {
        let (own, opponent, entry) = (self.own, self.opponent, self.facts.entry);
        let or_no_games = |value: Option<f64>| Feature::value_or(value, MissingReason::NoTeamGames);
        let pace_score = opponent
            .pace_15
            .zip(own.pace_10)
            .map(|(opponent, own)| ((opponent - own) / 2.0).clamp(-3.0, 3.0));
        [
            (index::PACE_SCORE, or_no_games(pace_score)),
            (index::OPPONENT_DEF_RATING, or_no_games(opponent.def_rating_15)),
            (index::OPPONENT_PACE, or_no_games(opponent.pace_15)),
            (index::TEAM_PACE, or_no_games(own.pace_10)),
            (index::TEAM_OFF_RATING, or_no_games(own.off_rating_10)),
            (index::TEAM_WIN_PCT, or_no_games(own.win_share)),
            (index::HOME_AWAY, flag(self.side.team == entry.home)),
            (index::PLAYOFF_GAME, flag(entry.game.kind() == Some(GameKind::Playoffs))),
        ]
    }
    fn market(&self) -> [Indexed; 5] {
        let facts = self.facts;
        let line = facts.market.map(|market| market.main.points());
        let opening = facts.market.map(|market| market.opening.points());
        let or_no_market = |value: Option<f64>| Feature::value_or(value, MissingReason::NoMarket);
        let is_reported = facts.side.is_some_and(|side| facts.candidacy.teams_reported.contains(&side.team));
        let injury_risk = match facts.availability.map(|availability| availability.status) {
            None if !is_reported => Feature::Missing(MissingReason::NoReport),
            None | Some(InjuryStatus::Available) => Feature::Value(0.0),
            Some(InjuryStatus::Probable) => Feature::Value(1.0),
            Some(InjuryStatus::Questionable) => Feature::Value(2.0),
            Some(InjuryStatus::Doubtful | InjuryStatus::Out) => Feature::Value(3.0),
        };
        [
            (index::VEGAS_POINTS_LINE, or_no_market(line)),
            (index::VEGAS_OPENING_LINE, or_no_market(opening)),
            (index::VEGAS_LINE_MOVE, or_no_market(line.zip(opening).map(|(line, opening)| line - opening))),
            (index::HAS_VEGAS_LINE, flag(line.is_some())),
            (index::INJURY_RISK, injury_risk),
        ]
    }
    fn versus(&self) -> [Indexed; 2] {
        let versus = self.history.versus.iter();
        let versus = versus.filter(|appearance| appearance.revision.opponent == self.side.opponent);
        let points: Vec<f64> = versus.map(Appearance::points).collect();
        [
            (
                index::AVG_POINTS_VS_OPPONENT,
                Feature::value_or(mean(points.iter().copied()), MissingReason::NeverMet),
            ),
            (index::GAMES_VS_OPPONENT, Feature::Value(points.len() as f64)),
        ]
    }
    /// Divides two sums over the season's last appearances. The feature is missing if there are no appearances or the denominator is 0.
    fn ratio(&self, numerator: f64, denominator: f64) -> Feature {
        if self.history.season.is_empty() {
            Feature::Missing(MissingReason::NoAppearances)
        } else if denominator > 0.0 {
            Feature::Value(numerator / denominator)
        } else {
            Feature::Missing(MissingReason::NothingToDivideBy)
        }
    }
}

fn or_no_appearances(value: Option<f64>) -> Feature {
    Feature::value_or(value, MissingReason::NoAppearances)
}
fn flag(is_set: bool) -> Feature {
    Feature::Value(f64::from(u8::from(is_set)))
}

/// Computes the standard deviation of a sample (with divisor n − 1); missing if there are fewer than two values.
fn sample_deviation(values: Vec<f64>) -> Feature {
    let Some(mean) = mean(values.iter().copied()) else {
        return Feature::Missing(MissingReason::NoAppearances);
    };
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    match values.len() {
        1 => Feature::Missing(MissingReason::TooFewAppearances),
        count => Feature::Value((squares / (count - 1) as f64).sqrt()),
    }
}

/// Compares the mean points of the newest three appearances with the mean of the two before them: ±1 if they differ by at least 2 points,
/// ±2 if by at least 5, otherwise 0. The result is positive if the points rise, and missing if there are fewer than five appearances.
fn recent_trend(newest_first: Vec<f64>) -> Feature {
    if newest_first.is_empty() {
        return Feature::Missing(MissingReason::NoAppearances);
    }
    let [a, b, c, d, e] = newest_first[..] else {
        return Feature::Missing(MissingReason::TooFewAppearances);
    };
    Feature::Value(stepped((a + b + c) / 3.0 - (d + e) / 2.0, 2.0, 5.0))
}

/// Compares the mean minutes of the last five appearances with the season mean: ±1 for a change of at least 10 percent, ±2 for at least 20
/// percent, otherwise 0.
fn minutes_change(recent: f64, season: f64) -> f64 {
    stepped(recent / season - 1.0, 0.1, 0.2)
}

/// Returns ±2 if the absolute value reaches the second threshold, ±1 if it reaches the first, otherwise 0, with the sign of the value.
fn stepped(value: f64, first: f64, second: f64) -> f64 {
    match value.abs() {
        size if size >= second => 2.0 * value.signum(),
        size if size >= first => value.signum(),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rising_player_has_a_positive_trend() {
        assert_eq!(recent_trend(vec![30.0, 28.0, 26.0, 20.0, 20.0]), Feature::Value(2.0));
        assert_eq!(recent_trend(vec![20.0, 20.0, 20.0, 23.0, 23.0]), Feature::Value(-1.0));
        assert_eq!(recent_trend(vec![20.0; 4]), Feature::Missing(MissingReason::TooFewAppearances));
        assert_eq!(recent_trend(vec![]), Feature::Missing(MissingReason::NoAppearances));
    }
    #[test]
    fn a_deviation_needs_two_appearances() {
        assert_eq!(sample_deviation(vec![3.0]), Feature::Missing(MissingReason::TooFewAppearances));
        assert_eq!(sample_deviation(vec![1.0, 3.0]), Feature::Value(2f64.sqrt()));
    }
}
