//! Grade: the results of each prediction system.
//!
//! Invariant: systems are also compared over the player-games that every one of them predicted.
//! Not here: the formulas (`sinks::grading`).
use crate::app::App;
use anyhow::Result;
use sinks::{
    grading::{Figures, Grader, Grades, Population},
    sqlite::Span,
};

/// Grades the prediction systems over the candidates of a population in the games of a span.
///
/// # Errors
/// If the warehouse cannot be read.
pub fn grade(app: &App, span: Span, population: Population) -> Result<Grades> {
    let queries = app.warehouse().reader()?;
    let mut grader = Grader::new(population);
    queries.candidates(span, |candidate| grader.add(candidate))?;
    let Grades { rows, common_set } = grader.grades();
    Ok(Grades { rows: without_empty(rows), common_set: without_empty(common_set) })
}

/// Removes the retrospective figures of systems that have no retrospective predictions (which also use facts that became known after
/// tip-off). Keeps all issued figures (predictions from facts known before tip-off), even without predictions, so that every system is
/// listed.
fn without_empty(figures: Vec<Figures>) -> Vec<Figures> {
    figures.into_iter().filter(|row| row.basis == "issued" || row.n.is_some()).collect()
}
