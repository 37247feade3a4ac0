//! Links: an operator's link from a spelling to a player, ingested as a raw event.
//!
//! Invariant: a link is stored as a raw event, so a replay applies it, too.
//! Not here: what a link changes (crate `processors`).
use crate::{app::App, ingest::Ingest};
use anyhow::Result;
use runtime::clock;
use serde::Serialize;

/// A link that was appended.
#[derive(Serialize)]
pub struct Link {
    pub spelling: String,
    /// The player to whom the spelling is linked; `None` if an earlier link was withdrawn.
    pub player_id: Option<u32>,
    /// Time of the event, in RFC 3339.
    pub known_at: String,
}

/// Appends a link from a spelling, which is not blank, to a player or, if `player` is `None`, withdraws the existing link of the spelling.
///
/// # Errors
/// If the log fails.
pub fn link(app: &App, spelling: &str, player: Option<u32>) -> Result<Link> {
    let known_at = clock::now().to_string();
    let event = serde_json::json!({
        "source": "operator", "feed": "identity-links", "key": spelling, "fetched_at": known_at,
        "payload": {"links": [{"spelling": spelling, "player_id": player}]},
    });
    let mut log = app.open_log()?;
    let mut ingest = Ingest::new(log.as_mut());
    ingest.line("links", 1, event.to_string().as_bytes())?;
    ingest.finish()?;
    Ok(Link { spelling: spelling.to_owned(), player_id: player, known_at })
}
