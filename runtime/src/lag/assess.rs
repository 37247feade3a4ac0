//! The assessment of a lag: trend, rates and status from the samples of one window.
//!
//! These are the rules of Burrow (a Kafka lag checker), adapted to topics that are idle for eighteen hours a day: the age of the oldest
//! unread record distinguishes a short wait from a backlog, and a status that needs a full window is `unknown` until the window is full.
//! Invariant: the assessment depends on the samples alone; more samples of the same kind never turn a known status into `unknown`.
//! Not here: collecting the samples (`monitor`).
use super::status::{CatchUp, Lag, Status, Trend};

/// Length of the window in milliseconds. A backlog that is not shrinking must last this long before the status is stalled or falling
/// behind.
pub const WINDOW_MS: i64 = 60_000;
/// While the oldest unread record is younger than this many milliseconds, in addition to the time for which the processor collects records,
/// the processor counts as keeping up, because a micro-batch may be in progress.
const GRACE_MS: i64 = 10_000;
/// Trends and rates are computed from the samples of this many milliseconds at the end of the window.
const RECENT_MS: i64 = 30_000;
/// A backlog that has lasted this many milliseconds counts as one that has lasted a whole window. The value is a little less than
/// `WINDOW_MS`, because samples are taken at intervals.
const FULL_WINDOW_MS: i64 = WINDOW_MS - 5_000;

/// One sample of one processor, in one partition or summed over all its partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Time of the sample, in milliseconds since 1970.
    pub at: i64,
    pub committed: i64,
    pub end_offset: i64,
    pub behind: i64,
    /// Append time of the first unread record, in milliseconds since 1970.
    pub oldest: Option<i64>,
}

impl Sample {
    /// Returns the sum of the samples of two partitions.
    pub fn and(self, other: Sample) -> Sample {
        Sample {
            at: other.at,
            committed: self.committed + other.committed,
            end_offset: self.end_offset + other.end_offset,
            behind: self.behind + other.behind,
            oldest: self.oldest.into_iter().chain(other.oldest).min(),
        }
    }
    fn age(&self) -> Option<i64> {
        self.oldest.map(|oldest| (self.at - oldest).max(0))
    }
}

/// Assesses the samples of a window, oldest first. `collect_ms` is how long the processor collects records before it commits them, in
/// milliseconds: records that wait for this are no backlog.
pub fn assess(samples: &[Sample], has_active_members: bool, collect_ms: i64) -> Lag {
    let Some((now, first)) = samples.last().zip(samples.first()) else {
        return Lag {
            status: Status::Unknown,
            reason: "not sampled yet".into(),
            records: 0,
            seconds: None,
            trend: Trend::Unknown,
            in_rate: None,
            out_rate: None,
            catch_up: None,
        };
    };
    let recent = recent(samples);
    let first = recent.first().unwrap_or(first);
    let rate = |value: fn(&Sample) -> i64| {
        let span = now.at - first.at;
        (span > 0).then(|| (value(now) - value(first)).max(0) as f64 * 1000.0 / span as f64)
    };
    // The backlog consists of the samples since the lag was last zero.
    let start = samples.iter().rposition(|sample| sample.behind == 0).map_or(0, |index| index + 1);
    let backlog = &samples[start..];
    let trend = if now.behind == 0 { Trend::Steady } else { trend(backlog) };
    let (status, reason) =
        Assessment { samples, backlog, now, grace_ms: GRACE_MS.saturating_add(collect_ms) }
            .status(has_active_members);
    Lag {
        status,
        reason,
        records: now.behind,
        seconds: if now.behind == 0 { Some(0.0) } else { now.age().map(|age| age as f64 / 1000.0) },
        trend,
        in_rate: rate(|sample| sample.end_offset),
        out_rate: rate(|sample| sample.committed),
        catch_up: match trend {
            _ if now.behind == 0 => Some(CatchUp::In(0.0)),
            Trend::Unknown => None,
            // No time is computed while the processor keeps up although it has lag, or while its status is not known yet.
            _ if matches!(status, Status::Ok | Status::Unknown) => None,
            Trend::Shrinking => drain_rate(backlog).map(|rate| CatchUp::In(now.behind as f64 / rate)),
            Trend::Growing | Trend::Steady => Some(CatchUp::Never),
        },
    }
}

/// Returns the samples of the last `RECENT_MS` milliseconds. Trends and rates are computed from them.
fn recent(samples: &[Sample]) -> &[Sample] {
    let now = samples.last().map_or(0, |sample| sample.at);
    &samples[samples.partition_point(|sample| now - sample.at > RECENT_MS)..]
}

/// Returns by how many records per second the lag shrinks; `None` if it does not shrink.
fn drain_rate(backlog: &[Sample]) -> Option<f64> {
    let recent = recent(backlog);
    let [first, .., last] = &recent[(recent.len() / 2).saturating_sub(1)..] else { return None };
    let rate = (first.behind - last.behind) as f64 * 1000.0 / (last.at - first.at).max(1) as f64;
    (rate > 0.0).then_some(rate)
}

