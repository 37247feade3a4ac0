//! `ingest`: files of scraper events into the raw topics.
use super::{CommandOutcome, Output, output};
use crate::{
    config::Config,
    ingest::line_reader::{LineReader, NextLine},
    ingest::{DEAD_LETTERS, Ingest, Ingested},
};
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Serialize)]
struct Report {
    lines: u64,
    new: u64,
    known: u64,
    dead_letters: u64,
}

pub fn ingest(config: &Config, files: &[PathBuf], output: Output) -> Result<CommandOutcome> {
    let mut log = crate::storage::open(config)?;
    let mut total = Ingested::default();
    for path in files {
        let size = std::fs::metadata(path).map_or(0, |meta| meta.len());
        let bar = output::bar(size, "ingest");
        let ticked = bar.clone();
        let mut lines = LineReader::open(path, move |bytes| ticked.inc(bytes))?;
        let origin = path.display().to_string();
        let mut ingest = Ingest::new(log.as_mut());
        let mut number = 0;
        loop {
            match lines.advance().with_context(|| format!("reading {origin} after line {number}"))? {
                NextLine::Line(line) => {
                    number += 1;
                    ingest.line(&origin, number, line)?;
                }
                // What a scraper has just written does not wait for what it writes next.
                NextLine::Idle => ingest.flush()?,
                NextLine::End => break,
            }
        }
        total.add(ingest.finish()?);
        bar.finish_and_clear();
    }
    let report =
        Report { lines: total.lines, new: total.new, known: total.known, dead_letters: total.dead_letters };
    output::print(output, &report, |r| {
        let Report { lines, new, known, dead_letters } = r;
        let news = match (new, known) {
            (0, _) if *lines > 0 => format!("nothing new: {known} events were in the log already"),
            (new, 0) => format!("{new} events ingested"),
            (new, known) => format!("{new} events ingested, {known} were in the log already"),
        };
        let next = "next: `fastbreak run --until-caught-up`";
        match dead_letters {
            0 => format!("{news}\n{next}"),
            dead_letters => format!(
                "{news}; {dead_letters} lines are dead letters, kept with their reasons in {DEAD_LETTERS}\n{next}"
            ),
        }
    })?;
    Ok(if total.dead_letters > 0 { CommandOutcome::Unbalanced } else { CommandOutcome::Done })
}
