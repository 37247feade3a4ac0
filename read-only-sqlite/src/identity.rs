//! File identity: whether the path of a SQLite file still names the file that is open.
//!
//! If a file is removed or replaced, a process that has it open reads and writes the old file, which no other process can see.
//! Invariant: only the metadata of files is read. A file of SQLite is never opened here: closing it would release SQLite's locks.
//! Not here: when the identity is checked (`runtime_embedded::store`, `sinks::sqlite`).
use crate::suffixed;
use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The path of a file no longer names the file that is open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} was {} while this process had it open; what this process writes would be lost", path.display(),
    if *is_replaced { "replaced by another file" } else { "removed" }
)]
pub struct IdentityError {
    pub path: PathBuf,
    pub is_replaced: bool,
}

/// The device and inode of a file that is open, and of its write-ahead log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    files: Vec<(PathBuf, (u64, u64))>,
}

impl FileIdentity {
    /// Returns the identity of a file. Must be called when the file was just opened.
    ///
    /// # Errors
    /// If the file does not exist.
    pub fn of(path: &Path) -> io::Result<FileIdentity> {
        let mut files = vec![(path.to_owned(), device_and_inode(path)?)];
        let wal = suffixed(path, "-wal");
        match device_and_inode(&wal) {
            Ok(identity) => files.push((wal, identity)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(FileIdentity { files })
    }
    /// Checks that the path still names the file. A file whose metadata cannot be read for another reason than that it does not exist is
    /// not regarded as removed.
    ///
    /// # Errors
    /// If the file or its write-ahead log was removed or replaced.
    pub fn ensure_same(&self) -> Result<(), IdentityError> {
        for (path, opened) in &self.files {
            let is_replaced = match device_and_inode(path) {
                Ok(found) if found == *opened => continue,
                Ok(_) => true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                Err(_) => continue,
            };
            return Err(IdentityError { path: path.clone(), is_replaced });
        }
        Ok(())
    }
}

fn device_and_inode(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_and_a_replaced_file_are_told_apart_from_one_that_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        std::fs::write(&path, "1").unwrap();
        let identity = FileIdentity::of(&path).unwrap();
        std::fs::write(&path, "more").unwrap();
        assert_eq!(identity.ensure_same(), Ok(()));
        let moved = folder.path().join("moved.db");
        std::fs::rename(&path, &moved).unwrap();
        assert_eq!(identity.ensure_same(), Err(IdentityError { path: path.clone(), is_replaced: false }));
        std::fs::write(&path, "1").unwrap();
        assert_eq!(identity.ensure_same(), Err(IdentityError { path: path.clone(), is_replaced: true }));
        std::fs::rename(&moved, &path).unwrap();
        assert_eq!(identity.ensure_same(), Ok(()));
    }
    #[test]
    fn a_removed_write_ahead_log_is_detected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        std::fs::write(&path, "1").unwrap();
        std::fs::write(suffixed(&path, "-wal"), "1").unwrap();
        let identity = FileIdentity::of(&path).unwrap();
        std::fs::remove_file(suffixed(&path, "-wal")).unwrap();
        assert!(identity.ensure_same().unwrap_err().to_string().contains("a.db-wal was removed"));
    }
}
