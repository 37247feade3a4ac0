//! `names`: the names that need an operator, and the links of identities that sources confuse.
//!
//! Invariant: every name is shown with the command that decides it.
//! Not here: finding the names (`names`), linking a single name (`links`).
use super::{
    examples,
    links::{LimitArguments, statement, team},
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    links::Link,
    names::{self, Candidate, ReviewReport, UnmatchedName},
};
use anyhow::Result;
use clap::Subcommand;
use schemas::{PlayerId, Team};

#[derive(Subcommand)]
pub enum NamesCommand {
    /// List the names that refer to no player, with similar players and the command that links each, and the links that wait
    #[command(after_help = examples::NAMES_REVIEW)]
    Review,
    /// Link several spellings to one player, in one event
    #[command(
        after_help = "Example:\n  fastbreak names merge 1629021 \"Moe Wagner\" \"Moritz Vagner\" --source oddsapi"
    )]
    Merge {
        /// nba.com player id
        player: PlayerId,
        /// The names as sources spell them
        #[arg(required = true, num_args = 2.., value_name = "SPELLING")]
        spellings: Vec<String>,
        #[command(flatten)]
        limits: LimitArguments,
    },
    /// Link one spelling to several players, one for each team, in one event
    #[command(after_help = "Example:\n  fastbreak names split \"J. Williams\" OKC=1631114 MIN=1631119")]
    Split {
        /// The name as sources spell it
        spelling: String,
        /// A team and the nba.com id of its player
        #[arg(required = true, num_args = 2.., value_name = "TEAM=PLAYER", value_parser = team_and_player)]
        players: Vec<(Team, PlayerId)>,
        #[command(flatten)]
        limits: LimitArguments,
    },
}

fn team_and_player(text: &str) -> Result<(Team, PlayerId), String> {
    let (of_team, player) =
        text.split_once('=').ok_or_else(|| format!("'{text}' has no '=', expected e.g. OKC=1631114"))?;
    Ok((team(of_team)?, player.parse()?))
}

/// Runs `names`.
pub fn names(app: &App, command: &NamesCommand, output: Output) -> Result<CommandOutcome> {
    match command {
        NamesCommand::Review => {
            output::print(output, &names::review(app)?, text)?;
        }
        NamesCommand::Merge { player, spellings, limits } => {
            output::print(output, &names::merge(app, *player, spellings, limits.limits())?, |links| {
                links_text(links)
            })?;
        }
        NamesCommand::Split { spelling, players, limits } => {
            output::print(output, &names::split(app, spelling, players, limits.limits())?, |links| {
                links_text(links)
            })?;
        }
    }
    Ok(CommandOutcome::Done)
}

fn links_text(links: &[Link]) -> String {
    let statements: Vec<String> = links.iter().map(statement).collect();
    format!("{}\nnext: `fastbreak run --until-caught-up`", statements.join("\n"))
}

fn text(report: &ReviewReport) -> String {
    let names = if report.names.is_empty() {
        "every name refers to a player".to_owned()
    } else {
        let header =
            ["name", "source", "result", "lookups", "dates", "scopes", "candidate", "evidence", "command"];
        output::table(header, report.names.iter().flat_map(rows))
    };
    if report.waiting_links.is_empty() {
        return names;
    }
    let waiting = report.waiting_links.iter();
    let waiting =
        waiting.map(|link| [link.spelling.clone(), link.player_id.to_string(), link.known_at.clone()]);
    format!("{names}\n\n{}", output::table(["link waits", "until the player is listed", "known at"], waiting))
}

/// One row per candidate, and one for the case that the name refers to nobody.
fn rows(name: &UnmatchedName) -> Vec<[String; 9]> {
    let dates = if name.first_date == name.last_date {
        name.first_date.clone()
    } else {
        format!("{} to {}", name.first_date, name.last_date)
    };
    let of_name = [
        name.name.clone(),
        name.source.clone(),
        name.result.to_owned(),
        name.lookups.to_string(),
        dates,
        name.scopes.join(", "),
    ];
    let row = |[candidate, evidence, command]: [String; 3]| {
        let [name, source, result, lookups, dates, scopes] = of_name.clone();
        [name, source, result, lookups, dates, scopes, candidate, evidence, command]
    };
    let nobody = ["nobody".to_owned(), String::new(), name.nobody.clone()];
    name.candidates.iter().map(candidate).chain([nobody]).map(row).collect()
}

fn candidate(candidate: &Candidate) -> [String; 3] {
    let teams: Vec<String> =
        candidate.teams.iter().map(|(team, last)| format!("{team} until {last}")).collect();
    let evidence = format!("{}; {}", candidate.evidence, teams.join(", "));
    [format!("{} ({})", candidate.name, candidate.player_id), evidence, candidate.command.clone()]
}
