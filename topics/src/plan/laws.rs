//! Tests properties that every plan must have, on generated clusters.
//!
//! Invariant: the generated clusters have topics that are in the specifications and topics that are not, both with arbitrary settings.
//! Not here: the specifications themselves (`spec`).
use super::*;
use proptest::prelude::*;

/// Returns the cluster as it is after the brokers have applied a plan.
fn apply(plan: &Plan, mut cluster: Cluster) -> Cluster {
    for PlanEntry { topic, action } in plan.steps() {
        let index = cluster.topics.iter().position(|actual| actual.name == *topic);
        match (action, index) {
            (Action::Create { partitions, replication, settings }, None) => {
                let replication = replication.unwrap_or(1);
                cluster.topics.push(actual_topic(topic, *partitions, replication, settings.clone()))
            }
            (Action::AlterConfig { topic_overrides, .. }, Some(index)) => {
                let ActualTopic { partitions, replication, .. } = cluster.topics[index];
                cluster.topics[index] = actual_topic(topic, partitions, replication, topic_overrides.clone());
            }
            (Action::AddPartitions { to, .. }, Some(index)) => cluster.topics[index].partitions = *to,
            (Action::Delete { .. }, Some(index)) => _ = cluster.topics.remove(index),
            (action, index) => panic!(
                "the step {action:?} is impossible for a topic at index {index:?} (None: it does not exist)"
            ),
        }
    }
    cluster
}
/// Creates a topic for which only these settings are set; its other settings are the brokers' defaults.
fn actual_topic(
    name: &str,
    partitions: i32,
    replication: i32,
    topic_overrides: BTreeMap<String, String>,
) -> ActualTopic {
    let defaults = [
        ("cleanup.policy", "delete"),
        ("retention.ms", "604800000"),
        ("retention.bytes", "-1"),
        ("min.compaction.lag.ms", "0"),
        ("delete.retention.ms", "86400000"),
        ("max.message.bytes", "1048588"),
        ("min.insync.replicas", "1"),
        ("segment.bytes", "1073741824"),
        ("flush.ms", "9223372036854775807"),
    ];
    let mut settings: BTreeMap<String, String> =
        defaults.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    settings.extend(topic_overrides.clone());
    ActualTopic { name: name.to_owned(), partitions, replication, settings, topic_overrides }
}

fn specs() -> Vec<TopicSpec> {
    let topics = crate::ALL.iter().map(|info| TopicSpec::for_topic(info, info.name.starts_with("ml.")));
    topics
        .chain([TopicSpec::changelog("games.changelog", 6), TopicSpec::dead_letters("odds-loader.dlq", 6)])
        .map(|spec| spec.replicated(Some(3)))
        .collect()
}

fn topic() -> impl Strategy<Value = (i32, i32, BTreeMap<String, String>)> {
    let setting = prop::sample::select(vec![
        ("cleanup.policy", "compact"),
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "-1"),
        ("retention.ms", "5"),
        ("flush.ms", "9"),
        ("max.message.bytes", "17825792"),
        ("min.insync.replicas", "2"),
    ]);
    let topic_overrides = prop::collection::btree_map(
        setting.clone().prop_map(|(key, _)| key.to_owned()),
        setting.prop_map(|(_, value)| value.to_owned()),
        0..4,
    );
    (1..9i32, 1..4i32, topic_overrides)
}
fn clusters() -> impl Strategy<Value = Cluster> {
    let mut names: Vec<String> = specs().into_iter().map(|spec| spec.name).collect();
    names.extend(["tmp.debug".to_owned(), "others.v1".to_owned()]);
    prop::collection::btree_map(prop::sample::select(names), topic(), 0..20).prop_map(|topics| {
        let topics = topics.into_iter().map(|(name, (partitions, replication, topic_overrides))| {
            actual_topic(&name, partitions, replication, topic_overrides)
        });
        Cluster { id: "c".into(), topics: topics.collect() }
    })
}
fn overrides() -> impl Strategy<Value = PlanOverrides> {
    (any::<bool>(), prop::sample::subsequence(vec!["tmp.debug", "others.v1", "core.games.v1"], 0..=3))
        .prop_map(|(key_remap, delete)| PlanOverrides {
            key_remap,
            delete: delete.into_iter().map(str::to_owned).collect(),
        })
}

