//! Files: the files that the rules read, and the report of violations.
//!
//! Invariant: names are relative to the repository's root, with `/`, in ascending order.
//! Not here: the rules (the other modules).
use std::path::{Path, PathBuf};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns every text file of the repository, without build output and hidden folders, but with `.ci`.
pub fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned(), root().join(".ci")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if !path.is_dir() {
                found.extend(Some(path).filter(|path| is_text(path)));
            } else if !is_hidden(&path) && path != root().join("target") {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// True unless the file is a database or compressed, or is `.git`, which is a file in a linked worktree.
fn is_text(path: &Path) -> bool {
    !path.ends_with(".git") && path.extension().is_none_or(|e| e != "db" && e != "zst")
}

/// Returns the name and text of every Rust file.
pub fn rust_files() -> impl Iterator<Item = (String, String)> {
    let rust = files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    rust.map(|path| (shown(&path), std::fs::read_to_string(path).unwrap()))
}

pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

pub fn is_test(name: &str) -> bool {
    name.split('/').any(|part| part == "tests") || name.ends_with("/tests.rs") || name.ends_with("/laws.rs")
}

/// True for third-party code in this repository, which follows its own style.
pub fn is_vendored(name: &str) -> bool {
    name.starts_with("vendor/")
}

pub fn assert_none(what: &str, wrong: impl Iterator<Item = String>) {
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}
