//! The specification of a topic on a cluster: partitions, replicas, settings.
//!
//! Every setting that affects retention is explicit, so it never depends on a default of the brokers.
//!
//! Invariant: a table that a stateless processor or the sink reads retains superseded rows and tombstones for [`STREAM_RETENTION_DAYS`];
//! raw events, the input of all reprocessing, are never deleted.
//! Not here: the topics of a cluster (`plan`), the list of processors (the binary).
use crate::catalog::{Policy, TopicInfo};
use schemas::raw::MAX_EVENT_BYTES;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Maximum size of a record in bytes: that of an event or of the original bytes in a dead letter, and [`RECORD_OVERHEAD_BYTES`].
pub const MAX_RECORD_BYTES: u32 = MAX_EVENT_BYTES as u32 + RECORD_OVERHEAD_BYTES;
/// What a record may have in addition to an event or to the original bytes: the key, headers, fields of the event, and framing.
pub const RECORD_OVERHEAD_BYTES: u32 = 1 << 20;
/// Retention of streams, in days. Superseded rows and tombstones are also retained for this long in tables that a stateless processor or
/// the sink reads, so that these processors can be stopped for that long without missing a record.
pub const STREAM_RETENTION_DAYS: i64 = 30;
/// Retention of tombstones in all other tables and in changelogs, in days. A materialized view that was stopped for longer may have missed
/// tombstones, so it must restore its state from the start of these topics.
pub const TOMBSTONE_RETENTION_DAYS: i64 = 7;
/// Segment size of changelogs, in bytes. It is small because brokers never compact the newest segment.
const CHANGELOG_SEGMENT_BYTES: u32 = 64 << 20;

/// The desired state of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicSpec {
    pub name: String,
    pub partitions: i32,
    /// The replication factor; `None` for the brokers' default.
    pub replication: Option<i32>,
    /// True if the key of a record determines its partition. After a change of the partition count, records with the same key may then be
    /// in two partitions.
    pub is_keyed: bool,
    pub settings: BTreeMap<String, String>,
}

impl TopicSpec {
    fn new(name: &str, partitions: i32, is_keyed: bool, settings: &[(&str, i64)]) -> TopicSpec {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), value.to_string())).collect();
        TopicSpec { name: name.to_owned(), partitions, replication: None, is_keyed, settings }
    }
    fn with_cleanup_policy(mut self, policy: &str) -> TopicSpec {
        self.settings.insert("cleanup.policy".to_owned(), policy.to_owned());
        self
    }
    fn with_unlimited_retention(name: &str, partitions: i32, is_keyed: bool) -> TopicSpec {
        let settings = [("retention.ms", -1), ("retention.bytes", -1), MAX_MESSAGE_BYTES];
        TopicSpec::new(name, partitions, is_keyed, &settings).with_cleanup_policy("delete")
    }
    /// Returns the specification of a topic in the catalog. `is_read_as_stream` is true if a stateless processor or the sink reads the
    /// topic.
    pub fn for_topic(info: &TopicInfo, is_read_as_stream: bool) -> TopicSpec {
        let spec = |settings: &[(&str, i64)]| TopicSpec::new(info.name, info.partitions, true, settings);
        match info.policy {
            Policy::Keep => TopicSpec::with_unlimited_retention(info.name, info.partitions, true),
            Policy::Delete => {
                let retention = ("retention.ms", days_to_ms(STREAM_RETENTION_DAYS));
                spec(&[retention, ("retention.bytes", -1), MAX_MESSAGE_BYTES]).with_cleanup_policy("delete")
            }
            Policy::Compact => {
                let (lag_days, tombstone_days) = if is_read_as_stream {
                    (STREAM_RETENTION_DAYS, STREAM_RETENTION_DAYS)
                } else {
                    (0, TOMBSTONE_RETENTION_DAYS)
                };
                spec(&[
                    ("min.compaction.lag.ms", days_to_ms(lag_days)),
                    ("delete.retention.ms", days_to_ms(tombstone_days)),
                ])
                .with_cleanup_policy("compact")
            }
        }
    }
    /// Returns the specification of the changelog of a materialized view.
    pub fn changelog(name: &str, partitions: i32) -> TopicSpec {
        let settings = [
            ("min.compaction.lag.ms", 0),
            ("delete.retention.ms", days_to_ms(TOMBSTONE_RETENTION_DAYS)),
            ("segment.bytes", i64::from(CHANGELOG_SEGMENT_BYTES)),
            MAX_MESSAGE_BYTES,
        ];
        TopicSpec::new(name, partitions, true, &settings).with_cleanup_policy("compact")
    }
    /// Returns the specification of a dead-letter queue. Retention is unlimited; only an operator deletes dead letters. A dead letter has
    /// the partition number of its original record, so its key does not determine its partition.
    pub fn dead_letters(name: &str, partitions: i32) -> TopicSpec {
        TopicSpec::with_unlimited_retention(name, partitions, false)
    }
    /// Sets the replication factor. With three or more replicas, all but one must acknowledge a write; with fewer replicas, one
    /// acknowledgment is enough.
    pub fn replicated(mut self, replication: Option<i32>) -> TopicSpec {
        self.replication = replication;
        if let Some(replicas) = replication {
            let min_in_sync = if replicas >= 3 { replicas - 1 } else { 1 };
            self.settings.insert("min.insync.replicas".to_owned(), min_in_sync.to_string());
        }
        self
    }
}

