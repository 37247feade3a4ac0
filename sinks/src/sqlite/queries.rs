//! Read queries: slate and coverage of a day, and candidates for grading. They use the SQL views, as any other reader does.
//!
//! Invariant: the file is opened read-only and may be written concurrently; each query reads the state at one point in time.
//! Not here: printing results; grades (`grading`).
use super::{ddl, error};
use crate::{
    grading::{Bet, Candidate, Forecast, Outcome},
    tables::Table,
    warehouse::WarehouseError,
};
use read_only_sqlite::ChangeCheck;
use rusqlite::{Connection, Row, types::Type};
use schemas::{
    EasternDate, Season,
    features::Basis,
    prediction::{LineSource, Recommendation, System},
};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path, time::Duration};

/// A warehouse opened for reading.
pub struct WarehouseQueries {
    pub(super) db: Connection,
    pub(super) change_check: ChangeCheck,
}

/// A candidate of the queried day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlayerSlate {
    pub player_id: u32,
    pub game_id: String,
    pub player_name: String,
    pub tip_off: String,
    pub team: Option<String>,
    pub opponent: Option<String>,
    pub is_home: Option<bool>,
    /// `predicted`, or the reason why there is no prediction.
    pub status: String,
    pub basis: String,
    pub base_line: Option<f64>,
    pub line_source: Option<String>,
    /// The reason why the row is void; `None` if it is not.
    pub void_reason: Option<String>,
    /// Predictions of the systems that predicted, in display order.
    pub systems: Vec<SystemLine>,
}
/// Prediction of one system for a candidate. `p_over` and `recommendation` are `None` if the base line is omitted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SystemLine {
    pub system: &'static str,
    pub predicted_points: f64,
    pub p_over: Option<f64>,
    pub recommendation: Option<&'static str>,
}

/// Number of candidates of a day by status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Number of candidates per status; those whose row is void have the status `void`.
    pub statuses: BTreeMap<String, u64>,
    /// Number of players with playing time who were not candidates.
    pub not_a_candidate: u64,
}

/// The games to read: all games, those of one season, or those of a range of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    All,
    Season(Season),
    /// First and last day, both included.
    Dates(EasternDate, EasternDate),
}

impl WarehouseQueries {
    /// Opens the warehouse file read-only.
    ///
    /// # Errors
    /// The file does not exist, cannot be opened, or has tables of another version.
    pub fn open(path: &Path) -> Result<WarehouseQueries, WarehouseError> {
        let (db, change_check) = open_read_only(path)?;
        Ok(WarehouseQueries { db, change_check })
    }

    /// Returns the candidates of a day, ordered by tip-off, game, team and name.
    pub fn slate(&self, date: EasternDate) -> Result<Vec<PlayerSlate>, WarehouseError> {
        let tx = self.db.unchecked_transaction()?;
        let mut statement = tx.prepare(
            "SELECT player_id, game_id, player_name, tip_off, team, opponent, is_home, status, basis, base_line, line_source,
                    void_reason
             FROM player_slate WHERE game_date = ?1
             ORDER BY tip_off, game_id, team, player_name, player_id",
        )?;
        let mut predicted = Predicted::new(&tx)?;
        let date = date.to_string();
        let rows = statement.query_map([&date], |row| {
            Ok(PlayerSlate {
                player_id: row.get(0)?,
                game_id: row.get(1)?,
                player_name: row.get(2)?,
                tip_off: row.get(3)?,
                team: row.get(4)?,
                opponent: row.get(5)?,
                is_home: row.get(6)?,
                status: row.get(7)?,
                basis: row.get(8)?,
                base_line: row.get(9)?,
                line_source: row.get(10)?,
                void_reason: row.get(11)?,
                systems: Vec::new(),
            })
        })?;
        let mut slate = Vec::new();
        for row in rows {
            let mut row = row?;
            row.systems = predicted
                .read(&row.game_id, row.player_id, &date)?
                .into_iter()
                .map(SystemLine::from)
                .collect();
            slate.push(row);
        }
        self.change_check.ensure_unchanged()?;
        Ok(slate)
    }

