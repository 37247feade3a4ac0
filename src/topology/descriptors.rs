//! The descriptors of all processors: what is known about a processor without building it.
//!
//! Invariant: every input topic is a raw topic or the output of an upstream processor, and a processor is listed after all its upstream
//! processors. A processor that is built (`nodes`) equals its descriptor.
//! Not here: the functions that connect processors and topics (`nodes`), the specs of the topics (`topic_specs`).
use crate::ingest;
use processors::{
    feature_builder::FeatureBuilder, fixtures::Fixtures, games::Games, loader, markets::Markets,
    materialized_view::MaterializedView, memberships::Memberships, name_resolver::NameResolver,
    odds_events::OddsEvents, slate::Slate, team_form::TeamForms,
};
use runtime::{engine::ProcessorKind, subscription::Subscription};
use topics::{self as t, TopicInfo};

/// Name, kind, version and topics of a processor or of the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessorDescriptor {
    pub name: &'static str,
    pub kind: ProcessorKind,
    pub version: ProcessorVersion,
    pub inputs: &'static [TopicInfo],
    pub outputs: &'static [TopicInfo],
}

/// The version in the name of a processor's consumer group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessorVersion {
    /// The group has the name of the processor, without a version: a materialized view or the sink.
    None,
    /// The version of the processor's code.
    Code(i64),
    /// The version of the predictor, which also depends on the configured model artifact.
    Predictor,
}

impl ProcessorDescriptor {
    /// Returns the name of the consumer group; `None` if it contains the version of the predictor, and `predictor_version` is `None`.
    pub fn group(&self, predictor_version: Option<i64>) -> Option<String> {
        Some(match self.version {
            ProcessorVersion::None => self.name.to_owned(),
            ProcessorVersion::Code(version) => versioned_group(self.name, version),
            ProcessorVersion::Predictor => versioned_group(self.name, predictor_version?),
        })
    }
    /// Returns the subscription of this processor in the complete topology.
    pub fn subscription(&self, group: String) -> Subscription {
        Subscription {
            name: self.name,
            group,
            kind: self.kind,
            inputs: self.inputs.to_vec(),
            outputs: self.outputs.to_vec(),
            upstream: self.upstream(),
        }
    }
    /// Returns the names of all processors whose output reaches the inputs of this processor, directly or indirectly, upstream first.
    fn upstream(&self) -> Vec<&'static str> {
        let mut needed: Vec<&str> = self.inputs.iter().map(|input| input.name).collect();
        let mut upstream = Vec::new();
        // A processor is listed after all its upstream processors, so one pass from the last to the first finds all of them.
        for writer in PROCESSORS.iter().rev() {
            if writer.outputs.iter().any(|output| needed.contains(&output.name)) {
                upstream.push(writer.name);
                needed.extend(writer.inputs.iter().map(|input| input.name));
            }
        }
        upstream.reverse();
        upstream
    }
    /// Returns the largest partition count of the inputs.
    pub fn max_partitions(&self) -> i32 {
        self.inputs.iter().map(|input| input.partitions).max().unwrap_or(1)
    }
}

/// Returns the name of the consumer group of a stateless processor of this version.
pub fn versioned_group(processor: &str, version: i64) -> String {
    format!("{processor}@{version:x}")
}

const fn loader(
    name: &'static str,
    input: &'static [TopicInfo; 1],
    outputs: &'static [TopicInfo],
) -> ProcessorDescriptor {
    let version = ProcessorVersion::Code(loader::VERSION as i64);
    ProcessorDescriptor { name, kind: ProcessorKind::Stateless, version, inputs: input, outputs }
}
const fn view<V: MaterializedView>(
    inputs: &'static [TopicInfo],
    outputs: &'static [TopicInfo],
) -> ProcessorDescriptor {
    let (kind, version) = (ProcessorKind::MaterializedView, ProcessorVersion::None);
    ProcessorDescriptor { name: V::NAME, kind, version, inputs, outputs }
}

pub(super) const SCHEDULE_LOADER: ProcessorDescriptor =
    loader("schedule-loader", &[t::RAW_SCHEDULES.info], &[t::GAME_OBSERVATIONS.info]);
pub(super) const BOX_SCORE_LOADER: ProcessorDescriptor = loader(
    "box-score-loader",
    &[t::RAW_BOX_SCORES.info],
    &[t::BOX_SCORE_OBSERVATIONS.info, t::FINAL_BOX_SCORE_OBSERVATIONS.info, t::NAME_OBSERVATIONS.info],
);
pub(super) const ROSTER_LOADER: ProcessorDescriptor = loader(
    "roster-loader",
    &[t::RAW_ROSTERS.info],
    &[
        t::ROSTER_OBSERVATIONS.info,
        t::INJURY_OBSERVATIONS.info,
        t::IDENTITY_LINKS.info,
        t::NAME_OBSERVATIONS.info,
    ],
);
pub(super) const ODDS_LOADER: ProcessorDescriptor = loader(
    "odds-loader",
    &[t::RAW_ODDS.info],
    &[t::ODDS_OBSERVATIONS.info, t::ODDS_EVENT_OBSERVATIONS.info, t::NAME_OBSERVATIONS.info],
);
pub(super) const PREDICTOR: ProcessorDescriptor = ProcessorDescriptor {
    name: "predictor",
    kind: ProcessorKind::Stateless,
    version: ProcessorVersion::Predictor,
    inputs: &[t::FEATURES.info],
    outputs: &[t::PREDICTIONS.info],
};

