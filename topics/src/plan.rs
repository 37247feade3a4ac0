//! The plan: what stands between the topics as they shall be and a cluster as it is. Stateless: the two are all there is.
//!
//! Invariant: a plan applied leaves nothing to plan; what would lose records or part those of one key is refused and never planned.
//! Values compare as brokers mean them, defaults included, so a cluster in order gives an empty plan.
//! Not here: a client (crate `runtime`); what topics shall be (`spec`).
use crate::spec::TopicSpec;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A topic as a cluster has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActualTopic {
    pub name: String,
    pub partitions: i32,
    pub replication: i32,
    /// Every setting as it is in force, wherever it comes from.
    pub settings: BTreeMap<String, String>,
    /// Those of them that are set on the topic itself.
    pub topic_overrides: BTreeMap<String, String>,
}

/// A cluster's topics, without Kafka's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    pub id: String,
    pub topics: Vec<ActualTopic>,
}

/// What the operator allows beyond what is safe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanOverrides {
    /// More partitions for a keyed topic: records of one key will lie in two partitions.
    pub key_remap: bool,
    /// Topics that may be deleted, by name.
    pub delete: BTreeSet<String>,
}

/// A setting that has another value than it shall have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    pub key: String,
    /// `None` when the brokers do not know it.
    pub from: Option<String>,
    pub to: String,
}

/// What happens to a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    Create {
        partitions: i32,
        replication: Option<i32>,
        settings: BTreeMap<String, String>,
    },
    AlterConfig {
        settings: Vec<Setting>,
        /// All that is then set on the topic, since setting some of it unsets the rest.
        topic_overrides: BTreeMap<String, String>,
    },
    AddPartitions {
        from: i32,
        to: i32,
    },
    Delete {
        partitions: i32,
    },
    Refused {
        what: String,
        why: String,
    },
    /// Not one of Fastbreak's: left alone.
    Unmanaged,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanEntry {
    pub topic: String,
    #[serde(flatten)]
    pub action: Action,
}

/// What would be done to a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub cluster: String,
    pub overrides: PlanOverrides,
    pub entries: Vec<PlanEntry>,
}

/// How many topics each thing happens to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub create: usize,
    pub update: usize,
    pub delete: usize,
    pub refused: usize,
    pub unmanaged: usize,
}

impl Plan {
    /// What is to do so that the cluster has these topics.
    pub fn new(wanted: &[TopicSpec], cluster: &Cluster, overrides: PlanOverrides) -> Plan {
        let actual: BTreeMap<&str, &ActualTopic> =
            cluster.topics.iter().map(|t| (t.name.as_str(), t)).collect();
        let mut entries = Vec::new();
        for spec in wanted {
            let mut entry = |action| entries.push(PlanEntry { topic: spec.name.clone(), action });
            match actual.get(spec.name.as_str()) {
                None => entry(Action::Create {
                    partitions: spec.partitions,
                    replication: spec.replication,
                    settings: spec.settings.clone(),
                }),
                Some(actual) => {
                    let partitions = partitions(spec, actual, overrides.key_remap).into_iter();
                    let others = [replication(spec, actual), settings(spec, actual)];
                    partitions.chain(others.into_iter().flatten()).for_each(&mut entry);
                }
            }
            if overrides.delete.contains(&spec.name) {
                entry(Action::Refused {
                    what: "delete".into(),
                    why: "it is one of Fastbreak's own, whose processors would stop".into(),
                });
            }
        }
        let is_wanted = |name: &str| wanted.iter().any(|spec| spec.name == name);
        for other in cluster.topics.iter().filter(|actual| !is_wanted(&actual.name)) {
            let action = match overrides.delete.contains(&other.name) {
                true => Action::Delete { partitions: other.partitions },
                false => Action::Unmanaged,
            };
            entries.push(PlanEntry { topic: other.name.clone(), action });
        }
        Plan { cluster: cluster.id.clone(), overrides, entries }
    }
    pub fn totals(&self) -> Totals {
        let count = |is: fn(&Action) -> bool| {
            let topics: BTreeSet<&str> = self
                .entries
                .iter()
                .filter(|entry| is(&entry.action))
                .map(|entry| entry.topic.as_str())
                .collect();
            topics.len()
        };
        Totals {
            create: count(|action| matches!(action, Action::Create { .. })),
            update: count(|action| {
                matches!(action, Action::AlterConfig { .. } | Action::AddPartitions { .. })
            }),
            delete: count(|action| matches!(action, Action::Delete { .. })),
            refused: count(|action| matches!(action, Action::Refused { .. })),
            unmanaged: count(|action| matches!(action, Action::Unmanaged)),
        }
    }
    pub fn is_refused(&self) -> bool {
        self.totals().refused > 0
    }
    /// Whether the cluster is as it shall be.
    pub fn is_empty(&self) -> bool {
        let Totals { create, update, delete, refused, .. } = self.totals();
        create + update + delete + refused == 0
    }
    /// What is to be done, in order.
    pub fn steps(&self) -> impl Iterator<Item = &PlanEntry> {
        let is_step =
            |entry: &&PlanEntry| !matches!(entry.action, Action::Refused { .. } | Action::Unmanaged);
        self.entries.iter().filter(is_step)
    }
}

