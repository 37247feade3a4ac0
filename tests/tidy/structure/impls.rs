//! Impl blocks: the files in which a type of the crate has methods.
//!
//! Invariant: a type is identified by its name and the file that defines it, so two types may have the same name; `impl` blocks of
//! traits do not count.
//! Not here: the largest allowed number of files (`structure`).
use super::modules::{Crate, Target};
use std::collections::{BTreeMap, BTreeSet};

/// Returns the files with `impl` blocks of each type, which is written `file::Type`.
pub fn files_by_type(tree: &Crate) -> BTreeMap<String, BTreeSet<String>> {
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (index, module) in tree.modules.iter().enumerate() {
        for target in module.impls.iter().flat_map(|path| tree.resolve(index, path)) {
            if let Target::Item { module: owner, name } = target {
                let owner = format!("{}::{name}", tree.modules[owner].file);
                files.entry(owner).or_default().insert(module.file.clone());
            }
        }
    }
    files
}

#[test]
fn the_files_of_a_type_are_counted_and_those_of_its_namesake_and_its_traits_are_not() {
    let tree = super::modules::invented(&[
        ("src/lib.rs", "mod a; mod b; pub use a::Thing;"),
        ("src/a.rs", "mod more; pub struct Thing; impl Thing {} impl Thing {}"),
        ("src/a/more.rs", "impl super::Thing {}"),
        ("src/b.rs", "pub struct Thing; impl Thing {} impl Clone for crate::Thing {}"),
    ]);
    let files = files_by_type(&tree);
    let of = |name: &str| files[name].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("src/a.rs::Thing"), ["src/a.rs", "src/a/more.rs"]);
    assert_eq!(of("src/b.rs::Thing"), ["src/b.rs"]);
}
