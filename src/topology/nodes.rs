//! Builds the processors of the topology, each connected to its topics.
//!
//! Each processor is an independent consumer group over named topics and shares only event types with the others. Only this file
//! connects processors and topics.
//! Invariant: the processors are in the order of their descriptors, and each equals its descriptor.
//! Not here: what is known about a processor without building it (`descriptors`), the decisions of a processor (crate `processors`),
//! delivery of records (crate `runtime`), the sink's writes (crate `sinks`).
use super::{
    descriptors::{
        BOX_SCORE_LOADER, ODDS_LOADER, PREDICTOR, ProcessorDescriptor, ROSTER_LOADER, SCHEDULE_LOADER,
    },
    loader::Loader,
    predict::Predict,
};
use processors::{
    feature_builder::{self, FeatureBuilder},
    fixtures::{self, Fixtures},
    games::{self, Games},
    loader::Observation,
    markets::{self, Markets},
    memberships::{self, Memberships},
    name_resolver::{self, NameResolver},
    odds_events::OddsEvents,
    predictor::Predictor,
    slate::{self, Slate},
    team_form::{self, TeamForms},
};
use runtime::engine::{Input, MaterializedViewNode, Output, ProcessorNode, StatelessNode, stream, table};
use schemas::raw::RawEvent;
use topics::{self as t, Topic};

/// Builds all processors, upstream first.
pub fn topology(predictor: Predictor) -> Vec<Box<dyn ProcessorNode>> {
    vec![
        schedule_loader(),
        box_score_loader(),
        roster_loader(),
        odds_loader(),
        name_resolver(),
        memberships(),
        fixtures(),
        games(),
        odds_events(),
        markets(),
        team_form(),
        slate(),
        feature_builder(),
        predictor_node(predictor),
    ]
}

/// Creates a loader: raw events of a topic → observations (what one fetch of one source reported about a game or a list).
fn loader(
    descriptor: &ProcessorDescriptor,
    input: &'static Topic<RawEvent>,
    outputs: Vec<Output<Observation>>,
) -> Box<dyn ProcessorNode> {
    Box::new(StatelessNode::new(descriptor.name, Loader, vec![stream(input, |raw| raw)], outputs))
}
macro_rules! observations {
    ($topic:ident, $variant:ident, |$observation:ident| $key:expr) => {
        Output::stream(&t::$topic, |out| match out {
            Observation::$variant($observation) => Some(($observation, $key)),
            _ => None,
        })
    };
}
fn schedule_loader() -> Box<dyn ProcessorNode> {
    let games = observations!(GAME_OBSERVATIONS, Game, |game| game.game.to_string());
    loader(&SCHEDULE_LOADER, &t::RAW_SCHEDULES, vec![games])
}
fn box_score_loader() -> Box<dyn ProcessorNode> {
    let box_scores =
        observations!(BOX_SCORE_OBSERVATIONS, BoxScore, |score| matchup_key(score.team, score.opponent));
    let final_box_scores =
        observations!(FINAL_BOX_SCORE_OBSERVATIONS, FinalBoxScore, |score| score.game.to_string());
    loader(&BOX_SCORE_LOADER, &t::RAW_BOX_SCORES, vec![box_scores, final_box_scores, names()])
}
fn odds_loader() -> Box<dyn ProcessorNode> {
    let odds = observations!(ODDS_OBSERVATIONS, Odds, |odds| matchup_key(odds.home, odds.away));
    let events = observations!(ODDS_EVENT_OBSERVATIONS, OddsEvent, |event| event.event.clone());
    loader(&ODDS_LOADER, &t::RAW_ODDS, vec![odds, events, names()])
}
fn roster_loader() -> Box<dyn ProcessorNode> {
    let outputs = vec![
        observations!(ROSTER_OBSERVATIONS, Roster, |roster| roster.team.to_string()),
        observations!(INJURY_OBSERVATIONS, Injury, |report| report.matchup.to_string()),
        observations!(IDENTITY_LINKS, Link, |link| link.team.to_string()),
        names(),
    ];
    loader(&ROSTER_LOADER, &t::RAW_ROSTERS, outputs)
}
fn names() -> Output<Observation> {
    observations!(NAME_OBSERVATIONS, Names, |names| names.team.to_string())
}
/// Returns the record key of a game's matchup; empty if both sides are the same team.
fn matchup_key(home: schemas::Team, away: schemas::Team) -> String {
    schemas::Matchup::new(home, away).map_or_else(String::new, |matchup| matchup.to_string())
}

/// Creates the name resolver: name observations, identity links → lookup results of each name, by team.
fn name_resolver() -> Box<dyn ProcessorNode> {
    use name_resolver::In;
    Box::new(MaterializedViewNode::new(
        NameResolver,
        vec![stream(&t::NAME_OBSERVATIONS, In::Names), stream(&t::IDENTITY_LINKS, In::Link)],
        vec![Output::table(&t::NAMES, |row| Some(row))],
        |_, key, _| key.parse().ok(),
    ))
}

/// Creates the processor `memberships`: rosters, name lookup results → memberships by player, and the members of each team.
fn memberships() -> Box<dyn ProcessorNode> {
    use memberships::{In, Out, OutputKey};
    let outputs = vec![
        Output::table(&t::MEMBERSHIPS, |out| if let Out::Membership(row) = out { Some(row) } else { None }),
        Output::table(&t::TEAM_MEMBERS, |out| if let Out::TeamMember(row) = out { Some(row) } else { None }),
    ];
    Box::new(MaterializedViewNode::new(
        Memberships,
        vec![stream(&t::ROSTER_OBSERVATIONS, In::Roster), table(&t::NAMES, In::Names)],
        outputs,
        |topic, key, _| match topic {
            name if name == t::MEMBERSHIPS.info.name => key.parse().ok().map(OutputKey::Membership),
            _ => key.parse().ok().map(OutputKey::TeamMember),
        },
    ))
}

