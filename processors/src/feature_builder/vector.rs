//! The 33 features, each a value or the reason why there is none.
//!
//! Windows, means and counts read appearances of the same season; fewer than the window: the mean over what there is; a standard
//! deviation needs two. Full days off are counted: 0 is a back-to-back.
//! Invariant: the order is that of [`FEATURES`](schemas::features::FEATURES).
//! Not here: filling gaps; that is a model's business.
use super::{Known, Side, history::mean};
use schemas::{
    EasternDate,
    features::{Feature, MissingReason as Why, index as at},
    ids::GameKind,
    observation::InjuryStatus,
    team_form::FormNumbers,
};

/// All features of a player who is on a side.
pub(super) fn compute(known: &Known<'_>, side: Side) -> Vec<Feature> {
    let (history, entry) = (&known.history, known.entry);
    let is_home = side.team == entry.home;
    let (own, opponent): (&FormNumbers, &FormNumbers) = match is_home {
        true => (&known.candidacy.home, &known.candidacy.away),
        false => (&known.candidacy.away, &known.candidacy.home),
    };
    let load = Load::new(known, side.born);
    let season = history.season.len();
    let played = |value: Option<f64>| or(value, Why::NoAppearances);
    let team = |value: Option<f64>| or(value, Why::NoTeamGames);
    let market = |value: Option<f64>| or(value, Why::NoMarket);
    let line = known.market.map(|market| market.main.points());
    let opening = known.market.map(|market| market.opening.points());
    let versus: Vec<f64> = history
        .versus
        .iter()
        .filter(|appearance| appearance.revision.opponent == side.opponent)
        .map(|appearance| f64::from(appearance.line.points))
        .collect();
    let sum = |of: fn(&schemas::observation::BoxLine) -> i32| -> f64 {
        history.last(10).map(|a| f64::from(of(a.line))).sum()
    };
    let (shots, points) = (sum(|line| line.field_goals_attempted), sum(|line| line.points));
    let minutes: f64 = history.last(10).map(|a| a.line.playing_time.minutes()).sum();
    let ratio = |part: f64, whole: f64| match (season, whole > 0.0) {
        (0, _) => Feature::Missing(Why::NoAppearances),
        (_, true) => Feature::Value(part / whole),
        (_, false) => Feature::Missing(Why::NothingToDivideBy),
    };
    let flag = |is: bool| Feature::Value(f64::from(u8::from(is)));

    let mut vector = vec![Feature::Missing(Why::NoAppearances); schemas::features::FEATURES.len()];
    let mut set = |index: usize, feature: Feature| vector[index] = feature;
    set(at::POINTS_AVG_LAST_5, played(history.mean_points(5)));
    set(at::POINTS_AVG_LAST_10, played(history.mean_points(10)));
    set(at::POINTS_AVG_SEASON, played(history.mean_points(season)));
    set(
        at::POINTS_STD_LAST_10,
        sample_deviation(history.last(10).map(|a| f64::from(a.line.points)).collect()),
    );
    set(at::GAMES_IN_LAST_7_DAYS, Feature::Value(load.games_7 as f64));
    set(at::FATIGUE_SCORE, or(load.rest_days.map(|_| load.fatigue_score()), Why::NoAppearances));
    set(at::SHOT_ZONE_MISMATCH_SCORE, Feature::Missing(Why::NoShotZones));
    let pace_score = |theirs: f64, ours: f64| ((theirs - ours) / 2.0).clamp(-3.0, 3.0);
    set(
        at::PACE_SCORE,
        team(opponent.pace_15.zip(own.pace_10).map(|(theirs, ours)| pace_score(theirs, ours))),
    );
    set(at::USAGE_SPIKE_SCORE, Feature::Missing(Why::NoProjection));
    set(
        at::REST_ADVANTAGE,
        match (load.rest_days, opponent.rest_days) {
            (None, _) => Feature::Missing(Why::NoAppearances),
            (_, None) => Feature::Missing(Why::NoTeamGames),
            (Some(ours), Some(theirs)) => Feature::Value(f64::from((ours - theirs).clamp(-2, 2))),
        },
    );
    set(
        at::INJURY_RISK,
        match known.availability.map(|availability| availability.status) {
            None if !known.candidacy.reported => Feature::Missing(Why::NoReport),
            None | Some(InjuryStatus::Available) => Feature::Value(0.0),
            Some(InjuryStatus::Probable) => Feature::Value(1.0),
            Some(InjuryStatus::Questionable) => Feature::Value(2.0),
            Some(InjuryStatus::Doubtful | InjuryStatus::Out) => Feature::Value(3.0),
        },
    );
    set(at::RECENT_TREND, recent_trend(history.last(5).map(|a| f64::from(a.line.points)).collect()));
    let change = history.mean_minutes(5).zip(history.mean_minutes(season));
    set(at::MINUTES_CHANGE, played(change.map(|(recent, season)| minutes_change(recent, season))));
    set(at::OPPONENT_DEF_RATING, team(opponent.def_rating_15));
    set(at::OPPONENT_PACE, team(opponent.pace_15));
    set(at::HOME_AWAY, flag(is_home));
    set(at::BACK_TO_BACK, or(load.rest_days.map(|rest| f64::from(u8::from(rest == 0))), Why::NoAppearances));
    set(at::PLAYOFF_GAME, flag(entry.game.kind() == Some(GameKind::Playoffs)));
    set(at::PCT_PAINT, Feature::Missing(Why::NoShotZones));
    set(at::PCT_MID_RANGE, Feature::Missing(Why::NoShotZones));
    set(at::PCT_THREE, ratio(sum(|line| line.threes_attempted), shots));
    let free_throws = ratio(sum(|line| line.free_throws_made), points);
    set(at::PCT_FREE_THROW, free_throws.value().map_or(free_throws, |share| Feature::Value(share.min(0.5))));
    set(at::TEAM_PACE, team(own.pace_10));
    set(at::TEAM_OFF_RATING, team(own.off_rating_10));
    set(at::TEAM_WIN_PCT, team(own.win_share));
    set(at::VEGAS_POINTS_LINE, market(line));
    set(at::VEGAS_OPENING_LINE, market(opening));
    set(at::VEGAS_LINE_MOVE, market(line.zip(opening).map(|(line, opening)| line - opening)));
    set(at::HAS_VEGAS_LINE, flag(line.is_some()));
    set(at::AVG_POINTS_VS_OPPONENT, or(mean(versus.iter().copied()), Why::NeverMet));
    set(at::GAMES_VS_OPPONENT, Feature::Value(versus.len() as f64));
    set(at::MINUTES_AVG_LAST_10, played(history.mean_minutes(10)));
    set(at::PPM_AVG_LAST_10, ratio(points, minutes));
    vector
}

