//! `config init`: writes a configuration file in which every key is explained and commented out.
//!
//! Invariant: an existing file is not overwritten.
//! Not here: the content of the file (`config::documents`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::config::{DEFAULT_FILE, example_file};
use anyhow::{Context, Result};
use runtime::RuntimeError;
use serde::Serialize;
use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::PathBuf,
};

#[derive(Serialize)]
struct Report {
    file: String,
}

/// Writes the file, or prints it if the path is `-`. Without a path, the file is [`DEFAULT_FILE`].
pub fn init(path: Option<PathBuf>, output: Output) -> Result<CommandOutcome> {
    let path = path.unwrap_or_else(|| DEFAULT_FILE.into());
    if path.as_os_str() == "-" {
        output::write(&example_file())?;
        return Ok(CommandOutcome::Done);
    }
    let file = path.display().to_string();
    let mut created = match File::create_new(&path) {
        Ok(created) => created,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(RuntimeError::Precondition {
                what: format!("writing {file}"),
                reason: "the file exists already".into(),
                next: "choose another file (`fastbreak config init FILE`), or print the keys with `fastbreak config init -`".into(),
            }
            .into());
        }
        Err(error) => return Err(not_written(&file, &error)),
    };
    if let Err(error) = created.write_all(example_file().as_bytes()) {
        // Without its rest, the file would only be in the way of the next attempt.
        std::fs::remove_file(&path).with_context(|| format!("removing the incomplete file {file}"))?;
        return Err(not_written(&file, &error));
    }
    output::print(output, &Report { file }, |report| {
        format!("wrote {}; remove the `#` in front of a key to set it", report.file)
    })?;
    Ok(CommandOutcome::Done)
}

fn not_written(file: &str, error: &std::io::Error) -> anyhow::Error {
    anyhow::anyhow!(
        "writing {file}: {error}\nnext: choose another file (`fastbreak config init FILE`), or print the keys with `fastbreak config init -`"
    )
}
