//! Metrics: one table of names, and the values of this process.
//!
//! What is not in the table is not exported. Labels come from closed sets: never a player, a game or a message.
//! Invariant: recording costs no allocation per record, it happens per commit, per batch, per look.
//! Not here: who records (`metered` for members, the root for the sink and the lag), the HTTP service (crate `console`).
mod registry;

pub use registry::Metrics;

/// What kind of figure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    /// With the upper bounds of its buckets.
    Histogram(&'static [f64]),
}
impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        }
    }
}

/// One metric, as it is exported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

const SECONDS: Kind =
    Kind::Histogram(&[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]);
const RECORDS: Kind = Kind::Histogram(&[1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6]);
const BYTES: Kind =
    Kind::Histogram(&[1024.0, 16384.0, 262144.0, 1048576.0, 4194304.0, 16777216.0, 67108864.0]);

macro_rules! metrics {
    ($($id:ident: $kind:expr, $name:literal, [$($label:literal),*], $help:literal;)*) => {
        $(pub const $id: Metric = Metric { name: $name, kind: $kind, labels: &[$($label),*], help: $help };)*
        /// All of them.
        pub const ALL: &[Metric] = &[$($id),*];
    };
}
use Kind::{Counter, Gauge};
metrics! {
    BUILD_INFO: Gauge, "fastbreak_build_info", ["version"], "1, for the version that runs";
    START: Gauge, "fastbreak_start_timestamp_seconds", [], "When this process started";

    LAG_RECORDS: Gauge, "fastbreak_consumer_lag_records", ["processor", "topic", "partition"],
        "Records that are not read";
    LAG_SECONDS: Gauge, "fastbreak_consumer_lag_seconds", ["processor", "topic", "partition"],
        "Age of the first record that is not read, 0 when all is read; absent when its append time is not known";
    POSITION: Gauge, "fastbreak_consumer_position", ["processor", "topic", "partition"],
        "The offset that is read next, as committed";
    MARGIN: Gauge, "fastbreak_retention_margin_records", ["processor", "topic", "partition"],
        "Offsets between what was deleted and the position; below 0 records were lost; absent for tables";
    LOW: Gauge, "fastbreak_partition_low_watermark", ["topic", "partition"],
        "The offset below which nothing is left";
    HIGH: Gauge, "fastbreak_partition_high_watermark", ["topic", "partition"], "The offset after the last record";
    STATUS: Gauge, "fastbreak_processor_status", ["processor", "code"],
        "1 for the status that the processor has, 0 for the others";
    CATCH_UP: Gauge, "fastbreak_catch_up_seconds", ["processor"],
        "When nothing will be behind, as things go; infinite: never; absent when it cannot be said yet";
    DEAD_LETTERS: Gauge, "fastbreak_dead_letters", ["processor"],
        "Records in the dead-letter topic; at most, where offsets have gaps";
    LOOKS: Counter, "fastbreak_lag_looks_total", ["outcome"], "Looks at the lag: seen or failed";
    LOOKED: Gauge, "fastbreak_lag_look_timestamp_seconds", [], "When the lag was last seen";

    READ: Counter, "fastbreak_records_read_total", ["processor"], "Records read, as committed";
    PUBLISHED: Counter, "fastbreak_records_published_total", ["processor"],
        "Records published, as committed; the sink's are rows";
    REJECTED: Counter, "fastbreak_records_rejected_total", ["processor"],
        "Records that went to the dead-letter topic, as committed";
    ACCOUNTED: Gauge, "fastbreak_records_accounted", ["processor", "outcome"],
        "What became of the records read since the start: applied, unchanged, parked, rejected; the four sum to what was read";

    COMMITS: Counter, "fastbreak_commits_total", ["processor", "outcome"],
        "Commits: committed, interrupted (done again) or failed";
    COMMIT_SECONDS: SECONDS, "fastbreak_commit_seconds", ["processor"], "How long a commit took to become durable";
    COMMIT_RECORDS: RECORDS, "fastbreak_commit_records", ["processor"],
        "Records that a commit wrote, changelog and accounts included";
    COMMIT_BYTES: BYTES, "fastbreak_commit_bytes", ["processor"], "Bytes that a commit wrote";
    COMMITTED: Gauge, "fastbreak_last_commit_timestamp_seconds", ["processor"], "When it last committed";
    REBALANCES: Counter, "fastbreak_rebalances_total", ["processor", "reason"],
        "Partitions handed out or taken: assigned, revoked, lost";
    RESTORING: Gauge, "fastbreak_restore_remaining_partitions", ["processor"],
        "Partitions assigned whose memory is not restored yet";

    SINK_ROWS: Counter, "fastbreak_sink_rows_total", ["processor"], "Warehouse rows put or deleted";
    SINK_RECORDS: Counter, "fastbreak_sink_records_total", ["processor", "outcome"],
        "Records of written batches: applied, unchanged, stale, superseded, rejected";
    SINK_BATCHES: Counter, "fastbreak_sink_batches_total", ["processor", "outcome"],
        "Batches that stand in the warehouse: written, or repeated after a crash";
    SINK_ATTEMPTS: Counter, "fastbreak_sink_attempts_total", ["processor"], "Writes begun; one more for each retry";
    SINK_ERRORS: Counter, "fastbreak_sink_errors_total", ["processor", "reason"],
        "Writes and questions that failed, by who must act: retry, rows, size, config, fatal";
    SINK_IN_FLIGHT: Gauge, "fastbreak_sink_batches_in_flight", ["processor"],
        "Batches planned whose write has not ended";
    SINK_SECONDS: SECONDS, "fastbreak_sink_write_seconds", ["processor"], "How long a write to the warehouse took";
    SINK_STATEMENTS: Counter, "fastbreak_sink_statements_total", ["processor"],
        "Statements sent that change the warehouse's tables; one a batch, and one more for each that was sent again";
    SINK_ADOPTED: Counter, "fastbreak_sink_jobs_adopted_total", ["processor"],
        "Jobs of BigQuery that had been sent before and were taken over instead of sent again";
    SINK_BYTES: Counter, "fastbreak_sink_bytes_total", ["processor"], "Bytes of rows sent to BigQuery";
    SINK_FAILURES: Counter, "fastbreak_sink_failures_total", ["processor", "class"],
        "Calls and jobs of BigQuery that failed, by class: transient, ambiguous, auth, throttle, quota, again, crowded, conflict, size, poison, config, fatal, bug";
    SINK_RATE_LIMITED: Counter, "fastbreak_sink_rate_limit_hits_total", ["processor"],
        "Answers of BigQuery that say too much, too fast: throttle, quota, crowded";
    SINK_WAITED: Counter, "fastbreak_sink_waited_seconds_total", ["processor"],
        "Seconds waited for another writer's statement, or for the table's rate";
    SINK_STAGED: Counter, "fastbreak_sink_staged_batches_total", ["processor"],
        "Batches that were loaded into a table of their own first";
    SINK_SWEPT: Counter, "fastbreak_sink_staging_tables_swept_total", ["processor"],
        "Tables of batches left behind that were deleted";
    SINK_DRIFTS: Counter, "fastbreak_sink_drifts_total", ["processor"],
        "Batches whose counts did not add up, and times that the warehouse lacked what the log had committed";
    SINK_AUDITS: Counter, "fastbreak_sink_audits_total", ["processor", "outcome"],
        "Looks at whether the warehouse holds what the log says: agrees, differs, not_compared, unanswered";
    SINK_DIFFERING: Gauge, "fastbreak_sink_differing_games", ["processor"],
        "Games, once per input, of which the warehouse did not hold what the log says when it was last looked at";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_prefixed_unique_and_end_by_kind() {
        let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            assert!(metric.name.starts_with("fastbreak_"), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            assert!(!metric.help.ends_with('.'), "{}: the exposition adds the full stop", metric.name);
        }
    }
    #[test]
    fn labels_are_few_and_known() {
        let known = ["processor", "topic", "partition", "code", "reason", "outcome", "class"];
        for metric in ALL.iter().filter(|metric| **metric != BUILD_INFO) {
            assert!(metric.labels.iter().all(|label| known.contains(label)), "{}", metric.name);
        }
    }
    /// A name that boards and alerts somewhere use does not go away unnoticed.
    #[test]
    fn the_names_are_those_that_were_published() {
        let names: String =
            ALL.iter().map(|m| format!("{} {} {}\n", m.name, m.kind.name(), m.labels.join(","))).collect();
        assert_eq!(names, include_str!("metrics/published.txt"), "should be:\n{names}");
    }
}
