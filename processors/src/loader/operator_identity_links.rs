//! operator/identity-links: an operator's links from spellings to players, as `{"links": [{"spelling", "player_id"}]}`. The optional fields
//! `nobody`, `team`, `source` and `from` state that the spelling refers to nobody, and limit the link.
//!
//! Invariant: every link is published to every team's partition; `"player_id": null` revokes a link, an absent `player_id` is an error,
//! unless `nobody` is true. Links are no list, so a bad row affects no other link; they have no date of their own.
//! Not here: the links that are compiled in (`names`).
use super::{
    cell::Cell,
    dates,
    json::{parse_payload, parse_row},
    lists::deduplicate,
    loaded::{Loaded, Observation, Reject, provenance},
};
use schemas::{
    ids::PlayerId,
    observation::LinkObservation,
    raw::{RawEvent, Source},
    team::Team,
    units::EasternDate,
};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    links: Vec<&'a RawValue>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct Row<'a> {
    #[serde(borrow)]
    spelling: Cell<'a>,
    #[serde(borrow)]
    player_id: Cell<'a>,
    #[serde(borrow)]
    nobody: Cell<'a>,
    #[serde(borrow)]
    team: Cell<'a>,
    #[serde(borrow)]
    source: Cell<'a>,
    #[serde(borrow)]
    from: Cell<'a>,
}

/// A decoded row. The order of the fields matters: of several rows with the same spelling and limits, the greatest is used.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Link {
    spelling: String,
    limits: (Option<Team>, Option<Source>, Option<EasternDate>),
    player: Option<PlayerId>,
    is_nobody: bool,
}

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let payload: Payload = parse_payload(&raw.payload)?;
    let mut loaded = Loaded::default();
    let mut links = Vec::with_capacity(payload.links.len());
    for row in payload.links {
        let link = parse_row(row).and_then(|row| decode(&row));
        links.extend(loaded.count_row(row, link.map(Some)));
    }
    loaded.rows_repeated +=
        deduplicate(&mut links, |a, b| (&a.spelling, a.limits).cmp(&(&b.spelling, b.limits)));
    for team in Team::ALL {
        loaded.observations.extend(links.iter().map(|link| {
            let Link { spelling, limits: (only_team, only_source, only_from), player, is_nobody } =
                link.clone();
            let provenance = provenance(raw);
            let link = LinkObservation {
                team,
                spelling,
                player,
                provenance,
                is_nobody,
                only_team,
                only_source,
                only_from,
            };
            Observation::Link(link)
        }));
    }
    Ok(loaded)
}

fn decode(row: &Row) -> Result<Link, String> {
    let spelling = row.spelling.text("spelling")?.to_owned();
    let is_nobody = match &row.nobody {
        Cell::Absent | Cell::Null | Cell::Bool(false) => false,
        Cell::Bool(true) => true,
        other => return Err(other.type_error("nobody", "true or false")),
    };
    let player = match &row.player_id {
        Cell::Null => None,
        Cell::Absent if is_nobody => None,
        id if is_nobody => return Err(id.type_error("player_id", "nothing, because nobody is true")),
        id => Some(id.player("player_id")?),
    };
    let team = if row.team.is_blank() { None } else { Some(row.team.team("team")?) };
    let from = if row.from.is_blank() { None } else { Some(dates::day(&row.from, "from")?) };
    Ok(Link { spelling, limits: (team, source(&row.source)?, from), player, is_nobody })
}

/// Decodes the source whose names a link is limited to; `None` if the link is not limited.
fn source(cell: &Cell) -> Result<Option<Source>, String> {
    let Some(text) = cell.text_or_blank("source")? else { return Ok(None) };
    let source = text.parse().ok().filter(|source| *source != Source::Operator);
    source.map(Some).ok_or_else(|| cell.type_error("source", "a source whose names are looked up"))
}
