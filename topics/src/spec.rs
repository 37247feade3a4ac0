//! What topics shall be on a cluster: partitions, replicas, settings.
//!
//! Every setting that matters is said, so that no broker's default decides how long something is kept.
//! Invariant: what a map or the sink reads keeps superseded rows and ends of rows for [`READER_AWAY_DAYS`]; nothing that is needed to make everything again is
//! ever deleted.
//! Not here: what a cluster has (`plan`), which processors there are (the root).
use crate::{Policy, TopicInfo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The longest record in bytes: a scraper's whole response, and what is made of one.
pub const LONGEST_RECORD: u32 = 16 << 20;
/// For so long a reader of a stream, a map or the sink may be away and still find all that it has not read.
pub const READER_AWAY_DAYS: i64 = 30;
/// For so long a view may be away and still find the ends of rows in its tables and its changelog; longer, and it derives everything anew.
pub const VIEW_AWAY_DAYS: i64 = 7;
/// A changelog is cut into pieces of so many bytes, because the newest piece is never compacted.
const CHANGELOG_SEGMENT: u32 = 64 << 20;

/// What a topic shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicSpec {
    pub name: String,
    pub partitions: i32,
    /// `None` leaves it to the brokers.
    pub replication: Option<i32>,
    /// Whether records find their partition by their key, so that another count would part what belongs together.
    pub is_keyed: bool,
    pub settings: BTreeMap<String, String>,
}

impl TopicSpec {
    fn new(name: &str, partitions: i32, is_keyed: bool, settings: &[(&str, i64)]) -> TopicSpec {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), value.to_string())).collect();
        TopicSpec { name: name.to_owned(), partitions, replication: None, is_keyed, settings }
    }
    fn cleaned_by(mut self, policy: &str) -> TopicSpec {
        self.settings.insert("cleanup.policy".to_owned(), policy.to_owned());
        self
    }
    /// A topic of the table. `is_read_as_stream` says whether a map or the sink reads it, record by record.
    pub fn for_topic(info: &TopicInfo, is_read_as_stream: bool) -> TopicSpec {
        let spec = |settings: &[(&str, i64)]| TopicSpec::new(info.name, info.partitions, true, settings);
        let longest = ("max.message.bytes", i64::from(LONGEST_RECORD));
        match info.policy {
            Policy::Keep => {
                spec(&[("retention.ms", -1), ("retention.bytes", -1), longest]).cleaned_by("delete")
            }
            Policy::Delete => {
                let retention = ("retention.ms", days(READER_AWAY_DAYS));
                spec(&[retention, ("retention.bytes", -1), longest]).cleaned_by("delete")
            }
            Policy::Compact => {
                let lag = if is_read_as_stream { days(READER_AWAY_DAYS) } else { 0 };
                let ends = if is_read_as_stream { READER_AWAY_DAYS } else { VIEW_AWAY_DAYS };
                spec(&[("min.compaction.lag.ms", lag), ("delete.retention.ms", days(ends))])
                    .cleaned_by("compact")
            }
        }
    }
    /// The memory of a view.
    pub fn changelog(name: &str, partitions: i32) -> TopicSpec {
        let settings = [
            ("min.compaction.lag.ms", 0),
            ("delete.retention.ms", days(VIEW_AWAY_DAYS)),
            ("segment.bytes", i64::from(CHANGELOG_SEGMENT)),
            ("max.message.bytes", i64::from(LONGEST_RECORD)),
        ];
        TopicSpec::new(name, partitions, true, &settings).cleaned_by("compact")
    }
    /// What can never be used: kept until somebody purges it. A letter lies in the partition that its record was read from.
    pub fn dead_letters(name: &str, partitions: i32) -> TopicSpec {
        let longest = ("max.message.bytes", i64::from(LONGEST_RECORD));
        TopicSpec::new(name, partitions, false, &[("retention.ms", -1), ("retention.bytes", -1), longest])
            .cleaned_by("delete")
    }
    /// With so many replicas, of which all but one acknowledge a write, two at least where there are three.
    pub fn replicated(mut self, replication: Option<i32>) -> TopicSpec {
        self.replication = replication;
        if let Some(replicas) = replication {
            let acknowledge = if replicas >= 3 { replicas - 1 } else { 1 };
            self.settings.insert("min.insync.replicas".to_owned(), acknowledge.to_string());
        }
        self
    }
}

