//! Ingests files of scraper events.
//!
//! Invariant: ingesting a file again appends no event; a line that is not an event becomes a dead letter. Of a file in a form that is refused,
//! or whose first lines are no events, nothing is stored. If reading fails later, the events of the lines before are stored.
//! Not here: parsing and routing of a line (`ingest`), reading of lines (`line_reader`).
use super::{
    Ingest, Ingested,
    first_lines::NoEvents,
    line_reader::{LineReader, NextLine, RefusedForm},
};
use crate::app::App;
use anyhow::{Context, Result, anyhow};
use runtime::LogBackend;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Progress of ingesting files, one after the other.
#[derive(Clone, Copy, Debug)]
pub enum IngestProgress {
    /// A file of this size in bytes was opened; 0 if the size is not known.
    Opened { size: u64 },
    /// This number of bytes of the file was read.
    Read { bytes: u64 },
    /// All events of the file are in the log.
    Finished,
}

/// Appends the events of files to the raw topics and returns the counts over all files.
///
/// # Errors
/// If a file cannot be read or the log fails; the events that were appended before stay in the log. If there are several files, the error
/// states which of them are in the log.
pub fn ingest_files(
    app: &App,
    files: &[PathBuf],
    on_progress: &mut dyn FnMut(IngestProgress),
) -> Result<Ingested> {
    let mut log = app.open_log()?;
    let mut total = Ingested::default();
    for (index, path) in files.iter().enumerate() {
        let ingested = ingest_file(log.as_mut(), path, on_progress);
        total.add(if files.len() > 1 {
            ingested.with_context(|| files_before_and_after(files, index))?
        } else {
            ingested?
        });
    }
    Ok(total)
}

fn ingest_file(
    log: &mut dyn LogBackend,
    path: &Path,
    on_progress: &mut dyn FnMut(IngestProgress),
) -> Result<Ingested> {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    on_progress(IngestProgress::Opened { size });
    // The thread that reads ahead counts the bytes of the file, which are fewer than those of its lines if the file is compressed.
    let bytes_read = Arc::new(AtomicU64::new(0));
    let counter = bytes_read.clone();
    let mut lines = LineReader::open(path, move |bytes| {
        counter.fetch_add(bytes, Ordering::Relaxed);
    })?;
    let origin = path.display().to_string();
    let mut ingest = Ingest::new(log);
    let (mut number, mut reported) = (0, 0);
    loop {
        let bytes = bytes_read.load(Ordering::Relaxed);
        if bytes > reported {
            reported = bytes;
            on_progress(IngestProgress::Read { bytes });
        }
        match lines.advance() {
            Ok(NextLine::Line(line)) => {
                number += 1;
                ingest.line(&origin, number, line).map_err(|error| no_events_error(error, &origin))?;
            }
            Ok(NextLine::TooLarge(bytes)) => {
                number += 1;
                ingest.too_large_line(&origin, number, bytes);
            }
            // When the source pauses (such as the pipe of a scraper), append the events read so far, without waiting for the next ones.
            Ok(NextLine::Idle) => ingest.flush()?,
            Ok(NextLine::End) => break,
            Err(error) => {
                ingest.flush().with_context(|| format!("after reading {origin} failed: {error}"))?;
                return Err(read_error(error, &origin, number));
            }
        }
    }
    let ingested = ingest.finish()?;
    on_progress(IngestProgress::Finished);
    Ok(ingested)
}

/// Returns the error of a file that is refused, or of which only the lines up to a number could be read.
fn read_error(error: std::io::Error, origin: &str, lines: u64) -> anyhow::Error {
    let refused: Option<&RefusedForm> = error.get_ref().and_then(|error| error.downcast_ref());
    if let Some(refused) = refused {
        let what = refused.form.what;
        let command = refused.command((origin != "-").then(|| shell_word(origin)).as_deref());
        return anyhow!(
            "{} is {what}; nothing of it was stored\nnext: `{command} | fastbreak ingest -`",
            name_of(origin)
        );
    }
    let stored = match lines {
        0 => "nothing of it was stored".to_owned(),
        lines => format!("the events of its {lines} lines before that are in the log"),
    };
    let context = format!(
        "{} cannot be read after line {lines}; {stored}; ingesting the complete file later adds the others",
        name_of(origin)
    );
    anyhow::Error::from(error).context(context)
}

/// Returns the error of a file whose first lines are no events; any other error as it is.
fn no_events_error(error: anyhow::Error, origin: &str) -> anyhow::Error {
    if !error.is::<NoEvents>() {
        return error;
    }
    let next = match origin {
        "-" => "pass lines of JSON, one event per line; docs/ingest.md describes an event".to_owned(),
        origin => format!("`file {}` shows what the file is", shell_word(origin)),
    };
    anyhow!("{} has no events: {error}; nothing of it was stored\nnext: {next}", name_of(origin))
}

fn name_of(origin: &str) -> &str {
    if origin == "-" { "standard input" } else { origin }
}

/// Returns the path of a file as one word of a shell's command line.
fn shell_word(path: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "/._-+=:,@%".contains(character);
    match path {
        _ if path.starts_with('-') => shell_word(&format!("./{path}")),
        _ if path.chars().all(is_plain) && !path.is_empty() => path.to_owned(),
        _ => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

/// Returns the context of an error with the file at this index: which files were ingested before it, and which were not read after it.
fn files_before_and_after(files: &[PathBuf], index: usize) -> String {
    let names = |files: &[PathBuf]| {
        let names: Vec<String> =
            files.iter().map(|path| name_of(&path.display().to_string()).to_owned()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let before = files.get(..index).unwrap_or_default();
    let after = files.get(index + 1..).unwrap_or_default();
    format!("files in the log: {}; files not read: {}", names(before), names(after))
}
