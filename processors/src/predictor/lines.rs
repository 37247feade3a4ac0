//! The five lines of a player, and what a system recommends against each of them.
//!
//! Invariant: a line offset is made or named as not made; a recommendation is against the line stored with it, and there is none
//! against a line that nobody offers.
//! Not here: which line is the market's main line.
use super::{distribution::Distribution, forecast::Forecast};
use schemas::{
    Line,
    features::{Features, index},
    prediction::{LadderLine, LineSource, Recommendation},
};

/// The line ladder, in points from the base line.
pub(super) const LINE_OFFSETS: [i32; 5] = [-2, -1, 0, 1, 2];
/// The lowest line that is made.
pub(super) const LOWEST: Line = Line(50);

/// When a system recommends a side: by the distance between its points and the line, and its confidence in per cent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Threshold {
    Above { edge: f64, confidence: f64 },
    AtLeast { edge: f64, confidence: f64 },
}
impl Threshold {
    pub fn recommend(self, forecast: &Forecast, line: Line) -> Recommendation {
        let margin = forecast.points - line.points();
        let recommended = match self {
            Threshold::Above { edge, confidence } => margin.abs() > edge && forecast.confidence > confidence,
            Threshold::AtLeast { edge, confidence } => {
                margin.abs() >= edge && forecast.confidence >= confidence
            }
        };
        match recommended {
            true if margin > 0.0 => Recommendation::OVER,
            true => Recommendation::UNDER,
            false => Recommendation::PASS,
        }
    }
}

/// The line that the five lie around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BaseLine {
    pub line: Line,
    pub source: LineSource,
}
impl BaseLine {
    /// The market's main line, or an estimate; none for a player who has no market and has not played.
    pub fn for_features(features: &Features) -> Option<Self> {
        if let Some(line) = features.main_line {
            return Some(BaseLine { line, source: LineSource::Market });
        }
        let last_5 = features.get(index::POINTS_AVG_LAST_5).value()?;
        Some(BaseLine { line: estimate(last_5), source: LineSource::Estimate })
    }
    fn at(self, line_offset: i32) -> Option<Line> {
        let line = Line(self.line.0 + line_offset * 100);
        (line >= LOWEST).then_some(line)
    }
    pub fn omitted_line_offsets(self) -> impl Iterator<Item = i32> {
        LINE_OFFSETS.into_iter().filter(move |line_offset| self.at(*line_offset).is_none())
    }
    pub fn line_ladder(self, forecast: &Forecast, threshold: Threshold) -> Vec<LadderLine> {
        let distribution = Distribution { points: forecast.points, stddev_points: forecast.stddev_points };
        let mut line_ladder = Vec::with_capacity(LINE_OFFSETS.len());
        line_ladder.extend(LINE_OFFSETS.into_iter().filter_map(|line_offset| {
            let line = self.at(line_offset)?;
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

/// Rounded half up to steps of half a point.
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
