//! The laws of plans, over invented clusters.
use super::*;
use proptest::prelude::*;

/// A cluster that does what it is told, as brokers do.
fn apply(plan: &Plan, mut cluster: Cluster) -> Cluster {
    for Line { topic, action } in plan.steps() {
        let at = cluster.topics.iter().position(|found| found.name == *topic);
        match (action, at) {
            (Action::Create { partitions, replication, settings }, None) => {
                cluster.topics.push(found(topic, *partitions, replication.unwrap_or(1), settings.clone()))
            }
            (Action::Update { own, .. }, Some(at)) => {
                let old = &cluster.topics[at];
                cluster.topics[at] = found(topic, old.partitions, old.replication, own.clone());
            }
            (Action::AddPartitions { to, .. }, Some(at)) => cluster.topics[at].partitions = *to,
            (Action::Delete { .. }, Some(at)) => _ = cluster.topics.remove(at),
            (action, at) => panic!("{action:?} of a topic at {at:?}"),
        }
    }
    cluster
}
/// A topic with these settings of its own over the brokers' defaults.
fn found(name: &str, partitions: i32, replication: i32, own: BTreeMap<String, String>) -> Found {
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
    settings.extend(own.clone());
    Found { name: name.to_owned(), partitions, replication, settings, own }
}

fn wanted() -> Vec<Spec> {
    let tables = crate::ALL.iter().map(|info| Spec::of(info, info.name.starts_with("ml.")));
    tables
        .chain([Spec::changelog("games.changelog", 6), Spec::dead_letters("odds-loader.dlq", 6)])
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
    let own = prop::collection::btree_map(
        setting.clone().prop_map(|(key, _)| key.to_owned()),
        setting.prop_map(|(_, value)| value.to_owned()),
        0..4,
    );
    (1..9i32, 1..4i32, own)
}
fn clusters() -> impl Strategy<Value = Cluster> {
    let mut names: Vec<String> = wanted().into_iter().map(|spec| spec.name).collect();
    names.extend(["tmp.debug".to_owned(), "others.v1".to_owned()]);
    prop::collection::btree_map(prop::sample::select(names), topic(), 0..20).prop_map(|topics| {
        let topics = topics
            .into_iter()
            .map(|(name, (partitions, replication, own))| found(&name, partitions, replication, own));
        Cluster { id: "c".into(), topics: topics.collect() }
    })
}
fn allowed() -> impl Strategy<Value = Allowed> {
    (any::<bool>(), prop::sample::subsequence(vec!["tmp.debug", "others.v1", "core.games.v1"], 0..=3))
        .prop_map(|(key_remap, delete)| Allowed {
            key_remap,
            delete: delete.into_iter().map(str::to_owned).collect(),
        })
}

proptest! {
    #[test]
    fn a_plan_applied_leaves_nothing_but_what_was_refused(cluster in clusters(), allowed in allowed()) {
        let wanted = wanted();
        let plan = Plan::new(&wanted, &cluster, allowed.clone());
        let again = Plan::new(&wanted, &apply(&plan, cluster), allowed);
        prop_assert_eq!(again.steps().count(), 0, "{}", again);
        let refused = |plan: &Plan| -> Vec<Line> {
            plan.lines.iter().filter(|line| matches!(line.action, Action::Refused { .. })).cloned().collect()
        };
        prop_assert_eq!(refused(&plan), refused(&again));
        prop_assert_eq!(plan.is_refused(), !again.is_empty());
    }
    #[test]
    fn an_empty_cluster_is_filled_by_one_plan(others in prop::collection::btree_map("[a-z]{1,5}", topic(), 0..4)) {
        let topics = others.into_iter().map(|(name, (p, r, own))| found(&name, p, r, own)).collect();
        let cluster = Cluster { id: "c".into(), topics };
        let plan = Plan::new(&wanted(), &cluster, Allowed::default());
        prop_assert_eq!(plan.totals().create, wanted().len());
        prop_assert!(Plan::new(&wanted(), &apply(&plan, cluster), Allowed::default()).is_empty());
    }
    #[test]
    fn nothing_shrinks_and_no_key_moves_and_nothing_goes_unasked(cluster in clusters(), allowed in allowed()) {
        let plan = Plan::new(&wanted(), &cluster, allowed.clone());
        let after = apply(&plan, cluster.clone());
        for before in &cluster.topics {
            let spec = wanted().into_iter().find(|spec| spec.name == before.name);
            match after.topics.iter().find(|found| found.name == before.name) {
                None => prop_assert!(spec.is_none() && allowed.delete.contains(&before.name)),
                Some(after) => {
                    prop_assert!(after.partitions >= before.partitions);
                    let may_move = allowed.key_remap || spec.as_ref().is_some_and(|spec| !spec.is_keyed);
                    prop_assert!(after.partitions == before.partitions || may_move);
                    prop_assert_eq!(after.own.get("flush.ms"), before.own.get("flush.ms"), "not ours to unset");
                    prop_assert!(spec.is_some() || before == after);
                }
            }
        }
    }
    #[test]
    fn a_plan_survives_its_file(cluster in clusters(), allowed in allowed()) {
        let plan = Plan::new(&wanted(), &cluster, allowed);
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
        Spec::of(&crate::RAW_BOX_SCORES.info, true),
        Spec::of(&crate::FEATURES.info, true),
        Spec::of(&crate::PREDICTIONS.info, true),
    ];
    let own = |retention: &str| {
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
            found("ml.features.v1", 6, 1, own("604800000")),
            found("ml.predictions.v1", 12, 1, own("2592000000")),
            found("tmp.debug", 1, 1, BTreeMap::new()),
        ],
    };
    let plan = Plan::new(&specs, &cluster, Allowed::default());
    let expected = "cluster abc
  + raw.box-scores.v1                create    6 partitions, delete, max.message 16 MiB, retention.bytes unlimited, retention unlimited
  ~ ml.features.v1                   update    delete.retention.ms 604800000 → 2592000000
  ! ml.predictions.v1                refused   partitions 12 → 6: Kafka cannot shrink a topic (make another with the next version in its name, and replay)
  ? tmp.debug                        unmanaged left alone
Plan: 1 create, 1 update, 0 delete, 1 refused, 1 unmanaged.";
    assert_eq!(plan.to_string(), expected);
}