/// Compares the mean lag in the later half of the samples with that in the earlier half. A small difference, relative to the number of
/// records that arrive or are read, is not a trend: lag always rises and falls between two commits.
fn trend(samples: &[Sample]) -> Trend {
    let samples = recent(samples);
    let [first, .., last] = samples else { return Trend::Unknown };
    if samples.len() < 3 {
        return Trend::Unknown;
    }
    let mean =
        |half: &[Sample]| half.iter().map(|sample| sample.behind as f64).sum::<f64>() / half.len() as f64;
    let (earlier, later) = samples.split_at(samples.len() / 2);
    let change = 2.0 * (mean(later) - mean(earlier));
    let throughput = (last.end_offset - first.end_offset).max(last.committed - first.committed).max(0) as f64;
    if change > 0.1 * throughput {
        Trend::Growing
    } else if change < -0.1 * throughput {
        Trend::Shrinking
    } else {
        Trend::Steady
    }
}

/// The input of the status: all samples of the window, the samples of the current backlog (since the lag was last zero), the newest
/// sample, and the grace period.
struct Assessment<'a> {
    samples: &'a [Sample],
    backlog: &'a [Sample],
    now: &'a Sample,
    /// While the oldest unread record is younger than this, the processor keeps up.
    grace_ms: i64,
}

impl Assessment<'_> {
    fn status(&self, has_active_members: bool) -> (Status, String) {
        let now = self.now;
        let unread = match now.behind {
            0 => "everything is read".to_owned(),
            records => format!("{} unread", format_records(records)),
        };
        if !has_active_members {
            return (Status::Stopped, format!("no process runs it; {unread}"));
        }
        let highest = self.samples.iter().map(|sample| sample.committed).max().unwrap_or(0);
        if highest > now.committed {
            let records = format_records(highest - now.committed);
            return (Status::Rewound, format!("the committed offset went back by {records}; {unread}"));
        }
        let Some(backlog_start) = self.backlog.first() else { return self.status_without_backlog() };
        let age = now.age();
        if let Some(age) = age.filter(|age| *age < self.grace_ms) {
            let records = format_records(now.behind);
            return (Status::Ok, format!("the oldest of {records} has waited for {}", format_span(age)));
        }
        self.status_of_backlog(backlog_start, age)
    }
    fn status_without_backlog(&self) -> (Status, String) {
        let now = self.now;
        let window = now.at - self.samples.first().map_or(now.at, |first| first.at);
        let is_idle = self.samples.len() > 1 && self.samples.iter().all(|s| s.end_offset == now.end_offset);
        if is_idle {
            let window = format_span(window);
            (Status::Idle, format!("everything is read, and no records arrived for {window}"))
        } else {
            (Status::Ok, "everything is read".into())
        }
    }
    fn status_of_backlog(&self, start: &Sample, age: Option<i64>) -> (Status, String) {
        let now = self.now;
        let duration = now.at - start.at;
        let (is_full_window, duration) = (duration >= FULL_WINDOW_MS, format_span(duration));
        let oldest = age.map_or_else(
            || "of unknown age".to_owned(),
            |age| format!("the oldest {} old", format_span(age)),
        );
        let behind = format!("{} unread, {oldest}", format_records(now.behind));
        let too_early = |observed: &str| {
            let window = format_span(WINDOW_MS);
            let reason = format!(
                "{behind}; {observed} in the last {duration}, and the status is known only after {window}"
            );
            (Status::Unknown, reason)
        };
        if now.committed == start.committed {
            return if is_full_window {
                (Status::Stalled, format!("{behind}, and nothing was committed for {duration}"))
            } else {
                too_early("nothing was committed")
            };
        }
        match trend(self.backlog) {
            Trend::Unknown => too_early("too few samples were taken"),
            Trend::Shrinking => (Status::CatchingUp, format!("{behind}, and the lag shrinks")),
            Trend::Growing if is_full_window => (
                Status::FallingBehind,
                format!("{behind}: more records arrived than were read for {duration}"),
            ),
            Trend::Growing => too_early("more records arrived than were read"),
            Trend::Steady if age.is_some_and(|age| age <= WINDOW_MS) => {
                (Status::Ok, format!("{behind}: records are read as fast as they arrive"))
            }
            Trend::Steady if is_full_window => {
                (Status::FallingBehind, format!("{behind}: records are read no faster than they arrive"))
            }
            Trend::Steady => too_early("the lag was steady"),
        }
    }
}

fn format_records(records: i64) -> String {
    let digits = records.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} record{}", if records == 1 { "" } else { "s" })
}

/// Formats a duration in its two largest units.
fn format_span(milliseconds: i64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}
