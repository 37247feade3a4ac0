//! Crates: which crate may depend on which.
//!
//! Invariant: a crate depends only on crates as drawn in ARCHITECTURE.md.
//! Not here: imports between the files of one crate (`structure`), licenses of dependencies (`deny.toml`).
use crate::files::{assert_none, root, rust_files};
use std::{collections::BTreeSet, process::Command};

/// Which crate may depend on which; `*` marks a dependency of tests only. ARCHITECTURE.md has the drawing and the reasons.
const EDGES: &str = "
    topics: schemas
    processors: schemas models
    runtime: schemas topics processors
    runtime-embedded: schemas topics runtime read-only-sqlite file-modes processors*
    runtime-kafka: schemas topics runtime processors*
    sinks: schemas topics runtime read-only-sqlite file-modes
    schema-registry: schemas
    simulator: schemas
    fastbreak: schemas schema-registry read-only-sqlite file-modes topics models processors runtime runtime-embedded runtime-kafka sinks console simulator
";

fn metadata(arguments: &[&str]) -> serde_json::Value {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--format-version", "1"])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    serde_json::from_slice(&cargo.stdout).unwrap()
}

#[test]
fn crates_depend_in_the_drawn_direction_only() {
    let metadata = metadata(&["--no-deps"]);
    let mut found = BTreeSet::new();
    for package in metadata["packages"].as_array().unwrap() {
        for dependency in package["dependencies"].as_array().unwrap() {
            if dependency["path"].is_string() {
                let only_tests = if dependency["kind"] == "dev" { "*" } else { "" };
                let (from, to) = (&package["name"], &dependency["name"]);
                found.insert((
                    from.as_str().unwrap().to_owned(),
                    format!("{}{only_tests}", to.as_str().unwrap()),
                ));
            }
        }
    }
    let mut drawn = BTreeSet::new();
    for (from, to) in EDGES.lines().filter_map(|line| line.trim().split_once(": ")) {
        drawn.extend(to.split(' ').map(|to| (from.to_owned(), to.to_owned())));
    }
    let undrawn = found.difference(&drawn).map(|(from, to)| format!("{from} → {to} is not drawn"));
    let unused = drawn
        .difference(&found)
        .map(|(from, to)| format!("{from} → {to} is drawn, but {from} does not depend on {to}"));
    assert_none("dependencies that differ from EDGES", undrawn.chain(unused));
}

#[test]
fn in_the_sinks_only_the_sink_task_uses_the_runtime() {
    let may_use = [
        "sinks/src/task/",
        "sinks/src/subscription.rs",
        "sinks/src/sink_error.rs",
        "sinks/src/reconciler.rs",
        "sinks/src/continuity.rs",
    ];
    let uses_runtime = |text: &str| text.lines().any(|line| line.starts_with("use runtime::"));
    let wrong = rust_files().filter(|(name, text)| {
        name.starts_with("sinks/src/")
            && !may_use.iter().any(|path| name.starts_with(path))
            && uses_runtime(text)
    });
    assert_none("files of the crate `sinks` that must not use the runtime", wrong.map(|(name, _)| name));
}
