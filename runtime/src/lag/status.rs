//! The lag of a processor as it is shown: figures, trend, and a status with its reason.
//!
//! Invariant: statuses are ordered, mildest first. If a partition is stalled or worse, the status of the whole processor is at least as
//! severe.
//! Not here: how trend and status are assessed (`assess`).
use super::owner::Owner;
use serde::Serialize;
use std::str::FromStr;
use topics::Offset;

/// The status of a processor, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything is read, and no records arrived during the window.
    Idle,
    /// The processor keeps up.
    Ok,
    /// There are not enough lag samples of the processor yet to know its status.
    Unknown,
    /// The processor is behind, and the lag shrinks.
    CatchingUp,
    /// The processor is behind, and the lag does not shrink.
    FallingBehind,
    /// A process runs the processor, but commits nothing although there are unread records.
    Stalled,
    /// No process runs the processor.
    Stopped,
    /// The committed offset went backwards.
    Rewound,
    /// Records were deleted before the processor read them.
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

impl FromStr for Status {
    type Err = String;
    /// Parses the name of a status; `-` is the same as `_`.
    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.replace('-', "_");
        Status::ALL.into_iter().find(|status| status.name() == name).ok_or_else(|| {
            let names = Status::ALL.map(Status::name).join(", ");
            format!("'{text}' is not a status, expected one of {names}")
        })
    }
}

/// Whether the number of unread records grows or shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    Growing,
    Shrinking,
    Steady,
    /// There are too few samples to compute a trend.
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

/// When the lag will be zero at the current drain rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CatchUp {
    /// The lag will be zero in this many seconds.
    In(f64),
    /// The lag will not become zero, because records arrive at least as fast as they are read.
    Never,
}

impl Serialize for CatchUp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            CatchUp::In(seconds) => serializer.serialize_f64(*seconds),
            CatchUp::Never => serializer.serialize_str("never"),
        }
    }
}

/// The lag of a processor or of one of its partitions, with its assessment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lag {
    pub status: Status,
    /// The reason for the status, in one sentence.
    pub reason: String,
    #[serde(rename = "lag_records")]
    pub records: i64,
    /// The age of the first unread record; 0 when everything is read, `None` if its append time is unknown.
    #[serde(rename = "lag_seconds")]
    pub seconds: Option<f64>,
    pub trend: Trend,
    /// Records that arrive per second (`in_rate`) and records that are read per second (`out_rate`). Both are `None` if there is only one
    /// sample.
    pub in_rate: Option<f64>,
    pub out_rate: Option<f64>,
    /// When the lag will be zero; `None` if this is unknown, or if the processor has lag but keeps up.
    #[serde(rename = "catch_up_seconds")]
    pub catch_up: Option<CatchUp>,
}

/// The lag of one processor in one partition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartitionLag {
    pub topic: &'static str,
    pub partition: i32,
    pub committed: Option<Offset>,
    pub log_start_offset: Offset,
    pub end_offset: Offset,
    pub retention_margin: Option<i64>,
    /// `None` if no process has the partition.
    pub owner: Option<Owner>,
    #[serde(flatten)]
    pub lag: Lag,
}

/// The lag of one processor over all its partitions: the number of unread records, and the age of the oldest one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProcessorLag {
    pub processor: &'static str,
    #[serde(flatten)]
    pub lag: Lag,
    pub partitions: Vec<PartitionLag>,
}
