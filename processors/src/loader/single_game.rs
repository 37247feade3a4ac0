//! A payload with the box score of one game: its game, its two teams, and whether it is over.
//!
//! Invariant: a payload that does not state legibly which game it describes is rejected as a whole, because none of its rows can be used
//! without it. A bad row makes only the list of its own team incomplete, or both lists if it does not state its team.
//! If a payload does not state whether its game is over, the game counts as over from six o'clock of the next Eastern morning on, or if the
//! totals of both teams are those of a whole game.
//! Not here: the rows of a source (the file of each feed).
use super::{
    box_scores::{BoxScores, ListKey},
    cell::Cell,
    incomplete::ListName,
    loaded::{Loaded, Reject, fetched_at},
    minutes::team_seconds,
    request_day::requested_day,
};
use schemas::{ids::GameId, observation::BoxMember, raw::RawEvent, team::Team, units::EasternDate};
use serde_json::value::RawValue;

/// The game that a payload describes.
pub struct SingleGame {
    /// nba.com's id; `None` if the source does not have it.
    pub id: Option<GameId>,
    pub date: EasternDate,
    pub teams: [Team; 2],
    pub is_final: bool,
    /// The lists of its two teams.
    pub box_scores: BoxScores,
}
impl SingleGame {
    pub fn new(id: Option<GameId>, date: EasternDate, teams: [Team; 2], is_final: bool) -> SingleGame {
        SingleGame { id, date, teams, is_final, box_scores: BoxScores::default() }
    }
    /// Adds a row to the list of its team; a bad row becomes a dead letter.
    pub fn add(
        &mut self,
        row: &RawValue,
        team: Result<Team, String>,
        member: Result<BoxMember, String>,
        loaded: &mut Loaded,
    ) {
        let own_team = team.as_ref().ok().copied();
        let decoded = team.and_then(|team| Ok((team, member?)));
        if decoded.is_err() {
            self.box_scores.add_bad_row(ListName {
                game: self.id,
                game_teams: self.teams.into(),
                date: Some(self.date),
                team: own_team,
                event: None,
            });
        }
        if let Some((team, member)) = loaded.count_row(row, decoded.map(Some)) {
            self.box_scores.add(self.list(team), member);
        }
    }
    fn list(&self, team: Team) -> ListKey {
        let [first, second] = self.teams;
        let opponent = if team == first { second } else { first };
        ListKey { game: self.id, date: self.date, team, opponent, is_final: self.is_final }
    }
    /// Returns the team of the game that a cell names.
    pub fn team(&self, cell: &Cell, field: &str) -> Result<Team, String> {
        let team = Some(cell.team(field)?).filter(|team| self.teams.contains(team));
        team.ok_or_else(|| cell.type_error(field, "one of the two teams of the game"))
    }
}

/// Returns the two teams of a game; `None` if one of them is a known team that is not an NBA team.
pub fn two_teams(first: (&Cell, &str), second: (&Cell, &str)) -> Result<Option<[Team; 2]>, String> {
    let teams = (first.0.team_or_other(first.1)?, second.0.team_or_other(second.1)?);
    let (Some(a), Some(b)) = teams else { return Ok(None) };
    if a == b {
        return Err(second.0.type_error(second.1, "a team other than the first"));
    }
    Ok(Some([a, b]))
}

/// Returns the date of a game whose payload does not state it: that of the request key.
pub fn date_of_request(raw: &RawEvent, game: GameId) -> Result<EasternDate, Reject> {
    requested_day(&raw.key).ok_or_else(|| {
        let key: String = raw.key.chars().take(60).collect();
        Reject::bad_payload(format!(
            "the payload does not state the date of game {game}, and the request key {key:?} does not state exactly one date; ingest it \
             again with the Eastern date of the game in its key, for example \"{game}/2024-01-17\""
        ))
    })
}

/// The hour of the Eastern morning after a game at which it is certainly over: no game starts within an hour before midnight, and none
/// lasts six hours.
const MORNING_HOUR: i8 = 6;

/// True if a payload was fetched on a morning after the day of its game.
pub fn is_fetched_later(raw: &RawEvent, date: EasternDate) -> bool {
    fetched_at(raw) >= date.plus_days(1).at(MORNING_HOUR, 0)
}

/// A team's playing time and points so far. A part that is not legible proves nothing.
pub struct TotalsSoFar {
    seconds: Option<i64>,
    points: Option<i64>,
}
impl TotalsSoFar {
    pub fn new(minutes: &Cell, points: &Cell) -> TotalsSoFar {
        TotalsSoFar { seconds: team_seconds(minutes), points: points.integer("").ok() }
    }
    /// Returns the number of overtimes, if the playing time is that of a whole game: five players for 48 minutes, and for five minutes of each
    /// overtime.
    fn overtimes(&self) -> Option<i64> {
        const GAME_SECONDS: i64 = 5 * 48 * 60;
        const OVERTIME_SECONDS: i64 = 5 * 5 * 60;
        let beyond = self.seconds? - GAME_SECONDS;
        (beyond >= 0 && beyond % OVERTIME_SECONDS == 0).then_some(beyond / OVERTIME_SECONDS)
    }
}

/// True if two teams have played a whole game, and one of them has won it.
pub fn is_whole_game([first, second]: &[TotalsSoFar; 2]) -> bool {
    let is_decided = first.points.zip(second.points).is_some_and(|(first, second)| first != second);
    is_decided && first.overtimes().is_some() && first.overtimes() == second.overtimes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn a_game_is_whole_only_after_its_last_minute_and_with_a_winner() {
        let totals = |minutes: &'static str, points| {
            TotalsSoFar::new(&Cell::Text(Cow::Borrowed(minutes)), &Cell::Integer(points))
        };
        for (minutes, points, expected) in [
            (["240:00", "240:00"], [101, 99], true),
            (["PT240M00.00S", "PT240M"], [101, 99], true),
            (["265:00", "265:00"], [101, 99], true),
            (["340:00", "340:00"], [101, 99], true),
            (["240:00", "240:00"], [99, 99], false),
            (["239:59", "239:59"], [101, 99], false),
            (["250:00", "250:00"], [101, 99], false),
            (["240:00", "265:00"], [101, 99], false),
            (["", ""], [101, 99], false),
        ] {
            let both = [totals(minutes[0], points[0]), totals(minutes[1], points[1])];
            assert_eq!(is_whole_game(&both), expected, "{minutes:?} {points:?}");
        }
    }
}
