//! Files: which files the rules read, and how a rule reports the places that break it.
//!
//! Invariant: names are relative to the repository's root, with `/`, in ascending order.
//! Not here: the rules.
use std::path::{Path, PathBuf};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the repository, build output and hidden folders left out, `.ci` included.
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

/// In a linked worktree `.git` is a file, and no part of the repository.
fn is_text(path: &Path) -> bool {
    !path.ends_with(".git") && path.extension().is_none_or(|e| e != "db" && e != "zst")
}

/// Name and text of every Rust file.
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

/// Code of others that is kept in this repository: it follows its own style.
pub fn is_vendored(name: &str) -> bool {
    name.starts_with("vendor/")
}

pub fn assert_none(what: &str, wrong: impl Iterator<Item = String>) {
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}
