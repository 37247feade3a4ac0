//! The topology: topics → processors → topics, in the order in which data flows. Read this file first.
//!
//! Each processor is an independent consumer group over named topics and knows nothing of its neighbours but the event types.
//! This is the only place that knows both processors and topics.
//! Invariant: every topic that is read is written by somebody upstream, and processors are listed after those they read from.
//! Not here: what a processor decides (`processors`), how records reach it (`runtime`), the sink's writing (`sink`).
use crate::maps::{Loader, Predict};
use processors::{
    feature_builder::{self, FeatureBuilder},
    games::{self, Games},
    loader::Sighting,
    markets::{self, Markets},
    name_resolver::{self, NameResolver},
    predictor::Predictor,
    slate::{self, Slate},
    team_form::{self, TeamForms},
};
use runtime::engine::{Input, MapNode, Node, Output, ViewNode, rows, stream};
use schemas::{MatchupGameId, PlayerGameId, TeamFormId, TeamGameId, raw::RawEvent};
use topics::{self as t, Topic, TopicInfo};

/// The name of the windowed sink, which reads [`sink_inputs`].
pub const SINK: &str = "windowed-sink";

/// All processors, upstream first.
pub fn topology(predictor: Predictor) -> Vec<Box<dyn Node>> {
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
        Box::new(MapNode::new(
            "predictor",
            Predict(predictor),
            vec![rows(&t::FEATURES, |id, row| (id, row))],
            vec![Output::rows(&t::PREDICTIONS, |row| Some(row))],
        )),
    ]
}

/// What the windowed sink writes to the warehouse.
pub fn sink_inputs() -> Vec<TopicInfo> {
    vec![t::PLAYER_GAMES.info, t::FEATURES.info, t::PREDICTIONS.info]
}

/// Raw payloads → what each source said.
fn loader(name: &'static str, from: &'static Topic<RawEvent>, to: Vec<Output<Sighting>>) -> Box<dyn Node> {
    Box::new(MapNode::new(name, Loader, vec![stream(from, |raw| raw)], to))
}
macro_rules! sightings {
    ($topic:ident, $variant:ident, |$s:ident| $key:expr) => {
        Output::stream(&t::$topic, |out| match out {
            Sighting::$variant($s) => Some(($s, $key)),
            _ => None,
        })
    };
}
fn schedule_loader() -> Box<dyn Node> {
    let games = sightings!(GAME_SIGHTINGS, Game, |s| pair(s.fixture.home, s.fixture.away));
    loader("schedule-loader", &t::RAW_SCHEDULES, vec![games])
}
fn box_score_loader() -> Box<dyn Node> {
    let boxes = sightings!(BOX_SCORE_SIGHTINGS, BoxScore, |s| pair(s.team, s.opponent));
    loader("box-score-loader", &t::RAW_BOX_SCORES, vec![boxes, names()])
}
fn odds_loader() -> Box<dyn Node> {
    let odds = sightings!(ODDS_SIGHTINGS, Odds, |s| pair(s.home, s.away));
    loader("odds-loader", &t::RAW_ODDS, vec![odds, names()])
}
fn roster_loader() -> Box<dyn Node> {
    let to = vec![
        sightings!(ROSTER_SIGHTINGS, Roster, |s| s.team.to_string()),
        sightings!(INJURY_SIGHTINGS, Injury, |s| s.matchup.to_string()),
        sightings!(IDENTITY_LINKS, Link, |s| s.team.to_string()),
        names(),
    ];
    loader("roster-loader", &t::RAW_ROSTERS, to)
}
fn names() -> Output<Sighting> {
    sightings!(NAME_SIGHTINGS, Names, |s| s.team.to_string())
}
fn pair(a: schemas::Team, b: schemas::Team) -> String {
    schemas::Matchup::new(a, b).map_or_else(String::new, |matchup| matchup.to_string())
}

/// Names asked → whom each team knows by them.
fn name_resolver() -> Box<dyn Node> {
    use name_resolver::In;
    Box::new(ViewNode::new(
        NameResolver,
        vec![stream(&t::NAME_SIGHTINGS, In::Names), stream(&t::IDENTITY_LINKS, In::Link)],
        vec![Output::rows(&t::NAMES, |row| Some(row))],
        |_, key, _| key.parse().ok(),
    ))
}

