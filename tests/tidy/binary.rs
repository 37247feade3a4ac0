//! The binary: the command line parses and prints, and only the application sees the configuration.
//!
//! Invariant: a use case takes the application and returns a value, so that a test or another front end can call it.
//! Not here: circles of files (`structure`), dependencies between crates (`crates`).
use crate::files::{assert_none, rust_files};

/// Code of the command line, standard streams and exit codes.
const FRONT_END: [&str; 7] =
    ["clap::", "indicatif::", "comfy_table::", "crate::cli", "std::io::std", "process::exit", "ExitCode"];

/// Returns the lines of code in the files of `src/` that `is_allowed` does not allow and that contain one of these terms.
fn uses(terms: &[&str], is_allowed: impl Fn(&str) -> bool) -> Vec<String> {
    let files = rust_files().filter(|(name, _)| name.starts_with("src/") && !is_allowed(name));
    let lines = files.flat_map(|(name, text)| {
        let lines: Vec<String> =
            text.lines().map(str::trim).filter(|line| !line.starts_with("//")).map(str::to_owned).collect();
        lines.into_iter().map(move |line| (name.clone(), line))
    });
    let is_use = |line: &str| terms.iter().any(|term| line.contains(term));
    lines.filter(|(_, line)| is_use(line)).map(|(name, line)| format!("{name}: {line}")).collect()
}

#[test]
fn only_the_command_line_parses_prints_and_determines_exit_codes() {
    let is_command_line = |name: &str| name.starts_with("src/cli") || name == "src/main.rs";
    // Reading standard input is not printing.
    let wrong = uses(&FRONT_END, is_command_line).into_iter().filter(|line| !line.contains("std::io::stdin"));
    assert_none("use cases that parse or print", wrong);
}

#[test]
fn only_the_application_and_config_show_see_the_configuration() {
    let may_see = ["src/config", "src/app", "src/cli.rs", "src/cli/show.rs"];
    let is_allowed = |name: &str| may_see.iter().any(|path| name.starts_with(path));
    let wrong = uses(&["config::Config", "config::{Config", "&Config", " Config,"], is_allowed);
    // The error of a wrong configuration is not the configuration.
    let wrong = wrong.into_iter().filter(|line| !line.contains("config::ConfigError"));
    assert_none("files that see the configuration", wrong);
}