const fn days(days: i64) -> i64 {
    days * 86_400_000
}

/// What is wrong with specifications that no cluster would have to be asked for.
pub fn lint(specs: &[TopicSpec]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut collapsed: BTreeMap<String, &str> = BTreeMap::new();
    for spec in specs {
        let name = &spec.name;
        let is_legal = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c);
        if name.is_empty() || name.len() > 249 || name.starts_with("__") || !name.chars().all(is_legal) {
            wrong.push(format!("'{name}' is no name for a topic"));
        }
        // Kafka's metrics have '_' where a name has '.', and brokers refuse a name that differs only there.
        if let Some(other) = collapsed.insert(name.replace('.', "_"), name) {
            wrong.push(match other == name {
                true => format!("{name} is listed twice"),
                false => format!("{name} and {other} are one name to Kafka's metrics"),
            });
        }
        if spec.partitions < 1 {
            wrong.push(format!("{name} has {} partitions", spec.partitions));
        }
        if spec.replication.is_some_and(|replicas| replicas < 1) {
            wrong.push(format!("{name} has no replica"));
        }
        wrong.extend(spec.settings.iter().filter_map(|(key, value)| {
            let reason = setting(key, value).err()?;
            Some(format!("{name}: {key} = {value}: {reason}"))
        }));
    }
    wrong
}

/// Whether a setting is one that Fastbreak knows, with a value that brokers take.
fn setting(key: &str, value: &str) -> Result<(), String> {
    let number = || value.parse::<i64>().map_err(|error| error.to_string());
    let least = match key {
        "cleanup.policy" => {
            return ["delete", "compact"].contains(&value).then_some(()).ok_or("delete or compact".into());
        }
        "retention.ms" | "retention.bytes" => -1,
        "min.compaction.lag.ms" | "delete.retention.ms" => 0,
        "max.message.bytes" | "min.insync.replicas" => 1,
        "segment.bytes" => 1 << 20,
        _ => return Err("no topic of Fastbreak sets this".into()),
    };
    if number()? < least { Err(format!("it is {least} or more")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_events_and_dead_letters_are_kept_for_ever() {
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
    fn what_a_map_or_the_sink_reads_keeps_superseded_rows() {
        let read = TopicSpec::for_topic(&crate::FEATURES.info, true);
        let joined = TopicSpec::for_topic(&crate::NAMES.info, false);
        assert_eq!(read.settings["min.compaction.lag.ms"], "2592000000");
        assert_eq!(read.settings["delete.retention.ms"], "2592000000");
        assert_eq!(joined.settings["min.compaction.lag.ms"], "0");
        assert_eq!(joined.settings["delete.retention.ms"], "604800000");
    }
    #[test]
    fn three_replicas_acknowledge_by_two_and_one_by_itself() {
        let acknowledge = |replicas| {
            TopicSpec::changelog("games.changelog", 6)
                .replicated(replicas)
                .settings
                .remove("min.insync.replicas")
        };
        assert_eq!(acknowledge(Some(3)).as_deref(), Some("2"));
        assert_eq!(acknowledge(Some(1)).as_deref(), Some("1"));
        assert_eq!(acknowledge(None), None);
    }
    #[test]
    fn lint_names_bad_names_doubles_counts_and_settings() {
        let good = TopicSpec::for_topic(&crate::GAMES.info, false);
        assert_eq!(lint(std::slice::from_ref(&good)), Vec::<String>::new());
        let named = |name: &str| TopicSpec { name: name.to_owned(), ..good.clone() };
        let mut odd = named("other");
        odd.partitions = 0;
        odd.settings.insert("retention.ms".into(), "soon".into());
        odd.settings.insert("compression".into(), "zip".into());
        let wrong = lint(&[good.clone(), good.clone(), named("core_games_v1"), named("a b"), odd]);
        assert_eq!(wrong.len(), 6, "{wrong:#?}");
    }
}
