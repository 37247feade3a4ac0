//! The line ladder of a player, and a system's recommendation for each of its lines. The ladder consists of the base line and the lines 1
//! and 2 points below and above it.
//!
//! Invariant: every line offset is either in the ladder or listed as omitted; a recommendation is for the line stored with it; an estimated
//! line, which no book offers, has no recommendation.
//! Not here: the choice of the market's main line (`markets::main_line`).
use super::{distribution::Distribution, forecast::Forecast};
use schemas::{
    Line,
    features::{Features, index},
    prediction::{LadderLine, LineSource, Recommendation},
};

/// The offsets of the line ladder, in points from the base line.
pub(super) const LINE_OFFSETS: [i32; 5] = [-2, -1, 0, 1, 2];
/// The lowest line of a ladder: 0.5 points. Lower lines are omitted.
pub(super) const LOWEST_LINE: Line = Line(50);

/// The condition for recommending a side: the edge, which is the distance between forecast and line in points, and the confidence in
/// percent must both exceed these limits (`Above`) or reach them (`AtLeast`).
#[derive(Clone, Copy, Debug)]
pub(super) enum Threshold {
    Above { edge: f64, confidence: f64 },
    AtLeast { edge: f64, confidence: f64 },
}
impl Threshold {
    pub fn recommend(self, forecast: &Forecast, line: Line) -> Recommendation {
        let margin = forecast.points - line.points();
        let is_met = match self {
            Threshold::Above { edge, confidence } => margin.abs() > edge && forecast.confidence > confidence,
            Threshold::AtLeast { edge, confidence } => {
                margin.abs() >= edge && forecast.confidence >= confidence
            }
        };
        if !is_met {
            Recommendation::PASS
        } else if margin > 0.0 {
            Recommendation::OVER
        } else {
            Recommendation::UNDER
        }
    }
}

/// The line in the middle of the ladder, with offset 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BaseLine {
    pub line: Line,
    pub source: LineSource,
}
impl BaseLine {
    /// Returns the market's main line or, without a market, an estimate from the last appearances; `None` if there are no appearances
    /// either.
    pub fn for_features(features: &Features) -> Option<Self> {
        if let Some(line) = features.main_line {
            return Some(BaseLine { line, source: LineSource::Market });
        }
        let last_5 = features.get(index::POINTS_AVG_LAST_5).value()?;
        Some(BaseLine { line: estimate(last_5), source: LineSource::Estimate })
    }
    fn with_offset(self, line_offset: i32) -> Option<Line> {
        let line = Line(self.line.0 + line_offset * 100);
        (line >= LOWEST_LINE).then_some(line)
    }
    pub fn omitted_line_offsets(self) -> impl Iterator<Item = i32> {
        LINE_OFFSETS.into_iter().filter(move |line_offset| self.with_offset(*line_offset).is_none())
    }
    pub fn line_ladder(self, forecast: &Forecast, threshold: Threshold) -> Vec<LadderLine> {
        let distribution = Distribution { points: forecast.points, stddev_points: forecast.stddev_points };
        let mut line_ladder = Vec::with_capacity(LINE_OFFSETS.len());
        line_ladder.extend(LINE_OFFSETS.into_iter().filter_map(|line_offset| {
            let line = self.with_offset(line_offset)?;
            let recommendation = match self.source {
                LineSource::Market => threshold.recommend(forecast, line),
                LineSource::Estimate => Recommendation::NO_LINE,
            };
            let (p_over, p_push) = (distribution.over(line), distribution.push(line));
            Some(LadderLine { line_offset, line, p_over, p_push, recommendation })
        }));
        line_ladder
    }
}

/// Rounds to the nearest half point; rounds up if two are equally near.
fn estimate(points: f64) -> Line {
    Line((points * 2.0 + 0.5).floor() as i32 * 50)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_rounded_half_up_to_half_points() {
        for (mean, line) in [(12.25, 1250), (12.2, 1200), (12.75, 1300), (0.2, 0), (0.25, 50), (24.6, 2450)] {
            assert_eq!(estimate(mean), Line(line), "{mean}");
        }
    }
}
