//! Grading: compares predictions with outcomes, per system and basis.
//!
//! A player-game is one player in one game. It counts once in a system's `n` if the player had playing time, even if the system predicted
//! several lines. The error is predicted minus actual points. A prediction is graded as a bet only if its line comes from a market and is
//! not an estimate: a recommended side is a hit, a miss or, if the points equal the line, a push. Log loss and Brier score rate the
//! predicted probability that the player scores more points than the market line, given that there is no push: p_over / (1 − p_push),
//! clamped to at least [`CERTAINTY`] and at most 1 − [`CERTAINTY`]. Both scores ignore player-games with a push. A void is a prediction for
//! a player who did not play in a game that was played, or for a game, date or team that no longer stands; it counts in no other figure. A
//! game without box scores is not graded.
//!
//! Invariant: no figure mixes issued predictions (made only from facts known before tip-off) and retrospective ones (made also from facts
//! that became known later); the common set has the same player-games for every system in it.
//! Not here: reading a warehouse (`sqlite`).
use schemas::{
    features::Basis,
    prediction::{LineSource, Recommendation, System},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Minimum distance of a probability from 0 and 1, so that a wrong prediction made with certainty has a finite log loss.
pub const CERTAINTY: f64 = 1e-6;

/// Which candidates are graded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Population {
    /// Candidates with at least five earlier appearances in the season.
    Eligible,
    All,
}

/// Outcome of a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// No box score of the game has been observed.
    Pending,
    /// The game was played, and the player had no playing time.
    Absent,
    /// The prediction is void: its game, its date or its team no longer stands.
    Void,
    Played {
        points: f64,
    },
}

/// Prediction of one system.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    pub system: System,
    pub points: f64,
    /// Bet at the base line; `None` if the prediction omits the base line.
    pub bet: Option<Bet>,
}
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bet {
    pub line: f64,
    pub p_over: f64,
    pub p_push: f64,
    pub recommendation: Recommendation,
}

/// A player who may appear in one game (a candidate), with the predictions of all systems.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub basis: Basis,
    pub line_source: Option<LineSource>,
    /// Number of the player's earlier appearances this season.
    pub appearances: i64,
    pub outcome: Outcome,
    /// One prediction per system that made one.
    pub forecasts: Vec<Forecast>,
}

/// Sums over the player-games of one system, from which its figures are computed.
#[derive(Clone, Copy, Default)]
struct Sums {
    n: u64,
    absolute: f64,
    signed: f64,
    hits: u64,
    misses: u64,
    pushes: u64,
    voids: u64,
    rated: u64,
    log_loss: f64,
    brier: f64,
}
impl Sums {
    fn count(&mut self, outcome: Outcome, forecast: &Forecast, source: Option<LineSource>) {
        let points = match outcome {
            Outcome::Pending => return,
            Outcome::Absent | Outcome::Void => {
                self.voids += 1;
                return;
            }
            Outcome::Played { points } => points,
        };
        self.n += 1;
        self.absolute += (forecast.points - points).abs();
        self.signed += forecast.points - points;
        let Some(bet) = forecast.bet.filter(|_| source == Some(LineSource::Market)) else { return };
        let (over, push) = (points > bet.line, points == bet.line);
        if let Recommendation::OVER | Recommendation::UNDER = bet.recommendation {
            let is_hit = over == (bet.recommendation == Recommendation::OVER);
            *match (push, is_hit) {
                (true, _) => &mut self.pushes,
                (false, true) => &mut self.hits,
                (false, false) => &mut self.misses,
            } += 1;
        }
        if !push {
            let p = (bet.p_over / (1.0 - bet.p_push).max(CERTAINTY)).clamp(CERTAINTY, 1.0 - CERTAINTY);
            let (p_outcome, is_over) = if over { (p, 1.0) } else { (1.0 - p, 0.0) };
            self.rated += 1;
            self.log_loss -= p_outcome.ln();
            self.brier += (p - is_over).powi(2);
        }
    }
    fn add(&mut self, other: &Sums) {
        self.n += other.n;
        self.absolute += other.absolute;
        self.signed += other.signed;
        self.hits += other.hits;
        self.misses += other.misses;
        self.pushes += other.pushes;
        self.voids += other.voids;
        self.rated += other.rated;
        self.log_loss += other.log_loss;
        self.brier += other.brier;
    }
    fn figures(&self, system: System, basis: Basis) -> Figures {
        let mean = |sum: f64, count: u64| (count > 0).then(|| sum / count as f64);
        Figures {
            n: Some(self.n),
            mae: mean(self.absolute, self.n),
            bias: mean(self.signed, self.n),
            hits: Some(self.hits),
            misses: Some(self.misses),
            pushes: Some(self.pushes),
            voids: Some(self.voids),
            log_loss: mean(self.log_loss, self.rated),
            brier: mean(self.brier, self.rated),
            ..Figures::empty(system, basis)
        }
    }
}

