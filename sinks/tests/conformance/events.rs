//! Functions that return complete events for tests and benchmarks; different arguments give different events.
//!
//! Invariant: equal arguments give equal events.
//! Not here: realistic statistics; the numbers are valid, but not plausible.
use schemas::{
    EasternDate, GameId, Line, Matchup, PlayerGameDateId, PlayerId, PlayerMatchupGameId, PlayingTime, RawId,
    Team,
    features::{Basis, Eligibility, FEATURES, Feature, Features, MissingReason, QualityFlag},
    game::{PlayerGame, PlayerGameRevision},
    observation::BoxScoreStats,
    prediction::{
        LadderLine, LineSource, Predicted, Prediction, Recommendation, System, SystemOutcome,
        SystemPrediction, SystemSkip,
    },
    raw::Feed,
};

pub fn id(player: u32, game: u32) -> PlayerGameDateId {
    let game = GameId(22_300_000 + game);
    PlayerGameDateId { player: PlayerId(200_000 + player), game, date: date_of(game) }
}
/// Returns the only date of a game.
pub fn date_of(game: GameId) -> EasternDate {
    EasternDate::from_ymd(2023, 10, 24).unwrap().plus_days((game.0 % 100_000 / 8) as i32)
}
/// Returns the key of the player's row in `player_games`.
pub fn played(id: PlayerGameDateId) -> PlayerMatchupGameId {
    let matchup = Matchup::new(Team::BOS, Team::NYK).unwrap();
    PlayerMatchupGameId { player: id.player, game: id.game, matchup }
}

/// Returns a candidate with predictions of four systems for this base line.
pub fn prediction(id: PlayerGameDateId, base: Line) -> Prediction {
    let ladder_line = |line_offset: i32| LadderLine {
        line_offset,
        line: Line(base.0 + 100 * line_offset),
        p_over: 0.5 - 0.04 * f64::from(line_offset),
        p_push: if base.0 % 100 == 0 { 0.05 } else { 0.0 },
        recommendation: if line_offset < 0 { Recommendation::OVER } else { Recommendation::PASS },
    };
    let predicted = |n: usize| Predicted {
        points: base.points() + 0.7 * n as f64,
        stddev_points: 6.25,
        confidence: 0.61,
        line_ladder: (-2..=2).map(ladder_line).collect(),
        missing_adjustments: if n == 1 {
            vec!["usage_spike_score".into(), "pct_paint".into()]
        } else {
            vec![]
        },
    };
    let outcome = |system| match system {
        System::LearnedV1 => SystemOutcome::Skipped(SystemSkip::ModelAbsent),
        system => SystemOutcome::Predicted(predicted(system as usize)),
    };
    let tip_off = id.date.at(19, 30);
    Prediction {
        player: id.player,
        game: id.game,
        name: format!("Player Number {}", id.player),
        home: Team::BOS,
        away: Team::NYK,
        team: Some(if id.player.0.is_multiple_of(2) { Team::BOS } else { Team::NYK }),
        date: id.date,
        tip_off,
        basis: Basis::Issued,
        known_at: tip_off.plus_hours(-6),
        eligibility: Eligibility::Eligible,
        appearances: 12,
        input_version: i64::from(base.0) * 7_919 + i64::from(id.player.0),
        model_version: -3,
        base_line: Some(base),
        line_source: Some(LineSource::Market),
        omitted_line_offsets: vec![],
        quality_flags: vec![QualityFlag::AgeUnknown],
        systems: System::ALL.map(|system| SystemPrediction { system, outcome: outcome(system) }).into(),
        voided: None,
    }
}

/// Returns the candidate of [`prediction`], but ruled out and without predictions.
pub fn ruled_out(id: PlayerGameDateId) -> Prediction {
    Prediction { eligibility: Eligibility::RuledOut, systems: vec![], ..prediction(id, Line(2450)) }
}

pub fn features(id: PlayerGameDateId, variant: u32) -> Features {
    let feature = |i: usize| match i {
        18..=21 => Feature::Missing(MissingReason::NoShotZones),
        i => Feature::Value(f64::from(variant) + i as f64 / 3.0),
    };
    let Prediction { player, game, name, home, away, team, date, tip_off, basis, known_at, .. } =
        prediction(id, Line(2450));
    Features {
        player,
        game,
        name,
        home,
        away,
        team,
        date,
        tip_off,
        basis,
        known_at,
        eligibility: Eligibility::Eligible,
        appearances: 12,
        vector: (0..FEATURES.len()).map(feature).collect(),
        rest_days: Some(1),
        main_line: Some(Line(2450)),
        quality_flags: vec![],
        comparables: vec![],
        voided: None,
    }
}

/// Returns a player's game with these points; `None`: the player did not play.
pub fn player_game(id: PlayerGameDateId, points: Option<i32>) -> PlayerGame {
    let line = BoxScoreStats {
        playing_time: PlayingTime(1_874),
        points: points.unwrap_or(0),
        ..BoxScoreStats::default()
    };
    let revision = PlayerGameRevision {
        known_at: id.date.at(23, 0),
        raw: RawId(0x0123_4567_89ab_cdef),
        feed: Feed::NbacomLeaguegamelog,
        name: format!("Player Number {}", id.player),
        team: Team::BOS,
        opponent: Team::NYK,
        is_home: true,
        date: id.date,
        tip_off: id.date.at(19, 30),
        stats: points.map(|_| line),
    };
    let PlayerMatchupGameId { player, game, matchup } = played(id);
    PlayerGame { player, game, matchup, revisions: vec![revision], revisions_in_retrospect: None }
}
