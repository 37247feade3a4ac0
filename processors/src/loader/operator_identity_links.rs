//! operator/identity-links: an operator's links from spellings to players, as `{"links": [{"spelling", "player_id"}]}`.
//!
//! Invariant: every link is published to every team's partition; `"player_id": null` revokes a link, an absent `player_id` is an error.
//! Links are no list, so a bad row affects no other link; they have no date of their own.
//! Not here: the links that are compiled in (`names`).
use super::{
    cell::Cell,
    json::{parse_payload, parse_row},
    lists::deduplicate,
    loaded::{Loaded, Observation, Reject, provenance},
};
use schemas::{ids::PlayerId, observation::LinkObservation, raw::RawEvent, team::Team};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    links: Vec<&'a RawValue>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct Link<'a> {
    #[serde(borrow)]
    spelling: Cell<'a>,
    #[serde(borrow)]
    player_id: Cell<'a>,
}

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let payload: Payload = parse_payload(&raw.payload)?;
    let mut loaded = Loaded::default();
    let mut links = Vec::with_capacity(payload.links.len());
    for row in payload.links {
        let link = parse_row(row).and_then(|link| decode(&link));
        links.extend(loaded.count_row(row, link.map(Some)));
    }
    loaded.rows_repeated += deduplicate(&mut links, |a, b| a.0.cmp(&b.0));
    for team in Team::ALL {
        loaded.observations.extend(links.iter().map(|(spelling, player)| {
            let (spelling, player) = (spelling.clone(), *player);
            Observation::Link(LinkObservation { team, spelling, player, provenance: provenance(raw) })
        }));
    }
    Ok(loaded)
}

fn decode(link: &Link) -> Result<(String, Option<PlayerId>), String> {
    let spelling = link.spelling.text("spelling")?.to_owned();
    let player = match &link.player_id {
        Cell::Null => None,
        id => Some(id.player("player_id")?),
    };
    Ok((spelling, player))
}
