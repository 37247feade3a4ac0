//! balldontlie/stats: box-score rows in pages; each row has one player's statistics, team and game.
//!
//! Invariant: the lists of a page are incomplete if there is a page before or after it, whether pages have cursors or numbers.
//! Not here: joining pages; each page is a separate fetch.
use super::{
    balldontlie::{Progress, Row, progress, team_of_id},
    box_scores::{BoxScores, ListKey},
    cell::Cell,
    dates,
    incomplete::{BadObject, ListName},
    json::{Object, parse_payload, parse_row},
    loaded::{Loaded, Reject},
};
use schemas::{observation::BoxMember, raw::RawEvent};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    data: Option<Vec<&'a RawValue>>,
    /// The rows, if the scraper joined all pages of several days into one payload; otherwise `None`, and the rows are in `data`.
    #[serde(borrow)]
    stats: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default, rename = "rowCount")]
    row_count: Cell<'a>,
    #[serde(borrow, default)]
    meta: Option<Object<Meta<'a>>>,
}
/// Which page of a response this is: newer responses have cursors, older ones have page numbers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta<'a> {
    #[serde(borrow)]
    prev_cursor: Cell<'a>,
    #[serde(borrow)]
    next_cursor: Cell<'a>,
    #[serde(borrow)]
    current_page: Cell<'a>,
    #[serde(borrow)]
    next_page: Cell<'a>,
    #[serde(borrow)]
    total_pages: Cell<'a>,
    #[serde(borrow)]
    total_count: Cell<'a>,
}
impl Meta<'_> {
    /// True if the response consists of this page only. A number that is not legible shows nothing, so it does not make a page complete.
    fn is_only_page(&self, rows: usize) -> bool {
        let is_at_most =
            |cell: &Cell, limit| cell.is_blank() || cell.integer("").is_ok_and(|number| number <= limit);
        [&self.prev_cursor, &self.next_cursor, &self.next_page].into_iter().all(Cell::is_blank)
            && is_at_most(&self.current_page, 1)
            && is_at_most(&self.total_pages, 1)
            && is_at_most(&self.total_count, rows as i64)
    }
}

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let payload: Payload = parse_payload(&raw.payload)?;
    let rows = payload.data.or(payload.stats);
    let rows = rows.ok_or_else(|| {
        Reject::bad_payload(
            "the payload has neither \"data\" nor \"stats\", expected a list of rows in one of them",
        )
    })?;
    let is_only_page = payload.meta.unwrap_or_default().is_only_page(rows.len());
    let has_all_rows = match payload.row_count {
        Cell::Absent | Cell::Null => is_only_page,
        count => count.integer("rowCount").map_err(Reject::bad_payload)? == rows.len() as i64 && is_only_page,
    };
    let mut loaded = Loaded::default();
    let mut box_scores = BoxScores::default();
    for row in rows {
        let decoded = parse_row(row).and_then(member).or_else(|reason| {
            let row = BadObject::new(row);
            if is_out_of_scope(&row) {
                return Ok(None);
            }
            box_scores.add_bad_row(stated(&row));
            Err(reason)
        });
        if let Some((list, member)) = loaded.count_row(row, decoded) {
            box_scores.add(list, member);
        }
    }
    box_scores.publish_with_lookups(raw, has_all_rows, &mut loaded);
    Ok(loaded)
}

/// Decodes a row; `None` if its game has not started, or if a team is a known team that is not an NBA team.
fn member(row: Row) -> Result<Option<(ListKey, BoxMember)>, String> {
    let progress = progress(&row.game.status)?;
    let home = team_of_id(&row.game.home_team_id, "game.home_team_id")?;
    let visitor = team_of_id(&row.game.visitor_team_id, "game.visitor_team_id")?;
    let (Some(home), Some(visitor)) = (home, visitor) else { return Ok(None) };
    if progress == Progress::NotStarted {
        return Ok(None);
    }
    let team = row.team.abbreviation.team("team.abbreviation")?;
    let opponent = match (team == home, team == visitor) {
        (true, false) => visitor,
        (false, true) => home,
        _ => {
            return Err(row.team.abbreviation.type_error("team.abbreviation", "one of the game's two teams"));
        }
    };
    let date = dates::day(&row.game.date, "game.date")?;
    let is_final = progress == Progress::Over;
    Ok(Some((ListKey { game: None, date, team, opponent, is_final }, row.member()?)))
}

const TEAM_IDS: [&str; 2] = ["/game/home_team_id", "/game/visitor_team_id"];

/// True if a bad row states legibly that its game is out of scope.
fn is_out_of_scope(row: &BadObject) -> bool {
    progress(&row.cell("/game/status")) == Ok(Progress::NotStarted)
        || TEAM_IDS.iter().any(|pointer| team_of_id(&row.cell(pointer), "") == Ok(None))
}

/// Returns what a bad row states about its list.
fn stated(row: &BadObject) -> ListName {
    let team = |pointer: &&str| team_of_id(&row.cell(pointer), "").ok().flatten();
    ListName {
        game_teams: TEAM_IDS.iter().filter_map(team).collect(),
        date: dates::day(&row.cell("/game/date"), "").ok(),
        team: row.cell("/team/abbreviation").team("").ok(),
        ..ListName::default()
    }
}