const MAX_MESSAGE_BYTES: (&str, i64) = ("max.message.bytes", MAX_RECORD_BYTES as i64);

const fn days_to_ms(days: i64) -> i64 {
    days * 86_400_000
}

/// Checks specifications without a cluster and returns every problem, each as one sentence.
pub fn lint(specs: &[TopicSpec]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut metric_names: BTreeMap<String, &str> = BTreeMap::new();
    for spec in specs {
        let name = &spec.name;
        let is_legal = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c);
        if name.is_empty() || name.len() > 249 || name.starts_with("__") || !name.chars().all(is_legal) {
            problems.push(format!("'{name}' is not a valid topic name"));
        }
        // Kafka's metrics have '_' instead of '.', and brokers reject a name that differs from an existing one only in these characters.
        if let Some(other) = metric_names.insert(name.replace('.', "_"), name) {
            problems.push(if other == name {
                format!("{name} is listed twice")
            } else {
                format!("{name} and {other} have the same name in Kafka's metrics, where '.' becomes '_'")
            });
        }
        if spec.partitions < 1 {
            problems.push(format!("{name} has {} partitions, expected 1 or more", spec.partitions));
        }
        if spec.replication.is_some_and(|replicas| replicas < 1) {
            problems.push(format!("{name} has no replica, expected 1 or more"));
        }
        problems.extend(spec.settings.iter().filter_map(|(key, value)| {
            let reason = check_setting(key, value).err()?;
            Some(format!("{name}: {key} = {value}: {reason}"))
        }));
    }
    problems
}

/// Checks that the key is that of a setting which specifications may have, and that brokers accept the value.
fn check_setting(key: &str, value: &str) -> Result<(), String> {
    let min = match key {
        "cleanup.policy" if ["delete", "compact"].contains(&value) => return Ok(()),
        "cleanup.policy" => return Err("expected delete or compact".into()),
        "retention.ms" | "retention.bytes" => -1,
        "min.compaction.lag.ms" | "delete.retention.ms" => 0,
        "max.message.bytes" | "min.insync.replicas" => 1,
        "segment.bytes" => 1 << 20,
        _ => return Err("Fastbreak's topics do not use this setting".into()),
    };
    let number = value.parse::<i64>().map_err(|error| error.to_string())?;
    if number < min { Err(format!("expected {min} or more")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_events_and_dead_letters_have_unlimited_retention() {
        for spec in [
            TopicSpec::for_topic(&crate::RAW_ODDS.info, true),
            TopicSpec::dead_letters("odds-loader.dlq", crate::PARTITIONS),
        ] {
            assert_eq!(
                (&*spec.settings["cleanup.policy"], &*spec.settings["retention.ms"]),
                ("delete", "-1")
            );
        }
    }
    #[test]
    fn a_table_read_as_a_stream_retains_superseded_rows() {
        let read = TopicSpec::for_topic(&crate::FEATURES.info, true);
        let joined = TopicSpec::for_topic(&crate::NAMES.info, false);
        assert_eq!(read.settings["min.compaction.lag.ms"], "2592000000");
        assert_eq!(read.settings["delete.retention.ms"], "2592000000");
        assert_eq!(joined.settings["min.compaction.lag.ms"], "0");
        assert_eq!(joined.settings["delete.retention.ms"], "604800000");
    }
    #[test]
    fn of_three_replicas_two_acknowledge_and_of_one_that_one() {
        let min_in_sync = |replicas| {
            TopicSpec::changelog("games.changelog", 6)
                .replicated(replicas)
                .settings
                .remove("min.insync.replicas")
        };
        assert_eq!(min_in_sync(Some(3)).as_deref(), Some("2"));
        assert_eq!(min_in_sync(Some(1)).as_deref(), Some("1"));
        assert_eq!(min_in_sync(None), None);
    }
    #[test]
    fn lint_reports_invalid_names_duplicates_counts_and_settings() {
        let good = TopicSpec::for_topic(&crate::GAMES.info, false);
        assert_eq!(lint(std::slice::from_ref(&good)), Vec::<String>::new());
        let named = |name: &str| TopicSpec { name: name.to_owned(), ..good.clone() };
        let mut invalid = named("other");
        invalid.partitions = 0;
        invalid.settings.insert("retention.ms".into(), "soon".into());
        invalid.settings.insert("compression".into(), "zip".into());
        let problems = lint(&[good.clone(), good.clone(), named("core_games_v1"), named("a b"), invalid]);
        assert_eq!(problems.len(), 6, "{problems:#?}");
    }
}
