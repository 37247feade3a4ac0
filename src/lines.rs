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
const BLOCK: usize = 256 << 10;
/// Blocks that wait to be taken.
const AHEAD: usize = 4;
/// How long a source is silent before its reader is told.
const SILENCE: Duration = Duration::from_millis(5);

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A line, with its line feed unless it is the last.
    Line(&'a [u8]),
    /// Nothing for the moment; told once until there is more.
    Silent,
    End,
}

/// A file's lines.
pub struct Lines {
    blocks: Receiver<Io<Vec<u8>>>,
    held: Vec<u8>,
    /// Bytes of `held` that were handed out.
    taken: usize,
    /// Bytes of `held` that were searched for a line's end.
    searched: usize,
    has_ended: bool,
    was_told: bool,
}
impl Lines {
    /// Opens a file of lines, `.zst` or plain, or `-` for standard input; `tick` is told the bytes read from it.
    pub fn open(path: &Path, tick: impl Fn(u64) + Send + 'static) -> Result<Lines> {
        if path == Path::new("-") {
            return Lines::of(Counted(std::io::stdin(), tick));
        }
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        let counted = Counted(file, tick);
        if path.extension().is_some_and(|extension| extension == "zst") {
            let plain = zstd::Decoder::new(counted);
            return Lines::of(plain.with_context(|| format!("reading {} as zstd", path.display()))?);
        }
        Lines::of(counted)
    }
    /// All lines of a file, as text.
    pub fn read(path: &Path) -> Result<Vec<String>> {
        let reading = || format!("reading {}", path.display());
        let (mut lines, mut all) = (Lines::open(path, |_| {})?, Vec::new());
        loop {
            match lines.advance().with_context(reading)? {
                Next::Line(line) => all.push(String::from_utf8(line.to_vec()).with_context(reading)?),
                Next::Silent => {}
                Next::End => return Ok(all),
            }
        }
    }
    fn of(mut source: impl Read + Send + 'static) -> Result<Lines> {
        let (sender, blocks) = sync_channel(AHEAD);
        let read = move || {
            loop {
                let mut block = vec![0; BLOCK];
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
        Ok(Lines { blocks, held: Vec::new(), taken: 0, searched: 0, has_ended: false, was_told: true })
    }
    /// The next line, or that there is none yet or no more.
    pub fn advance(&mut self) -> Io<Next<'_>> {
        loop {
            if let Some(at) = self.held[self.searched..].iter().position(|byte| *byte == b'\n') {
                return Ok(Next::Line(self.take(self.searched + at + 1)));
            }
            self.searched = self.held.len();
            if self.has_ended {
                return Ok(match self.taken < self.held.len() {
                    true => Next::Line(self.take(self.held.len())),
                    false => Next::End,
                });
            }
            let block = match self.was_told {
                true => self.blocks.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => self.blocks.recv_timeout(SILENCE),
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
                    return Ok(Next::Silent);
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
        fn lines_are_whole_however_the_source_is_cut(
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
            let mut lines = Lines::of(Pieces(pieces)).unwrap();
            let mut found: Vec<Vec<u8>> = Vec::new();
            loop {
                match lines.advance().unwrap() {
                    Next::Line(line) => found.push(line.to_vec()),
                    Next::Silent => {}
                    Next::End => break,
                }
            }
            let expected: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_silent_source_says_so_once_and_an_error_is_not_an_end() {
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
                        std::thread::sleep(SILENCE * 20);
                        Err(std::io::Error::other("torn"))
                    }
                    _ => Ok(0),
                }
            }
        }
        let mut lines = Lines::of(Slow(0)).unwrap();
        assert_eq!(lines.advance().unwrap(), Next::Line(b"a\n"));
        assert_eq!(lines.advance().unwrap(), Next::Silent);
        assert_eq!(lines.advance().unwrap_err().to_string(), "torn");
    }
}
