//! The files of the Debian package: those that the binary generates, and the systemd unit.
//!
//! Invariant: nothing is installed.
//! Not here: the package itself (`packaging/build`), the examples in man pages (`src/cli/tests.rs`).
use crate::support::printed;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

const BINARY: &str = env!("CARGO_BIN_EXE_fastbreak");

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)
}
/// Returns what `packaging/generate` writes.
fn generated() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(packaging("generate")).arg(BINARY).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    folder
}

#[test]
fn every_command_has_a_man_page_with_examples_and_every_shell_has_completions() {
    let folder = generated();
    let pages = std::fs::read_dir(folder.path().join("man")).unwrap().map(|entry| entry.unwrap().path());
    let pages: BTreeSet<PathBuf> = pages.collect();
    let names: Vec<&str> = pages.iter().map(|page| page.file_name().unwrap().to_str().unwrap()).collect();
    for name in ["fastbreak.1", "fastbreak-run.1", "fastbreak-dlq-show.1", "fastbreak-man.1"] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        assert!(text.contains("\nExample"), "{} has no examples:\n{text}", page.display());
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = std::fs::read_to_string(folder.path().join("completions").join(shell)).unwrap();
        assert!(script.contains("accept-dead-letters"), "{shell} does not complete the flags of `run`");
    }
}

#[test]
fn the_configuration_of_the_package_has_its_data_where_the_service_may_write() {
    let folder = generated();
    let mut command = Command::new(BINARY);
    command.arg("--config").arg(folder.path().join("fastbreak.toml"));
    let output = command.args(["config", "show", "--output", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(shown.to_string().contains("\"/var/lib/fastbreak\""), "{shown:#}");
    let unit = std::fs::read_to_string(packaging("fastbreak.service")).unwrap();
    for line in ["StateDirectory=fastbreak", "StateDirectoryMode=0750", "Type=notify", "User=fastbreak"] {
        assert!(unit.lines().any(|found| found == line), "{line} is missing in the unit");
    }
}

#[test]
fn the_commands_of_the_unit_exist_and_systemd_accepts_the_unit() {
    let text = std::fs::read_to_string(packaging("fastbreak.service")).unwrap();
    // RestartPreventExitStatus applies only to ExecStart.
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("Exec")).collect();
    let [line] = lines[..] else { panic!("one command: {lines:?}") };
    let script = line.strip_prefix("ExecStart=/bin/sh -c '").and_then(|line| line.strip_suffix('\''));
    let commands: Vec<&str> = script.expect("a command of the shell").split(" && exec ").collect();
    assert_eq!(commands.len(), 2);
    for command in commands {
        let arguments = command.strip_prefix("/usr/bin/fastbreak ").expect("the path of the package");
        // With --help, the command line is parsed, and nothing is run.
        let output = Command::new(BINARY).args(arguments.split(' ')).arg("--help").output().unwrap();
        assert!(output.status.success(), "{command}: {}", printed(&output));
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("fastbreak.service");
    std::fs::write(&unit, text.replace("/usr/bin/fastbreak", BINARY)).unwrap();
    match Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output() {
        Ok(output) => assert!(output.status.success(), "{}", printed(&output)),
        Err(_) => eprintln!("no systemd-analyze: systemd has not verified the unit"),
    }
}
