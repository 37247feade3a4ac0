//! The laws of plans, over invented clusters.
use super::*;
use proptest::prelude::*;

/// A cluster that does what it is told, as brokers do.
fn apply(plan: &Plan, mut cluster: Cluster) -> Cluster {
    for PlanEntry { topic, action } in plan.steps() {
        let at = cluster.topics.iter().position(|actual| actual.name == *topic);
        match (action, at) {
            (Action::Create { partitions, replication, settings }, None) => {
                cluster.topics.push(actual(topic, *partitions, replication.unwrap_or(1), settings.clone()))
            }
            (Action::AlterConfig { topic_overrides, .. }, Some(at)) => {
                let old = &cluster.topics[at];
                cluster.topics[at] = actual(topic, old.partitions, old.replication, topic_overrides.clone());
            }
            (Action::AddPartitions { to, .. }, Some(at)) => cluster.topics[at].partitions = *to,
            (Action::Delete { .. }, Some(at)) => _ = cluster.topics.remove(at),
            (action, at) => panic!("{action:?} of a topic at {at:?}"),
        }
    }
    cluster
}
/// A topic with these settings of its own over the brokers' defaults.
fn actual(
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

fn wanted() -> Vec<TopicSpec> {
    let tables = crate::ALL.iter().map(|info| TopicSpec::for_topic(info, info.name.starts_with("ml.")));
    tables
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
        ("max.message.bytes", "16777216"),
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
    let mut names: Vec<String> = wanted().into_iter().map(|spec| spec.name).collect();
    names.extend(["tmp.debug".to_owned(), "others.v1".to_owned()]);
    prop::collection::btree_map(prop::sample::select(names), topic(), 0..20).prop_map(|topics| {
        let topics = topics.into_iter().map(|(name, (partitions, replication, topic_overrides))| {
            actual(&name, partitions, replication, topic_overrides)
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
    fn a_plan_applied_leaves_nothing_but_what_was_refused(cluster in clusters(), overrides in overrides()) {
        let wanted = wanted();
        let plan = Plan::new(&wanted, &cluster, overrides.clone());
        let again = Plan::new(&wanted, &apply(&plan, cluster), overrides);
        prop_assert_eq!(again.steps().count(), 0, "{}", again);
        let refused = |plan: &Plan| -> Vec<PlanEntry> {
            plan.entries.iter().filter(|entry| matches!(entry.action, Action::Refused { .. })).cloned().collect()
        };
        prop_assert_eq!(refused(&plan), refused(&again));
        prop_assert_eq!(plan.is_refused(), !again.is_empty());
    }
    #[test]
    fn an_empty_cluster_is_filled_by_one_plan(others in prop::collection::btree_map("[a-z]{1,5}", topic(), 0..4)) {
        let topics = others.into_iter().map(|(name, (p, r, topic_overrides))| actual(&name, p, r, topic_overrides)).collect();
        let cluster = Cluster { id: "c".into(), topics };
        let plan = Plan::new(&wanted(), &cluster, PlanOverrides::default());
        prop_assert_eq!(plan.totals().create, wanted().len());
        prop_assert!(Plan::new(&wanted(), &apply(&plan, cluster), PlanOverrides::default()).is_empty());
    }
    #[test]
    fn nothing_shrinks_and_no_key_moves_and_nothing_goes_unasked(cluster in clusters(), overrides in overrides()) {
        let plan = Plan::new(&wanted(), &cluster, overrides.clone());
        let after = apply(&plan, cluster.clone());
        for before in &cluster.topics {
            let spec = wanted().into_iter().find(|spec| spec.name == before.name);
            match after.topics.iter().find(|actual| actual.name == before.name) {
                None => prop_assert!(spec.is_none() && overrides.delete.contains(&before.name)),
                Some(after) => {
                    prop_assert!(after.partitions >= before.partitions);
                    let may_move = overrides.key_remap || spec.as_ref().is_some_and(|spec| !spec.is_keyed);
                    prop_assert!(after.partitions == before.partitions || may_move);
                    prop_assert_eq!(after.topic_overrides.get("flush.ms"), before.topic_overrides.get("flush.ms"), "not ours to unset");
                    prop_assert!(spec.is_some() || before == after);
                }
            }
        }
    }
    #[test]
    fn a_plan_survives_its_file(cluster in clusters(), overrides in overrides()) {
        let plan = Plan::new(&wanted(), &cluster, overrides);
        let file = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(serde_json::from_str::<Plan>(&file).unwrap(), plan);
    }
}

#[test]
fn values_compare_as_brokers_mean_them() {
    assert!(is_same("cleanup.policy", "compact,delete", "delete, compact"));
    assert!(is_same("retention.ms", "604800000", "604800000 "));
    assert!(is_same("min.cleanable.dirty.ratio", "0.5", "0.50"));
    assert!(is_same("preallocate", "FALSE", "false"));
    assert!(!is_same("cleanup.policy", "compact,delete", "delete"));
}

#[test]
fn a_plan_reads_as_a_page() {
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
            actual("ml.features.v1", 6, 1, topic_overrides("604800000")),
            actual("ml.predictions.v1", 12, 1, topic_overrides("2592000000")),
            actual("tmp.debug", 1, 1, BTreeMap::new()),
        ],
    };
    let plan = Plan::new(&specs, &cluster, PlanOverrides::default());
    let expected = "cluster abc
  + raw.box-scores.v1                create    6 partitions, delete, max.message 16 MiB, retention.bytes unlimited, retention unlimited
  ~ ml.features.v1                   update    delete.retention.ms 604800000 → 2592000000
  ! ml.predictions.v1                refused   partitions 12 → 6: Kafka cannot shrink a topic (make another with the next version in its name, and replay)
  ? tmp.debug                        unmanaged left alone
Plan: 1 create, 1 update, 0 delete, 1 refused, 1 unmanaged.";
    assert_eq!(plan.to_string(), expected);
}
