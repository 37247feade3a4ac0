//! Lag: how far each processor is behind, in records and in time, whether that gets better, and what to make of it.
//!
//! A log answers where readers stand ([`ProcessorProgress`]); a [`LagMonitor`] keeps the last minute of answers and judges. Time lag is exact: the
//! age of the first record that was not read. The judgement knows no thresholds of an operator's, only the window.
//! Invariant: a reader is at lag 0 when there is no record at or after its position, whatever the offsets say: offsets have gaps.
//! What cannot be known yet is `unknown` and never `ok`.
//! Not here: asking the log (`LogBackend::lag_snapshot`), showing it (the root's `lag`, crate `console`).
mod assess;
mod monitor;

#[cfg(test)]
mod laws;

pub use monitor::LagMonitor;
use serde::Serialize;
use topics::{Policy, TopicInfo};

/// A record that a reader has not read: its offset, and when it was appended, in milliseconds since 1970. `None`: not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    pub offset: i64,
    pub appended: Option<i64>,
}

/// How far a partition reaches and how far one reader has read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionProgress {
    pub topic: TopicInfo,
    pub partition: i32,
    /// The offset it reads next; `None` while it has committed nothing.
    pub committed: Option<i64>,
    /// The offset below which nothing is left.
    pub log_start_offset: i64,
    /// The offset after the last.
    pub end_offset: i64,
    /// The first record at or after the position; `None` when there is none.
    pub unread: Option<Unread>,
}
impl PartitionProgress {
    /// Records that are not read; at most, where offsets have gaps.
    pub fn behind(&self) -> i64 {
        let first = |unread: Unread| unread.offset.max(self.committed.unwrap_or(self.log_start_offset));
        self.unread.map_or(0, |unread| (self.end_offset - first(unread)).max(1))
    }
    /// Offsets between what was deleted and the position: at 0, what is deleted next was never read, below it some was not. `None` for
    /// a table: what compaction takes was replaced. The one offset after a record is its transaction's marker, and so no loss.
    pub fn retention_margin(&self) -> Option<i64> {
        let margin = self.committed? - self.log_start_offset;
        (self.topic.policy != Policy::Compact).then_some(if margin == -1 { 0 } else { margin })
    }
}

/// Where one reader stands in all its topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessorProgress {
    pub processor: &'static str,
    /// Whether any process runs it now.
    pub has_active_members: bool,
    pub partitions: Vec<PartitionProgress>,
}

/// What to make of a lag, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing came for a while, and all is read.
    Idle,
    /// It keeps up.
    Ok,
    /// Not watched for long enough to say.
    Unknown,
    /// Behind, and getting nearer.
    CatchingUp,
    /// Behind, and not getting nearer.
    FallingBehind,
    /// Something runs it, and it commits nothing though there is something to read.
    Stalled,
    /// No process runs it.
    Stopped,
    /// Its position went backwards.
    Rewound,
    /// Records were deleted before it read them.
    LosingData,
}
impl Status {
    pub const ALL: [Status; 9] = [
        Status::Idle,
        Status::Ok,
        Status::Unknown,
        Status::CatchingUp,
        Status::FallingBehind,
        Status::Stalled,
        Status::Stopped,
        Status::Rewound,
        Status::LosingData,
    ];
    pub const fn name(self) -> &'static str {
        match self {
            Status::Idle => "idle",
            Status::Ok => "ok",
            Status::Unknown => "unknown",
            Status::CatchingUp => "catching_up",
            Status::FallingBehind => "falling_behind",
            Status::Stalled => "stalled",
            Status::Stopped => "stopped",
            Status::Rewound => "rewound",
            Status::LosingData => "losing_data",
        }
    }
}

/// Where the number of unread records is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    Growing,
    Shrinking,
    Steady,
    /// Seen too few times.
    Unknown,
}
impl Trend {
    pub const fn name(self) -> &'static str {
        match self {
            Trend::Growing => "growing",
            Trend::Shrinking => "shrinking",
            Trend::Steady => "steady",
            Trend::Unknown => "unknown",
        }
    }
}

/// When nothing will be behind, as things go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CatchUp {
    /// In so many seconds.
    In(f64),
    /// No fewer records come than are read.
    Never,
}
impl Serialize for CatchUp {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            CatchUp::In(seconds) => to.serialize_f64(*seconds),
            CatchUp::Never => to.serialize_str("never"),
        }
    }
}

/// How far behind, and what to make of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lag {
    pub status: Status,
    /// Why this status, in one sentence.
    pub reason: String,
    #[serde(rename = "lag_records")]
    pub records: i64,
    /// The age of the first record that was not read; 0 when all is read, `None` when the log has not recorded it.
    #[serde(rename = "lag_seconds")]
    pub seconds: Option<f64>,
    pub trend: Trend,
    /// Records a second that come in, and that are read; `None` when seen once.
    pub in_rate: Option<f64>,
    pub out_rate: Option<f64>,
    /// `None` when it cannot be said yet.
    #[serde(rename = "catch_up_seconds")]
    pub catch_up: Option<CatchUp>,
}

/// One processor in one partition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartitionLag {
    pub topic: &'static str,
    pub partition: i32,
    pub committed: Option<i64>,
    pub log_start_offset: i64,
    pub end_offset: i64,
    pub retention_margin: Option<i64>,
    #[serde(flatten)]
    pub lag: Lag,
}

/// One processor over all its partitions: records add up, the oldest record counts, the worst matter decides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProcessorLag {
    pub processor: &'static str,
    #[serde(flatten)]
    pub lag: Lag,
    pub partitions: Vec<PartitionLag>,
}
