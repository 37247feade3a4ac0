//! Ingests files of scraper events.
//!
//! Invariant: ingesting a file again appends no event; a line that is not an event becomes a dead letter.
//! Not here: parsing and routing of a line (`ingest`), reading of lines (`line_reader`).
use super::{
    Ingest, Ingested,
    line_reader::{LineReader, NextLine},
};
use crate::app::App;
use anyhow::{Context, Result};
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
/// If a file cannot be read or the log fails; the events that were appended before stay in the log.
pub fn ingest_files(
    app: &App,
    files: &[PathBuf],
    on_progress: &mut dyn FnMut(IngestProgress),
) -> Result<Ingested> {
    let mut log = app.open_log()?;
    let mut total = Ingested::default();
    for path in files {
        total.add(ingest_file(log.as_mut(), path, on_progress)?);
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
    on_progress(IngestProgress::Finished);
    Ok(ingested)
}
