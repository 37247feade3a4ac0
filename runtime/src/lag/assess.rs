//! The judgement: a lag's trend, rates and status from the points of one window.
//!
//! Burrow's rules, made to fit a day of eighteen idle hours: the age of the oldest unread record tells a short wait from a backlog,
//! and a verdict that needs the whole window is `unknown` before.
//! Invariant: a function of the points alone; more points of the same kind never make a known status unknown.
//! Not here: gathering the points (`watch`).
use super::status::{CatchUp, Lag, Status, Trend};

/// A verdict of stalled or falling behind takes so many milliseconds of being behind.
pub const WINDOW_MS: i64 = 60_000;
/// The oldest record may wait so many milliseconds before anything is made of it: a batch is being worked on.
const GRACE_MS: i64 = 10_000;
/// Trends and rates are of the last so many milliseconds.
const RECENT_MS: i64 = 30_000;
/// A window counts as full a look before its end.
const FULL_WINDOW_MS: i64 = WINDOW_MS - 5_000;

/// One look at one reader, in a partition or over all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When, in milliseconds since 1970.
    pub at: i64,
    pub committed: i64,
    pub end_offset: i64,
    pub behind: i64,
    /// When the first unread record was appended.
    pub oldest: Option<i64>,
}
impl Sample {
    /// The two as one reader.
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

/// Judges the points of a window, oldest first.
pub fn assess(samples: &[Sample], has_active_members: bool) -> Lag {
    let Some((now, first)) = samples.last().zip(samples.first()) else {
        return Lag {
            status: Status::Unknown,
            reason: "not looked at yet".into(),
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
    let rate = |of: fn(&Sample) -> i64| {
        let span = now.at - first.at;
        (span > 0).then(|| (of(now) - of(first)).max(0) as f64 * 1000.0 / span as f64)
    };
    // Since it was last at the end.
    let since = samples.iter().rposition(|sample| sample.behind == 0).map_or(0, |at| at + 1);
    let backlog = &samples[since..];
    let trend = if now.behind == 0 { Trend::Steady } else { trend(backlog) };
    let (status, reason) = status(samples, backlog, has_active_members);
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
            // It keeps up, or it is too early to say.
            _ if matches!(status, Status::Ok | Status::Unknown) => None,
            Trend::Shrinking => drain_rate(backlog).map(|rate| CatchUp::In(now.behind as f64 / rate)),
            Trend::Growing | Trend::Steady => Some(CatchUp::Never),
        },
    }
}

/// The newest points, which say how it goes now.
fn recent(samples: &[Sample]) -> &[Sample] {
    let now = samples.last().map_or(0, |sample| sample.at);
    &samples[samples.partition_point(|sample| now - sample.at > RECENT_MS)..]
}

/// How many fewer records wait each second, of late.
fn drain_rate(backlog: &[Sample]) -> Option<f64> {
    let recent = recent(backlog);
    let [first, .., last] = &recent[(recent.len() / 2).saturating_sub(1)..] else { return None };
    let rate = (first.behind - last.behind) as f64 * 1000.0 / (last.at - first.at).max(1) as f64;
    (rate > 0.0).then_some(rate)
}

/// The later half against the earlier, measured by what comes and is read: a batch's sawtooth is no trend.
fn trend(samples: &[Sample]) -> Trend {
    let samples = recent(samples);
    let [first, .., last] = samples else { return Trend::Unknown };
    if samples.len() < 3 {
        return Trend::Unknown;
    }
    let mean = |half: &[Sample]| half.iter().map(|p| p.behind as f64).sum::<f64>() / half.len() as f64;
    let (earlier, later) = samples.split_at(samples.len() / 2);
    let moved = 2.0 * (mean(later) - mean(earlier));
    let most = (last.end_offset - first.end_offset).max(last.committed - first.committed).max(0) as f64;
    match () {
        () if moved > 0.1 * most => Trend::Growing,
        () if moved < -0.1 * most => Trend::Shrinking,
        () => Trend::Steady,
    }
}

/// `backlog`: the points since the reader was last at the end.
fn status(samples: &[Sample], backlog: &[Sample], has_active_members: bool) -> (Status, String) {
    let Some(now) = samples.last() else { return (Status::Unknown, "not looked at yet".into()) };
    let left = match now.behind {
        0 => "nothing is left to read".to_owned(),
        n => format!("{} not read", count(n)),
    };
    if !has_active_members {
        return (Status::Stopped, format!("no process runs it; {left}"));
    }
    let reached = samples.iter().map(|sample| sample.committed).max().unwrap_or(0);
    if reached > now.committed {
        let back = count(reached - now.committed);
        return (Status::Rewound, format!("its position went back by {back}; {left}"));
    }
    let watched = now.at - samples.first().map_or(now.at, |first| first.at);
    let Some(first) = backlog.first() else {
        let quiet = samples.len() > 1 && samples.iter().all(|sample| sample.end_offset == now.end_offset);
        return match quiet {
            true => (Status::Idle, format!("all is read, and nothing came for {}", span(watched))),
            false => (Status::Ok, "all is read".into()),
        };
    };
    let age = now.age();
    if let Some(age) = age.filter(|age| *age < GRACE_MS) {
        return (Status::Ok, format!("the oldest of {} waits for {}", count(now.behind), span(age)));
    }
    let backlog_span = now.at - first.at;
    let (is_full, for_so_long) = (backlog_span >= FULL_WINDOW_MS, span(backlog_span));
    let old = age.map_or_else(|| "of unknown age".to_owned(), |age| format!("the oldest {} old", span(age)));
    let behind = format!("{}, {old}", count(now.behind));
    let too_early = |what: &str| {
        let reason =
            format!("{behind}; {what} in the {for_so_long} watched, a verdict takes {}", span(WINDOW_MS));
        (Status::Unknown, reason)
    };
    if now.committed == first.committed {
        return match is_full {
            true => (Status::Stalled, format!("{behind}, and nothing was committed for {for_so_long}")),
            false => too_early("nothing was committed"),
        };
    }
    match trend(backlog) {
        Trend::Unknown => too_early("seen too few times"),
        Trend::Shrinking => (Status::CatchingUp, format!("{behind}, and getting nearer")),
        Trend::Growing if is_full => {
            (Status::FallingBehind, format!("{behind}: more came than was read for {for_so_long}"))
        }
        Trend::Growing => too_early("more came than was read"),
        Trend::Steady if age.is_some_and(|age| age <= WINDOW_MS) => {
            (Status::Ok, format!("{behind}: it reads as fast as records come"))
        }
        Trend::Steady if is_full => {
            (Status::FallingBehind, format!("{behind}: it reads no faster than records come"))
        }
        Trend::Steady => too_early("it kept its distance"),
    }
}

fn count(records: i64) -> String {
    let digits = records.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} record{}", if records == 1 { "" } else { "s" })
}

/// A length of time for a person: its two greatest units.
fn span(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}