    /// Counts the candidates of a day by status.
    pub fn coverage(&self, date: EasternDate) -> Result<Coverage, WarehouseError> {
        let tx = self.db.unchecked_transaction()?;
        let date = date.to_string();
        let mut statement =
            tx.prepare("SELECT CASE WHEN voided THEN 'void' ELSE status END, count(*) FROM player_slate WHERE game_date = ?1 GROUP BY 1")?;
        let statuses = statement.query_map([&date], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
        let not_a_candidate: i64 = tx.query_row(
            "SELECT count(*) FROM player_games AS g WHERE game_date = ?1 AND minutes > 0
             AND NOT EXISTS (SELECT 1 FROM player_slate AS s WHERE s.game_id = g.game_id
                             AND s.player_id = g.player_id AND s.game_date = g.game_date)",
            [&date],
            |row| row.get(0),
        )?;
        let statuses = statuses.collect::<Result<_, _>>()?;
        self.change_check.ensure_unchanged()?;
        Ok(Coverage { statuses, not_a_candidate: not_a_candidate as u64 })
    }

    /// Calls `each` with the date and the record key of every row of a table. The record key is the text of the key of the record from which
    /// the row was made.
    pub fn row_keys(&self, table: &Table, mut each: impl FnMut(&str, &str)) -> Result<(), WarehouseError> {
        let has_matchup = table.key.contains(&"matchup");
        let part = if has_matchup { "matchup" } else { "game_date" };
        let sql =
            format!("SELECT game_date, player_id || '/' || game_id || '/' || {part} FROM {}", table.name);
        let mut statement = self.db.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(row.get_ref(0)?.as_str().unwrap_or_default(), &row.get::<_, String>(1)?);
        }
        Ok(self.change_check.ensure_unchanged()?)
    }
    /// Returns the first and last date of the predicted candidates; `None` if there are none.
    pub fn predicted_dates(&self) -> Result<Option<(String, String)>, WarehouseError> {
        let sql = "SELECT min(game_date), max(game_date) FROM player_slate WHERE status = 'predicted'";
        let dates = self.db.query_row(sql, [], |row| {
            Ok(row.get::<_, Option<String>>(0)?.zip(row.get::<_, Option<String>>(1)?))
        })?;
        self.change_check.ensure_unchanged()?;
        Ok(dates)
    }

    /// Calls `each` with every predicted candidate of these games and its outcome, ordered by game and player.
    pub fn candidates(&self, span: Span, mut each: impl FnMut(&Candidate)) -> Result<(), WarehouseError> {
        let tx = self.db.unchecked_transaction()?;
        let (filter, bounds) = match span {
            Span::All => ("?1 = ?2", ["".to_owned(), "".to_owned()]),
            Span::Season(season) => {
                ("s.season = ?1 AND s.season = ?2", [season.to_string(), season.to_string()])
            }
            Span::Dates(from, to) => ("s.game_date BETWEEN ?1 AND ?2", [from.to_string(), to.to_string()]),
        };
        let mut statement = tx.prepare(&format!(
            "SELECT s.game_id, s.player_id, s.basis, s.line_source, s.appearances, g.minutes, g.points,
                    EXISTS (SELECT 1 FROM player_games AS played
                            WHERE played.game_id = s.game_id AND played.game_date = s.game_date
                              AND played.minutes > 0),
                    s.voided, s.game_date
             FROM player_slate AS s LEFT JOIN player_games AS g
               ON g.game_id = s.game_id AND g.player_id = s.player_id AND g.game_date = s.game_date
             WHERE s.status = 'predicted' AND {filter}
             ORDER BY s.game_id, s.player_id, s.game_date"
        ))?;
        let mut predicted = Predicted::new(&tx)?;
        let mut rows = statement.query(bounds)?;
        while let Some(row) = rows.next()? {
            let minutes: Option<f64> = row.get(5)?;
            let was_played = minutes.is_some_and(|minutes| minutes > 0.0);
            let outcome = match (row.get(8)?, was_played, row.get(7)?) {
                (true, _, _) => Outcome::Void,
                (false, true, _) => Outcome::Played { points: row.get::<_, i64>(6)? as f64 },
                (false, false, true) => Outcome::Absent,
                (false, false, false) => Outcome::Pending,
            };
            let game: String = row.get(0)?;
            each(&Candidate {
                basis: named(row, 2, &[Basis::Issued, Basis::Retrospective], Basis::name)?,
                line_source: match row.get_ref(3)?.data_type() {
                    Type::Null => None,
                    _ => Some(named(row, 3, &[LineSource::Market, LineSource::Estimate], LineSource::name)?),
                },
                appearances: row.get(4)?,
                outcome,
                forecasts: predicted.read(&game, row.get(1)?, &row.get::<_, String>(9)?)?,
            });
        }
        Ok(self.change_check.ensure_unchanged()?)
    }
}

