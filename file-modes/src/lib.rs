//! The modes of files and folders that Fastbreak creates for its data: 0640 and 0750, less what the umask removes.
//!
//! The owner writes, the group reads (for example a backup or a report), and others get nothing.
//! Invariant: files and folders that exist keep their mode.
//! Not here: the files that SQLite creates beside a database, to which it gives the mode of the database.
use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

const FILE_MODE: u32 = 0o640;
const FOLDER_MODE: u32 = 0o750;

/// Returns options that create files with the mode of data.
pub fn options() -> OpenOptions {
    let mut options = File::options();
    options.mode(FILE_MODE);
    options
}

/// Creates a file, which must not exist, and opens it for writing.
///
/// # Errors
/// If it exists or cannot be created.
pub fn create_file(path: &Path) -> io::Result<File> {
    options().write(true).create_new(true).open(path)
}

/// Creates an empty file, if there is none, for a library that then opens it by its path. SQLite takes an empty file for a new database.
///
/// An existing file is not opened: closing it would release the locks that SQLite has on it in this process.
///
/// # Errors
/// If the file cannot be created.
pub fn create_if_absent(path: &Path) -> io::Result<()> {
    match create_file(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Creates a folder, which must not exist.
///
/// # Errors
/// If it exists or cannot be created.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER_MODE).create(path)
}

/// Creates a folder and the folders above it, those that do not exist.
///
/// # Errors
/// If one cannot be created, or the path is that of a file.
pub fn create_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn new_files_and_folders_are_closed_to_others_and_existing_ones_keep_mode_and_content() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        create_folders(&folder).unwrap();
        create_folder(&folder.join("c")).unwrap();
        let file = folder.join("file");
        create_if_absent(&file).unwrap();
        for path in [&parent.path().join("a"), &folder, &folder.join("c")] {
            assert_eq!(mode(path) & !0o750, 0, "{}", path.display());
        }
        assert_eq!(mode(&file) & !0o640, 0);
        std::fs::write(&file, "content").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o604)).unwrap();
        std::fs::set_permissions(&folder, Permissions::from_mode(0o705)).unwrap();
        create_if_absent(&file).unwrap();
        create_folders(&folder).unwrap();
        drop(options().create(true).truncate(false).write(true).open(&file).unwrap());
        assert!(create_file(&file).is_err() && create_folder(&folder).is_err());
        assert_eq!((mode(&file), mode(&folder)), (0o604, 0o705));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "content");
        assert!(create_if_absent(&folder.join("missing/file")).is_err());
    }
}
