//! `ingest`: append files of scraper events to the raw topics.
//!
//! Invariant: ingesting a file again appends no event; a line that is not an event becomes a dead letter.
//! Not here: parsing and routing of a line (`ingest`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    ingest::line_reader::{LineReader, NextLine},
    ingest::{DEAD_LETTERS, Ingest, Ingested},
};
use anyhow::{Context, Result};
use runtime::LogBackend;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Serialize)]
struct Report {
    lines: u64,
    new: u64,
    known: u64,
    dead_letters: u64,
}

pub fn ingest(app: &App, files: &[PathBuf], output: Output) -> Result<CommandOutcome> {
    let mut log = app.open_log()?;
    let mut total = Ingested::default();
    for path in files {
        total.add(ingest_file(log.as_mut(), path)?);
    }
    let Ingested { lines, new, known, dead_letters } = total;
    output::print(output, &Report { lines, new, known, dead_letters }, show)?;
    Ok(if dead_letters > 0 { CommandOutcome::Unbalanced } else { CommandOutcome::Done })
}

fn ingest_file(log: &mut dyn LogBackend, path: &Path) -> Result<Ingested> {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let bar = output::bar(size, "ingest");
    let reader_bar = bar.clone();
    let mut lines = LineReader::open(path, move |bytes| reader_bar.inc(bytes))?;
    let origin = path.display().to_string();
    let mut ingest = Ingest::new(log);
    let mut number = 0;
    loop {
        match lines.advance().with_context(|| format!("reading {origin} after line {number}"))? {
            NextLine::Line(line) => {
                number += 1;
                ingest.line(&origin, number, line)?;
            }
            // When the source pauses (such as the pipe of a scraper), append the events read so far, without waiting for the next ones.
            NextLine::Idle => ingest.flush()?,
            NextLine::End => break,
        }
    }
    let ingested = ingest.finish()?;
    bar.finish_and_clear();
    Ok(ingested)
}

fn show(report: &Report) -> String {
    let Report { lines, new, known, dead_letters } = report;
    let summary = match (new, known) {
        (0, _) if *lines > 0 => format!("nothing new: {known} events were already in the log"),
        (new, 0) => format!("{new} events ingested"),
        (new, known) => format!("{new} events ingested, {known} were already in the log"),
    };
    let dead_letters = match dead_letters {
        0 => String::new(),
        count => format!(
            "; {count} lines are dead letters in {DEAD_LETTERS}, `fastbreak dlq show ingest` shows them"
        ),
    };
    format!("{summary}{dead_letters}\nnext: `fastbreak run --until-caught-up`")
}