fn or(value: Option<f64>, why: Why) -> Feature {
    value.map_or(Feature::Missing(why), Feature::Value)
}

/// Standard deviation of a sample (n − 1).
fn sample_deviation(values: Vec<f64>) -> Feature {
    let Some(mean) = mean(values.iter().copied()) else { return Feature::Missing(Why::NoAppearances) };
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    match values.len() {
        1 => Feature::Missing(Why::TooFewAppearances),
        n => Feature::Value((squares / (n - 1) as f64).sqrt()),
    }
}

/// The newest three against the two before them: ±1 from two points on, ±2 from five; rising is positive.
fn recent_trend(newest_first: Vec<f64>) -> Feature {
    if newest_first.is_empty() {
        return Feature::Missing(Why::NoAppearances);
    }
    let [a, b, c, d, e] = newest_first[..] else { return Feature::Missing(Why::TooFewAppearances) };
    Feature::Value(stepped((a + b + c) / 3.0 - (d + e) / 2.0, 2.0, 5.0))
}

/// The last five's minutes against the season's: ±1 from a tenth on, ±2 from a fifth.
fn minutes_change(recent: f64, season: f64) -> f64 {
    stepped(recent / season - 1.0, 0.1, 0.2)
}

fn stepped(value: f64, one: f64, two: f64) -> f64 {
    match value.abs() {
        size if size >= two => 2.0 * value.signum(),
        size if size >= one => value.signum(),
        _ => 0.0,
    }
}

