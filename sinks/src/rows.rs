//! Conversion of events to the rows of the tables.
//!
//! Invariant: the rows of a key are computed only from its newest event: no older event adds a row or a value. Cells are canonical, so
//! equal content has equal cells in every warehouse.
//! Not here: source columns, including (epoch, offset); column types and SQL statements of each warehouse (`sqlite`, `bigquery`).
use crate::record::RowKey;
use schemas::{
    GameId, Line, PlayerGameDateId, PlayerMatchupGameId, Team, Timestamp,
    features::{Eligibility, FEATURES, Feature, Features, MissingReason, QualityFlag},
    fixture::Voided,
    game::PlayerGame,
    prediction::{LadderLine, Predicted, Prediction, SystemOutcome, SystemPrediction},
};
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeMap, fmt::Display};

/// Value of a column. [`ColumnType`](crate::tables::ColumnType) defines the form of booleans, dates, timestamps and JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
}
impl Cell<'_> {
    /// Appends an encoding of the cell for hashing, which is unambiguous: two different rows never have the same encoding.
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
    pub fn into_owned(self) -> Cell<'static> {
        match self {
            Cell::Null => Cell::Null,
            Cell::Integer(value) => Cell::Integer(value),
            Cell::Real(value) => Cell::Real(value),
            Cell::Text(text) => Cell::Text(text.into_owned().into()),
        }
    }
}
/// The cells of a row, or of some consecutive columns of a row.
pub type Row<'a> = Vec<Cell<'a>>;

impl From<f64> for Cell<'_> {
    /// Adding zero converts -0.0 to 0.0. SQLite stores only 0.0, so that the stored row would have another hash than the row written.
    fn from(value: f64) -> Self {
        Cell::Real(value + 0.0)
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
fn display(value: impl Display) -> Cell<'static> {
    value.to_string().into()
}
fn hex(version: i64) -> Cell<'static> {
    format!("{version:016x}").into()
}

/// First and last timestamp that a row can have. Every warehouse can store both, and RFC 3339 can express both with any UTC offset in the
/// years 1 to 9999.
const TIMESTAMP_RANGE: (Timestamp, Timestamp) =
    (Timestamp(-62_135_596_800_000), Timestamp(253_402_207_200_000));
/// Converts a timestamp to RFC 3339 text. `Timestamp::DISTANT_PAST` and `DISTANT_FUTURE` become the ends of the storable range, since
/// BigQuery's TIMESTAMP has no infinity.
pub(crate) fn timestamp(at: Timestamp) -> Cell<'static> {
    let (first, last) = TIMESTAMP_RANGE;
    display(at.clamp(first, last))
}
/// Converts JSON text to canonical form: without whitespace, with sorted object keys. BigQuery keeps neither whitespace nor key order.
///
/// # Errors
/// The parser's message if the text is not JSON.
pub(crate) fn canonical_json(text: &str) -> Result<Cell<'static>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(json(value))
}
fn list<T: Clone + Into<Value>>(items: &[T]) -> Cell<'static> {
    if items.is_empty() { "[]".into() } else { json(items) }
}
/// Converts a value to JSON text. Its object keys are sorted, because a map of `serde_json` is sorted by key.
fn json(value: impl Into<Value>) -> Cell<'static> {
    value.into().to_string().into()
}

/// Returns the cells of the first columns of every table: player, game, and date or pair of teams.
pub fn key(key: RowKey) -> Row<'static> {
    vec![Cell::Integer(key.player.0.into()), display(key.game), display(key.part)]
}

/// Returns the cells of season and tip-off.
fn fixture(game: GameId, tip_off: Timestamp) -> [Cell<'static>; 2] {
    [display(game.season()), timestamp(tip_off)]
}
/// Returns the cells of `voided`, `voided_at` and `void_reason`.
fn voided(voided: Option<Voided>) -> [Cell<'static>; 3] {
    [
        i32::from(voided.is_some()).into(),
        voided.map(|voided| timestamp(voided.at)).unwrap_or(Cell::Null),
        voided.map(|voided| voided.reason.name()).into(),
    ]
}
/// Returns the cells of team, opponent and `is_home`; all are NULL for a candidate on neither team.
fn side(team: Option<Team>, home: Team, away: Team) -> [Cell<'static>; 3] {
    let Some(team) = team else { return [Cell::Null, Cell::Null, Cell::Null] };
    let opponent = if team == home { away } else { home };
    [team.code().into(), opponent.code().into(), i32::from(team == home).into()]
}

