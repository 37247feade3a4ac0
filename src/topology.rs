//! The topology: topics → processors → topics, in the order in which data flows. Read this file first.
//!
//! Each processor is an independent consumer group over named topics and knows nothing of its neighbours but the event types.
//! This is the only place that knows both processors and topics.
//! Invariant: every topic that is read is written by somebody upstream, and processors are listed after those they read from.
//! Not here: what a processor decides (`processors`), how records reach it (`runtime`), the sink's writing (`sink`).
mod stateless;
pub mod topic_specs;

use crate::topology::stateless::{Loader, Predict};
use processors::{
    feature_builder::{self, FeatureBuilder},
    games::{self, Games},
    loader::Observation,
    markets::{self, Markets},
    name_resolver::{self, NameResolver},
    predictor::Predictor,
    slate::{self, Slate},
    team_form::{self, TeamForms},
};
use runtime::engine::{Input, MaterializedViewNode, Output, ProcessorNode, StatelessNode, stream, table};
use schemas::{MatchupGameId, PlayerGameId, TeamFormId, TeamGameId, raw::RawEvent};
use topics::{self as t, Topic, TopicInfo};

/// The name of the windowed sink, which reads [`sink_inputs`].
pub const SINK: &str = "windowed-sink";

/// All processors, upstream first.
pub fn topology(predictor: Predictor) -> Vec<Box<dyn ProcessorNode>> {
    vec![
        schedule_loader(),
        box_score_loader(),
        roster_loader(),
        odds_loader(),
        name_resolver(),
        games(),
        markets(),
        team_form(),
        slate(),
        feature_builder(),
        Box::new(StatelessNode::new(
            "predictor",
            Predict(predictor),
            vec![table(&t::FEATURES, |id, row| (id, row))],
            vec![Output::table(&t::PREDICTIONS, |row| Some(row))],
        )),
    ]
}

/// What the windowed sink writes to the warehouse.
pub fn sink_inputs() -> Vec<TopicInfo> {
    vec![t::PLAYER_GAMES.info, t::FEATURES.info, t::PREDICTIONS.info]
}

/// Raw payloads → what each source said.
fn loader(
    name: &'static str,
    from: &'static Topic<RawEvent>,
    to: Vec<Output<Observation>>,
) -> Box<dyn ProcessorNode> {
    Box::new(StatelessNode::new(name, Loader, vec![stream(from, |raw| raw)], to))
}
macro_rules! observations {
    ($topic:ident, $variant:ident, |$s:ident| $key:expr) => {
        Output::stream(&t::$topic, |out| match out {
            Observation::$variant($s) => Some(($s, $key)),
            _ => None,
        })
    };
}
fn schedule_loader() -> Box<dyn ProcessorNode> {
    let games = observations!(GAME_OBSERVATIONS, Game, |s| pair(s.fixture.home, s.fixture.away));
    loader("schedule-loader", &t::RAW_SCHEDULES, vec![games])
}
fn box_score_loader() -> Box<dyn ProcessorNode> {
    let boxes = observations!(BOX_SCORE_OBSERVATIONS, BoxScore, |s| pair(s.team, s.opponent));
    loader("box-score-loader", &t::RAW_BOX_SCORES, vec![boxes, names()])
}
fn odds_loader() -> Box<dyn ProcessorNode> {
    let odds = observations!(ODDS_OBSERVATIONS, Odds, |s| pair(s.home, s.away));
    loader("odds-loader", &t::RAW_ODDS, vec![odds, names()])
}
fn roster_loader() -> Box<dyn ProcessorNode> {
    let to = vec![
        observations!(ROSTER_OBSERVATIONS, Roster, |s| s.team.to_string()),
        observations!(INJURY_OBSERVATIONS, Injury, |s| s.matchup.to_string()),
        observations!(IDENTITY_LINKS, Link, |s| s.team.to_string()),
        names(),
    ];
    loader("roster-loader", &t::RAW_ROSTERS, to)
}
fn names() -> Output<Observation> {
    observations!(NAME_OBSERVATIONS, Names, |s| s.team.to_string())
}
fn pair(a: schemas::Team, b: schemas::Team) -> String {
    schemas::Matchup::new(a, b).map_or_else(String::new, |matchup| matchup.to_string())
}

/// Names asked → whom each team knows by them.
fn name_resolver() -> Box<dyn ProcessorNode> {
    use name_resolver::In;
    Box::new(MaterializedViewNode::new(
        NameResolver,
        vec![stream(&t::NAME_OBSERVATIONS, In::Names), stream(&t::IDENTITY_LINKS, In::Link)],
        vec![Output::table(&t::NAMES, |row| Some(row))],
        |_, key, _| key.parse().ok(),
    ))
}

