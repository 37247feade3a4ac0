//! `grade`: how each system did.
use super::{CommandOutcome, Output, Population, output};
use crate::{config::Config, warehouse::WarehouseTarget};
use anyhow::Result;
use schemas::{EasternDate, Season};
use sinks::{
    grading::{Figures, Grader, Grades},
    sqlite::Span,
};

pub fn grade(
    config: &Config,
    season: Option<Season>,
    dates: Option<(EasternDate, EasternDate)>,
    population: Population,
    output: Output,
) -> Result<CommandOutcome> {
    let reader = WarehouseTarget::live(config).reader()?;
    let span = match (season, dates) {
        (Some(season), _) => Span::Season(season),
        (None, Some((from, to))) => Span::Dates(from, to),
        (None, None) => Span::All,
    };
    let mut grader = Grader::new(match population {
        Population::Eligible => sinks::grading::Population::Eligible,
        Population::All => sinks::grading::Population::All,
    });
    reader.candidates(span, |candidate| grader.add(candidate))?;
    let Grades { rows, common_set } = grader.grades();
    // A system is named once on the issued basis, with or without predictions; retrospective only where there is any.
    let shown = |figures: Vec<Figures>| -> Vec<Figures> {
        figures.into_iter().filter(|row| row.basis == "issued" || row.n.is_some()).collect()
    };
    let grades = Grades { rows: shown(rows), common_set: shown(common_set) };
    output::print(output, &grades, |grades| {
        format!(
            "{}\n\nthe player-games that every system predicted\n{}",
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
