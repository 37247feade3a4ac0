//! `schemas check` and `schemas push`: events and subjects as tables.
//!
//! Invariant: a schema that is incompatible is marked in upper case.
//! Not here: checking and pushing (`schema_registration`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    schema_registration::{self, SchemaReport, SubjectReport, SubjectStatus},
};
use anyhow::Result;
use schema_registry::plan::REQUIRED_LEVEL;

/// Runs `schemas check`.
pub fn check(app: &App, output: Output) -> Result<CommandOutcome> {
    let report = schema_registration::check(app)?;
    output::print(output, &report, check_text)?;
    Ok(if report.is_valid() { CommandOutcome::Done } else { CommandOutcome::Differs })
}

/// Runs `schemas push`.
pub fn push(app: &App, dry_run: bool, output: Output) -> Result<CommandOutcome> {
    let report = schema_registration::push(app, dry_run)?;
    output::print(output, &report.subjects, |subjects| push_text(&report.registry, subjects))?;
    Ok(if report.has_missing() { CommandOutcome::Differs } else { CommandOutcome::Done })
}

fn status_name(status: SubjectStatus) -> &'static str {
    match status {
        SubjectStatus::Registered => "registered",
        SubjectStatus::Missing => "missing",
        SubjectStatus::Pushed => "pushed",
        SubjectStatus::Breaking => "BREAKING",
    }
}

fn check_text(report: &SchemaReport) -> String {
    let events = report.events.iter().map(|event| {
        let versions = match event.versions {
            0 | 1 => format!("v{}", event.versions),
            count => format!("v{} → v{count}", count - 1),
        };
        let (verdict, detail) = match event.problems.as_slice() {
            [] => ("ok", event.changes.join(", ")),
            problems => ("BREAKING", problems.join("; ")),
        };
        [event.event.to_owned(), versions, REQUIRED_LEVEL.to_string(), verdict.to_owned(), detail]
    });
    let events = output::table(["event", "versions", "level", "verdict", "changes"], events);
    let Some(url) = &report.registry else { return events };
    let count = |state| report.subjects.iter().filter(|subject| subject.state == state).count();
    let next = if count(SubjectStatus::Missing) > 0 { "\nnext: `fastbreak schemas push`" } else { "" };
    format!(
        "{events}\n\n{}\n\n{} of {} subjects are registered in {url} at the required level{next}",
        subject_table(&report.subjects),
        count(SubjectStatus::Registered),
        report.subjects.len()
    )
}

fn push_text(url: &str, subjects: &[SubjectReport]) -> String {
    let count = |state| subjects.iter().filter(|subject| subject.state == state).count();
    let verdict = match (count(SubjectStatus::Pushed), count(SubjectStatus::Missing)) {
        (0, 0) => format!("all schemas are registered in {url}"),
        (0, missing) => format!("preview: {missing} subjects would be pushed to {url}"),
        (pushed, _) => format!("{pushed} subjects pushed to {url}"),
    };
    format!("{}\n\n{verdict}", subject_table(subjects))
}

fn subject_table(subjects: &[SubjectReport]) -> String {
    let rows = subjects.iter().map(|subject| {
        let id = subject.id.map_or_else(String::new, |id| id.to_string());
        let (name, event) = (subject.subject.clone(), subject.event.to_owned());
        [name, event, id, status_name(subject.state).to_owned(), subject.reason.clone()]
    });
    output::table(["subject", "event", "id", "state", "detail"], rows)
}
