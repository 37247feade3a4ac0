//! The catalog of metrics: names, types, labels and help texts.
//!
//! Invariant: names are unique and begin with `fastbreak_`; a counter's name ends in `_total`.
//! Not here: the values (`values`).

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricType {
    Counter,
    Gauge,
    /// A histogram with the upper bounds of its buckets.
    Histogram(&'static [f64]),
}
impl MetricType {
    pub const fn name(self) -> &'static str {
        match self {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Histogram(_) => "histogram",
        }
    }
}

/// One exported metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    pub name: &'static str,
    pub metric_type: MetricType,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

pub const SECONDS: MetricType = MetricType::Histogram(&[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
]);
pub const RECORDS: MetricType = MetricType::Histogram(&[1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6]);
pub const BYTES: MetricType =
    MetricType::Histogram(&[1024.0, 16384.0, 262144.0, 1048576.0, 4194304.0, 16777216.0, 67108864.0]);

macro_rules! metrics {
    ($($id:ident: $metric_type:expr, $name:literal, [$($label:literal),*], $help:literal;)*) => {
        $(pub const $id: Metric = Metric { name: $name, metric_type: $metric_type, labels: &[$($label),*], help: $help };)*
        /// All metrics.
        pub const ALL: &[Metric] = &[$($id),*];
    };
}
use MetricType::{Counter, Gauge};
metrics! {
    BUILD_INFO: Gauge, "fastbreak_build_info", ["version"], "Always 1; the label `version` has the version of the running program";
    START: Gauge, "fastbreak_start_timestamp_seconds", [], "Start time of this process";

    LAG_RECORDS: Gauge, "fastbreak_consumer_lag_records", ["processor", "topic", "partition"],
        "Number of unread records; an upper bound where offsets have gaps";
    LAG_SECONDS: Gauge, "fastbreak_consumer_lag_seconds", ["processor", "topic", "partition"],
        "Age of the oldest unread record; 0 if all records are read, absent if the record's append time is unknown";
    COMMITTED_OFFSET: Gauge, "fastbreak_consumer_committed_offset", ["processor", "topic", "partition"],
        "Committed offset of the consumer group: the next offset that it reads";
    MARGIN: Gauge, "fastbreak_retention_margin_records", ["processor", "topic", "partition"],
        "Committed offset minus log start offset; negative if unread records were deleted; absent for tables";
    LOG_START_OFFSET: Gauge, "fastbreak_partition_log_start_offset", ["topic", "partition"],
        "First offset still stored";
    END_OFFSET: Gauge, "fastbreak_partition_end_offset", ["topic", "partition"], "End offset; on Kafka the last stable offset";
    STATUS: Gauge, "fastbreak_processor_status", ["processor", "code"],
        "1 if the label `code` is the current status of the processor, otherwise 0";
    CATCH_UP: Gauge, "fastbreak_catch_up_seconds", ["processor"],
        "Seconds until the lag is zero at the current drain rate; infinite if the lag does not shrink; absent if this is unknown, or if the processor has lag but keeps up";
    DEAD_LETTERS: Gauge, "fastbreak_dead_letters", ["processor"],
        "Number of records in the processor's dead-letter queue; an upper bound where offsets have gaps";
    LAG_SAMPLES: Counter, "fastbreak_lag_samples_total", ["outcome"], "Lag samples by outcome: ok or failed";
    LAG_LAST_SAMPLE: Gauge, "fastbreak_lag_last_sample_timestamp_seconds", [], "Time of the last successful sample of the lag";

    READ: Counter, "fastbreak_records_read_total", ["processor"], "Records read, counted when their processing is committed";
    PUBLISHED: Counter, "fastbreak_records_published_total", ["processor"],
        "Records published, counted when they are committed; for the sink, warehouse rows written or deleted";
    REJECTED: Counter, "fastbreak_records_rejected_total", ["processor"],
        "Records that were rejected as a whole, counted when the dead letter is committed";
    RECORDS_BY_OUTCOME: Gauge, "fastbreak_records_by_outcome", ["processor", "outcome"],
        "Records read since this process started, by outcome: applied, unchanged (no effect), parked (saved until a missing key arrives), rejected (dead letter); the four values add up to the records read";

    COMMITS: Counter, "fastbreak_commits_total", ["processor", "outcome"],
        "Commit attempts by outcome: committed, aborted (its records are processed again) or failed (the processor stops)";
    COMMIT_SECONDS: SECONDS, "fastbreak_commit_seconds", ["processor"], "Duration of a commit until it is durable";
    COMMIT_RECORDS: RECORDS, "fastbreak_commit_records", ["processor"],
        "Number of records that one commit writes, including changelog records and the ledger entry";
    COMMIT_BYTES: BYTES, "fastbreak_commit_bytes", ["processor"], "Number of bytes that one commit writes";
    COMMITTED: Gauge, "fastbreak_last_commit_timestamp_seconds", ["processor"], "Time of the last commit";
    REBALANCES: Counter, "fastbreak_rebalances_total", ["processor", "reason"],
        "Changes of the partition assignment by reason: assigned, revoked, lost";
    RESTORING: Gauge, "fastbreak_restore_remaining_partitions", ["processor"],
        "Assigned partitions whose state is not restored yet";

    SINK_ROWS: Counter, "fastbreak_sink_rows_total", ["processor"], "Warehouse rows written or deleted";
    SINK_RECORDS: Counter, "fastbreak_sink_records_total", ["processor", "outcome"],
        "Records of written batches by outcome: applied, unchanged, stale, superseded, rejected";
    SINK_BATCHES: Counter, "fastbreak_sink_batches_total", ["processor", "outcome"],
        "Batches completed, by outcome: written, or already_committed (an earlier attempt had written the batch)";
    SINK_ATTEMPTS: Counter, "fastbreak_sink_attempts_total", ["processor"], "Attempts to write a batch, including retries";
    SINK_ERRORS: Counter, "fastbreak_sink_errors_total", ["processor", "reason"],
        "Failed writes and queries by reason: retry (the warehouse is not ready), rows (records cannot be converted), size (the batch is too large), config (the settings or the dataset are wrong), fatal (the operator must act)";
    SINK_IN_FLIGHT: Gauge, "fastbreak_sink_batches_in_flight", ["processor"],
        "Planned batches whose write is not complete";
    SINK_SECONDS: SECONDS, "fastbreak_sink_write_seconds", ["processor"], "Duration of a write to the warehouse";
    SINK_STATEMENTS: Counter, "fastbreak_sink_statements_total", ["processor"],
        "DML statements sent, including retries";
    SINK_JOBS_REUSED: Counter, "fastbreak_sink_jobs_reused_total", ["processor"],
        "BigQuery jobs that already existed under their id, so that the sink reused them instead of sending them again";
    SINK_BYTES: Counter, "fastbreak_sink_bytes_total", ["processor"], "Bytes of rows sent to BigQuery";
    SINK_FAILURES: Counter, "fastbreak_sink_failures_total", ["processor", "class"],
        "Failed calls and jobs of BigQuery by class: transient, ambiguous, auth, throttle, quota, retryable_job, dml_queue_full, conflict, size, bad_row, invalid_target, access_or_billing, duplicate_row, unexpected_result";
    SINK_RATE_LIMITED: Counter, "fastbreak_sink_rate_limit_hits_total", ["processor"],
        "BigQuery responses that limit the request rate: throttle, quota, dml_queue_full";
    SINK_WAITED: Counter, "fastbreak_sink_waited_seconds_total", ["processor"],
        "Seconds for which the sink waited for the writer lease or for the rate limit of the table";
    SINK_STAGED: Counter, "fastbreak_sink_staged_batches_total", ["processor"],
        "Batches loaded through a staging table";
    SINK_STAGING_TABLES_DELETED: Counter, "fastbreak_sink_staging_tables_deleted_total", ["processor"],
        "Expired staging tables deleted";
    SINK_DIVERGENCES: Counter, "fastbreak_sink_divergences_total", ["processor"],
        "Batches whose record counts do not add up, plus rebuilds that started because log and warehouse did not continue each other";
    SINK_RECONCILIATIONS: Counter, "fastbreak_sink_reconciliations_total", ["processor", "outcome"],
        "Reconciliations of warehouse and log: match, mismatch, skipped, error";
    SINK_MISMATCHED_GAMES: Gauge, "fastbreak_sink_mismatched_games", ["processor"],
        "Games whose control totals (row count and offset sum) did not match in the last reconciliation; a game counts once for each mismatched input topic";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_prefixed_unique_and_end_by_type() {
        let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            assert!(metric.name.starts_with("fastbreak_"), "{}", metric.name);
            assert_eq!(
                metric.name.ends_with("_total"),
                metric.metric_type == MetricType::Counter,
                "{}",
                metric.name
            );
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
    /// This test fails if a metric is renamed or removed, because dashboards and alerts outside this repository may use it.
    #[test]
    fn the_names_are_the_published_ones() {
        let names: String = ALL
            .iter()
            .map(|m| format!("{} {} {}\n", m.name, m.metric_type.name(), m.labels.join(",")))
            .collect();
        assert_eq!(names, include_str!("published.txt"), "should be:\n{names}");
    }
}
