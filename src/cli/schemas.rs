//! `schemas check` and `schemas push`: compatibility of the Avro schemas with earlier versions and with a registry.
//!
//! Invariant: `check` and `push --dry-run` change nothing; `push` registers nothing if one schema is incompatible.
//! Not here: which schemas of a subject to push (`schema_registry::plan`), compatibility of two schemas (crate `schemas`).
mod changes;

use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{config::Config, registry::subjects};
use ::schemas::catalog::{self, Entry};
use anyhow::{Result, bail};
use changes::field_changes;
use schema_registry::{
    Client, IncompatibleSchemas, Subject,
    plan::{self, REQUIRED_LEVEL, SubjectAction, SubjectState},
};
use serde::Serialize;

#[derive(Serialize)]
struct Report {
    events: Vec<EventReport>,
    /// URL of the registry; `None` if none is configured.
    registry: Option<String>,
    subjects: Vec<SubjectReport>,
}
/// Report on the released schemas of one event.
#[derive(Serialize)]
struct EventReport {
    event: &'static str,
    versions: usize,
    /// Fields in which the newest version differs from the one before it.
    changes: Vec<String>,
    problems: Vec<String>,
}
/// State of a subject in the registry or, after a push, the result of the push.
#[derive(Serialize)]
struct SubjectReport {
    subject: String,
    event: &'static str,
    id: Option<u32>,
    state: State,
    reason: String,
}
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Registered,
    Missing,
    Pushed,
    Breaking,
}
impl State {
    const fn name(self) -> &'static str {
        match self {
            State::Registered => "registered",
            State::Missing => "missing",
            State::Pushed => "pushed",
            State::Breaking => "BREAKING",
        }
    }
}

/// Runs `schemas check`.
pub fn check(config: &Config, output: Output) -> Result<CommandOutcome> {
    let client = Client::from_config(&config.registry)?;
    let events: Vec<EventReport> = catalog::entries().iter().map(event_report).collect();
    let states = client.as_ref().map(read_subjects).transpose()?.unwrap_or_default();
    let subjects = states.iter().map(|(subject, state)| subject_report(subject, state)).collect();
    let report = Report { events, registry: client.map(|client| client.url().to_owned()), subjects };
    let is_compatible = report.events.iter().all(|event| event.problems.is_empty());
    let is_registered = report.subjects.iter().all(|subject| subject.state == State::Registered);
    output::print(output, &report, check_text)?;
    Ok(if is_compatible && is_registered { CommandOutcome::Done } else { CommandOutcome::Differs })
}

/// Runs `schemas push`.
pub fn push(config: &Config, dry_run: bool, output: Output) -> Result<CommandOutcome> {
    let Some(client) = Client::from_config(&config.registry)? else {
        bail!("no schema registry is configured; next: `fastbreak schemas push --registry URL`");
    };
    let problems = catalog::check();
    if !problems.is_empty() {
        return Err(IncompatibleSchemas { url: client.url().to_owned(), reasons: problems }.into());
    }
    let states = read_subjects(&client)?;
    let mut subjects: Vec<SubjectReport> =
        states.iter().map(|(subject, state)| subject_report(subject, state)).collect();
    let breaking = subjects.iter().filter(|subject| subject.state == State::Breaking);
    let reasons: Vec<String> =
        breaking.map(|subject| format!("{}: {}", subject.subject, subject.reason)).collect();
    if !reasons.is_empty() {
        return Err(IncompatibleSchemas { url: client.url().to_owned(), reasons }.into());
    }
    if !dry_run {
        push_missing(&client, &states, &mut subjects)?;
    }
    let has_missing = subjects.iter().any(|subject| subject.state == State::Missing);
    output::print(output, &subjects, |subjects| push_text(client.url(), subjects))?;
    Ok(if has_missing { CommandOutcome::Differs } else { CommandOutcome::Done })
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
            report.state = State::Pushed;
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
        SubjectAction::Nothing { .. } => (State::Registered, String::new()),
        SubjectAction::Refused(reason) => (State::Breaking, reason),
        SubjectAction::Push { from, sets_level } => {
            let versions: Vec<String> =
                (from + 1..=released.len()).map(|version| format!("v{version}")).collect();
            let level = match (sets_level, state.level) {
                (false, _) => None,
                (true, None) => Some(format!("level {REQUIRED_LEVEL}")),
                (true, Some(current)) => Some(format!("level {REQUIRED_LEVEL} instead of {current}")),
            };
            (State::Missing, versions.into_iter().chain(level).collect::<Vec<_>>().join(", "))
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

fn check_text(report: &Report) -> String {
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
    let next = if count(State::Missing) > 0 { "\nnext: `fastbreak schemas push`" } else { "" };
    format!(
        "{events}\n\n{}\n\n{} of {} subjects are registered in {url} at the required level{next}",
        subject_table(&report.subjects),
        count(State::Registered),
        report.subjects.len()
    )
}

fn push_text(url: &str, subjects: &[SubjectReport]) -> String {
    let count = |state| subjects.iter().filter(|subject| subject.state == state).count();
    let verdict = match (count(State::Pushed), count(State::Missing)) {
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
        [name, event, id, subject.state.name().to_owned(), subject.reason.clone()]
    });
    output::table(["subject", "event", "id", "state", "detail"], rows)
}
