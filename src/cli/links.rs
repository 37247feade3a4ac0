//! `links`: the link that was appended, as text.
//!
//! Invariant: the text states whether the link was added or withdrawn. A link that its loader would reject is wrong usage.
//! Not here: appending the link (`links`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{app::App, links};

/// The greatest id that a player can have.
pub const MAX_PLAYER_ID: i64 = i32::MAX as i64;

/// Parses the spelling of a link.
///
/// # Errors
/// If it is blank.
pub fn spelling(written: &str) -> Result<String, String> {
    if written.trim().is_empty() {
        return Err("the spelling is blank; next: `fastbreak links \"Moe Wagner\" 1629021`".to_owned());
    }
    Ok(written.to_owned())
}

/// Runs `links`.
pub fn link(
    app: &App,
    spelling: &str,
    player: Option<u32>,
    output: Output,
) -> anyhow::Result<CommandOutcome> {
    output::print(output, &links::link(app, spelling, player)?, |link| {
        let change = match link.player_id {
            Some(id) => format!("'{}' is linked to player {id}", link.spelling),
            None => format!("the link of '{}' is withdrawn", link.spelling),
        };
        format!("{change}, known at {}\nnext: `fastbreak run --until-caught-up`", link.known_at)
    })?;
    Ok(CommandOutcome::Done)
}
