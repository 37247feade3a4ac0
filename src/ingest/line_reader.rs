//! Reads the lines of a file or of standard input; a thread reads ahead.
//!
//! Invariant: each line is returned completely, in order, and with the original bytes, including its line feed. Of a line above the limit
//! only the size is returned; its bytes are never in memory at the same time. If the source has no data
//! for a while, `Idle` is returned once, so that the caller can process the lines that it has, without waiting for the next one. A file
//! in a form that is refused has no lines: the first call of `advance` returns the error.
//! Not here: the forms of a file (`file_form`), parsing of a line (`ingest`).
use super::file_form::{self, FileForm, UnsupportedForm};
use anyhow::{Context, Result};
use flate2::read::MultiGzDecoder;
use schemas::raw::MAX_EVENT_BYTES;
use std::{
    fs::File,
    io::{Cursor, Error, ErrorKind, Read, Result as Io},
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    time::Duration,
};

/// Maximum size of one read.
const BLOCK_BYTES: usize = 256 << 10;
/// Maximum number of blocks that are read ahead.
const READ_AHEAD_BLOCKS: usize = 4;
/// If the source has no new data for this time, it is reported as idle.
const IDLE_TIMEOUT: Duration = Duration::from_millis(5);

/// Error: the file is in a form that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the input is {}", form.what)]
pub struct RefusedForm {
    pub form: UnsupportedForm,
    /// The command that uncompresses the file, if what is refused is its uncompressed content.
    uncompress: Option<&'static str>,
}
impl RefusedForm {
    /// Returns the command that writes the lines of the file to standard output; of standard input if `file` is `None`.
    pub fn command(&self, file: Option<&str>) -> String {
        let UnsupportedForm { of_file, of_input, .. } = self.form;
        match (self.uncompress, file) {
            (None, Some(file)) => format!("{of_file} {file}"),
            (None, None) => of_input.to_owned(),
            (Some(uncompress), Some(file)) => format!("{uncompress} {file} | {of_input}"),
            (Some(uncompress), None) => format!("{uncompress} | {of_input}"),
        }
    }
}
impl From<RefusedForm> for Error {
    fn from(refused: RefusedForm) -> Error {
        Error::other(refused)
    }
}

/// The next line, or the state of the source.
#[derive(Debug, PartialEq, Eq)]
pub enum NextLine<'a> {
    /// A line with its line feed; the last line may have none.
    Line(&'a [u8]),
    /// A line of this many bytes, which is more than [`MAX_EVENT_BYTES`].
    TooLarge(u64),
    /// The source has no data at the moment; reported once per pause.
    Idle,
    End,
}