/// Opens the warehouse file read-only and checks the version of its tables.
pub(super) fn open_read_only(path: &Path) -> Result<(Connection, ChangeCheck), WarehouseError> {
    let (db, change_check) = connect_read_only(path)?;
    ddl::check(&db)?;
    Ok((db, change_check))
}
/// Opens the file of an existing warehouse for reading, whatever the version of its tables.
pub(super) fn connect_read_only(path: &Path) -> Result<(Connection, ChangeCheck), WarehouseError> {
    if !path.exists() {
        return Err(WarehouseError::Config {
            what: format!("there is no warehouse at {}", path.display()),
            next: "check --data, which specifies the folder; `fastbreak run` creates the warehouse there and fills it".into(),
        });
    }
    let opened = read_only_sqlite::open(path, Duration::from_secs(10));
    opened.map_err(|cause| error::opening(path, &cause))
}

/// Converts the text of a column to the value with this name.
fn named<T: Copy>(
    row: &Row<'_>,
    column: usize,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> rusqlite::Result<T> {
    let found = row.get_ref(column)?.as_str().unwrap_or_default();
    all.iter().copied().find(|value| name(*value) == found).ok_or_else(|| {
        let reason = format!("'{found}' is not a known value of the column");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, reason.into())
    })
}

impl From<Forecast> for SystemLine {
    fn from(forecast: Forecast) -> Self {
        SystemLine {
            system: forecast.system.name(),
            predicted_points: forecast.points,
            p_over: forecast.bet.map(|bet| bet.p_over),
            recommendation: forecast.bet.map(|bet| bet.recommendation.name()),
        }
    }
}

/// A prepared statement that reads the predictions of a player's game on a date, one per system in display order.
struct Predicted<'a>(rusqlite::Statement<'a>);
impl<'a> Predicted<'a> {
    fn new(db: &'a Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT system, predicted_points, line_offset, line, p_over, p_push, recommendation
                   FROM player_prop_predictions WHERE game_id = ?1 AND player_id = ?2 AND game_date = ?3
                   ORDER BY system, line_offset";
        db.prepare(sql).map(Predicted)
    }
    fn read(&mut self, game: &str, player: u32, date: &str) -> rusqlite::Result<Vec<Forecast>> {
        const RECOMMENDATIONS: [Recommendation; 4] =
            [Recommendation::OVER, Recommendation::UNDER, Recommendation::PASS, Recommendation::NO_LINE];
        let mut forecasts: Vec<Forecast> = Vec::new();
        let mut rows = self.0.query((game, player, date))?;
        while let Some(row) = rows.next()? {
            let system = named(row, 0, &System::ALL, System::name)?;
            let bet = match row.get::<_, i32>(2)? {
                0 => Some(Bet {
                    line: row.get(3)?,
                    p_over: row.get(4)?,
                    p_push: row.get(5)?,
                    recommendation: named(row, 6, &RECOMMENDATIONS, Recommendation::name)?,
                }),
                _ => None,
            };
            match forecasts.last_mut().filter(|forecast| forecast.system == system) {
                Some(forecast) => forecast.bet = forecast.bet.or(bet),
                None => forecasts.push(Forecast { system, points: row.get(1)?, bet }),
            }
        }
        forecasts.sort_by_key(|forecast| forecast.system);
        Ok(forecasts)
    }
}
