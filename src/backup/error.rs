//! Errors of a backup and of a restore.
//!
//! Invariant: the message says what failed, why, and what to run next.
//! Not here: preconditions (`precondition`).
use anyhow::anyhow;
use std::{fmt::Display, path::Path};

/// Returns the error of a failure to read the files of a folder.
pub fn read_error(folder: &Path, cause: impl Display) -> anyhow::Error {
    anyhow!(
        "reading the files in {} failed: {cause}\nnext: `fastbreak doctor` examines them, and the free space that SQLite needs to open them",
        folder.display()
    )
}

/// Returns the error of a failure to write a file or folder, which is removed then.
pub fn write_error(path: &Path, cause: impl Display) -> anyhow::Error {
    anyhow!(
        "writing {} failed: {cause}; nothing of it remains\nnext: check the free space and the right to write there, then run the command again",
        path.display()
    )
}
