//! `schemas check` and `schemas push`: the released schemas against their predecessors, and against a registry.
use super::{CommandOutcome, Output, output};
use crate::{
    config::Config,
    registry::{
        Client, Subject,
        plan::{self, REQUIRED_LEVEL, SubjectAction, SubjectState},
        subjects,
    },
};
use ::schemas::catalog::{self, Entry};
use anyhow::{Result, bail};
use serde::Serialize;

#[derive(Serialize)]
struct Report {
    events: Vec<Event>,
    /// The registry's address, when one is configured.
    registry: Option<String>,
    subjects: Vec<Line>,
}
/// An event's released schemas.
#[derive(Serialize)]
struct Event {
    event: &'static str,
    versions: usize,
    /// What the newest version has otherwise than the one before.
    changes: Vec<String>,
    wrong: Vec<String>,
}
/// What stands under a subject, or what was done with it.
#[derive(Serialize)]
struct Line {
    subject: String,
    event: &'static str,
    id: Option<u32>,
    state: State,
    reason: String,
}
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Registered,
    /// Would have to be pushed.
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

/// A push that would leave records which cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "nothing was pushed to {url}, since what is registered there could not be read any more: {}; release a schema that reads it, \
     next: `fastbreak schemas check`",
    reasons.join("; ")
)]
pub struct Refused {
    url: String,
    reasons: Vec<String>,
}

/// `schemas check`.
pub fn check(config: &Config, output: Output) -> Result<CommandOutcome> {
    let client = Client::from_config(&config.registry);
    let events: Vec<Event> = catalog::entries().iter().map(event).collect();
    let state = client.as_ref().map(stand).transpose()?.unwrap_or_default();
    let subjects = state.iter().map(|(subject, state)| line(subject, state)).collect();
    let report = Report { events, registry: client.map(|client| client.url().to_owned()), subjects };
    let is_well = report.events.iter().all(|event| event.wrong.is_empty())
        && report.subjects.iter().all(|line| line.state == State::Registered);
    output::print(output, &report, show)?;
    Ok(if is_well { CommandOutcome::Done } else { CommandOutcome::Differs })
}

/// `schemas push`.
pub fn push(config: &Config, dry_run: bool, output: Output) -> Result<CommandOutcome> {
    let Some(client) = Client::from_config(&config.registry) else {
        bail!(
            "no registry is configured, and none is needed without: `fastbreak schemas push --registry URL`"
        );
    };
    let wrong = catalog::check();
    if !wrong.is_empty() {
        return Err(Refused { url: client.url().to_owned(), reasons: wrong }.into());
    }
    let state = stand(&client)?;
    let mut lines: Vec<Line> = state.iter().map(|(subject, state)| line(subject, state)).collect();
    let breaking = lines.iter().filter(|line| line.state == State::Breaking);
    let reasons: Vec<String> = breaking.map(|line| format!("{}: {}", line.subject, line.reason)).collect();
    if !reasons.is_empty() {
        return Err(Refused { url: client.url().to_owned(), reasons }.into());
    }
    for ((subject, state), line) in state.iter().zip(&mut lines) {
        if let (SubjectAction::Push { from, .. }, false) =
            (plan::plan(subject.entry.released, state), dry_run)
        {
            let ids = plan::push(&client, subject, state, from)?;
            line.id = ids.last().copied().or(line.id);
            line.state = State::Pushed;
        }
    }
    let changes = lines.iter().any(|line| line.state == State::Missing);
    output::print(output, &lines, |lines| {
        let count = |state| lines.iter().filter(|line| line.state == state).count();
        let (pushed, missing) = (count(State::Pushed), count(State::Missing));
        let verdict = match (pushed, missing) {
            (0, 0) => format!("{} has everything", client.url()),
            (0, missing) => format!("{missing} subjects would be pushed to {}; nothing was", client.url()),
            (pushed, _) => format!("{pushed} subjects pushed to {}", client.url()),
        };
        format!("{}\n\n{verdict}", table(lines))
    })?;
    Ok(if changes { CommandOutcome::Differs } else { CommandOutcome::Done })
}

/// Every subject as it stands.
fn stand(client: &Client) -> Result<Vec<(Subject, SubjectState)>> {
    let read = |subject: Subject| plan::read(client, &subject).map(|state| (subject, state));
    Ok(subjects().into_iter().map(read).collect::<Result<_, _>>()?)
}

