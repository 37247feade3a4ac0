//! The features of the player's form over the career and in the team: averages with spans, luck-free points, minutes, absences.
//!
//! Invariant: each feature is set exactly once.
//! Not here: the features over windows of the season (`vector`), the career (`career`), the probability that a teammate appears
//! (`slate::rotation`).
use super::{
    absences::Absences,
    appearance::Appearance,
    career::Averages,
    history::{History, mean},
    player_facts::{PlayerFacts, Side},
    workload::Workload,
};
use schemas::{
    features::{Feature, MissingReason, index},
    game::possessions_used,
    team_form::{FormNumbers, Rotation},
};

/// A feature with its index in the vector.
pub type Indexed = (usize, Feature);

/// Minutes of all players of a team in a game without overtime.
const TEAM_MINUTES: f64 = 240.0;
/// The denominator of the expected share is at least these minutes: early in a season, few teammates are regulars.
const MIN_MINUTES_EXPECTED: f64 = 60.0;

/// The inputs of these features.
pub struct PlayerForm<'a> {
    history: &'a History<'a>,
    side: Side,
    own: &'a FormNumbers,
    workload: &'a Workload,
    rotation: Option<Rotation>,
    /// What was absent before the player's earlier appearances of the season.
    usual: Absences,
}
impl<'a> PlayerForm<'a> {
    pub fn new(
        facts: &'a PlayerFacts<'a>,
        side: Side,
        own: &'a FormNumbers,
        workload: &'a Workload,
        usual: Absences,
    ) -> Self {
        let is_home = side.team == facts.entry.home;
        let rotation = if is_home { facts.candidacy.home_rotation } else { facts.candidacy.away_rotation };
        PlayerForm { history: &facts.history, side, own, workload, rotation, usual }
    }
    /// Returns all features of this group.
    pub fn features(&self) -> impl Iterator<Item = Indexed> {
        let groups = self.averages().into_iter().chain(self.rates()).chain(self.minutes());
        groups.chain(self.appearances()).chain(self.absences())
    }
    fn averages(&self) -> [Indexed; 13] {
        let average = |span: usize, mean: fn(&Averages) -> Option<f64>| {
            let averages = self.history.career.content.averages();
            let value = averages.and_then(|averages| mean(&averages[span]));
            Feature::value_or(value, MissingReason::NoCareerAppearances)
        };
        let points = |span| average(span, |averages| averages.points.mean());
        let luck_free = |span| average(span, |averages| averages.luck_free_points.mean());
        let possessions = |span| average(span, |averages| averages.possessions_used.mean());
        let minutes = |span| average(span, |averages| averages.minutes.mean());
        [
            (index::POINTS_EWMA_3, points(0)),
            (index::POINTS_EWMA_8, points(1)),
            (index::POINTS_EWMA_20, points(2)),
            (index::POINTS_EWMA_60, points(3)),
            (index::LUCK_FREE_POINTS_EWMA_3, luck_free(0)),
            (index::LUCK_FREE_POINTS_EWMA_8, luck_free(1)),
            (index::LUCK_FREE_POINTS_EWMA_20, luck_free(2)),
            (index::LUCK_FREE_POINTS_EWMA_60, luck_free(3)),
            (index::POSSESSIONS_USED_EWMA_3, possessions(0)),
            (index::POSSESSIONS_USED_EWMA_8, possessions(1)),
            (index::MINUTES_EWMA_3, minutes(0)),
            (index::MINUTES_EWMA_8, minutes(1)),
            (index::MINUTES_EWMA_20, minutes(2)),
        ]
    }
    fn rates(&self) -> [Indexed; 4] {
        let career = &self.history.career.content;
        let rate = |span: usize, rate: fn(&Averages) -> f64| {
            let value = career.averages().map(|averages| rate(&averages[span]));
            Feature::value_or(value, MissingReason::NoCareerAppearances)
        };
        let previous = Feature::value_or(career.ppm_previous_season(), MissingReason::NoEarlierSeason);
        [
            (index::PPM_EWMA_20, rate(2, Averages::points_per_minute)),
            (index::PPM_EWMA_60, rate(3, Averages::points_per_minute)),
            (index::LUCK_FREE_PPM_EWMA_20, rate(2, Averages::luck_free_points_per_minute)),
            (index::PPM_PREVIOUS_SEASON, previous),
        ]
    }
    fn minutes(&self) -> [Indexed; 6] {
        let history = self.history;
        let of_season = |value: Option<f64>| Feature::value_or(value, MissingReason::NoAppearances);
        let last = history.season.last();
        let level = history.career.content.minutes_level();
        let median_of = |value: fn(&Appearance<'_>) -> f64| median(history.last(10).map(value).collect());
        [
            (index::POSSESSIONS_USED_AVG_LAST_10, of_season(mean(history.last(10).map(possessions)))),
            (index::MINUTES_LAST_GAME, of_season(last.map(Appearance::minutes))),
            (index::MINUTES_IN_LAST_7_DAYS, of_season(last.map(|_| self.workload.minutes_7))),
            (index::MINUTES_LEVEL, Feature::value_or(level, MissingReason::NoCareerAppearances)),
            (index::MINUTES_MEDIAN_LAST_10, of_season(median_of(|appearance| appearance.minutes()))),
            (index::POINTS_MEDIAN_LAST_10, of_season(median_of(|appearance| appearance.points()))),
        ]
    }
    fn appearances(&self) -> [Indexed; 4] {
        let season = self.history.season.len();
        let with_team = self.history.career.content.appearances_with(self.side.team);
        let missed = self.rotation.and_then(|rotation| rotation.games_missed);
        let since_return = self.rotation.and_then(|rotation| rotation.appearances_since_return);
        let since_return = since_return.map_or(season as f64, f64::from);
        let since_return = (season > 0).then_some(since_return);
        [
            (
                index::TEAM_GAMES_MISSED,
                Feature::value_or(missed.map(f64::from), MissingReason::NoTeamAppearances),
            ),
            (index::APPEARANCES_WITH_TEAM, Feature::Value(f64::from(with_team))),
            (index::APPEARANCES_SINCE_RETURN, Feature::value_or(since_return, MissingReason::NoAppearances)),
            (index::TEAM_GAMES_SEASON, Feature::Value(f64::from(self.own.games))),
        ]
    }
    fn absences(&self) -> [Indexed; 4] {
        let Some(rotation) = self.rotation else {
            let missing = Feature::Missing(MissingReason::NoTeamGames);
            return [
                (index::MINUTES_SHARE_EXPECTED, missing),
                (index::POSSESSIONS_ABSENT_CHANGE, missing),
                (index::MINUTES_AVAILABLE, missing),
                (index::MINUTES_ABSENT_CHANGE, missing),
            ];
        };
        let share = self.history.career.content.expected_minutes().map(|minutes| {
            minutes * TEAM_MINUTES / f64::max(minutes + rotation.minutes_available, MIN_MINUTES_EXPECTED)
        });
        let reason = match self.history.season.is_empty() {
            true => MissingReason::NoAppearances,
            false => MissingReason::TooFewAppearances,
        };
        let change = |now: f64, usual: fn(&Absences) -> Option<f64>| {
            Feature::value_or(usual(&self.usual).map(|usual| now - usual), reason)
        };
        [
            (index::MINUTES_SHARE_EXPECTED, Feature::value_or(share, MissingReason::NoCareerAppearances)),
            (index::POSSESSIONS_ABSENT_CHANGE, change(rotation.possessions_absent, Absences::possessions)),
            (index::MINUTES_AVAILABLE, Feature::Value(rotation.minutes_available)),
            (index::MINUTES_ABSENT_CHANGE, change(rotation.minutes_absent, Absences::minutes)),
        ]
    }
}

fn possessions(appearance: &Appearance<'_>) -> f64 {
    let stats = appearance.stats;
    possessions_used(stats.field_goals_attempted, stats.free_throws_attempted, stats.turnovers)
}

/// Returns the median, which for an even number of values is the mean of the two in the middle; `None` without values.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get((values.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_values_is_the_mean_of_the_middle_ones() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![9.0, 1.0, 4.0]), Some(4.0));
        assert_eq!(median(vec![9.0, 1.0, 4.0, 5.0]), Some(4.5));
    }
}
