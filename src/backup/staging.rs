//! Staging: files are written into a folder under a temporary name, which gets its own name only when all of them are on the disk.
//!
//! Invariant: unless the folder is published, it is removed again; a folder that a killed process left has the temporary name.
//! Not here: what the files contain (`archive`, `manifest`), the modes of files and folders (crate `file-modes`).
use super::error::write_error;
use crate::precondition::refused;
use anyhow::Result;
use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A folder that is removed when this value is dropped, unless it was published.
pub struct Staging {
    folder: PathBuf,
    target: PathBuf,
    is_published: bool,
}

impl Staging {
    /// Creates the folder for a target that does not exist.
    ///
    /// # Errors
    /// If the target exists, another process writes it, or the folder cannot be created.
    pub fn create(target: &Path) -> Result<Staging> {
        // A last slash is no part of the name.
        let target: PathBuf = target.components().collect();
        ensure_absent(&target)?;
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let folder = target.with_file_name(name);
        match file_modes::create_folder(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let reason = format!(
                    "{} exists: another process writes this backup, or was stopped before its end",
                    folder.display()
                );
                let next = format!(
                    "if no process writes it, `rm -r {}`, and run the command again",
                    folder.display()
                );
                Err(refused(writing(&target), reason, next).into())
            }
            created => {
                created.map_err(|error| write_error(&folder, error))?;
                Ok(Staging { folder, target, is_published: false })
            }
        }
    }
    /// Returns the folder with its temporary name.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
    /// Writes a small file and flushes it to the disk.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        let write = || -> io::Result<()> {
            let mut file = file_modes::create_file(&path)?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(|error| write_error(&path, error))
    }
    /// Gives the folder its own name, and returns it. All files must have been flushed to the disk.
    ///
    /// # Errors
    /// If the target exists by now, or the folder cannot be renamed.
    pub fn publish(mut self) -> Result<PathBuf> {
        ensure_absent(&self.target)?;
        let parent = match self.target.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let rename = || -> io::Result<()> {
            sync_folder(&self.folder)?;
            std::fs::rename(&self.folder, &self.target)?;
            sync_folder(parent)
        };
        rename().map_err(|error| write_error(&self.target, error))?;
        self.is_published = true;
        Ok(self.target.clone())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_published {
            // The name shows that it is no backup.
            _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn writing(target: &Path) -> String {
    format!("writing a backup to {}", target.display())
}

fn ensure_absent(target: &Path) -> Result<()> {
    if target.symlink_metadata().is_ok() {
        return Err(refused(writing(target), "it exists already", "choose a name that does not exist").into());
    }
    Ok(())
}

/// Flushes the names of a folder's files to the disk.
///
/// # Errors
/// If the folder cannot be opened or flushed.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_that_is_not_published_is_removed_and_a_published_one_has_its_name_and_modes() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("a");
        let staging = Staging::create(&target).unwrap();
        let partial = staging.folder().to_owned();
        assert!(
            partial.exists() && Staging::create(&target).is_err(),
            "two processes would write one backup"
        );
        drop(staging);
        assert!(!partial.exists() && !target.exists());
        let staging = Staging::create(&target).unwrap();
        staging.write("file", b"content").unwrap();
        assert_eq!(staging.publish().unwrap(), target);
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777 & !0o750;
        assert_eq!((mode(&target), mode(&target.join("file")) & !0o640), (0, 0));
        assert!(Staging::create(&target).is_err() && Staging::create(&parent.path().join("a/")).is_err());
    }
}