/// Fixtures, results, box scores, answers → games, team games, player games.
fn games() -> Box<dyn ProcessorNode> {
    use games::{In, Out, OutputKey};
    let reads: Vec<Input<In>> = vec![
        stream(&t::GAME_OBSERVATIONS, In::Game),
        stream(&t::BOX_SCORE_OBSERVATIONS, In::BoxScore),
        table(&t::NAMES, In::Names),
    ];
    let writes = vec![
        Output::table(&t::GAMES, |out| if let Out::Game(row) = out { Some(row) } else { None }),
        Output::table(&t::TEAM_GAMES, |out| if let Out::TeamGame(row) = out { Some(row) } else { None }),
        Output::table(&t::PLAYER_GAMES, |out| if let Out::PlayerGame(row) = out { Some(row) } else { None }),
    ];
    Box::new(MaterializedViewNode::new(Games, reads, writes, |topic, key, matchup| match topic {
        name if name == t::GAMES.info.name => key.parse::<MatchupGameId>().ok().map(OutputKey::Game),
        name if name == t::TEAM_GAMES.info.name => {
            key.parse::<TeamGameId>().ok().map(|id| OutputKey::TeamGame(id, *matchup))
        }
        _ => key.parse::<PlayerGameId>().ok().map(|id| OutputKey::PlayerGame(id, *matchup)),
    }))
}

/// Quotes, reports, games, answers → markets, availability, who is quoted.
fn markets() -> Box<dyn ProcessorNode> {
    use markets::{In, Out, OutputKey};
    let reads: Vec<Input<In>> = vec![
        stream(&t::ODDS_OBSERVATIONS, In::Odds),
        stream(&t::INJURY_OBSERVATIONS, In::Injury),
        table(&t::GAMES, In::Game),
        table(&t::NAMES, In::Names),
    ];
    let writes = vec![
        Output::table(&t::MARKETS, |out| if let Out::Market(row) = out { Some(row) } else { None }),
        Output::table(
            &t::AVAILABILITY,
            |out| if let Out::Availability(row) = out { Some(row) } else { None },
        ),
        Output::table(
            &t::QUOTED_PLAYERS,
            |out| if let Out::QuotedPlayers(row) = out { Some(row) } else { None },
        ),
    ];
    Box::new(MaterializedViewNode::new(Markets, reads, writes, |topic, key, matchup| match topic {
        name if name == t::MARKETS.info.name => key.parse().ok().map(|id| OutputKey::Market(id, *matchup)),
        name if name == t::AVAILABILITY.info.name => {
            key.parse().ok().map(|id| OutputKey::Availability(id, *matchup))
        }
        _ => key.parse().ok().map(OutputKey::QuotedPlayers),
    }))
}

/// Team games, rosters, answers → how each team comes into its open games.
fn team_form() -> Box<dyn ProcessorNode> {
    use team_form::{In, OutputKey};
    Box::new(MaterializedViewNode::new(
        TeamForms,
        vec![
            table(&t::TEAM_GAMES, In::TeamGame),
            stream(&t::ROSTER_OBSERVATIONS, In::Roster),
            table(&t::NAMES, In::Names),
        ],
        vec![Output::table(&t::TEAM_FORMS, |row| Some(row))],
        |_, key, team| {
            key.parse::<TeamFormId>().ok().map(|id| OutputKey::Form { team: *team, game: id.game })
        },
    ))
}

/// Games, both forms, who is quoted → the candidates.
fn slate() -> Box<dyn ProcessorNode> {
    use slate::{In, OutputKey};
    Box::new(MaterializedViewNode::new(
        Slate,
        vec![
            table(&t::GAMES, In::Game),
            table(&t::TEAM_FORMS, In::Form),
            table(&t::QUOTED_PLAYERS, In::QuotedPlayers),
        ],
        vec![Output::table(&t::SLATE_ENTRIES, |row| Some(row))],
        |_, key, matchup| key.parse().ok().map(|id| OutputKey { id, matchup: *matchup }),
    ))
}

/// Player games, markets, availability, candidates → what was true and known at tip-off.
fn feature_builder() -> Box<dyn ProcessorNode> {
    use feature_builder::In;
    let reads: Vec<Input<In>> = vec![
        table(&t::PLAYER_GAMES, In::PlayerGame),
        table(&t::MARKETS, In::Market),
        table(&t::AVAILABILITY, In::Availability),
        table(&t::SLATE_ENTRIES, In::Entry),
    ];
    Box::new(MaterializedViewNode::new(
        FeatureBuilder,
        reads,
        vec![Output::table(&t::FEATURES, |row| Some(row))],
        |_, key, _| key.parse().ok(),
    ))
}

/// A name that no processor has.
#[derive(Debug, thiserror::Error)]
#[error("there is no processor '{name}'\nnext: name one of {}", known.join(", "))]
pub struct UnknownProcessor {
    name: String,
    known: Vec<String>,
}
impl UnknownProcessor {
    pub fn new(name: &str, known: &[impl ToString]) -> UnknownProcessor {
        UnknownProcessor { name: name.to_owned(), known: known.iter().map(ToString::to_string).collect() }
    }
}