/// Fixtures, results, box scores, answers → games, team games, player games.
fn games() -> Box<dyn Node> {
    use games::{In, Out, Slot};
    let reads: Vec<Input<In>> = vec![
        stream(&t::GAME_SIGHTINGS, In::Game),
        stream(&t::BOX_SCORE_SIGHTINGS, In::BoxScore),
        rows(&t::NAMES, In::Names),
    ];
    let writes = vec![
        Output::rows(&t::GAMES, |out| if let Out::Game(row) = out { Some(row) } else { None }),
        Output::rows(&t::TEAM_GAMES, |out| if let Out::TeamGame(row) = out { Some(row) } else { None }),
        Output::rows(&t::PLAYER_GAMES, |out| if let Out::PlayerGame(row) = out { Some(row) } else { None }),
    ];
    Box::new(ViewNode::new(Games, reads, writes, |topic, key, matchup| match topic {
        name if name == t::GAMES.info.name => key.parse::<MatchupGameId>().ok().map(Slot::Game),
        name if name == t::TEAM_GAMES.info.name => {
            key.parse::<TeamGameId>().ok().map(|id| Slot::TeamGame(id, *matchup))
        }
        _ => key.parse::<PlayerGameId>().ok().map(|id| Slot::PlayerGame(id, *matchup)),
    }))
}

/// Quotes, reports, games, answers → markets, availability, who is quoted.
fn markets() -> Box<dyn Node> {
    use markets::{In, Out, Slot};
    let reads: Vec<Input<In>> = vec![
        stream(&t::ODDS_SIGHTINGS, In::Odds),
        stream(&t::INJURY_SIGHTINGS, In::Injury),
        rows(&t::GAMES, In::Game),
        rows(&t::NAMES, In::Names),
    ];
    let writes = vec![
        Output::rows(&t::MARKETS, |out| if let Out::Market(row) = out { Some(row) } else { None }),
        Output::rows(&t::AVAILABILITY, |out| if let Out::Availability(row) = out { Some(row) } else { None }),
        Output::rows(&t::QUOTED, |out| if let Out::Quoted(row) = out { Some(row) } else { None }),
    ];
    Box::new(ViewNode::new(Markets, reads, writes, |topic, key, matchup| match topic {
        name if name == t::MARKETS.info.name => key.parse().ok().map(|id| Slot::Market(id, *matchup)),
        name if name == t::AVAILABILITY.info.name => {
            key.parse().ok().map(|id| Slot::Availability(id, *matchup))
        }
        _ => key.parse().ok().map(Slot::Quoted),
    }))
}

/// Team games, rosters, answers → how each team comes into its open games.
fn team_form() -> Box<dyn Node> {
    use team_form::{In, Slot};
    Box::new(ViewNode::new(
        TeamForms,
        vec![
            rows(&t::TEAM_GAMES, In::TeamGame),
            stream(&t::ROSTER_SIGHTINGS, In::Roster),
            rows(&t::NAMES, In::Names),
        ],
        vec![Output::rows(&t::TEAM_FORMS, |row| Some(row))],
        |_, key, team| key.parse::<TeamFormId>().ok().map(|id| Slot::Form { team: *team, game: id.game }),
    ))
}

/// Games, both forms, who is quoted → the candidates.
fn slate() -> Box<dyn Node> {
    use slate::{In, Slot};
    Box::new(ViewNode::new(
        Slate,
        vec![rows(&t::GAMES, In::Game), rows(&t::TEAM_FORMS, In::Form), rows(&t::QUOTED, In::Quoted)],
        vec![Output::rows(&t::SLATE_ENTRIES, |row| Some(row))],
        |_, key, matchup| key.parse().ok().map(|id| Slot { id, matchup: *matchup }),
    ))
}

/// Player games, markets, availability, candidates → what was true and known at tip-off.
fn feature_builder() -> Box<dyn Node> {
    use feature_builder::In;
    let reads: Vec<Input<In>> = vec![
        rows(&t::PLAYER_GAMES, In::PlayerGame),
        rows(&t::MARKETS, In::Market),
        rows(&t::AVAILABILITY, In::Availability),
        rows(&t::SLATE_ENTRIES, In::Entry),
    ];
    Box::new(ViewNode::new(
        FeatureBuilder,
        reads,
        vec![Output::rows(&t::FEATURES, |row| Some(row))],
        |_, key, _| key.parse().ok(),
    ))
}

/// A name that no processor has.
#[derive(Debug, thiserror::Error)]
#[error("there is no processor '{name}'\nnext: name one of {}", there.join(", "))]
pub struct Unknown {
    name: String,
    there: Vec<String>,
}
impl Unknown {
    pub fn new(name: &str, there: &[impl ToString]) -> Unknown {
        Unknown { name: name.to_owned(), there: there.iter().map(ToString::to_string).collect() }
    }
}
