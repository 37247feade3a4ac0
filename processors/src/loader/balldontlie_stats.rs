//! balldontlie/stats: box lines one by one, in pages, each with its team and game.
//!
//! Invariant: a page that has a neighbour is not a whole list, nor is one in which some game has not ended.
//! Not here: joining pages; each is a fetch of its own.
use super::{
    Loaded, Reject,
    balldontlie::{Row, has_ended, publish, team_of_id},
    box_scores::{ListKey, Lists},
    cell::Cell,
    dates, open, read,
};
use schemas::{observation::BoxMember, raw::RawEvent};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    data: Option<Vec<&'a RawValue>>,
    /// As a scraper wraps all pages of some days.
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
    let payload: Payload = open(&raw.payload)?;
    let rows = payload.data.or(payload.stats);
    let rows = rows.ok_or_else(|| Reject::bad_payload("found neither data nor stats"))?;
    let meta = payload.meta.unwrap_or_default();
    let all_pages = meta.prev_cursor.is_blank() && meta.next_cursor.is_blank();
    let all_rows = match payload.row_count {
        Cell::Absent | Cell::Null => true,
        count => count.integer("rowCount").map_err(Reject::bad_payload)? == rows.len() as i64,
    };
    let mut loaded = Loaded::default();
    let mut lists = Lists::new();
    for row in rows {
        if let Some((list, member)) = loaded.count(row, read(row).and_then(member)) {
            lists.entry(list).or_default().push(member);
        }
    }
    let complete = all_pages && all_rows && loaded.rows_out_of_scope == 0 && loaded.is_complete(raw);
    publish(raw, lists, complete, &mut loaded);
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