/// Figures of one system and basis. If the system made no prediction of this basis, every figure is `None`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    pub system: &'static str,
    pub basis: &'static str,
    /// Number of predicted player-games in which the player had playing time.
    pub n: Option<u64>,
    /// Mean absolute error, in points.
    pub mae: Option<f64>,
    /// Mean error: predicted minus actual points.
    pub bias: Option<f64>,
    pub hits: Option<u64>,
    pub misses: Option<u64>,
    pub pushes: Option<u64>,
    pub voids: Option<u64>,
    pub log_loss: Option<f64>,
    pub brier: Option<f64>,
}
impl Figures {
    const fn empty(system: System, basis: Basis) -> Figures {
        Figures {
            system: system.name(),
            basis: basis.name(),
            n: None,
            mae: None,
            bias: None,
            hits: None,
            misses: None,
            pushes: None,
            voids: None,
            log_loss: None,
            brier: None,
        }
    }
}

/// Figures of all systems, first for issued and then for retrospective predictions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Grades {
    /// Figures of each system over all of its predictions.
    pub rows: Vec<Figures>,
    /// Figures of each system over only those player-games that every system predicted; systems without any prediction of the basis are
    /// ignored.
    pub common_set: Vec<Figures>,
}

/// Accumulates candidates and computes their grades.
pub struct Grader {
    population: Population,
    /// Sums per system, by basis and by the set of systems that predicted the player-game.
    sums: BTreeMap<(Basis, Systems), [Sums; System::ALL.len()]>,
}
/// A set of systems, with one bit per system.
type Systems = u8;
const fn bit(system: System) -> Systems {
    1 << system as u8
}

