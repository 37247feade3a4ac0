//! The compressed files of a backup: writing one, reading it back, and verifying it.
//!
//! Invariant: the hash is that of the uncompressed content. Whoever uses a file has compared size and hash with the manifest.
//! Not here: the folder of the files (`staging`).
use super::{error::write_error, manifest::StoredFile};
use crate::precondition::refused;
use anyhow::{Context, Result};
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

/// The level of zstd: the content of a log is compressed already, so a higher level takes time and saves little.
const LEVEL: i32 = 1;
const BLOCK_BYTES: usize = 1 << 20;

/// A compressed file that is being written.
pub struct Archive {
    path: PathBuf,
    name: String,
    encoder: zstd::Encoder<'static, BufWriter<File>>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Archive {
    /// Creates the file `<name>.zst` in a folder.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn create(folder: &Path, name: &str) -> Result<Archive> {
        let path = path_in(folder, name);
        let open = || -> io::Result<_> {
            let file = BufWriter::with_capacity(BLOCK_BYTES, file_modes::create_file(&path)?);
            let mut encoder = zstd::Encoder::new(file, LEVEL)?;
            encoder.include_checksum(true)?;
            Ok(encoder)
        };
        let encoder = open().map_err(|error| write_error(&path, error))?;
        Ok(Archive { path, name: name.to_owned(), encoder, hasher: blake3::Hasher::new(), bytes: 0 })
    }
    /// Appends content.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&mut self, content: &[u8]) -> Result<()> {
        self.hasher.update(content);
        self.bytes += content.len() as u64;
        self.encoder.write_all(content).map_err(|error| write_error(&self.path, error))
    }
    /// Appends the content of a file.
    ///
    /// # Errors
    /// If one of the files cannot be read or written.
    pub fn copy_from(&mut self, path: &Path) -> Result<()> {
        let reading = || format!("reading {}", path.display());
        let mut file = File::open(path).with_context(reading)?;
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            match file.read(&mut block).with_context(reading)? {
                0 => return Ok(()),
                read => self.write(block.get(..read).unwrap_or_default())?,
            }
        }
    }
    /// Flushes the file to the disk, reads it back and compares it with what was written.
    ///
    /// # Errors
    /// If the file cannot be written, or what is read differs from what was written.
    pub fn finish(self) -> Result<StoredFile> {
        let Archive { path, name, encoder, hasher, bytes } = self;
        let flush = || -> io::Result<u64> {
            let file = encoder.finish()?.into_inner()?;
            file.sync_all()?;
            Ok(file.metadata()?.len())
        };
        let compressed_bytes = flush().map_err(|error| write_error(&path, error))?;
        let stored =
            StoredFile { name, compressed_bytes, bytes, hash: hasher.finalize().to_hex().to_string() };
        let folder = path.parent().unwrap_or(Path::new("."));
        verify(folder, &stored, &mut io::sink())
            .context("what was written differs from what is read back; check the disk")?;
        Ok(stored)
    }
}

/// Returns the path of the compressed file.
pub fn path_in(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.zst"))
}

/// Uncompresses a file of a backup into `output`, and compares its size and hash with the manifest. What was written to `output` must not be
/// used if this fails.
///
/// # Errors
/// If the file is missing or damaged, or the output cannot be written.
pub fn verify(folder: &Path, stored: &StoredFile, output: &mut dyn Write) -> Result<()> {
    let path = path_in(folder, &stored.name);
    let damaged = |reason: String| {
        refused(
            format!("using {}", path.display()),
            format!("the file is damaged: {reason}"),
            "use another backup",
        )
    };
    let file = File::open(&path).map_err(|error| damaged(error.to_string()))?;
    let found = file.metadata().map_err(|error| damaged(error.to_string()))?.len();
    if found != stored.compressed_bytes {
        return Err(damaged(format!("it has {found} bytes, not {}", stored.compressed_bytes)).into());
    }
    let mut content = zstd::Decoder::new(BufReader::with_capacity(BLOCK_BYTES, file))
        .map_err(|error| damaged(error.to_string()))?;
    let (mut hasher, mut bytes, mut block) = (blake3::Hasher::new(), 0, vec![0; BLOCK_BYTES]);
    loop {
        let read = content.read(&mut block).map_err(|error| damaged(error.to_string()))?;
        let part = block.get(..read).unwrap_or_default();
        if part.is_empty() {
            break;
        }
        bytes += read as u64;
        hasher.update(part);
        output.write_all(part)?;
    }
    if (bytes, hasher.finalize().to_hex().as_str()) != (stored.bytes, &*stored.hash) {
        return Err(damaged("its content does not have the hash of the manifest".into()).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_removed_or_added_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = Archive::create(folder.path(), "a").unwrap();
        let content: Vec<u8> = (0..3000_u32).flat_map(|n| (n * n).to_le_bytes()).collect();
        archive.write(&content).unwrap();
        let stored = archive.finish().unwrap();
        let path = path_in(folder.path(), "a");
        let bytes = std::fs::read(&path).unwrap();
        let is_accepted = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let mut output = Vec::new();
            verify(folder.path(), &stored, &mut output).is_ok().then_some(output)
        };
        assert_eq!(is_accepted(&bytes), Some(content.clone()));
        for index in (0..bytes.len()).step_by(37) {
            let mut changed = bytes.clone();
            changed[index] ^= 0x10;
            // A byte of the frame's header may have no meaning; then the content is the same.
            assert!(is_accepted(&changed).is_none_or(|output| output == content), "byte {index}");
        }
        std::fs::write(&path, &bytes).unwrap();
        let other_hash = StoredFile { hash: blake3::hash(b"other").to_hex().to_string(), ..stored.clone() };
        assert!(verify(folder.path(), &other_hash, &mut io::sink()).is_err());
        assert_eq!(is_accepted(&bytes[..bytes.len() - 1]), None);
        assert_eq!(is_accepted(&[&bytes[..], b"x"].concat()), None);
    }
}
