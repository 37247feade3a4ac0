//! How many records the processors and the sink have read, and how long the rest will take.
//!
//! Invariant: the estimate is computed from samples and instants only; it never changes what is read.
//! Not here: the lag of each partition (`runtime::lag`), bars and status lines (`cli`).
use runtime::lag::ProcessorProgress;
use serde::Serialize;
use std::time::Instant;

/// Number of records that were read, and number of records that exist (`of`). Both are computed from offsets, so they may include offset
/// gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReadCount {
    pub read: i64,
    pub of: i64,
}
impl ReadCount {
    /// Returns the percentage of records that are read; 100 if no record exists.
    pub fn percent(self) -> f64 {
        if self.of == 0 { 100.0 } else { 100.0 * self.read as f64 / self.of as f64 }
    }
}

/// Read counts of processors and sink, summed over all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReadProgress {
    pub raw: ReadCount,
    /// Counts of records in inputs that are not raw topics. The number of these records grows while raw topics are read.
    pub derived: ReadCount,
}
impl ReadProgress {
    /// Sums the read counts of a lag snapshot. A partition without unread records counts as read to its end, even if its last offsets are
    /// control records.
    pub fn of(lag_snapshot: &[ProcessorProgress]) -> ReadProgress {
        let mut progress = ReadProgress::default();
        for partition in lag_snapshot.iter().flat_map(|processor| &processor.partitions) {
            let read_count =
                if topics::is_raw(partition.topic.name) { &mut progress.raw } else { &mut progress.derived };
            read_count.of += partition.end_offset;
            read_count.read +=
                partition.unread.map_or(partition.end_offset, |_| partition.committed.unwrap_or(0));
        }
        progress
    }
    fn read(self) -> i64 {
        self.raw.read + self.derived.read
    }
    /// Estimates how many records will exist when all raw records are read: each raw record makes as many derived records as those that
    /// are read made on average. Until a raw record is read, the number of records that exist.
    fn expected(self) -> f64 {
        let (read, of) = (self.raw.read as f64, self.raw.of as f64);
        let growth = if read > 0.0 { of / read } else { 1.0 };
        of + self.derived.of as f64 * growth
    }
}

/// A rate that was measured for less than this number of seconds says nothing about the rest.
const MIN_SECONDS: f64 = 2.0;

/// How far a run is, and how long the rest will take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReadEstimate {
    /// Of the records that were unread when the run started, and those that follow from them, the percentage that is read.
    pub percent: f64,
    /// `None` in the first two seconds, and until a record is read.
    pub records_per_second: Option<f64>,
    /// Estimated seconds until all records are read that follow from the raw records that exist now.
    pub eta_seconds: Option<f64>,
}

/// Estimates the rest of a run from its first sample.
#[derive(Default)]
pub struct ReadEstimator {
    /// Time of the first sample, and the number of records that were read before it.
    first: Option<(Instant, i64)>,
}
impl ReadEstimator {
    /// Returns the estimate at an instant; the first sample is the start.
    pub fn estimate(&mut self, progress: ReadProgress, now: Instant) -> ReadEstimate {
        let read = progress.read();
        let (since, read_before) = *self.first.get_or_insert((now, read));
        let done = (read - read_before).max(0) as f64;
        let expected = (progress.expected() - read_before as f64).max(done);
        let seconds = now.saturating_duration_since(since).as_secs_f64();
        let rate = (done > 0.0 && seconds >= MIN_SECONDS).then(|| done / seconds);
        ReadEstimate {
            percent: if expected > 0.0 { 100.0 * done / expected } else { 100.0 },
            records_per_second: rate,
            eta_seconds: rate.map(|rate| (expected - done) / rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn progress(raw: (i64, i64), derived: (i64, i64)) -> ReadProgress {
        let count = |(read, of)| ReadCount { read, of };
        ReadProgress { raw: count(raw), derived: count(derived) }
    }
    /// Returns percentage, rate and remaining seconds `seconds` after a first sample.
    fn after(seconds: u64, first: ReadProgress, then: ReadProgress) -> (f64, Option<f64>, Option<f64>) {
        let (mut estimator, start) = (ReadEstimator::default(), Instant::now());
        estimator.estimate(first, start);
        let estimate = estimator.estimate(then, start + Duration::from_secs(seconds));
        (estimate.percent, estimate.records_per_second, estimate.eta_seconds)
    }

    #[test]
    fn the_rest_includes_the_records_that_raw_records_still_make() {
        let (first, then) = (progress((0, 100), (0, 0)), progress((25, 100), (35, 100)));
        assert_eq!(after(6, first, then), (12.0, Some(10.0), Some(44.0)));
    }
    #[test]
    fn records_that_were_read_before_the_run_do_not_count() {
        let (first, then) =
            (progress((1_000, 1_100), (5_000, 5_000)), progress((1_050, 1_100), (5_000, 5_000)));
        let (percent, rate, _) = after(10, first, then);
        assert!(percent < 50.0 && rate == Some(5.0), "{percent} {rate:?}");
    }
    #[test]
    fn before_a_record_is_read_there_is_no_rate_and_at_the_end_nothing_is_left() {
        assert_eq!(after(5, progress((0, 10), (0, 0)), progress((0, 10), (0, 0))), (0.0, None, None));
        let all = progress((10, 10), (50, 50));
        assert_eq!(after(6, progress((0, 10), (0, 0)), all), (100.0, Some(10.0), Some(0.0)));
        assert_eq!(after(1, all, all).0, 100.0);
    }
}
