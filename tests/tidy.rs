//! Tidiness: what a reviewer would have to watch for in every change, watched by a test.
//!
//! Invariant: files stay small and say what they are; crates depend in the drawn direction only; what documents list is what is there.
//! Not here: formatting and lints (rustfmt, clippy), the drawn topology.
#![allow(clippy::unwrap_used, clippy::panic)]
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

const LONGEST_FILE: usize = 500;
const LARGEST_PAGE: usize = 2048;
/// Pages that are tables, and as long as what they list.
const REFERENCE: [&str; 4] = ["features.md", "operations.md", "systems.md", "topics.md"];

/// Which crate may depend on which; `*` stands for development only. ARCHITECTURE.md has the drawing and the reasons.
const EDGES: &str = "
    topics: schemas
    processors: schemas
    runtime: schemas topics processors
    sinks: schemas
    simulator: schemas
    fastbreak: schemas topics processors runtime sinks console simulator
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// Every file of the repository, build output and hidden folders left out, `.ci` taken in.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned(), root().join(".ci")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if is_hidden(&path) || path == root().join("target") => {}
                true => folders.push(path),
                // In a linked worktree `.git` is a file, and no part of the repository.
                false if path.ends_with(".git") => {}
                false if path.extension().is_some_and(|e| e == "db" || e == "zst") => {}
                false => found.push(path),
            }
        }
    }
    found
}
fn rust_files() -> impl Iterator<Item = (String, String)> {
    let rust = files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    rust.map(|path| (shown(&path), std::fs::read_to_string(path).unwrap()))
}
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}
fn is_test(name: &str) -> bool {
    name.split('/').any(|part| part == "tests") || name.ends_with("/tests.rs") || name.ends_with("/laws.rs")
}
fn assert_none(what: &str, wrong: impl Iterator<Item = String>) {
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

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

/// The lines of a table between two markers, without its head.
fn table(page: &str, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let inside = text.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end));
    let (inside, _) = inside.unwrap_or_else(|| panic!("{page} lacks the markers of {name}"));
    inside.lines().filter(|line| line.starts_with('|')).skip(2).map(str::to_owned).collect()
}

#[test]
fn no_source_file_is_longer_than_500_lines() {
    let long = rust_files().filter(|(name, text)| !is_test(name) && text.lines().count() >= LONGEST_FILE);
    assert_none("too long", long.map(|(name, text)| format!("{name}: {} lines", text.lines().count())));
}

#[test]
fn every_file_has_a_header() {
    let silent = rust_files().filter(|(_, text)| !text.starts_with("//! "));
    assert_none("no `//!` on the first line", silent.map(|(name, _)| name));
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
    let unused = drawn.difference(&found).map(|(from, to)| format!("{from} → {to} is drawn and not there"));
    assert_none("crate edges", undrawn.chain(unused));
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let deny: toml::Value =
        toml::from_str(&std::fs::read_to_string(root().join("deny.toml")).unwrap()).unwrap();
    let names = |list: &toml::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let allowed = names(&deny["licenses"]["allow"]);
    let exceptions = deny["licenses"]["exceptions"].as_array().unwrap();
    // Of the packages that are built here: others need not have been fetched.
    let about = Command::new(env!("CARGO")).arg("-vV").output().unwrap().stdout;
    let about = String::from_utf8(about).unwrap();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = metadata(&["--filter-platform", host]);
    let resolved: BTreeSet<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    let mut refused = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let (name, licence) =
            (package["name"].as_str().unwrap(), package["license"].as_str().unwrap_or("none"));
        let mut allowed = allowed.clone();
        exceptions
            .iter()
            .filter(|e| e["crate"].as_str() == Some(name))
            .for_each(|e| allowed.extend(names(&e["allow"])));
        let is_allowed = |choice: &str| allowed.iter().any(|a| a == choice.trim().trim_matches(['(', ')']));
        let all = licence.split(" AND ").all(|part| part.replace('/', " OR ").split(" OR ").any(is_allowed));
        if !all && resolved.contains(package["id"].as_str().unwrap()) {
            refused.push(format!("{name}: {licence}"));
        }
    }
    assert_none("licences", refused.into_iter());
}

#[test]
fn the_page_on_topics_lists_exactly_the_topics() {
    let row = |t: &topics::TopicInfo| {
        format!("| `{}` | {} | `{}` | {} | {} |", t.name, t.key, t.event, t.partitions, t.policy.name())
    };
    let listed = table("docs/topics.md", "topics");
    let there: Vec<String> = topics::ALL.iter().map(row).collect();
    assert_eq!(listed, there, "the table should be:\n{}", there.join("\n"));
}

#[test]
fn the_page_on_operations_lists_exactly_the_metrics() {
    let row = |m: &runtime::metrics::Metric| {
        let labels = if m.labels.is_empty() { "–".to_owned() } else { m.labels.join(", ") };
        format!("| `{}` | {} | {labels} | {} |", m.name, m.metric_type.name(), m.help)
    };
    let there: Vec<String> = runtime::metrics::ALL.iter().map(row).collect();
    assert_eq!(table("docs/operations.md", "metrics"), there, "the table should be:\n{}", there.join("\n"));
}

#[test]
fn the_page_on_features_lists_exactly_the_features() {
    let number_and_name = |row: &String| row.split('|').take(3).collect::<Vec<_>>().join("|") + "|";
    let listed: Vec<String> = table("docs/features.md", "features").iter().map(number_and_name).collect();
    let features = schemas::features::FEATURES.iter().enumerate();
    let there: Vec<String> = features.map(|(index, name)| format!("| {index} | `{name}` |")).collect();
    assert_eq!(listed, there);
}

#[test]
fn a_page_is_one_concept_and_short() {
    let pages = files().into_iter().filter(|path| path.starts_with(root().join("docs")));
    let pages = pages.filter(|path| !REFERENCE.iter().any(|name| path.ends_with(name)));
    let long = pages.filter(|path| path.metadata().unwrap().len() > LARGEST_PAGE as u64);
    assert_none("over 2 kB", long.map(|path| shown(&path)));
}

#[test]
fn links_between_documents_resolve() {
    let markdown = files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "md"));
    let mut broken = Vec::new();
    for path in markdown {
        let text = std::fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") && !path.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {link}", shown(&path)));
            }
        }
    }
    assert_none("broken links", broken.into_iter());
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    // Put together here, so that this file does not name them either.
    let banned = [["/wo", "rk/"], ["/ho", "me/"], ["/roo", "t/"]].map(|parts| parts.concat());
    let mut found = Vec::new();
    for path in files().iter().filter(|path| !path.ends_with("Cargo.lock")) {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if banned.iter().any(|word| line.contains(word.as_str())) {
                found.push(format!("{}:{}: {line}", shown(path), number + 1));
            }
        }
    }
    assert_none("machine paths", found.into_iter());
}
