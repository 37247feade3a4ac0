//! The plan: the changes that make the topics of a cluster equal to the specified topics. It is computed from the cluster itself; there is
//! no state file.
//!
//! Invariant: after a plan is applied, the next plan has no changes to make. These changes are refused: removing partitions, moving
//! replicas, deleting a specified topic, and adding partitions to a keyed topic unless the operator allows it (records with the same key
//! may then be in two partitions). A plan lists refused changes, but never applies them. Values are compared as brokers interpret them,
//! including defaults. So the plan for a cluster is empty if its topics already equal the specified topics.
//! Not here: a client (crate `runtime`), the desired topics (`spec`).
use crate::spec::TopicSpec;
use serde::{Deserialize, Serialize};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A topic as it exists on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActualTopic {
    pub name: String,
    pub partitions: i32,
    pub replication: i32,
    /// All settings that are in effect for the topic, including the brokers' defaults.
    pub settings: BTreeMap<String, String>,
    /// Only the settings that are set for this topic and replace the brokers' defaults.
    pub topic_overrides: BTreeMap<String, String>,
}

/// The topics of a cluster, without Kafka's internal ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    pub id: String,
    pub topics: Vec<ActualTopic>,
}

/// The unsafe changes that the operator allows a plan to make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanOverrides {
    /// True to allow more partitions for a keyed topic, after which records with the same key may be in two partitions.
    pub key_remap: bool,
    /// The names of unmanaged topics to delete.
    pub delete: BTreeSet<String>,
}

/// The change of a setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    pub key: String,
    /// `None` if the brokers report no value of this setting.
    pub from: Option<String>,
    pub to: String,
}

/// What a plan does with a topic.
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
        /// All settings that are set for this topic after the change, also the unchanged ones: Kafka's request replaces the complete set.
        topic_overrides: BTreeMap<String, String>,
    },
    AddPartitions {
        from: i32,
        to: i32,
    },
    Delete {
        partitions: i32,
    },
    /// A change that is needed or requested, but is unsafe and therefore not made.
    Refused {
        change: String,
        reason: String,
    },
    /// The topic is not in the specifications and is not changed.
    Unmanaged,
}

/// One entry of a plan: a topic and one action on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanEntry {
    pub topic: String,
    #[serde(flatten)]
    pub action: Action,
}

/// The plan for one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub cluster: String,
    pub overrides: PlanOverrides,
    pub entries: Vec<PlanEntry>,
}

/// Number of topics by action. A topic with two different actions, for example an update and a refused change, is counted for both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub create: usize,
    pub update: usize,
    pub delete: usize,
    pub refused: usize,
    pub unmanaged: usize,
}

