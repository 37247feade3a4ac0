//! `links`: an operator's word on what a spelling means, as a raw event like any other.
use super::{CommandOutcome, Output, output};
use crate::{config::Config, ingest::Ingest, sink};
use anyhow::{Result, bail};
use serde::Serialize;

#[derive(Serialize)]
struct Linked {
    spelling: String,
    player_id: Option<u32>,
    known_at: String,
}

pub fn link(config: &Config, spelling: &str, player: Option<u32>, output: Output) -> Result<CommandOutcome> {
    if spelling.trim().is_empty() {
        bail!("a link needs the spelling that a source uses, e.g. `fastbreak links \"Moe Wagner\" 1629021`");
    }
    let known_at = runtime::clock::now().to_string();
    let event = serde_json::json!({
        "source": "operator", "feed": "identity-links", "key": spelling, "fetched_at": known_at,
        "payload": {"links": [{"spelling": spelling, "player_id": player}]},
    });
    let mut log = crate::storage::open(config)?;
    let mut ingest = Ingest::new(log.as_mut());
    ingest.line("links", 1, event.to_string().as_bytes())?;
    ingest.finish()?;
    let linked = Linked { spelling: spelling.to_owned(), player_id: player, known_at };
    output::print(output, &linked, |linked| {
        let to = linked.player_id.map_or_else(|| "nobody".to_owned(), |id| format!("player {id}"));
        format!(
            "'{}' means {to} from {} on\nnext: `fastbreak run --until-caught-up`",
            linked.spelling, linked.known_at
        )
    })?;
    Ok(CommandOutcome::Done)
}
