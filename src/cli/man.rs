//! `man`: a man page of each command, made from the same definitions as `--help`.
//!
//! Invariant: the folder is the only thing that is written.
//! Not here: the texts (the definition of each command).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Report {
    folder: String,
    pages: usize,
}

/// Writes the pages of a command and of the commands below it into a folder, which is created if it does not exist.
pub fn man(command: clap::Command, folder: &Path, output: Output) -> Result<CommandOutcome> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let report = Report { folder: folder.display().to_string(), pages: page_count(&command) };
    let write = || {
        std::fs::create_dir_all(folder)?;
        clap_mangen::generate_to(command, folder)
    };
    write().with_context(|| {
        format!("writing man pages into {}: choose a folder that this user may write", report.folder)
    })?;
    output::print(output, &report, |report| {
        format!("wrote {} man pages into {}", report.pages, report.folder)
    })?;
    Ok(CommandOutcome::Done)
}

fn page_count(command: &clap::Command) -> usize {
    1 + command.get_subcommands().filter(|command| !command.is_hide_set()).map(page_count).sum::<usize>()
}
