//! Tests of the help: every command has examples, and they are valid.
//!
//! Invariant: an example that the command line would refuse fails a test.
//! Not here: what commands print and write (`tests/commands/`).
#![allow(clippy::unwrap_used)]
use super::Cli;
use clap::{CommandFactory, Parser};

/// Calls a function with each command and its full name, such as `fastbreak dlq show`.
fn for_each(command: &clap::Command, name: &str, each: &mut impl FnMut(&str, &clap::Command)) {
    each(name, command);
    for below in command.get_subcommands() {
        for_each(below, &format!("{name} {}", below.get_name()), each);
    }
}

/// Returns the arguments of an example: what is before a pipe or a remark, which begins after three spaces.
fn arguments(line: &str) -> Vec<String> {
    let command = line.trim_start().split("   ").next().unwrap();
    let command = command.split(" | ").next().unwrap();
    let mut arguments = Vec::new();
    for (index, part) in command.split('"').enumerate() {
        if index % 2 == 1 {
            arguments.push(part.to_owned());
        } else {
            arguments.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    arguments
}

#[test]
fn the_help_of_every_command_ends_with_examples_that_the_command_line_accepts() {
    let mut problems = Vec::new();
    for_each(&Cli::command(), "fastbreak", &mut |name, command| {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<&str> = text.lines().filter(|line| line.starts_with("  fastbreak ")).collect();
        let parsed = examples.iter().map(|line| (line, Cli::try_parse_from(arguments(line))));
        problems
            .extend(parsed.filter_map(|(line, parsed)| Some(format!("{name}: {line}: {}", parsed.err()?))));
        let words = name.split(' ').skip(1);
        let is_own = |line: &&&str| words.clone().all(|word| arguments(line).contains(&word.to_owned()));
        if !text.starts_with("Example") || examples.iter().find(is_own).is_none() {
            problems.push(format!("{name} has no example of its own: {text}"));
        }
    });
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