proptest! {
    #[test]
    fn after_a_plan_is_applied_only_refused_changes_remain(cluster in clusters(), overrides in overrides()) {
        let specs = specs();
        let plan = Plan::new(&specs, &cluster, overrides.clone());
        let next_plan = Plan::new(&specs, &apply(&plan, cluster), overrides);
        prop_assert_eq!(next_plan.steps().count(), 0, "{}", next_plan);
        let refused = |plan: &Plan| -> Vec<PlanEntry> {
            plan.entries.iter().filter(|entry| matches!(entry.action, Action::Refused { .. })).cloned().collect()
        };
        prop_assert_eq!(refused(&plan), refused(&next_plan));
        prop_assert_eq!(plan.is_refused(), !next_plan.is_empty());
    }
    #[test]
    fn one_plan_creates_all_topics_on_a_cluster_that_has_none(
        unmanaged in prop::collection::btree_map("[a-z]{1,5}", topic(), 0..4),
    ) {
        let topics = unmanaged.into_iter().map(|(name, (partitions, replication, topic_overrides))| {
            actual_topic(&name, partitions, replication, topic_overrides)
        });
        let cluster = Cluster { id: "c".into(), topics: topics.collect() };
        let plan = Plan::new(&specs(), &cluster, PlanOverrides::default());
        prop_assert_eq!(plan.totals().create, specs().len());
        prop_assert!(Plan::new(&specs(), &apply(&plan, cluster), PlanOverrides::default()).is_empty());
    }
    #[test]
    fn no_topic_shrinks_no_key_moves_and_no_topic_is_deleted_without_permission(
        cluster in clusters(),
        overrides in overrides(),
    ) {
        let plan = Plan::new(&specs(), &cluster, overrides.clone());
        let after = apply(&plan, cluster.clone());
        for before in &cluster.topics {
            let spec = specs().into_iter().find(|spec| spec.name == before.name);
            match after.topics.iter().find(|actual| actual.name == before.name) {
                None => prop_assert!(spec.is_none() && overrides.delete.contains(&before.name)),
                Some(after) => {
                    prop_assert!(after.partitions >= before.partitions);
                    let may_move = overrides.key_remap || spec.as_ref().is_some_and(|spec| !spec.is_keyed);
                    prop_assert!(after.partitions == before.partitions || may_move);
                    let flush_ms = |topic: &ActualTopic| topic.topic_overrides.get("flush.ms").cloned();
                    prop_assert_eq!(flush_ms(after), flush_ms(before), "an unspecified setting must not change");
                    prop_assert!(spec.is_some() || before == after);
                }
            }
        }
    }
    #[test]
    fn a_plan_is_equal_after_it_was_written_to_a_file(cluster in clusters(), overrides in overrides()) {
        let plan = Plan::new(&specs(), &cluster, overrides);
        let file = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(serde_json::from_str::<Plan>(&file).unwrap(), plan);
    }
}

#[test]
fn values_are_compared_as_brokers_interpret_them() {
    assert!(is_equal_setting("cleanup.policy", "compact,delete", "delete, compact"));
    assert!(is_equal_setting("retention.ms", "604800000", "604800000 "));
    assert!(is_equal_setting("min.cleanable.dirty.ratio", "0.5", "0.50"));
    assert!(is_equal_setting("preallocate", "FALSE", "false"));
    assert!(!is_equal_setting("cleanup.policy", "compact,delete", "delete"));
}

#[test]
fn a_plan_is_shown_with_one_line_per_action_and_totals() {
    let specs = [
        TopicSpec::for_topic(&crate::RAW_BOX_SCORES.info, true),
        TopicSpec::for_topic(&crate::FEATURES.info, true),
        TopicSpec::for_topic(&crate::PREDICTIONS.info, true),
    ];
    let topic_overrides = |retention: &str| {
        [
            ("cleanup.policy", "compact"),
            ("min.compaction.lag.ms", "2592000000"),
            ("delete.retention.ms", retention),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    };
    let cluster = Cluster {
        id: "abc".into(),
        topics: vec![
            actual_topic("ml.features.v2", 6, 1, topic_overrides("604800000")),
            actual_topic("ml.predictions.v2", 12, 1, topic_overrides("2592000000")),
            actual_topic("tmp.debug", 1, 1, BTreeMap::new()),
        ],
    };
    let plan = Plan::new(&specs, &cluster, PlanOverrides::default());
    let expected = "cluster abc
  + raw.box-scores.v1                create    6 partitions, delete, max.message 17 MiB, retention.bytes unlimited, retention unlimited
  ~ ml.features.v2                   update    delete.retention.ms 604800000 → 2592000000
  ! ml.predictions.v2                refused   partitions 12 → 6: Kafka cannot remove partitions (create a topic with the next version in its name, and replay)
  ? tmp.debug                        unmanaged not changed
Plan: 1 create, 1 update, 0 delete, 1 refused, 1 unmanaged.";
    assert_eq!(plan.to_string(), expected);
}
