//! balldontlie/stats: box-score rows in pages; each row has one player's statistics, team and game.
//!
//! Invariant: a page is not a complete list if there is a page before or after it, or if it contains a game that has not ended.
//! Not here: joining pages; each page is a separate fetch.
use super::{
    balldontlie::{Row, has_ended, publish, team_of_id},
    box_scores::{ListKey, Lists},
    cell::Cell,
    dates,
    json::{parse_payload, parse_row},
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
    meta: Option<Meta<'a>>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta<'a> {
    #[serde(borrow)]
    prev_cursor: Cell<'a>,
    #[serde(borrow)]
    next_cursor: Cell<'a>,
}

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let payload: Payload = parse_payload(&raw.payload)?;
    let rows = payload.data.or(payload.stats);
    let rows = rows.ok_or_else(|| {
        Reject::bad_payload(
            "the payload has neither \"data\" nor \"stats\", expected a list of rows in one of them",
        )
    })?;
    let meta = payload.meta.unwrap_or_default();
    let has_all_pages = meta.prev_cursor.is_blank() && meta.next_cursor.is_blank();
    let has_all_rows = match payload.row_count {
        Cell::Absent | Cell::Null => true,
        count => count.integer("rowCount").map_err(Reject::bad_payload)? == rows.len() as i64,
    };
    let mut loaded = Loaded::default();
    let mut lists = Lists::new();
    for row in rows {
        if let Some((list, member)) = loaded.count_row(row, parse_row(row).and_then(member)) {
            lists.entry(list).or_default().push(member);
        }
    }
    let is_complete =
        has_all_pages && has_all_rows && loaded.rows_out_of_scope == 0 && loaded.is_complete(raw);
    publish(raw, lists, is_complete, &mut loaded);
    Ok(loaded)
}

fn member(row: Row) -> Result<Option<(ListKey, BoxMember)>, String> {
    if !has_ended(&row.game.status)? {
        return Ok(None);
    }
    let home = team_of_id(&row.game.home_team_id, "game.home_team_id")?;
    let visitor = team_of_id(&row.game.visitor_team_id, "game.visitor_team_id")?;
    let (Some(home), Some(visitor)) = (home, visitor) else { return Ok(None) };
    let team = row.team.abbreviation.team("team.abbreviation")?;
    let opponent = match (team == home, team == visitor) {
        (true, false) => visitor,
        (false, true) => home,
        _ => {
            return Err(row.team.abbreviation.type_error("team.abbreviation", "one of the game's two teams"));
        }
    };
    let date = dates::day(&row.game.date, "game.date")?;
    Ok(Some((ListKey { game: None, date, team, opponent }, row.member()?)))
}
