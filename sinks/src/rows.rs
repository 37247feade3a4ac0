//! The rows that an event stands for.
//!
//! Invariant: an event of a player's game says everything about its rows: rows that it does not make do not exist. A row says
//! nothing that its event does not say.
//! Not here: sequences and stamps; types and statements of a warehouse.
use schemas::{
    EasternDate, GameId, Line, PlayerGameId, Team, Timestamp,
    features::{Eligibility, FEATURES, Feature, Features, MissingReason, QualityFlag},
    game::PlayerGame,
    prediction::{LadderLine, Predicted, Prediction, SystemOutcome, SystemPrediction},
};
use std::{borrow::Cow, fmt::Display};

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
}
impl Cell<'_> {
    /// Appends a form that no other row of cells shares.
    pub fn encode(&self, to: &mut Vec<u8>) {
        match self {
            Cell::Null => to.push(0),
            Cell::Integer(value) => {
                to.push(1);
                to.extend_from_slice(&value.to_le_bytes());
            }
            Cell::Real(value) => {
                to.push(2);
                to.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            Cell::Text(text) => {
                to.push(3);
                to.extend_from_slice(&(text.len() as u32).to_le_bytes());
                to.extend_from_slice(text.as_bytes());
            }
        }
    }
}
impl Cell<'_> {
    /// The same, on its own.
    pub fn into_owned(self) -> Cell<'static> {
        match self {
            Cell::Null => Cell::Null,
            Cell::Integer(value) => Cell::Integer(value),
            Cell::Real(value) => Cell::Real(value),
            Cell::Text(text) => Cell::Text(text.into_owned().into()),
        }
    }
}
/// A row, or a part of one.
pub type Row<'a> = Vec<Cell<'a>>;

impl From<f64> for Cell<'_> {
    fn from(value: f64) -> Self {
        Cell::Real(value)
    }
}
impl From<i32> for Cell<'_> {
    fn from(value: i32) -> Self {
        Cell::Integer(value.into())
    }
}
impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Cell::Text(text.into())
    }
}
impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Cell::Text(text.into())
    }
}
impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}
impl From<Line> for Cell<'_> {
    fn from(line: Line) -> Self {
        Cell::Real(line.points())
    }
}
fn shown(value: impl Display) -> Cell<'static> {
    value.to_string().into()
}
fn hex(version: i64) -> Cell<'static> {
    format!("{version:016x}").into()
}
fn list<T>(items: &[T], text: impl Fn(&T) -> Cow<'_, str>) -> Cell<'static> {
    match items {
        [] => "[]".into(),
        _ => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(",")).into(),
    }
}
fn json_string(text: &str) -> Cow<'_, str> {
    serde_json::Value::from(text).to_string().into()
}

/// The key of a row, the first columns of its table.
pub fn key(id: PlayerGameId) -> Row<'static> {
    vec![Cell::Integer(id.player.0.into()), shown(id.game)]
}

/// When: date, season, tip-off.
fn fixture(date: EasternDate, game: GameId, tip_off: Timestamp) -> [Cell<'static>; 3] {
    [shown(date), shown(game.season()), shown(tip_off)]
}
/// Who plays whom: team, opponent, whether at home; nothing for a candidate of neither side.
fn side(team: Option<Team>, home: Team, away: Team) -> [Cell<'static>; 3] {
    let Some(team) = team else { return [Cell::Null, Cell::Null, Cell::Null] };
    let opponent = if team == home { away } else { home };
    [team.code().into(), opponent.code().into(), i32::from(team == home).into()]
}

/// The rows of a prediction: one of the slate, and those of each system that predicted.
pub struct PredictionRows<'a> {
    pub slate: Row<'a>,
    /// The columns that all rows of predictions share.
    pub shared: Row<'a>,
    /// Per system the columns that its rows share, and the others of each ladder line.
    pub systems: Vec<(Row<'a>, Vec<Row<'a>>)>,
}

/// Fails for what no prediction may be: eligible, and no system says anything.
pub fn prediction(event: &Prediction) -> Result<PredictionRows<'_>, String> {
    let id = PlayerGameId { player: event.player, game: event.game };
    let fixture = fixture(event.date, event.game, event.tip_off);
    let side = side(event.team, event.home, event.away);
    let line_source: Cell = event.line_source.map(|source| source.name()).into();
    let (input, model, known_at) =
        (hex(event.input_version), hex(event.model_version), shown(event.known_at));

    let mut slate = key(id);
    slate.extend([
        status(event)?.into(),
        event.basis.name().into(),
        known_at.clone(),
        event.name.as_str().into(),
    ]);
    slate.extend(fixture.clone());
    slate.extend(side.clone());
    slate.extend([
        event.base_line.into(),
        line_source.clone(),
        event.appearances.into(),
        quality_flags(&event.quality_flags),
        list(&event.omitted_line_offsets, |line_offset| line_offset.to_string().into()),
        systems(&event.systems),
        input.clone(),
        model.clone(),
    ]);

    let mut shared = key(id);
    shared.push(event.name.as_str().into());
    shared.extend(fixture);
    shared.extend(side);
    shared.extend([event.basis.name().into(), known_at, line_source, input, model]);

    let of_system = |prediction: &SystemPrediction| match &prediction.outcome {
        SystemOutcome::Predicted(predicted) => Some(system(prediction.system.name(), predicted)),
        SystemOutcome::Skipped(_) => None,
    };
    Ok(PredictionRows { slate, shared, systems: event.systems.iter().filter_map(of_system).collect() })
}

