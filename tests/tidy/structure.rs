//! Structure: files and functions are short, files do not import each other, and the methods of a type are in at most two files.
//!
//! The present exceptions are listed in `circles.txt`, `long_functions.txt` and `scattered_impls.txt`.
//! Invariant: these rules do not apply to tests, except that test files must have a header.
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
/// Largest number of lines of a function, from `fn` to the closing brace.
const LONGEST_FUNCTION: usize = 60;
/// Largest number of files with `impl` blocks of one type.
const MOST_IMPL_FILES: usize = 2;

const CIRCLES: List = List {
    file: "circles.txt",
    about: "Files that import each other in a circle. To shrink: move the shared items to a file that imports none of the others, then run \
            TEST_WRITE_LISTS=1 cargo test --test tidy",
    format: Format::NameOnly,
};
const LONG_FUNCTIONS: List = List {
    file: "long_functions.txt",
    about: "Functions of more than 60 lines, each with its length. To shrink: move a part of the function into its own function, then run \
            TEST_WRITE_LISTS=1 cargo test --test tidy",
    format: Format::CountLast,
};
const SCATTERED_IMPLS: List = List {
    file: "scattered_impls.txt",
    about: "Types with `impl` blocks in more than two files, each with its number of files. To shrink: split the type by its states, then \
            run TEST_WRITE_LISTS=1 cargo test --test tidy",
    format: Format::CountLast,
};

/// The crates of the workspace.
static CRATES: LazyLock<Vec<Crate>> = LazyLock::new(read_crates);

/// Reads the library and the program in every folder with a `Cargo.toml`.
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
    assert_none(
        "files of 500 lines or more",
        long.map(|(name, text)| format!("{name}: {} lines", text.lines().count())),
    );
}

#[test]
fn every_file_has_a_header() {
    let silent = rust_files().filter(|(_, text)| !text.starts_with("//! "));
    assert_none("files without `//!` on the first line", silent.map(|(name, _)| name));
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
