//! `check`: whether a run would start and be right, with the fix for each thing that is not.
use super::{Ended, Output, output};
use crate::{config::Config, sink, topology};
use anyhow::Result;
use processors::predictor::Predictor;
use serde::Serialize;
use sinks::{Sqlite, Warehouse};

#[derive(Serialize)]
struct Line {
    ok: bool,
    what: String,
    /// What is wrong and what to do, when it is.
    fix: Option<String>,
}
fn line(what: impl Into<String>, wrong: Result<(), String>) -> Line {
    Line { ok: wrong.is_ok(), what: what.into(), fix: wrong.err() }
}

pub fn check(config: &Config, output: Output) -> Result<Ended> {
    let mut lines = vec![line("configuration", Ok(()))];
    if let Some(url) = &config.registry.url {
        let bound = crate::registry::bind(&config.registry).map_err(|error| output::chain(&error));
        lines.push(line(format!("schema registry {url} has every schema"), bound));
    }
    let log = crate::storage::open(config).and_then(|mut log| Ok(log.id()?));
    let id = log.as_ref().ok().cloned();
    lines.push(line(
        format!("log in {}", config.data.display()),
        log.map(|_| ()).map_err(|error| output::chain(&error)),
    ));
    let wrong = schemas::registry::check();
    lines.push(line(
        "schemas read all their predecessors",
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) },
    ));
    lines.push(line("topics have writers and meet in equal partitions", topology()));
    let model = super::run::predictor(config).map(|_| ()).map_err(|error| output::chain(&error));
    let what = config.learned_model.as_ref().map_or_else(
        || "learned_v1: no artefact is configured, its predictions will say model_absent".to_owned(),
        |path| format!("learned_v1: {}", path.display()),
    );
    lines.push(line(what, model));
    let path = sink::warehouse_path(&config.data);
    let warehouse = match (path.exists(), id) {
        (true, Some(id)) => Sqlite::open(&path)
            .and_then(|warehouse| warehouse.standing()?.admit(&id, None))
            .map_err(|error| error.to_string()),
        _ => Ok(()),
    };
    lines.push(line(format!("warehouse {}", path.display()), warehouse));
    output::print(output, &lines, |lines| {
        let text = |line: &Line| match &line.fix {
            None => format!("✔ {}", line.what),
            Some(fix) => format!("✘ {}: {fix}", line.what),
        };
        lines.iter().map(text).collect::<Vec<_>>().join("\n")
    })?;
    Ok(if lines.iter().all(|line| line.ok) { Ended::Done } else { Ended::Unbalanced })
}

/// Every topic that is read is raw or written upstream, and all inputs of a processor have the same partition count.
fn topology() -> Result<(), String> {
    let nodes = topology::topology(Predictor::new(None));
    let mut written: Vec<&str> = Vec::new();
    for node in &nodes {
        for input in node.inputs() {
            if !input.name.starts_with("raw.") && !written.contains(&input.name) {
                return Err(format!("{} reads {}, which nobody upstream writes", node.name(), input.name));
            }
            if input.partitions != topics::PARTITIONS {
                return Err(format!(
                    "{} reads {} in {} partitions",
                    node.name(),
                    input.name,
                    input.partitions
                ));
            }
        }
        written.extend(node.outputs().iter().map(|output| output.name));
    }
    Ok(())
}
