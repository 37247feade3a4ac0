//! `grade`: the results of each prediction system as tables.
//!
//! Invariant: a figure that cannot be computed is shown as a dash.
//! Not here: grading (`grade`), the formulas (`sinks::grading`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{app::App, grade};
use anyhow::Result;
use clap::{Args, ValueEnum};
use schemas::{EasternDate, Season};
use sinks::{
    grading::{self, Figures},
    sqlite::Span,
};

#[derive(Args)]
pub struct GradeArguments {
    /// Grade the games of one season, such as 2023-24
    #[arg(long)]
    season: Option<Season>,
    /// First date of the games to grade
    #[arg(long, requires = "to", conflicts_with = "season", value_name = "DATE")]
    from: Option<EasternDate>,
    /// Last date of the games to grade
    #[arg(long, requires = "from", value_name = "DATE")]
    to: Option<EasternDate>,
    /// Candidates to grade
    #[arg(long, value_enum, default_value_t = Population::Eligible)]
    population: Population,
}

/// Set of candidates to grade.
#[derive(Clone, Copy, ValueEnum)]
enum Population {
    /// Candidates with at least five earlier appearances in the season
    Eligible,
    /// All candidates
    All,
}

/// Runs `grade`.
pub fn grade(app: &App, arguments: GradeArguments, output: Output) -> Result<CommandOutcome> {
    let span = match (arguments.season, arguments.from.zip(arguments.to)) {
        (Some(season), _) => Span::Season(season),
        (None, Some((from, to))) => Span::Dates(from, to),
        (None, None) => Span::All,
    };
    let population = match arguments.population {
        Population::Eligible => grading::Population::Eligible,
        Population::All => grading::Population::All,
    };
    output::print(output, &grade::grade(app, span, population)?, |grades| {
        format!(
            "{}\n\nover the player-games that every system predicted\n{}",
            table(&grades.rows),
            table(&grades.common_set)
        )
    })?;
    Ok(CommandOutcome::Done)
}

fn table(figures: &[Figures]) -> String {
    let count = |n: Option<u64>| n.map_or_else(|| "–".into(), |n| n.to_string());
    let rows = figures.iter().map(|row| {
        [
            row.system.to_owned(),
            row.basis.to_owned(),
            count(row.n),
            output::format_number(row.mae, 3),
            output::format_number(row.bias, 3),
            count(row.hits),
            count(row.misses),
            count(row.pushes),
            count(row.voids),
            output::format_number(row.log_loss, 4),
            output::format_number(row.brier, 4),
        ]
    });
    let header =
        ["system", "basis", "n", "MAE", "bias", "hits", "misses", "pushes", "voids", "log-loss", "Brier"];
    output::table(header, rows)
}
