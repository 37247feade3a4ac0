//! Grade: the results of each prediction system.
//!
//! Invariant: systems are also compared over the player-games that every one of them predicted.
//! Not here: the formulas (`sinks::grading`).
use crate::{app::App, usage_error::UsageError};
use anyhow::Result;
use runtime::RuntimeError;
use sinks::{
    grading::{Figures, Grader, Grades, Outcome, Population},
    sqlite::{Span, WarehouseQueries},
};

/// Grades the prediction systems over the candidates of a population in the games of a span.
///
/// # Errors
/// [`UsageError`] if the last date is before the first; [`RuntimeError::Precondition`] if nothing can be graded; if the warehouse cannot be
/// read.
pub fn grade(app: &App, span: Span, population: Population) -> Result<Grades> {
    if let Span::Dates(from, to) = span
        && to < from
    {
        return Err(UsageError::new(
            format!("--to {to} is before --from {from}"),
            format!("swap the dates: `fastbreak grade --from {to} --to {from}`"),
        )
        .into());
    }
    let queries = app.warehouse().reader()?;
    let mut grader = Grader::new(population);
    let (mut predicted, mut played) = (0, 0);
    queries.candidates(span, |candidate| {
        predicted += 1;
        played += u64::from(candidate.outcome != Outcome::Pending);
        grader.add(candidate);
    })?;
    let Grades { rows, common_set } = grader.grades();
    let is_graded = |row: &Figures| row.n.is_some_and(|n| n > 0) || row.voids.is_some_and(|n| n > 0);
    if !rows.iter().any(is_graded) {
        return Err(nothing_to_grade(&queries, predicted, played)?.into());
    }
    Ok(Grades { rows: without_empty(rows), common_set: without_empty(common_set) })
}

/// Returns the error that says why there is nothing to grade. `predicted` candidates have a prediction, and `played` of them a game with a
/// box score.
fn nothing_to_grade(queries: &WarehouseQueries, predicted: u64, played: u64) -> Result<RuntimeError> {
    let run = "`fastbreak ingest FILE` and `fastbreak run --until-caught-up` add games";
    let (reason, next) = match (predicted, played, queries.predicted_dates()?) {
        (0, _, None) => ("the warehouse has no predictions".to_owned(), run),
        (0, _, Some((first, last))) => (
            format!(
                "no player has a prediction in these games; the warehouse has predictions for games of {first} to {last}"
            ),
            "choose other dates, or another season",
        ),
        (predicted, 0, _) => {
            (format!("none of the games of the {predicted} predictions has a box score"), run)
        }
        _ => (
            "no candidate of these games has five earlier appearances in the season".to_owned(),
            "`--population all` grades all candidates",
        ),
    };
    Ok(RuntimeError::Precondition { what: "grading".into(), reason, next: next.into() })
}

/// Removes the retrospective figures of systems that have no retrospective predictions (which also use facts that became known after
/// tip-off). Keeps all issued figures (predictions from facts known before tip-off), even without predictions, so that every system is
/// listed.
fn without_empty(figures: Vec<Figures>) -> Vec<Figures> {
    figures.into_iter().filter(|row| row.basis == "issued" || row.n.is_some()).collect()
}