/// What a player has in his legs.
struct Load {
    rest_days: Option<i32>,
    games_7: usize,
    minutes_7: f64,
    back_to_backs_14: usize,
    age: Option<i32>,
}
impl Load {
    fn new(known: &Known<'_>, born: Option<EasternDate>) -> Self {
        let (season, date) = (&known.history.season, known.entry.date);
        let within =
            |days: i32| season.iter().filter(move |a| (1..=days).contains(&(date.0 - a.revision.date.0)));
        let days: Vec<i32> = within(14).map(|a| a.revision.date.0).collect();
        Load {
            rest_days: season.last().map(|last| (date.0 - last.revision.date.0 - 1).max(0)),
            games_7: within(7).count(),
            minutes_7: within(7).map(|a| a.line.playing_time.minutes()).sum(),
            back_to_backs_14: days.windows(2).filter(|pair| pair[1] - pair[0] == 1).count(),
            age: born.map(|born| age(born, date)),
        }
    }
    /// 0–100, higher is fresher: 100; back-to-back −15, else three days off or more +5; four games in 7 days −10; more than 240
    /// minutes in them −10; more than 35 a game in them −8; back-to-backs within 14 days: two −12, one −5; age from 35 −10, from
    /// 30 −5.
    fn fatigue_score(&self) -> f64 {
        let mut score = 100.0;
        score += match self.rest_days {
            Some(0) => -15.0,
            Some(3..) => 5.0,
            _ => 0.0,
        };
        let per_game = self.minutes_7 / self.games_7.max(1) as f64;
        score -= if self.games_7 >= 4 { 10.0 } else { 0.0 };
        score -= if self.minutes_7 > 240.0 { 10.0 } else { 0.0 };
        score -= if per_game > 35.0 { 8.0 } else { 0.0 };
        score -= [0.0, 5.0, 12.0][self.back_to_backs_14.min(2)];
        score -= match self.age {
            Some(35..) => 10.0,
            Some(30..) => 5.0,
            _ => 0.0,
        };
        f64::clamp(score, 0.0, 100.0)
    }
}

fn age(born: EasternDate, on: EasternDate) -> i32 {
    let (born, on) = (born.civil(), on.civil());
    let before_birthday = (on.month(), on.day()) < (born.month(), born.day());
    i32::from(on.year()) - i32::from(born.year()) - i32::from(before_birthday)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(rest_days: i32, games_7: usize, minutes_7: f64, back_to_backs_14: usize, age: i32) -> f64 {
        Load { rest_days: Some(rest_days), games_7, minutes_7, back_to_backs_14, age: Some(age) }
            .fatigue_score()
    }
    #[test]
    fn fatigue_scores_are_those_worked_out_by_hand() {
        assert_eq!(load(3, 2, 60.0, 0, 25), 100.0);
        assert_eq!(load(0, 4, 245.0, 2, 36), 100.0 - 15.0 - 10.0 - 10.0 - 8.0 - 12.0 - 10.0);
    }
    #[test]
    fn a_rising_player_has_a_positive_trend() {
        assert_eq!(recent_trend(vec![30.0, 28.0, 26.0, 20.0, 20.0]), Feature::Value(2.0));
        assert_eq!(recent_trend(vec![20.0, 20.0, 20.0, 23.0, 23.0]), Feature::Value(-1.0));
        assert_eq!(recent_trend(vec![20.0; 4]), Feature::Missing(Why::TooFewAppearances));
        assert_eq!(recent_trend(vec![]), Feature::Missing(Why::NoAppearances));
    }
    #[test]
    fn a_deviation_needs_two_games() {
        assert_eq!(sample_deviation(vec![3.0]), Feature::Missing(Why::TooFewAppearances));
        assert_eq!(sample_deviation(vec![1.0, 3.0]), Feature::Value(2f64.sqrt()));
    }
    #[test]
    fn a_birthday_counts_on_its_day() {
        let day = |text: &str| text.parse::<EasternDate>().unwrap();
        assert_eq!(age(day("1990-02-15"), day("2025-02-14")), 34);
        assert_eq!(age(day("1990-02-15"), day("2025-02-15")), 35);
    }
}