impl Grader {
    pub fn new(population: Population) -> Self {
        Grader { population, sums: BTreeMap::new() }
    }
    pub fn add(&mut self, candidate: &Candidate) {
        let Candidate { basis, line_source, appearances, outcome, forecasts } = candidate;
        let is_in_population = self.population == Population::All || *appearances >= 5;
        if !is_in_population || forecasts.is_empty() {
            return;
        }
        let systems = forecasts.iter().fold(0, |set, forecast| set | bit(forecast.system));
        let sums = self.sums.entry((*basis, systems)).or_default();
        for forecast in forecasts {
            sums[forecast.system as usize].count(*outcome, forecast, *line_source);
        }
    }
    pub fn grades(&self) -> Grades {
        let over = |basis: Basis, wanted: &dyn Fn(Systems) -> bool| {
            System::ALL.map(|system| {
                let is_wanted = |&(&(b, set), _): &(&(Basis, Systems), _)| {
                    b == basis && set & bit(system) != 0 && wanted(set)
                };
                let mut found = self.sums.iter().filter(is_wanted).peekable();
                if found.peek().is_none() {
                    return Figures::empty(system, basis);
                }
                let mut sum = Sums::default();
                for (_, sums) in found {
                    sum.add(&sums[system as usize]);
                }
                sum.figures(system, basis)
            })
        };
        let any = |basis| self.sums.keys().filter(|key| key.0 == basis).fold(0, |set, key| set | key.1);
        let bases = [Basis::Issued, Basis::Retrospective];
        Grades {
            rows: bases.iter().flat_map(|&basis| over(basis, &|_| true)).collect(),
            common_set: bases.iter().flat_map(|&basis| over(basis, &|set| set == any(basis))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forecast(system: System, points: f64, line: f64, p_over: f64, p_push: f64) -> Forecast {
        let recommendation = if p_over > 0.5 { Recommendation::OVER } else { Recommendation::UNDER };
        Forecast { system, points, bet: Some(Bet { line, p_over, p_push, recommendation }) }
    }
    fn candidate(outcome: Outcome, forecasts: Vec<Forecast>) -> Candidate {
        let line_source = Some(LineSource::Market);
        Candidate { basis: Basis::Issued, line_source, appearances: 5, outcome, forecasts }
    }
    fn grades(candidates: &[Candidate]) -> Grades {
        let mut grader = Grader::new(Population::Eligible);
        for candidate in candidates {
            grader.add(candidate);
        }
        grader.grades()
    }
    const MA: System = System::MovingAverage;
    const ZONE: System = System::ZoneMatchupV1;
    fn played(points: f64) -> Outcome {
        Outcome::Played { points }
    }

    #[test]
    fn errors_bets_pushes_and_voids_are_counted_separately() {
        let of = |outcome, line, p_over| candidate(outcome, vec![forecast(MA, 22.0, line, p_over, 0.0)]);
        let report = grades(&[
            of(played(25.0), 24.5, 0.75),
            of(played(20.0), 24.5, 0.75),
            of(played(25.0), 25.0, 0.75),
            of(Outcome::Absent, 24.5, 0.75),
            of(Outcome::Void, 24.5, 0.75),
            of(Outcome::Pending, 24.5, 0.75),
        ]);
        let row = &report.rows[0];
        assert_eq!((row.system, row.basis, row.n), ("moving_average", "issued", Some(3)));
        assert_eq!((row.hits, row.misses, row.pushes, row.voids), (Some(1), Some(1), Some(1), Some(2)));
        assert_eq!(row.mae, Some((3.0 + 2.0 + 3.0) / 3.0));
        assert_eq!(row.bias, Some((-3.0 + 2.0 - 3.0) / 3.0));
        assert_eq!(row.brier, Some((0.0625 + 0.5625) / 2.0));
        let log_loss = -(0.75f64.ln() + 0.25f64.ln()) / 2.0;
        assert!((row.log_loss.unwrap() - log_loss).abs() < 1e-12);
    }
    #[test]
    fn a_probability_is_rated_under_the_condition_of_no_push() {
        let report = grades(&[candidate(played(26.0), vec![forecast(MA, 25.0, 25.0, 0.45, 0.1)])]);
        assert!((report.rows[0].brier.unwrap() - 0.25).abs() < 1e-12);
    }
    #[test]
    fn an_estimated_line_is_not_bet_on() {
        let mut candidate = candidate(played(26.0), vec![forecast(MA, 25.0, 24.5, 0.6, 0.0)]);
        candidate.line_source = Some(LineSource::Estimate);
        let row = &grades(&[candidate]).rows[0];
        assert_eq!((row.n, row.hits, row.log_loss, row.brier), (Some(1), Some(0), None, None));
    }
    #[test]
    fn the_common_set_has_the_player_games_that_every_system_predicted() {
        let both = vec![forecast(MA, 20.0, 20.5, 0.4, 0.0), forecast(ZONE, 22.0, 20.5, 0.6, 0.0)];
        let one = vec![forecast(MA, 30.0, 20.5, 0.9, 0.0)];
        let report = grades(&[candidate(played(21.0), both), candidate(played(21.0), one)]);
        let n = |figures: &[Figures]| figures.iter().map(|row| row.n).take(3).collect::<Vec<_>>();
        assert_eq!(n(&report.rows), [Some(2), Some(1), None]);
        assert_eq!(n(&report.common_set), [Some(1), Some(1), None]);
        assert_eq!(report.common_set[0].mae, Some(1.0));
    }
    #[test]
    fn retrospective_predictions_are_graded_apart_and_listed_last() {
        let mut late = candidate(played(21.0), vec![forecast(MA, 20.0, 20.5, 0.4, 0.0)]);
        late.basis = Basis::Retrospective;
        let early = Candidate { basis: Basis::Issued, appearances: 4, ..late.clone() };
        let report = grades(&[late, early]);
        assert_eq!(report.rows.len(), 10);
        assert_eq!((report.rows[0].basis, report.rows[0].n), ("issued", None));
        assert_eq!((report.rows[5].basis, report.rows[5].n), ("retrospective", Some(1)));
    }
}
