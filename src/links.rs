//! Links: an operator's link from a spelling to a player or to nobody, ingested as a raw event.
//!
//! Invariant: a link is stored as a raw event, so a replay applies it, too. The command links no spelling to a player whom no fetch of
//! nba.com lists; a link that was ingested in another way waits for such a fetch.
//! Not here: what a link changes (crate `processors`), which names need one (`names::review`).
use crate::{app::App, ingest::Ingest, names::ReportedNames};
use anyhow::{Result, bail};
use runtime::{LogBackend, clock};
use schemas::{EasternDate, PlayerId, Team, raw::Source};
use serde::Serialize;

/// What a link states about a spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkTarget {
    Player(PlayerId),
    /// The spelling refers to nobody.
    Nobody,
    /// The existing link of the spelling with the same limits is withdrawn.
    Withdrawn,
}

/// The names to which a link applies; all, if no field is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkLimits {
    pub team: Option<Team>,
    pub source: Option<Source>,
    pub from: Option<EasternDate>,
}

/// A link of a spelling.
#[derive(Clone, Debug)]
pub struct NewLink<'a> {
    pub spelling: &'a str,
    pub target: LinkTarget,
    pub limits: LinkLimits,
}

/// A link that was appended.
#[derive(Debug, Serialize)]
pub struct Link {
    pub spelling: String,
    /// The player to whom the spelling is linked; `None` if the spelling refers to nobody, or if an earlier link was withdrawn.
    pub player_id: Option<u32>,
    pub nobody: bool,
    /// The team, the source and the first day of the names to which the link is limited.
    pub team: Option<String>,
    pub source: Option<String>,
    pub from: Option<String>,
    /// Time of the event, in RFC 3339.
    pub known_at: String,
}

/// Appends one event with these links.
///
/// # Errors
/// If no fetch of nba.com lists a player, or the log fails. Then nothing is appended.
pub fn link(app: &App, links: &[NewLink<'_>]) -> Result<Vec<Link>> {
    let mut log = app.open_existing_log()?;
    check(log.as_mut(), links)?;
    let known_at = clock::now().to_string();
    let links: Vec<Link> = links.iter().map(|link| report(link, &known_at)).collect();
    let key = links.iter().map(|link| link.spelling.as_str()).collect::<Vec<_>>().join(", ");
    let rows: Vec<serde_json::Value> = links.iter().map(row).collect();
    let event = serde_json::json!({
        "source": "operator", "feed": "identity-links", "key": key, "fetched_at": known_at, "payload": {"links": rows},
    });
    let mut ingest = Ingest::new(log.as_mut());
    ingest.line("links", 1, event.to_string().as_bytes())?;
    ingest.finish()?;
    Ok(links)
}

fn check(log: &mut dyn LogBackend, links: &[NewLink<'_>]) -> Result<()> {
    let players: Vec<PlayerId> = links
        .iter()
        .filter_map(|link| if let LinkTarget::Player(player) = link.target { Some(player) } else { None })
        .collect();
    if players.is_empty() {
        return Ok(());
    }
    let reported = ReportedNames::read(log)?;
    if let Some(player) = players.iter().find(|player| reported.player(**player).is_none()) {
        bail!(
            "no box score or player list of nba.com that was ingested lists a player with the id {player}\n\
             next: `fastbreak names review` shows the ids of similar players"
        );
    }
    Ok(())
}

fn report(NewLink { spelling, target, limits }: &NewLink<'_>, known_at: &str) -> Link {
    Link {
        spelling: (*spelling).to_owned(),
        player_id: if let LinkTarget::Player(player) = target { Some(player.0) } else { None },
        nobody: *target == LinkTarget::Nobody,
        team: limits.team.map(|team| team.to_string()),
        source: limits.source.map(|source| source.to_string()),
        from: limits.from.map(|from| from.to_string()),
        known_at: known_at.to_owned(),
    }
}

/// Returns a link as a row of the feed operator/identity-links.
fn row(link: &Link) -> serde_json::Value {
    let Link { spelling, player_id, nobody, team, source, from, .. } = link;
    serde_json::json!({
        "spelling": spelling, "player_id": player_id, "nobody": nobody, "team": team, "source": source, "from": from,
    })
}