/// The rows of one prediction event: a row of the slate, and the rows of each system that predicted.
pub struct PredictionRows<'a> {
    pub slate: Row<'a>,
    /// Columns that are equal in all prediction rows of the event.
    pub shared: Row<'a>,
    /// For each system, the columns that are equal in all of its rows, and the remaining columns of each row. A system has one row per
    /// predicted line.
    pub systems: Vec<(Row<'a>, Vec<Row<'a>>)>,
}

/// Converts a prediction event to rows.
///
/// # Errors
/// The candidate is eligible, but no system has a prediction or a skip reason.
pub fn prediction(event: &Prediction) -> Result<PredictionRows<'_>, String> {
    let id = PlayerGameDateId { player: event.player, game: event.game, date: event.date };
    let fixture = fixture(event.game, event.tip_off);
    let side = side(event.team, event.home, event.away);
    let line_source: Cell = event.line_source.map(|source| source.name()).into();
    let (input, model, known_at) =
        (hex(event.input_version), hex(event.model_version), timestamp(event.known_at));

    let mut slate = key(id.into());
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
        list(&event.omitted_line_offsets),
        system_statuses(&event.systems),
        input.clone(),
        model.clone(),
    ]);
    slate.extend(voided(event.voided));

    let mut shared = key(id.into());
    shared.push(event.name.as_str().into());
    shared.extend(fixture);
    shared.extend(side);
    shared.extend([event.basis.name().into(), known_at, line_source, input, model]);
    shared.extend(voided(event.voided));

    let system_rows = |prediction: &SystemPrediction| match &prediction.outcome {
        SystemOutcome::Predicted(predicted) => Some(system_rows(prediction.system.name(), predicted)),
        SystemOutcome::Skipped(_) => None,
    };
    Ok(PredictionRows { slate, shared, systems: event.systems.iter().filter_map(system_rows).collect() })
}

fn system_rows(system: &'static str, predicted: &Predicted) -> (Row<'static>, Vec<Row<'static>>) {
    let Predicted { points, stddev_points, confidence, line_ladder, missing_adjustments } = predicted;
    let shared = vec![
        system.into(),
        (*points).into(),
        (*stddev_points).into(),
        (*confidence).into(),
        list(missing_adjustments),
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

/// Returns `predicted` if a system predicted; else the reason why the candidate is not eligible or, if it is eligible, the first skip
/// reason of a system.
fn status(event: &Prediction) -> Result<&'static str, String> {
    if event.eligibility != Eligibility::Eligible {
        return Ok(event.eligibility.name());
    }
    let mut first =
        Err("the candidate is eligible, but no system has a prediction or a skip reason".to_owned());
    for prediction in &event.systems {
        match &prediction.outcome {
            SystemOutcome::Predicted(_) => return Ok(Eligibility::Eligible.name()),
            SystemOutcome::Skipped(reason) => first = first.or(Ok(reason.name())),
        }
    }
    first
}

/// Returns a JSON object that maps each system to `predicted` or its skip reason.
fn system_statuses(predictions: &[SystemPrediction]) -> Cell<'static> {
    let status = |outcome: &SystemOutcome| match outcome {
        SystemOutcome::Predicted(_) => Eligibility::Eligible.name(),
        SystemOutcome::Skipped(reason) => reason.name(),
    };
    let entries =
        predictions.iter().map(|prediction| (prediction.system.name(), status(&prediction.outcome)));
    object(entries.collect())
}
/// Returns a JSON object whose keys and values are names, in which no character may need an escape. The map sorts the keys.
fn object(entries: BTreeMap<&str, &str>) -> Cell<'static> {
    let mut json = String::from("{");
    for (key, value) in entries {
        let comma = if json.len() > 1 { "," } else { "" };
        for part in [comma, "\"", key, "\":\"", value, "\""] {
            json.push_str(part);
        }
    }
    json.push('}');
    json.into()
}