/// Reader of the lines of a file.
pub struct LineReader {
    blocks: Receiver<Io<Vec<u8>>>,
    buffer: Vec<u8>,
    /// Number of bytes at the start of `buffer` that were returned as lines.
    returned: usize,
    /// Number of bytes at the start of `buffer` that were searched for a line feed.
    searched: usize,
    /// Number of bytes that were dropped of the current line, which is above the limit.
    dropped: u64,
    has_ended: bool,
    idle_reported: bool,
}
impl LineReader {
    /// Opens a file or standard input (`-`), plain or compressed with gzip or zstd; `tick` is called with the number of bytes of each read.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(path: &Path, tick: impl Fn(u64) + Send + 'static) -> Result<LineReader> {
        if path == Path::new("-") {
            return LineReader::from_source(CountingReader(std::io::stdin(), tick));
        }
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        LineReader::from_source(CountingReader(file, tick))
    }
    /// Reads all lines of a file as text.
    ///
    /// # Errors
    /// If the file cannot be read or is not UTF-8.
    pub fn read(path: &Path) -> Result<Vec<String>> {
        let reading = || format!("reading {}", path.display());
        let (mut reader, mut lines) = (LineReader::open(path, |_| {})?, Vec::new());
        loop {
            match reader.advance().with_context(reading)? {
                NextLine::Line(line) => lines.push(String::from_utf8(line.to_vec()).with_context(reading)?),
                NextLine::TooLarge(bytes) => {
                    let line = format!("a line has {bytes} bytes; the limit is {MAX_EVENT_BYTES}");
                    return Err(anyhow::Error::msg(line)).with_context(reading);
                }
                NextLine::Idle => {}
                NextLine::End => return Ok(lines),
            }
        }
    }
    fn from_source(source: impl Read + Send + 'static) -> Result<LineReader> {
        let (sender, blocks) = sync_channel(READ_AHEAD_BLOCKS);
        let read_blocks = move || {
            let mut source = match lines_of(source) {
                Ok(lines) => lines,
                // If the reader of the lines no longer exists, nobody needs the error.
                Err(error) => return drop(sender.send(Err(error))),
            };
            loop {
                let mut block = vec![0; BLOCK_BYTES];
                let read = match source.read(&mut block) {
                    Ok(0) => return,
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    read => read,
                };
                let is_last = read.is_err();
                let sent = sender.send(read.map(|n| {
                    block.truncate(n);
                    block
                }));
                if is_last || sent.is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("lines".into())
            .spawn(read_blocks)
            .context("starting the reader thread")?;
        Ok(LineReader {
            blocks,
            buffer: Vec::new(),
            returned: 0,
            searched: 0,
            dropped: 0,
            has_ended: false,
            idle_reported: true,
        })
    }
    /// Returns the next line, `Idle` at a pause of the source, or `End`.
    ///
    /// # Errors
    /// If reading the source fails.
    pub fn advance(&mut self) -> Io<NextLine<'_>> {
        loop {
            if let Some(length) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                return Ok(self.take(self.searched + length + 1));
            }
            self.searched = self.buffer.len();
            if self.has_ended {
                let is_end = self.returned == self.buffer.len() && self.dropped == 0;
                return Ok(if is_end { NextLine::End } else { self.take(self.buffer.len()) });
            }
            self.drop_if_too_large();
            let block = if self.idle_reported {
                self.blocks.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.blocks.recv_timeout(IDLE_TIMEOUT)
            };
            match block {
                Ok(block) => {
                    let block = block?;
                    self.buffer.drain(..self.returned);
                    self.searched -= self.returned;
                    self.returned = 0;
                    self.buffer.extend_from_slice(&block);
                    self.idle_reported = false;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.idle_reported = true;
                    return Ok(NextLine::Idle);
                }
                Err(RecvTimeoutError::Disconnected) => self.has_ended = true,
            }
        }
    }
    /// Drops what was read of the current line if it is above the limit.
    fn drop_if_too_large(&mut self) {
        let read = self.buffer.len() - self.returned;
        if self.dropped > 0 || read > MAX_EVENT_BYTES {
            self.dropped += read as u64;
            self.returned = self.buffer.len();
        }
    }
    /// Returns the line that consists of the part of the buffer before `end` that was not returned yet, after what was dropped of it.
    fn take(&mut self, end: usize) -> NextLine<'_> {
        let start = std::mem::replace(&mut self.returned, end);
        self.searched = end;
        let (line, dropped) = (&self.buffer[start..end], std::mem::take(&mut self.dropped));
        let is_too_large = dropped > 0 || line.len() > MAX_EVENT_BYTES;
        if is_too_large { NextLine::TooLarge(dropped + line.len() as u64) } else { NextLine::Line(line) }
    }
}

/// Recognizes the form of a source, and returns its text.
fn lines_of(source: impl Read + Send + 'static) -> Io<Box<dyn Read + Send>> {
    let (form, source) = recognize(source)?;
    let (uncompress, text): (_, Box<dyn Read + Send>) = match form {
        FileForm::Lines => return Ok(Box::new(source)),
        FileForm::Gzip => ("zcat", Box::new(MultiGzDecoder::new(source))),
        FileForm::Zstd => ("zstd -dc", Box::new(zstd::Decoder::new(source)?)),
        FileForm::Refused(form) => return Err(RefusedForm { form, uncompress: None }.into()),
    };
    match recognize(text)? {
        (FileForm::Lines, text) => Ok(Box::new(text)),
        (FileForm::Refused(form), _) => Err(RefusedForm { form, uncompress: Some(uncompress) }.into()),
        // Without its outer compression, `ingest -` can read it.
        (FileForm::Gzip | FileForm::Zstd, _) => {
            let form =
                UnsupportedForm { what: "compressed twice", of_file: uncompress, of_input: uncompress };
            Err(RefusedForm { form, uncompress: None }.into())
        }
    }
}

