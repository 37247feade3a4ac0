//! Schema registration: compatibility of the Avro schemas with earlier versions and with a registry, and pushing them to it.
//!
//! Invariant: a check and a dry run change nothing; a push registers nothing if one schema is incompatible.
//! Not here: which schemas of a subject to push (`schema_registry::plan`), compatibility of two schemas (crate `schemas`).
mod changes;
mod report;

pub use report::{EventReport, PushReport, SchemaReport, SubjectReport, SubjectStatus};

use crate::{app::App, registry::subjects, usage_error::UsageError};
use anyhow::Result;
use changes::field_changes;
use schema_registry::{
    Client, IncompatibleSchemas, Subject,
    plan::{self, REQUIRED_LEVEL, SubjectAction, SubjectState},
};
use schemas::catalog::{self, Entry};

/// Checks that each schema can read its earlier versions and, if a registry is configured, is registered there.
///
/// # Errors
/// If a request to the registry fails.
pub fn check(app: &App) -> Result<SchemaReport> {
    let client = app.registry_client()?;
    let events: Vec<EventReport> = catalog::entries().iter().map(event_report).collect();
    let states = client.as_ref().map(read_subjects).transpose()?.unwrap_or_default();
    let subjects = states.iter().map(|(subject, state)| subject_report(subject, state)).collect();
    Ok(SchemaReport { events, registry: client.map(|client| client.url().to_owned()), subjects })
}

/// Registers missing schemas; in a dry run, only reads the subjects.
///
/// # Errors
/// [`IncompatibleSchemas`] if a schema cannot read an earlier version; if no registry is configured or a request fails.
pub fn push(app: &App, dry_run: bool) -> Result<PushReport> {
    let Some(client) = app.registry_client()? else {
        return Err(UsageError::new(
            "no schema registry is configured",
            "`fastbreak schemas push --registry URL`",
        )
        .into());
    };
    let problems = catalog::check();
    if !problems.is_empty() {
        return Err(IncompatibleSchemas { url: client.url().to_owned(), reasons: problems }.into());
    }
    let states = read_subjects(&client)?;
    let mut subjects: Vec<SubjectReport> =
        states.iter().map(|(subject, state)| subject_report(subject, state)).collect();
    let breaking = subjects.iter().filter(|subject| subject.state == SubjectStatus::Breaking);
    let reasons: Vec<String> =
        breaking.map(|subject| format!("{}: {}", subject.subject, subject.reason)).collect();
    if !reasons.is_empty() {
        return Err(IncompatibleSchemas { url: client.url().to_owned(), reasons }.into());
    }
    if !dry_run {
        push_missing(&client, &states, &mut subjects)?;
    }
    Ok(PushReport { registry: client.url().to_owned(), subjects })
}

fn push_missing(
    client: &Client,
    states: &[(Subject, SubjectState)],
    reports: &mut [SubjectReport],
) -> Result<()> {
    for ((subject, state), report) in states.iter().zip(reports) {
        if let SubjectAction::Push { from, .. } = plan::plan(subject.entry.released, state) {
            let ids = plan::push(client, subject, state, from)?;
            report.id = ids.last().copied().or(report.id);
            report.state = SubjectStatus::Pushed;
        }
    }
    Ok(())
}

fn read_subjects(client: &Client) -> Result<Vec<(Subject, SubjectState)>> {
    let read = |subject: Subject| plan::read(client, &subject).map(|state| (subject, state));
    Ok(subjects().into_iter().map(read).collect::<Result<_, _>>()?)
}

fn subject_report(subject: &Subject, state: &SubjectState) -> SubjectReport {
    let released = subject.entry.released;
    let is_newest = |index: usize| index + 1 == released.len();
    let id = state.registered.filter(|(index, _)| is_newest(*index)).map(|(_, id)| id);
    let (state, reason) = match plan::plan(released, state) {
        SubjectAction::Nothing { .. } => (SubjectStatus::Registered, String::new()),
        SubjectAction::Refused(reason) => (SubjectStatus::Breaking, reason),
        SubjectAction::Push { from, sets_level } => {
            let versions: Vec<String> =
                (from + 1..=released.len()).map(|version| format!("v{version}")).collect();
            let level = match (sets_level, state.level) {
                (false, _) => None,
                (true, None) => Some(format!("level {REQUIRED_LEVEL}")),
                (true, Some(current)) => Some(format!("level {REQUIRED_LEVEL} instead of {current}")),
            };
            (SubjectStatus::Missing, versions.into_iter().chain(level).collect::<Vec<_>>().join(", "))
        }
    };
    SubjectReport { subject: subject.name.clone(), event: subject.entry.name, id, state, reason }
}

fn event_report(entry: &Entry) -> EventReport {
    let changes = match entry.released {
        [.., older, newer] => field_changes(older, newer),
        _ => Vec::new(),
    };
    EventReport {
        event: entry.name,
        versions: entry.released.len(),
        changes,
        problems: catalog::problems(entry),
    }
}