fn line(subject: &Subject, state: &SubjectState) -> Line {
    let released = subject.entry.released;
    let is_newest = |at: usize| at + 1 == released.len();
    let id = state.ours.filter(|(at, _)| is_newest(*at)).map(|(_, id)| id);
    let (state, reason) = match plan::plan(released, state) {
        SubjectAction::Nothing { .. } => (State::Registered, String::new()),
        SubjectAction::Refused(reason) => (State::Breaking, reason),
        SubjectAction::Push { from, level } => {
            let versions: Vec<String> =
                (from + 1..=released.len()).map(|version| format!("v{version}")).collect();
            let level = match (level, state.level) {
                (false, _) => None,
                (true, None) => Some(format!("level {REQUIRED_LEVEL}")),
                (true, Some(is)) => Some(format!("level {REQUIRED_LEVEL} instead of {is}")),
            };
            (State::Missing, versions.into_iter().chain(level).collect::<Vec<_>>().join(", "))
        }
    };
    Line { subject: subject.name.clone(), event: subject.entry.name, id, state, reason }
}

fn event(entry: &Entry) -> Event {
    let changes = match entry.released {
        [.., older, newer] => changes(older, newer),
        _ => Vec::new(),
    };
    Event { event: entry.name, versions: entry.released.len(), changes, wrong: catalog::wrong(entry) }
}

/// The fields that a schema has otherwise than another.
fn changes(older: &str, newer: &str) -> Vec<String> {
    let fields = |text: &str| -> Vec<(String, String)> {
        let schema: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let fields = schema["fields"].as_array().cloned().unwrap_or_default();
        let type_of = |field: &serde_json::Value| match &field["type"] {
            serde_json::Value::String(name) => name.clone(),
            serde_json::Value::Object(named) => named.get("name").unwrap_or(&field["type"]).to_string(),
            other => other.to_string(),
        };
        fields
            .iter()
            .map(|field| (field["name"].as_str().unwrap_or_default().to_owned(), type_of(field)))
            .collect()
    };
    let (older, newer) = (fields(older), fields(newer));
    let find = |fields: &[(String, String)], name: &str| {
        fields.iter().find(|(known, _)| known == name).map(|(_, kind)| kind.clone())
    };
    let gone =
        older.iter().filter(|(name, _)| find(&newer, name).is_none()).map(|(name, _)| format!("- {name}"));
    let new = newer.iter().filter_map(|(name, kind)| match find(&older, name) {
        None => Some(format!("+ {name}: {kind}")),
        Some(before) if before != *kind => Some(format!("~ {name}: {before} → {kind}")),
        Some(_) => None,
    });
    new.chain(gone).collect()
}

fn show(report: &Report) -> String {
    let events = report.events.iter().map(|event| {
        let versions = match event.versions {
            0 | 1 => format!("v{}", event.versions),
            n => format!("v{} → v{n}", n - 1),
        };
        let verdict = if event.wrong.is_empty() { "ok" } else { "BREAKING" };
        let detail = if event.wrong.is_empty() { event.changes.join(", ") } else { event.wrong.join("; ") };
        [event.event.to_owned(), versions, REQUIRED_LEVEL.to_string(), verdict.to_owned(), detail]
    });
    let events = output::table(["event", "versions", "level", "verdict", "changes"], events);
    let Some(url) = &report.registry else { return events };
    let subjects = table(&report.subjects);
    let missing = report.subjects.iter().any(|line| line.state == State::Missing);
    let next = if missing { "; next: `fastbreak schemas push`" } else { "" };
    let well = report.subjects.iter().filter(|line| line.state == State::Registered).count();
    format!(
        "{events}\n\n{subjects}\n\n{well} of {} subjects of {url} are as they should be{next}",
        report.subjects.len()
    )
}
fn table(lines: &[Line]) -> String {
    let rows = lines.iter().map(|line| {
        let id = line.id.map_or_else(String::new, |id| id.to_string());
        [line.subject.clone(), line.event.to_owned(), id, line.state.name().to_owned(), line.reason.clone()]
    });
    output::table(["subject", "event", "id", "state", "what"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_name_the_fields_that_came_went_and_turned() {
        let older = r#"{"fields":[{"name":"a","type":"int"},{"name":"b","type":["null","int"]},{"name":"c","type":"int"}]}"#;
        let newer = r#"{"fields":[{"name":"a","type":"long"},{"name":"b","type":["null","int"]},{"name":"d","type":"int"}]}"#;
        assert_eq!(changes(older, newer), ["~ a: int → long", "+ d: int", "- c"]);
        assert!(changes(newer, newer).is_empty());
    }
}