/// Reads the first bytes of a source until its form is recognized; returns the form, and the complete source.
fn recognize<R: Read>(mut source: R) -> Io<(FileForm, impl Read)> {
    let (mut first, mut block) = (Vec::new(), vec![0; BLOCK_BYTES]);
    loop {
        let read = match source.read(&mut block) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        first.extend_from_slice(&block[..read]);
        if let Some(form) = file_form::recognize(&first, read == 0) {
            // A terminal must not be read again after its end.
            let rest = source.take(if read == 0 { 0 } else { u64::MAX });
            return Ok((form, Cursor::new(first).chain(rest)));
        }
    }
}

/// Reader that calls a function with the number of bytes of each read.
struct CountingReader<R, F>(R, F);
impl<R: Read, F: Fn(u64)> Read for CountingReader<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> Io<usize> {
        let n = self.0.read(buffer)?;
        (self.1)(n as u64);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    /// A source that returns the given blocks, one per read, as a pipe does.
    struct BlockSource(VecDeque<Vec<u8>>);
    impl Read for BlockSource {
        fn read(&mut self, buffer: &mut [u8]) -> Io<usize> {
            let block = self.0.pop_front().unwrap_or_default();
            buffer[..block.len()].copy_from_slice(&block);
            Ok(block.len())
        }
    }

    proptest! {
        #[test]
        fn lines_are_complete_for_any_read_sizes(
            text in proptest::collection::vec(proptest::sample::select(&b"ab\n"[..]), 0..200),
            block_sizes in proptest::collection::vec(1..20_usize, 1..20),
        ) {
            let mut blocks = VecDeque::new();
            let (mut rest, mut sizes) = (&text[..], block_sizes.iter().cycle());
            while !rest.is_empty() {
                let (block, remaining) = rest.split_at((*sizes.next().unwrap_or(&1)).min(rest.len()));
                blocks.push_back(block.to_vec());
                rest = remaining;
            }
            let mut lines = LineReader::from_source(BlockSource(blocks)).unwrap();
            let mut found: Vec<Vec<u8>> = Vec::new();
            loop {
                match lines.advance().unwrap() {
                    NextLine::Line(line) => found.push(line.to_vec()),
                    NextLine::TooLarge(bytes) => panic!("{bytes} bytes"),
                    NextLine::Idle => {}
                    NextLine::End => break,
                }
            }
            let expected: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn of_a_line_above_the_limit_only_the_size_is_returned_and_the_lines_around_it_are_complete() {
        let large = |bytes: usize| vec![b'x'; bytes];
        for (length, is_too_large) in
            [(MAX_EVENT_BYTES - 1, false), (MAX_EVENT_BYTES, true), (3 * MAX_EVENT_BYTES, true)]
        {
            let text =
                [&b"a\n"[..], large(length).as_slice(), b"\nb\n", large(length).as_slice(), b"\n"].concat();
            let mut lines = LineReader::from_source(Cursor::new(text)).unwrap();
            let mut sizes = Vec::new();
            let mut longest = 0;
            loop {
                match lines.advance().unwrap() {
                    NextLine::Line(line) => sizes.push((line.len() as u64, false)),
                    NextLine::TooLarge(bytes) => sizes.push((bytes, true)),
                    NextLine::Idle => {}
                    NextLine::End => break,
                }
                longest = longest.max(lines.buffer.capacity());
            }
            let line = (length as u64 + 1, is_too_large);
            assert_eq!(sizes, [(2, false), line, (2, false), line]);
            assert!(longest <= 3 * MAX_EVENT_BYTES, "{longest} bytes were in memory");
        }
    }

    #[test]
    fn an_idle_source_reports_idle_once_and_an_error_is_not_the_end() {
        struct Slow(u8);
        impl Read for Slow {
            fn read(&mut self, buffer: &mut [u8]) -> Io<usize> {
                self.0 += 1;
                match self.0 {
                    1 => {
                        buffer[..4].copy_from_slice(b"a\nbc");
                        Ok(4)
                    }
                    2 => {
                        std::thread::sleep(IDLE_TIMEOUT * 20);
                        Err(std::io::Error::other("torn"))
                    }
                    _ => Ok(0),
                }
            }
        }
        let mut lines = LineReader::from_source(Slow(0)).unwrap();
        assert_eq!(lines.advance().unwrap(), NextLine::Line(b"a\n"));
        assert_eq!(lines.advance().unwrap(), NextLine::Idle);
        assert_eq!(lines.advance().unwrap_err().to_string(), "torn");
    }
}