impl Plan {
    /// Computes the plan whose steps bring the topics of a cluster in sync with the specifications.
    pub fn new(specs: &[TopicSpec], cluster: &Cluster, overrides: PlanOverrides) -> Plan {
        let actual_topics: BTreeMap<&str, &ActualTopic> =
            cluster.topics.iter().map(|topic| (topic.name.as_str(), topic)).collect();
        let mut entries = Vec::new();
        for spec in specs {
            let actual_topic = actual_topics.get(spec.name.as_str()).copied();
            let actions = actions_for(spec, actual_topic, &overrides);
            entries.extend(actions.map(|action| PlanEntry { topic: spec.name.clone(), action }));
        }
        let is_specified = |name: &str| specs.iter().any(|spec| spec.name == name);
        for topic in cluster.topics.iter().filter(|topic| !is_specified(&topic.name)) {
            let action = if overrides.delete.contains(&topic.name) {
                Action::Delete { partitions: topic.partitions }
            } else {
                Action::Unmanaged
            };
            entries.push(PlanEntry { topic: topic.name.clone(), action });
        }
        Plan { cluster: cluster.id.clone(), overrides, entries }
    }
    pub fn totals(&self) -> Totals {
        let count = |is_counted: fn(&Action) -> bool| {
            let entries = self.entries.iter().filter(|entry| is_counted(&entry.action));
            entries.map(|entry| entry.topic.as_str()).collect::<BTreeSet<&str>>().len()
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
    /// True if the cluster is in sync with the specifications.
    pub fn is_empty(&self) -> bool {
        let Totals { create, update, delete, refused, .. } = self.totals();
        create + update + delete + refused == 0
    }
    /// Returns the entries that change the cluster, in the order in which they are applied.
    pub fn steps(&self) -> impl Iterator<Item = &PlanEntry> {
        let is_step =
            |entry: &&PlanEntry| !matches!(entry.action, Action::Refused { .. } | Action::Unmanaged);
        self.entries.iter().filter(is_step)
    }
}

/// Returns the actions on one specified topic.
fn actions_for(
    spec: &TopicSpec,
    actual: Option<&ActualTopic>,
    overrides: &PlanOverrides,
) -> impl Iterator<Item = Action> {
    let actions = match actual {
        None => {
            let (partitions, replication) = (spec.partitions, spec.replication);
            let settings = spec.settings.clone();
            [Some(Action::Create { partitions, replication, settings }), None, None]
        }
        Some(actual) => [
            change_partitions(spec, actual, overrides.key_remap),
            change_replication(spec, actual),
            change_settings(spec, actual),
        ],
    };
    let refused_deletion = overrides.delete.contains(&spec.name).then(|| Action::Refused {
        change: "delete".into(),
        reason: "the topic is in the specifications, and the processors that use it would stop".into(),
    });
    actions.into_iter().chain([refused_deletion]).flatten()
}

fn change_partitions(spec: &TopicSpec, actual: &ActualTopic, key_remap: bool) -> Option<Action> {
    let (from, to) = (actual.partitions, spec.partitions);
    let change = format!("partitions {from} → {to}");
    match from.cmp(&to) {
        Ordering::Equal => None,
        Ordering::Greater => {
            let reason = "Kafka cannot remove partitions (create a topic with the next version in its name, and replay)";
            Some(Action::Refused { change, reason: reason.into() })
        }
        Ordering::Less if spec.is_keyed && !key_remap => {
            let reason = "records with the same key would be in two partitions (pass --accept-key-remap if the topic is empty or \
                          re-created)";
            Some(Action::Refused { change, reason: reason.into() })
        }
        Ordering::Less => Some(Action::AddPartitions { from, to }),
    }
}

fn change_replication(spec: &TopicSpec, actual: &ActualTopic) -> Option<Action> {
    let to = spec.replication.filter(|to| *to != actual.replication)?;
    Some(Action::Refused {
        change: format!("replication {} → {to}", actual.replication),
        reason: "Fastbreak does not move replicas; use Kafka's kafka-reassign-partitions".into(),
    })
}

fn change_settings(spec: &TopicSpec, actual: &ActualTopic) -> Option<Action> {
    let change = |(key, to): (&String, &String)| {
        let from = actual.settings.get(key);
        let is_equal = from.is_some_and(|from| is_equal_setting(key, from, to));
        (!is_equal).then(|| Setting { key: key.clone(), from: from.cloned(), to: to.clone() })
    };
    let settings: Vec<Setting> = spec.settings.iter().filter_map(change).collect();
    let mut topic_overrides = actual.topic_overrides.clone();
    topic_overrides.extend(spec.settings.clone());
    (!settings.is_empty()).then_some(Action::AlterConfig { settings, topic_overrides })
}

/// True if brokers interpret two values of a setting as equal.
fn is_equal_setting(key: &str, a: &str, b: &str) -> bool {
    let parts = |text: &str| text.split(',').map(|part| part.trim().to_lowercase()).collect::<BTreeSet<_>>();
    match (a.trim().parse::<f64>(), b.trim().parse::<f64>()) {
        (Ok(a), Ok(b)) => a == b,
        _ if key == "cleanup.policy" => parts(a) == parts(b),
        _ => a.trim().eq_ignore_ascii_case(b.trim()),
    }
}

/// True if a change allows brokers to delete records that they retain now.
fn may_delete_records(setting: &Setting) -> bool {
    let Some(from) = &setting.from else { return false };
    let limit = |text: &str| match text.parse::<i64>() {
        Ok(number) if number >= 0 => number,
        _ => i64::MAX,
    };
    match setting.key.as_str() {
        "retention.ms" | "retention.bytes" | "delete.retention.ms" | "min.compaction.lag.ms" => {
            limit(&setting.to) < limit(from)
        }
        "cleanup.policy" => true,
        _ => false,
    }
}

/// Formats a setting in readable units: `retention.ms` with value `2592000000` becomes `retention 30d`.
fn readable_setting(key: &str, value: &str) -> String {
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
        let (sign, action, details) = match &self.action {
            Action::Create { partitions, replication, settings } => {
                let replicas = replication.map(|replicas| format!("{replicas} replicas"));
                let settings = settings.iter().map(|(key, value)| readable_setting(key, value));
                let parts = [format!("{partitions} partitions")].into_iter().chain(replicas).chain(settings);
                ('+', "create", parts.collect::<Vec<_>>().join(", "))
            }
            Action::AlterConfig { settings, .. } => {
                let text = |setting: &Setting| {
                    let Setting { key, from, to } = setting;
                    let from = from.as_deref().unwrap_or("unknown");
                    let warning =
                        if may_delete_records(setting) { " (may delete older records)" } else { "" };
                    format!("{key} {from} → {to}{warning}")
                };
                ('~', "update", settings.iter().map(text).collect::<Vec<_>>().join(", "))
            }
            Action::AddPartitions { from, to } => ('~', "update", format!("partitions {from} → {to}")),
            Action::Delete { partitions } => {
                ('-', "delete", format!("all records of {partitions} partitions"))
            }
            Action::Refused { change, reason } => ('!', "refused", format!("{change}: {reason}")),
            Action::Unmanaged => ('?', "unmanaged", "not changed".to_owned()),
        };
        write!(f, "{sign} {:<32} {action:<9} {details}", self.topic)
    }
}

/// Maximum number of unmanaged topics that are listed by name; any others are only counted.
const MAX_LISTED_UNMANAGED: usize = 10;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cluster {}", self.cluster)?;
        let mut unmanaged = 0;
        for entry in &self.entries {
            unmanaged += usize::from(entry.action == Action::Unmanaged);
            if entry.action != Action::Unmanaged || unmanaged <= MAX_LISTED_UNMANAGED {
                writeln!(f, "  {entry}")?;
            }
        }
        if unmanaged > MAX_LISTED_UNMANAGED {
            writeln!(f, "  ? … and {} more", unmanaged - MAX_LISTED_UNMANAGED)?;
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