fn quality_flags(quality_flags: &[QualityFlag]) -> Cell<'static> {
    let name = |quality_flag: &QualityFlag| match quality_flag {
        QualityFlag::AgeUnknown => "age_unknown",
        QualityFlag::TipEstimated => "tip_estimated",
    };
    list(&quality_flags.iter().map(name).collect::<Vec<_>>())
}

/// Converts a feature vector to a row.
pub fn features(event: &Features) -> Row<'_> {
    let id = PlayerGameDateId { player: event.player, game: event.game, date: event.date };
    let mut row = key(id.into());
    row.push(event.name.as_str().into());
    row.extend(fixture(event.game, event.tip_off));
    row.extend(side(event.team, event.home, event.away));
    let eligibility = match event.eligibility {
        Eligibility::Eligible => "eligible",
        reason => reason.name(),
    };
    let missing = FEATURES.iter().zip(&event.vector).filter_map(|(name, feature)| match feature {
        Feature::Missing(reason) => Some((*name, missing_reason(*reason))),
        Feature::Value(_) => None,
    });
    row.extend([
        event.basis.name().into(),
        timestamp(event.known_at),
        eligibility.into(),
        event.appearances.into(),
        event.rest_days.into(),
        event.main_line.into(),
        quality_flags(&event.quality_flags),
        object(missing.collect()),
    ]);
    row.extend(voided(event.voided));
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
        MissingReason::NoCareerAppearances => "no_career_appearances",
        MissingReason::NoEarlierSeason => "no_earlier_season",
        MissingReason::NoTeamAppearances => "no_team_appearances",
    }
}

/// Converts the newest revision (version of the content) of a player's game to a row; `None` if it states that the player did not play.
///
/// # Errors
/// The event has no revision.
pub fn player_game(event: &PlayerGame) -> Result<Option<Row<'_>>, String> {
    let last = event.revisions.last().ok_or("the event of a player's game has no revision")?;
    let Some(line) = &last.stats else { return Ok(None) };
    let (player, game, matchup) = (event.player, event.game, event.matchup);
    let mut row = key(PlayerMatchupGameId { player, game, matchup }.into());
    row.extend([
        display(event.game.season()),
        display(last.date),
        last.name.as_str().into(),
        last.team.code().into(),
        last.opponent.code().into(),
        i32::from(last.is_home).into(),
        timestamp(last.tip_off),
        display(last.feed),
        timestamp(last.known_at),
        display(last.raw),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_canonical_whatever_its_order_and_spacing() {
        let canonical = canonical_json(r#" {"b": "x", "a": [1, 2]} "#);
        assert_eq!(canonical, Ok(Cell::from(r#"{"a":[1,2],"b":"x"}"#)));
        assert_eq!(object(BTreeMap::from([("b", "x"), ("a", "y")])), Cell::from(r#"{"a":"y","b":"x"}"#));
        assert!(canonical_json("[1,").is_err());
    }
    #[test]
    fn negative_zero_has_the_encoding_of_zero() {
        let encoded = |cell: Cell| {
            let mut bytes = Vec::new();
            cell.encode(&mut bytes);
            bytes
        };
        assert_eq!(encoded(Cell::from(-0.0)), encoded(Cell::from(0.0)));
        assert_eq!(encoded(Cell::from(Some(-0.0))), encoded(Cell::from(0.0)));
    }
    #[test]
    fn timestamps_without_a_year_of_four_digits_become_the_ends_of_the_range() {
        assert_eq!(timestamp(Timestamp::DISTANT_PAST), Cell::from("0001-01-01T00:00:00Z"));
        assert_eq!(timestamp(Timestamp::DISTANT_FUTURE), Cell::from("9999-12-30T22:00:00Z"));
        assert_eq!(timestamp(Timestamp(1_698_795_000_120)), Cell::from("2023-10-31T23:30:00.12Z"));
    }
}
