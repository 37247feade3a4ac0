//! A player's workload before a game, and the fatigue score computed from it.
//!
//! Invariant: a window of n days ends on the day before the game. Rest is counted in full days off, so 0 means a back-to-back.
//! Not here: the other features (`vector`).
use super::appearance::Appearance;
use schemas::EasternDate;

/// A player's workload in the days before a game.
pub struct Workload {
    /// Full days off since the last appearance of the season; `None` before the first one.
    pub rest_days: Option<i32>,
    /// Number of appearances in the last 7 days.
    pub games_7: usize,
    /// Minutes of these appearances.
    pub minutes_7: f64,
    back_to_backs_14: usize,
    age: Option<i32>,
}
impl Workload {
    /// Computes the workload before a game on `date` from the season's appearances, which must be in ascending order of time.
    pub fn new(season: &[Appearance<'_>], date: EasternDate, born: Option<EasternDate>) -> Self {
        let days_before = |appearance: &Appearance<'_>| date.0 - appearance.revision.date.0;
        let last =
            |days: i32| season.iter().filter(move |appearance| (1..=days).contains(&days_before(appearance)));
        let days: Vec<i32> = last(14).map(|appearance| appearance.revision.date.0).collect();
        Workload {
            rest_days: season.last().map(|appearance| (days_before(appearance) - 1).max(0)),
            games_7: last(7).count(),
            minutes_7: last(7).map(Appearance::minutes).sum(),
            back_to_backs_14: days.windows(2).filter(|pair| pair[1] - pair[0] == 1).count(),
            age: born.map(|born| age(born, date)),
        }
    }
    /// Computes the fatigue score, from 0 to 100; a higher score means a fresher player. It starts at 100. A back-to-back subtracts 15;
    /// three or more days off add 5. In the last 7 days, four or more games subtract 10, more than 240 minutes subtract 10, and more than
    /// 35 minutes per game subtract 8. In the last 14 days, one back-to-back subtracts 5; two or more subtract 12. An age from 30 to 34
    /// subtracts 5; an age of 35 or more subtracts 10.
    pub fn fatigue_score(&self) -> f64 {
        let mut score = 100.0;
        score += match self.rest_days {
            Some(0) => -15.0,
            Some(3..) => 5.0,
            _ => 0.0,
        };
        let minutes_per_game = self.minutes_7 / self.games_7.max(1) as f64;
        score -= if self.games_7 >= 4 { 10.0 } else { 0.0 };
        score -= if self.minutes_7 > 240.0 { 10.0 } else { 0.0 };
        score -= if minutes_per_game > 35.0 { 8.0 } else { 0.0 };
        score -= [0.0, 5.0, 12.0][self.back_to_backs_14.min(2)];
        score -= match self.age {
            Some(35..) => 10.0,
            Some(30..) => 5.0,
            _ => 0.0,
        };
        f64::clamp(score, 0.0, 100.0)
    }
}

fn age(born: EasternDate, date: EasternDate) -> i32 {
    let (born, date) = (born.civil(), date.civil());
    let is_before_birthday = (date.month(), date.day()) < (born.month(), born.day());
    i32::from(date.year()) - i32::from(born.year()) - i32::from(is_before_birthday)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(rest_days: i32, games_7: usize, minutes_7: f64, back_to_backs_14: usize, age: i32) -> f64 {
        Workload { rest_days: Some(rest_days), games_7, minutes_7, back_to_backs_14, age: Some(age) }
            .fatigue_score()
    }
    #[test]
    fn fatigue_scores_equal_those_computed_by_hand() {
        assert_eq!(score(3, 2, 60.0, 0, 25), 100.0);
        assert_eq!(score(0, 4, 245.0, 2, 36), 100.0 - 15.0 - 10.0 - 10.0 - 8.0 - 12.0 - 10.0);
    }
    #[test]
    fn the_age_increases_on_the_birthday() {
        let day = |text: &str| text.parse::<EasternDate>().unwrap();
        assert_eq!(age(day("1990-02-15"), day("2025-02-14")), 34);
        assert_eq!(age(day("1990-02-15"), day("2025-02-15")), 35);
    }
}