fn partitions(spec: &TopicSpec, actual: &ActualTopic, key_remap: bool) -> Option<Action> {
    let (from, to) = (actual.partitions, spec.partitions);
    let what = format!("partitions {from} → {to}");
    match from.cmp(&to) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(Action::Refused {
            what,
            why: "Kafka cannot shrink a topic (make another with the next version in its name, and replay)".into(),
        }),
        std::cmp::Ordering::Less if spec.is_keyed && !key_remap => Some(Action::Refused {
            what,
            why: "records of one key would lie in two partitions (--accept-key-remap when the topic is empty or made anew)".into(),
        }),
        std::cmp::Ordering::Less => Some(Action::AddPartitions { from, to }),
    }
}

fn replication(spec: &TopicSpec, actual: &ActualTopic) -> Option<Action> {
    let to = spec.replication.filter(|to| *to != actual.replication)?;
    Some(Action::Refused {
        what: format!("replication {} → {to}", actual.replication),
        why: "replicas are moved by Kafka's own kafka-reassign-partitions, broker by broker".into(),
    })
}

fn settings(spec: &TopicSpec, actual: &ActualTopic) -> Option<Action> {
    let differs = |(key, to): (&String, &String)| {
        let from = actual.settings.get(key);
        let same = from.is_some_and(|from| is_same(key, from, to));
        (!same).then(|| Setting { key: key.clone(), from: from.cloned(), to: to.clone() })
    };
    let settings: Vec<Setting> = spec.settings.iter().filter_map(differs).collect();
    let mut topic_overrides = actual.topic_overrides.clone();
    topic_overrides.extend(spec.settings.clone());
    (!settings.is_empty()).then_some(Action::AlterConfig { settings, topic_overrides })
}

/// Whether brokers mean the same by two texts.
fn is_same(key: &str, a: &str, b: &str) -> bool {
    let parts = |text: &str| text.split(',').map(|part| part.trim().to_lowercase()).collect::<BTreeSet<_>>();
    match (a.trim().parse::<f64>(), b.trim().parse::<f64>()) {
        (Ok(a), Ok(b)) => a == b,
        _ if key == "cleanup.policy" => parts(a) == parts(b),
        _ => a.trim().eq_ignore_ascii_case(b.trim()),
    }
}

/// Whether a change lets brokers delete records that they keep now.
fn deletes(setting: &Setting) -> bool {
    let Some(from) = &setting.from else { return false };
    let limit = |text: &str| text.parse::<i64>().map_or(i64::MAX, |n| if n < 0 { i64::MAX } else { n });
    match setting.key.as_str() {
        "retention.ms" | "retention.bytes" | "delete.retention.ms" | "min.compaction.lag.ms" => {
            limit(&setting.to) < limit(from)
        }
        "cleanup.policy" => true,
        _ => false,
    }
}

/// A setting for a person: `retention.ms`, `2592000000` is `retention 30d`.
fn human(key: &str, value: &str) -> String {
    match (key.strip_suffix(".ms"), key.strip_suffix(".bytes"), value.parse::<i64>()) {
        (Some(name), _, Ok(-1)) => format!("{name} unlimited"),
        (_, Some(_), Ok(-1)) => format!("{key} unlimited"),
        (Some(name), _, Ok(ms)) if ms > 0 && ms % 86_400_000 == 0 => format!("{name} {}d", ms / 86_400_000),
        (_, Some(name), Ok(bytes)) if bytes > 0 && bytes % (1 << 20) == 0 => {
            format!("{name} {} MiB", bytes >> 20)
        }
        _ if key == "cleanup.policy" => value.to_owned(),
        _ => format!("{key} {value}"),
    }
}

impl fmt::Display for PlanEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, verb, what) = match &self.action {
            Action::Create { partitions, replication, settings } => {
                let replicas = replication.map(|n| format!("{n} replicas"));
                let settings = settings.iter().map(|(key, value)| human(key, value));
                let parts = [format!("{partitions} partitions")].into_iter().chain(replicas).chain(settings);
                ('+', "create", parts.collect::<Vec<_>>().join(", "))
            }
            Action::AlterConfig { settings, .. } => {
                let text = |s: &Setting| {
                    let lets_go = if deletes(s) { " (lets older records go)" } else { "" };
                    format!("{} {} → {}{lets_go}", s.key, s.from.as_deref().unwrap_or("unknown"), s.to)
                };
                ('~', "update", settings.iter().map(text).collect::<Vec<_>>().join(", "))
            }
            Action::AddPartitions { from, to } => ('~', "update", format!("partitions {from} → {to}")),
            Action::Delete { partitions } => {
                ('-', "delete", format!("all records of {partitions} partitions"))
            }
            Action::Refused { what, why } => ('!', "refused", format!("{what}: {why}")),
            Action::Unmanaged => ('?', "unmanaged", "left alone".to_owned()),
        };
        write!(f, "{sign} {:<32} {verb:<9} {what}", self.topic)
    }
}

/// Unmanaged topics that are listed by name; the others are only counted.
const LISTED: usize = 10;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cluster {}", self.cluster)?;
        let mut unmanaged = 0;
        for entry in &self.entries {
            unmanaged += usize::from(entry.action == Action::Unmanaged);
            if entry.action != Action::Unmanaged || unmanaged <= LISTED {
                writeln!(f, "  {entry}")?;
            }
        }
        if unmanaged > LISTED {
            writeln!(f, "  ? … and {} more", unmanaged - LISTED)?;
        }
        let Totals { create, update, delete, refused, unmanaged } = self.totals();
        write!(
            f,
            "Plan: {create} create, {update} update, {delete} delete, {refused} refused, {unmanaged} unmanaged."
        )
    }
}

#[cfg(test)]
#[path = "plan/laws.rs"]
mod laws;
