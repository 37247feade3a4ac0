//! Structure: files and functions are short, imports run one way, one owner has the methods of a struct.
//!
//! The exceptions of today are listed in `circles.txt`, `long_functions.txt` and `scattered_impls.txt`.
//! Invariant: tests are not measured, apart from the first line of their files.
//! Not here: dependencies between crates (`crates`).
mod circles;
mod functions;
mod impls;
mod modules;
mod paths;

use crate::{
    files::{assert_none, files, is_test, is_vendored, root, rust_files, shown},
    lists::{Counts, Format, List},
};
use circles::Edges;
use modules::Crate;
use std::sync::LazyLock;

const LONGEST_FILE: usize = 500;
/// Lines of a function from `fn` to the closing brace.
const LONGEST_FUNCTION: usize = 60;
/// Files with `impl` blocks of one struct.
const MOST_IMPL_FILES: usize = 2;

const CIRCLES: List = List {
    file: "circles.txt",
    about: "Files that import each other in a circle. Shrink: move what ties the circle to a file below all of them, then \
            FASTBREAK_WRITE_LISTS=1 cargo test --test tidy",
    format: Format::NameOnly,
};
const LONG_FUNCTIONS: List = List {
    file: "long_functions.txt",
    about: "Functions of more than 60 lines with their length. Shrink: give a part of the function a name, then \
            FASTBREAK_WRITE_LISTS=1 cargo test --test tidy",
    format: Format::CountLast,
};
const SCATTERED_IMPLS: List = List {
    file: "scattered_impls.txt",
    about: "Types with `impl` blocks in more than two files, and in how many. Shrink: give each state an owner of its own, then \
            FASTBREAK_WRITE_LISTS=1 cargo test --test tidy",
    format: Format::CountLast,
};

/// The crates of the workspace.
static CRATES: LazyLock<Vec<Crate>> = LazyLock::new(read_crates);

/// Reads the library and the program of every folder with a manifest.
fn read_crates() -> Vec<Crate> {
    let manifests = files().into_iter().filter(|path| path.ends_with("Cargo.toml"));
    let roots =
        manifests.flat_map(|path| ["src/lib.rs", "src/main.rs"].map(|root| path.with_file_name(root)));
    let names = roots.filter(|path| path.exists()).map(|path| shown(&path));
    let read = |name: &str| std::fs::read_to_string(root().join(name)).ok();
    names.filter(|name| !is_vendored(name)).map(|name| Crate::read(&name, &read)).collect()
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
fn no_files_import_each_other_in_a_circle() {
    let imports: Edges = CRATES.iter().flat_map(circles::circles).flatten().collect();
    let found: Counts = imports.keys().map(|file| (file.clone(), 1)).collect();
    let explain = |file: &str| imports[file].iter().map(|other| format!("    imports {other}\n")).collect();
    CIRCLES.check(&found, explain);
}

#[test]
fn no_function_is_longer_than_60_lines() {
    let mut found = Counts::new();
    for (name, text) in rust_files().filter(|(name, _)| !is_test(name) && !is_vendored(name)) {
        let long = functions::lengths(&text).into_iter().filter(|(_, lines)| *lines > LONGEST_FUNCTION);
        found.extend(long.map(|(function, lines)| (format!("{name}::{function}"), lines)));
    }
    LONG_FUNCTIONS.check(&found, |_| String::new());
}

#[test]
fn impl_blocks_of_a_type_are_in_at_most_two_files() {
    let files = CRATES.iter().flat_map(impls::files_by_type).collect::<Vec<_>>();
    let scattered = files.iter().filter(|(_, files)| files.len() > MOST_IMPL_FILES);
    let found: Counts = scattered.map(|(name, files)| (name.clone(), files.len())).collect();
    let explain = |name: &str| {
        let files = files.iter().find(|(other, _)| other == name).map(|(_, files)| files);
        files.into_iter().flatten().map(|file| format!("    {file}\n")).collect()
    };
    SCATTERED_IMPLS.check(&found, explain);
}