fn system(name: &'static str, predicted: &Predicted) -> (Row<'static>, Vec<Row<'static>>) {
    let Predicted { points, stddev_points, confidence, line_ladder, missing_adjustments } = predicted;
    let missing_adjustments = list(missing_adjustments, |feature| json_string(feature));
    let shared = vec![
        name.into(),
        (*points).into(),
        (*stddev_points).into(),
        (*confidence).into(),
        missing_adjustments,
    ];
    let ladder_line = |line: &LadderLine| {
        vec![
            line.line_offset.into(),
            line.line.into(),
            line.p_over.into(),
            line.p_push.into(),
            line.recommendation.name().into(),
        ]
    };
    (shared, line_ladder.iter().map(ladder_line).collect())
}

/// The terminal state: predicted when one system did, else the first reason.
fn status(event: &Prediction) -> Result<&'static str, String> {
    if event.eligibility != Eligibility::Eligible {
        return Ok(event.eligibility.name());
    }
    let mut first = Err("eligible, but no system predicts or says why not".to_owned());
    for prediction in &event.systems {
        match &prediction.outcome {
            SystemOutcome::Predicted(_) => return Ok(Eligibility::Eligible.name()),
            SystemOutcome::Skipped(reason) => first = first.or(Ok(reason.name())),
        }
    }
    first
}

fn systems(predictions: &[SystemPrediction]) -> Cell<'static> {
    let mut json = String::from("{");
    for SystemPrediction { system, outcome } in predictions {
        let outcome = match outcome {
            SystemOutcome::Predicted(_) => Eligibility::Eligible.name(),
            SystemOutcome::Skipped(reason) => reason.name(),
        };
        entry(&mut json, system.name(), outcome);
    }
    json.push('}');
    json.into()
}
/// Adds an entry to an object of names, which need no escapes.
fn entry(json: &mut String, key: &str, value: &str) {
    let comma = if json.len() > 1 { "," } else { "" };
    for part in [comma, "\"", key, "\":\"", value, "\""] {
        json.push_str(part);
    }
}

fn quality_flags(quality_flags: &[QualityFlag]) -> Cell<'static> {
    list(quality_flags, |quality_flag| {
        json_string(match quality_flag {
            QualityFlag::AgeUnknown => "age_unknown",
            QualityFlag::TipEstimated => "tip_estimated",
        })
    })
}

/// The row of a feature vector.
pub fn features(event: &Features) -> Row<'_> {
    let mut row = key(PlayerGameId { player: event.player, game: event.game });
    row.push(event.name.as_str().into());
    row.extend(fixture(event.date, event.game, event.tip_off));
    row.extend(side(event.team, event.home, event.away));
    let eligibility = match event.eligibility {
        Eligibility::Eligible => "eligible",
        reason => reason.name(),
    };
    let mut missing = String::from("{");
    for (name, feature) in FEATURES.iter().zip(&event.vector) {
        if let Feature::Missing(reason) = feature {
            entry(&mut missing, name, missing_reason(*reason));
        }
    }
    missing.push('}');
    row.extend([
        event.basis.name().into(),
        shown(event.known_at),
        eligibility.into(),
        event.appearances.into(),
        event.rest_days.into(),
        event.main_line.into(),
        quality_flags(&event.quality_flags),
        missing.into(),
    ]);
    row.extend(
        (0..FEATURES.len()).map(|i| Cell::from(event.vector.get(i).and_then(|feature| feature.value()))),
    );
    row
}

const fn missing_reason(reason: MissingReason) -> &'static str {
    match reason {
        MissingReason::NoAppearances => "no_appearances",
        MissingReason::TooFewAppearances => "too_few_appearances",
        MissingReason::NothingToDivideBy => "nothing_to_divide_by",
        MissingReason::NoTeamGames => "no_team_games",
        MissingReason::NoMarket => "no_market",
        MissingReason::NoReport => "no_report",
        MissingReason::NoShotZones => "no_shot_zones",
        MissingReason::NoProjection => "no_projection",
        MissingReason::NeverMet => "never_met",
    }
}

/// The row of a player's game as last heard; `None` when he is said not to have played after all.
pub fn player_game(event: &PlayerGame) -> Result<Option<Row<'_>>, String> {
    let last = event.revisions.last().ok_or("a player's game without a revision")?;
    let Some(line) = &last.stats else { return Ok(None) };
    let mut row = key(PlayerGameId { player: event.player, game: event.game });
    row.extend([
        shown(event.game.season()),
        shown(last.date),
        last.name.as_str().into(),
        last.team.code().into(),
        last.opponent.code().into(),
        i32::from(last.is_home).into(),
        shown(last.tip_off),
        shown(last.feed),
        shown(last.known_at),
        shown(last.raw),
        line.playing_time.minutes().into(),
    ]);
    let counts = [
        line.points,
        line.field_goals_made,
        line.field_goals_attempted,
        line.threes_made,
        line.threes_attempted,
        line.free_throws_made,
        line.free_throws_attempted,
        line.offensive_rebounds,
        line.defensive_rebounds,
        line.assists,
        line.steals,
        line.blocks,
        line.turnovers,
        line.fouls,
    ];
    row.extend(counts.into_iter().map(Cell::from));
    row.push(line.plus_minus.into());
    Ok(Some(row))
}
