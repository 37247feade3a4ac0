//! Lines of a file or of standard input, read ahead on a thread of their own.
//!
//! Invariant: lines come as they are in the file, in order and whole, with what ends them. When a source gives nothing for a moment,
//! the reader is told, so that what was read does not wait for what may come much later.
//! Not here: what a line says (`ingest`).
use anyhow::{Context, Result};
use std::{
    fs::File,
    io::{ErrorKind, Read, Result as Io},
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    time::Duration,
};

/// Bytes read at once.
const BLOCK_BYTES: usize = 256 << 10;
/// Blocks that wait to be taken.
const READ_AHEAD_BLOCKS: usize = 4;
/// How long a source is silent before its reader is told.
const IDLE_TIMEOUT: Duration = Duration::from_millis(5);

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum NextLine<'a> {
    /// A line, with its line feed unless it is the last.
    Line(&'a [u8]),
    /// Nothing for the moment; told once until there is more.
    Idle,
    End,
}

/// A file's lines.
pub struct LineReader {
    blocks: Receiver<Io<Vec<u8>>>,
    held: Vec<u8>,
    /// Bytes of `held` that were handed out.
    taken: usize,
    /// Bytes of `held` that were searched for a line's end.
    searched: usize,
    has_ended: bool,
    was_told: bool,
}
impl LineReader {
    /// Opens a file of lines, `.zst` or plain, or `-` for standard input; `tick` is told the bytes read from it.
    pub fn open(path: &Path, tick: impl Fn(u64) + Send + 'static) -> Result<LineReader> {
        if path == Path::new("-") {
            return LineReader::from_source(Counted(std::io::stdin(), tick));
        }
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        let counted = Counted(file, tick);
        if path.extension().is_some_and(|extension| extension == "zst") {
            let plain = zstd::Decoder::new(counted);
            return LineReader::from_source(
                plain.with_context(|| format!("reading {} as zstd", path.display()))?,
            );
        }
        LineReader::from_source(counted)
    }
    /// All lines of a file, as text.
    pub fn read(path: &Path) -> Result<Vec<String>> {
        let reading = || format!("reading {}", path.display());
        let (mut lines, mut all) = (LineReader::open(path, |_| {})?, Vec::new());
        loop {
            match lines.advance().with_context(reading)? {
                NextLine::Line(line) => all.push(String::from_utf8(line.to_vec()).with_context(reading)?),
                NextLine::Idle => {}
                NextLine::End => return Ok(all),
            }
        }
    }
    fn from_source(mut source: impl Read + Send + 'static) -> Result<LineReader> {
        let (sender, blocks) = sync_channel(READ_AHEAD_BLOCKS);
        let read = move || {
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
        std::thread::Builder::new().name("lines".into()).spawn(read).context("starting a thread to read")?;
        Ok(LineReader { blocks, held: Vec::new(), taken: 0, searched: 0, has_ended: false, was_told: true })
    }
    /// The next line, or that there is none yet or no more.
    pub fn advance(&mut self) -> Io<NextLine<'_>> {
        loop {
            if let Some(at) = self.held[self.searched..].iter().position(|byte| *byte == b'\n') {
                return Ok(NextLine::Line(self.take(self.searched + at + 1)));
            }
            self.searched = self.held.len();
            if self.has_ended {
                return Ok(match self.taken < self.held.len() {
                    true => NextLine::Line(self.take(self.held.len())),
                    false => NextLine::End,
                });
            }
            let block = match self.was_told {
                true => self.blocks.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => self.blocks.recv_timeout(IDLE_TIMEOUT),
            };
            match block {
                Ok(block) => {
                    let block = block?;
                    self.held.drain(..self.taken);
                    self.searched -= self.taken;
                    self.taken = 0;
                    self.held.extend_from_slice(&block);
                    self.was_told = false;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.was_told = true;
                    return Ok(NextLine::Idle);
                }
                Err(RecvTimeoutError::Disconnected) => self.has_ended = true,
            }
        }
    }
    fn take(&mut self, end: usize) -> &[u8] {
        let from = std::mem::replace(&mut self.taken, end);
        self.searched = end;
        &self.held[from..end]
    }
}

struct Counted<R, F>(R, F);
impl<R: Read, F: Fn(u64)> Read for Counted<R, F> {
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

    /// Gives what it is told to, as a pipe does.
    struct Pieces(VecDeque<Vec<u8>>);
    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> Io<usize> {
            let piece = self.0.pop_front().unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    proptest! {
        #[test]
        fn lines_are_complete_for_any_read_sizes(
            text in proptest::collection::vec(proptest::sample::select(&b"ab\n"[..]), 0..200),
            cuts in proptest::collection::vec(1..20_usize, 1..20),
        ) {
            let mut pieces = VecDeque::new();
            let (mut rest, mut sizes) = (&text[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at((*sizes.next().unwrap_or(&1)).min(rest.len()));
                pieces.push_back(piece.to_vec());
                rest = after;
            }
            let mut lines = LineReader::from_source(Pieces(pieces)).unwrap();
            let mut found: Vec<Vec<u8>> = Vec::new();
            loop {
                match lines.advance().unwrap() {
                    NextLine::Line(line) => found.push(line.to_vec()),
                    NextLine::Idle => {}
                    NextLine::End => break,
                }
            }
            let expected: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            prop_assert_eq!(found, expected);
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
