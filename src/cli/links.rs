//! `links`: an operator's link from a spelling to a player, ingested as a raw event.
//!
//! Invariant: a link is stored as a raw event, so a replay applies it, too.
//! Not here: what a link changes (crate `processors`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{app::App, ingest::Ingest};
use anyhow::{Result, bail};
use runtime::clock;
use serde::Serialize;

#[derive(Serialize)]
struct Link {
    spelling: String,
    /// The player to whom the spelling is linked; `None` if the command withdrew an earlier link.
    player_id: Option<u32>,
    known_at: String,
}

pub fn link(app: &App, spelling: &str, player: Option<u32>, output: Output) -> Result<CommandOutcome> {
    if spelling.trim().is_empty() {
        bail!("the spelling is empty; next: specify it as in `fastbreak links \"Moe Wagner\" 1629021`");
    }
    let known_at = clock::now().to_string();
    let event = serde_json::json!({
        "source": "operator", "feed": "identity-links", "key": spelling, "fetched_at": known_at,
        "payload": {"links": [{"spelling": spelling, "player_id": player}]},
    });
    let mut log = app.open_log()?;
    let mut ingest = Ingest::new(log.as_mut());
    ingest.line("links", 1, event.to_string().as_bytes())?;
    ingest.finish()?;
    let link = Link { spelling: spelling.to_owned(), player_id: player, known_at };
    output::print(output, &link, |link| {
        let change = match link.player_id {
            Some(id) => format!("'{}' is linked to player {id}", link.spelling),
            None => format!("the link of '{}' is withdrawn", link.spelling),
        };
        format!("{change}, known at {}\nnext: `fastbreak run --until-caught-up`", link.known_at)
    })?;
    Ok(CommandOutcome::Done)
}
