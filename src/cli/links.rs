//! `links`: the link that was appended, as text.
//!
//! Invariant: the text states whether the link was added or withdrawn.
//! Not here: appending the link (`links`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{app::App, links};
use anyhow::Result;

/// Runs `links`.
pub fn link(app: &App, spelling: &str, player: Option<u32>, output: Output) -> Result<CommandOutcome> {
    output::print(output, &links::link(app, spelling, player)?, |link| {
        let change = match link.player_id {
            Some(id) => format!("'{}' is linked to player {id}", link.spelling),
            None => format!("the link of '{}' is withdrawn", link.spelling),
        };
        format!("{change}, known at {}\nnext: `fastbreak run --until-caught-up`", link.known_at)
    })?;
    Ok(CommandOutcome::Done)
}