/// All processors, upstream first.
pub static PROCESSORS: [ProcessorDescriptor; 14] = [
    SCHEDULE_LOADER,
    BOX_SCORE_LOADER,
    ROSTER_LOADER,
    ODDS_LOADER,
    view::<NameResolver>(&[t::NAME_OBSERVATIONS.info, t::IDENTITY_LINKS.info], &[t::NAMES.info]),
    view::<Memberships>(
        &[t::ROSTER_OBSERVATIONS.info, t::NAMES.info],
        &[t::MEMBERSHIPS.info, t::TEAM_MEMBERS.info],
    ),
    view::<Fixtures>(&[t::GAME_OBSERVATIONS.info, t::FINAL_BOX_SCORE_OBSERVATIONS.info], &[t::FIXTURES.info]),
    view::<Games>(
        &[t::FIXTURES.info, t::BOX_SCORE_OBSERVATIONS.info, t::NAMES.info],
        &[t::GAMES.info, t::TEAM_GAMES.info, t::PLAYER_GAMES.info],
    ),
    view::<OddsEvents>(&[t::ODDS_EVENT_OBSERVATIONS.info], &[t::ODDS_EVENTS.info]),
    view::<Markets>(
        &[
            t::ODDS_OBSERVATIONS.info,
            t::ODDS_EVENTS.info,
            t::INJURY_OBSERVATIONS.info,
            t::GAMES.info,
            t::NAMES.info,
        ],
        &[t::MARKETS.info, t::AVAILABILITY.info, t::QUOTED_PLAYERS.info],
    ),
    view::<TeamForms>(&[t::TEAM_GAMES.info, t::TEAM_MEMBERS.info], &[t::TEAM_FORMS.info]),
    view::<Slate>(&[t::GAMES.info, t::TEAM_FORMS.info, t::QUOTED_PLAYERS.info], &[t::SLATE_ENTRIES.info]),
    view::<FeatureBuilder>(
        &[
            t::PLAYER_GAMES.info,
            t::MARKETS.info,
            t::AVAILABILITY.info,
            t::SLATE_ENTRIES.info,
            t::MEMBERSHIPS.info,
        ],
        &[t::FEATURES.info],
    ),
    PREDICTOR,
];

/// The sink, which writes the rows of its input topics to the warehouse. Its output topic has its batch plans.
pub static SINK: ProcessorDescriptor = ProcessorDescriptor {
    name: sinks::SINK,
    kind: ProcessorKind::Sink,
    version: ProcessorVersion::None,
    inputs: &sinks::subscription::INPUTS,
    outputs: &sinks::subscription::OUTPUTS,
};

/// Returns the descriptors of all processors, upstream first, and of the sink.
pub fn descriptors() -> impl Iterator<Item = &'static ProcessorDescriptor> + Clone {
    PROCESSORS.iter().chain([&SINK])
}

/// Returns the subscriptions of all processors, upstream first, and of the sink. If `predictor_version` is `None`, the subscription of the
/// predictor is left out, because the name of its group is not known.
pub fn subscriptions(predictor_version: Option<i64>) -> Vec<Subscription> {
    let subscription = |descriptor: &ProcessorDescriptor| {
        descriptor.group(predictor_version).map(|group| descriptor.subscription(group))
    };
    descriptors().filter_map(subscription).collect()
}

/// Returns the names of ingest, of all processors and of the sink: each has a dead-letter topic.
pub fn dlq_owners() -> Vec<&'static str> {
    [ingest::INGEST].into_iter().chain(descriptors().map(|descriptor| descriptor.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::nodes::topology;
    use processors::predictor::Predictor;

    #[test]
    fn every_processor_that_is_built_equals_its_descriptor() {
        let predictor = Predictor::new(None);
        let version = Some(predictor.version());
        let nodes = topology(predictor);
        assert_eq!(nodes.len(), PROCESSORS.len());
        for (node, descriptor) in nodes.iter().zip(&PROCESSORS) {
            assert_eq!((node.name(), node.kind()), (descriptor.name, descriptor.kind));
            assert_eq!(node.inputs(), descriptor.inputs, "{}", node.name());
            assert_eq!(node.outputs(), descriptor.outputs, "{}", node.name());
            assert_eq!(Some(node.group()), descriptor.group(version));
        }
    }
    #[test]
    fn the_subscriptions_equal_those_of_the_processors_that_are_built() {
        let predictor = Predictor::new(None);
        let actual = subscriptions(Some(predictor.version()));
        let mut expected = Subscription::from_nodes(&topology(predictor));
        expected.push(sinks::subscription::subscription(&expected));
        assert_eq!(actual.len(), expected.len());
        for (actual, mut expected) in actual.into_iter().zip(expected) {
            let position = |name: &&str| PROCESSORS.iter().position(|processor| processor.name == *name);
            expected.upstream.sort_by_key(position);
            assert_eq!(format!("{actual:?}"), format!("{expected:?}"));
        }
    }
    #[test]
    fn without_the_version_of_the_predictor_only_its_subscription_is_left_out() {
        let names: Vec<&str> = subscriptions(None).iter().map(|subscription| subscription.name).collect();
        let expected = descriptors().map(|descriptor| descriptor.name).filter(|name| *name != "predictor");
        assert_eq!(names, expected.collect::<Vec<_>>());
    }
}