/// Creates the processor `fixtures`: game observations, final box scores of nbacom → teams and dates of each game, by pair of teams.
fn fixtures() -> Box<dyn ProcessorNode> {
    use fixtures::In;
    Box::new(MaterializedViewNode::new(
        Fixtures,
        vec![
            stream(&t::GAME_OBSERVATIONS, In::Game),
            stream(&t::FINAL_BOX_SCORE_OBSERVATIONS, In::FinalBoxScore),
        ],
        vec![Output::table(&t::FIXTURES, |row| Some(row))],
        |_, key, _| key.parse().ok(),
    ))
}

/// Creates the processor `games`: fixtures, box score observations, name lookup results → games, team games, player games.
fn games() -> Box<dyn ProcessorNode> {
    use games::{In, Out, OutputKey};
    let inputs: Vec<Input<In>> = vec![
        table(&t::FIXTURES, In::Fixtures),
        stream(&t::BOX_SCORE_OBSERVATIONS, In::BoxScore),
        table(&t::NAMES, In::Names),
    ];
    let outputs = vec![
        Output::table(&t::GAMES, |out| if let Out::Game(row) = out { Some(row) } else { None }),
        Output::table(&t::TEAM_GAMES, |out| if let Out::TeamGame(row) = out { Some(row) } else { None }),
        Output::table(&t::PLAYER_GAMES, |out| if let Out::PlayerGame(row) = out { Some(row) } else { None }),
    ];
    Box::new(MaterializedViewNode::new(Games, inputs, outputs, |topic, key, _| match topic {
        name if name == t::GAMES.info.name => key.parse().ok().map(OutputKey::Game),
        name if name == t::TEAM_GAMES.info.name => key.parse().ok().map(OutputKey::TeamGame),
        _ => key.parse().ok().map(OutputKey::PlayerGame),
    }))
}

/// Creates the processor `odds-events`: the pair of teams that each fetch states for an event → since when an event has belonged to a pair.
fn odds_events() -> Box<dyn ProcessorNode> {
    Box::new(MaterializedViewNode::new(
        OddsEvents,
        vec![stream(&t::ODDS_EVENT_OBSERVATIONS, |observation| observation)],
        vec![Output::table(&t::ODDS_EVENTS, |row| Some(row))],
        |_, key, _| key.parse().ok(),
    ))
}

/// Creates the processor `markets`: odds, pairs of odds events, injury reports, games, name lookup results → markets, availability, quoted players.
fn markets() -> Box<dyn ProcessorNode> {
    use markets::{In, Out, OutputKey};
    let inputs: Vec<Input<In>> = vec![
        stream(&t::ODDS_OBSERVATIONS, In::Odds),
        table(&t::ODDS_EVENTS, In::Event),
        stream(&t::INJURY_OBSERVATIONS, In::Injury),
        table(&t::GAMES, In::Game),
        table(&t::NAMES, In::Names),
    ];
    let outputs = vec![
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
    Box::new(MaterializedViewNode::new(Markets, inputs, outputs, |topic, key, _| match topic {
        name if name == t::MARKETS.info.name => key.parse().ok().map(OutputKey::Market),
        name if name == t::AVAILABILITY.info.name => key.parse().ok().map(OutputKey::Availability),
        _ => key.parse().ok().map(OutputKey::QuotedPlayers),
    }))
}

/// Creates the processor of team forms: team games, members of the team → the form of each team before each of its games.
fn team_form() -> Box<dyn ProcessorNode> {
    use team_form::In;
    Box::new(MaterializedViewNode::new(
        TeamForms,
        vec![table(&t::TEAM_GAMES, In::TeamGame), table(&t::TEAM_MEMBERS, In::Member)],
        vec![Output::table(&t::TEAM_FORMS, |row| Some(row))],
        |_, key, _| key.parse().ok(),
    ))
}

/// Creates the processor `slate`: games, team forms, quoted players → candidates (players who may appear) of each game.
fn slate() -> Box<dyn ProcessorNode> {
    use slate::In;
    Box::new(MaterializedViewNode::new(
        Slate,
        vec![
            table(&t::GAMES, In::Game),
            table(&t::TEAM_FORMS, In::Form),
            table(&t::QUOTED_PLAYERS, In::QuotedPlayers),
        ],
        vec![Output::table(&t::SLATE_ENTRIES, |row| Some(row))],
        |_, key, _| key.parse().ok(),
    ))
}

/// Creates the feature builder: player games, markets, availability, candidates, memberships → features of each candidate as of tip-off.
fn feature_builder() -> Box<dyn ProcessorNode> {
    use feature_builder::In;
    let inputs: Vec<Input<In>> = vec![
        table(&t::PLAYER_GAMES, In::PlayerGame),
        table(&t::MARKETS, In::Market),
        table(&t::AVAILABILITY, In::Availability),
        table(&t::SLATE_ENTRIES, In::Entry),
        table(&t::MEMBERSHIPS, In::Membership),
    ];
    Box::new(MaterializedViewNode::new(
        FeatureBuilder,
        inputs,
        vec![Output::table(&t::FEATURES, |row| Some(row))],
        |_, key, _| key.parse().ok(),
    ))
}

/// Creates the predictor: features → predictions of every prediction system.
fn predictor_node(predictor: Predictor) -> Box<dyn ProcessorNode> {
    Box::new(StatelessNode::new(
        PREDICTOR.name,
        Predict(predictor),
        vec![table(&t::FEATURES, |id, row| (id, row))],
        vec![Output::table(&t::PREDICTIONS, |row| Some(row))],
    ))
}
