//! Identities that sources confuse: several spellings of one player, and several players with one spelling.
//!
//! Invariant: a merge or split is one event, so all its links become known at the same time.
//! Not here: what a link changes (crate `processors`).
use crate::{
    app::App,
    links::{self, Link, LinkLimits, LinkTarget, NewLink},
};
use anyhow::Result;
use schemas::{PlayerId, Team};

/// Links several spellings to one player.
///
/// # Errors
/// As [`links::link`].
pub fn merge(app: &App, player: PlayerId, spellings: &[String], limits: LinkLimits) -> Result<Vec<Link>> {
    let target = LinkTarget::Player(player);
    let links: Vec<NewLink<'_>> =
        spellings.iter().map(|spelling| NewLink { spelling, target, limits }).collect();
    links::link(app, &links)
}

/// Links one spelling to a different player for each team; `limits` are those of every link, apart from the team.
///
/// # Errors
/// As [`links::link`].
pub fn split(
    app: &App,
    spelling: &str,
    players: &[(Team, PlayerId)],
    limits: LinkLimits,
) -> Result<Vec<Link>> {
    let link = |(team, player): &(Team, PlayerId)| NewLink {
        spelling,
        target: LinkTarget::Player(*player),
        limits: LinkLimits { team: Some(*team), ..limits },
    };
    links::link(app, &players.iter().map(link).collect::<Vec<_>>())
}
