//! operator/identity-links: an operator's word on what spellings mean, as `{"links": [{"spelling", "player_id"}]}`.
//!
//! Invariant: every team's partition hears every link; `"player_id": null` takes one back and must be written to do so.
//! Not here: the links that the project ships.
use super::{Loaded, Observation, Reject, cell::Cell, lists::distinct, open, provenance, read};
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
    let payload: Payload = open(&raw.payload)?;
    let mut loaded = Loaded::default();
    let mut links = Vec::with_capacity(payload.links.len());
    for row in payload.links {
        links.extend(loaded.count(row, read(row).and_then(|link| decode(&link).map(Some))));
    }
    loaded.rows_repeated += distinct(&mut links, |a, b| a.0.cmp(&b.0));
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
