//! `links`: the link that was appended, as text.
//!
//! Invariant: the text states whether the link was added or withdrawn, and what it is limited to. A link that its loader would reject is wrong
//! usage.
//! Not here: appending the link (`links`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    links::{self, Link, LinkLimits, LinkTarget, NewLink},
};
use anyhow::Result;
use clap::Args;
use schemas::{EasternDate, PlayerId, Team, raw::Source};

/// The greatest id that a player can have.
pub const MAX_PLAYER_ID: i64 = i32::MAX as i64;

/// The texts after the help of the command.
pub const EXAMPLES: &str = "Examples:
  fastbreak links \"Moe Wagner\" 1629021                     the name refers to player 1629021, whatever the rules match
  fastbreak links \"Jalen Johnson\" 1630552 --team ATL       only if it is listed for ATL, or in quotes for games of ATL
  fastbreak links \"J. Smith\" 1631095 --source oddsapi --from 2024-11-01
  fastbreak links \"Example Player\" --nobody                the name refers to nobody
  fastbreak links \"Moe Wagner\"                             withdraws the link that has no limits";

#[derive(Args)]
pub struct LinksArguments {
    /// The name as a source spells it
    #[arg(value_parser = spelling)]
    spelling: String,
    /// nba.com player id; without it and without --nobody, the existing link with the same limits is withdrawn
    #[arg(value_parser = clap::value_parser!(u32).range(1..=MAX_PLAYER_ID))]
    player: Option<u32>,
    /// State that the name refers to nobody
    #[arg(long, conflicts_with = "player")]
    nobody: bool,
    /// Limit the link to names that the source lists for this team and, if the source names no team, to games of this team
    #[arg(long, value_parser = team)]
    team: Option<Team>,
    #[command(flatten)]
    limits: LimitArguments,
}
/// Limits of a link, apart from the team.
#[derive(Args)]
pub struct LimitArguments {
    /// Limit the link to names of this source: nbacom, balldontlie, espn or oddsapi
    #[arg(long, value_parser = source)]
    source: Option<Source>,
    /// Limit the link to names of this Eastern date and later ones
    #[arg(long, value_name = "DATE")]
    from: Option<EasternDate>,
}
impl LimitArguments {
    pub fn limits(&self) -> LinkLimits {
        LinkLimits { team: None, source: self.source, from: self.from }
    }
}

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
pub fn team(text: &str) -> Result<Team, String> {
    Team::from_source_name(text).ok_or_else(|| format!("'{text}' is not an NBA team"))
}
fn source(text: &str) -> Result<Source, String> {
    let source = text.parse()?;
    if source == Source::Operator { Err("no names of the operator are looked up".into()) } else { Ok(source) }
}

/// Runs `links`.
pub fn link(app: &App, arguments: &LinksArguments, output: Output) -> Result<CommandOutcome> {
    let LinksArguments { spelling, player, nobody, team, limits } = arguments;
    let target = match player {
        Some(player) => LinkTarget::Player(PlayerId(*player)),
        None if *nobody => LinkTarget::Nobody,
        None => LinkTarget::Withdrawn,
    };
    let limits = LinkLimits { team: *team, ..limits.limits() };
    let links = links::link(app, &[NewLink { spelling, target, limits }])?;
    for link in &links {
        output::print(output, link, text)?;
    }
    Ok(CommandOutcome::Done)
}

fn text(link: &Link) -> String {
    format!("{}\nnext: `fastbreak run --until-caught-up`", statement(link))
}

/// Returns what a link states, as a sentence.
pub fn statement(link: &Link) -> String {
    let limits = [("--team", &link.team), ("--source", &link.source), ("--from", &link.from)];
    let limits: String = limits
        .into_iter()
        .filter_map(|(flag, value)| value.as_ref().map(|value| format!(" {flag} {value}")))
        .collect();
    let spelling = format!("'{}'{limits}", link.spelling);
    let change = match link.player_id {
        Some(id) => format!("{spelling} is linked to player {id}"),
        None if link.nobody => format!("{spelling} is linked to nobody"),
        None => format!("the link of {spelling} is withdrawn"),
    };
    format!("{change}, known at {}", link.known_at)
}
