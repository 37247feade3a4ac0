//! Box lists that are parked: stored, but without effect until a fixture, the end of the game, or the player of a name is known.
//!
//! Invariant: a retracted observation is not parked. Of a list of a game that is not over, one record is parked: the newest, until any feed
//! has the final box score of the team.
//! Not here: how the engine counts parked records (crate `runtime`).
use super::{
    box_list::{BoxList, ListId},
    facts::Tables,
};
use crate::{history::AsOf, materialized_view::ParkedItem};
use schemas::Matchup;

/// Returns the number of parked observations of a list, and the parked items: the fixture, the final box score, or the names that it waits
/// for.
pub fn parked(tables: &Tables, matchup: Matchup, id: &ListId) -> (u32, Vec<ParkedItem>) {
    let Some(list) = tables.list(id) else { return (0, Vec::new()) };
    let what = format!("box score {id}");
    if list.is_live() && !tables.has_final_list(id) {
        let what = format!("{what}: the game is not over");
        return (1, vec![ParkedItem { key: format!("final box score {id}"), what }]);
    }
    let records = list.history.known_len(AsOf::LATEST) as u32;
    if records > 0 && tables.game_of(id, AsOf::LATEST).is_none() {
        let game = id.game.id.map_or_else(String::new, |game| format!(" ({game})"));
        return (
            records,
            vec![ParkedItem { key: format!("fixture of {matchup} on {}{game}", id.game.date), what }],
        );
    }
    let items = unresolved_names(tables, matchup, id, list, &what);
    (if items.is_empty() { 0 } else { records }, items)
}

fn unresolved_names(
    tables: &Tables,
    matchup: Matchup,
    id: &ListId,
    list: &BoxList,
    what: &str,
) -> Vec<ParkedItem> {
    let teams = matchup.teams();
    let item = |key| {
        let request = Tables::lookup_request(id, key, &teams)?;
        let reason = tables.name_lookups().unresolved(request)?;
        Some(ParkedItem { key: format!("name '{}' ({reason})", request.name), what: what.to_owned() })
    };
    list.history.members(AsOf::LATEST).filter_map(|(key, _)| item(key)).collect()
}
