//! Circles: files of a crate that import each other, directly or through other files.
//!
//! A file imports another file when its code uses an item that the other file defines. `mod` and `pub use` are not imports: they declare
//! the content of a module. A `use` of a module counts as an import of the file of this module, if the file defines any items.
//! Invariant: a circle is a strongly connected component of more than one file.
//! Not here: how a path is resolved (`modules`).
use super::modules::{Crate, Target};
use std::collections::{BTreeMap, BTreeSet};

/// The files that each file imports.
pub type Edges = BTreeMap<String, BTreeSet<String>>;

/// Returns the circles of a crate. A circle maps each of its files to the files of the same circle that this file imports.
pub fn circles(tree: &Crate) -> Vec<Edges> {
    let edges = edges(tree);
    let circles = components(&edges).into_iter().filter(|files| files.len() > 1);
    let within =
        |files: &BTreeSet<String>, file: &String| files.intersection(&edges[file]).cloned().collect();
    circles.map(|files| files.iter().map(|file| (file.clone(), within(&files, file))).collect()).collect()
}

fn edges(tree: &Crate) -> Edges {
    let mut edges = Edges::new();
    for (index, module) in tree.modules.iter().enumerate() {
        let targets = |path: &Vec<String>| tree.resolve(index, path);
        let imported = module.imports.iter().flat_map(targets).filter_map(|target| match target {
            Target::Module(module) => Some(module).filter(|module| tree.modules[*module].defines_items()),
            Target::Item { module, .. } => Some(module),
        });
        // In code other than imports, a path that resolves to a module is ignored: it is a variable that has the same name as the module.
        let named = module.paths.iter().flat_map(targets).filter_map(|target| match target {
            Target::Module(_) => None,
            Target::Item { module, .. } => Some(module),
        });
        let files = imported.chain(named).map(|module| tree.modules[module].file.clone());
        edges.entry(module.file.clone()).or_default().extend(files.filter(|file| *file != module.file));
    }
    edges
}

/// State of Tarjan's search for strongly connected components ("Depth-first search and linear graph algorithms", 1972).
struct Tarjan<'a> {
    edges: &'a Edges,
    /// Number of files that were visited before this one, by file.
    order: BTreeMap<&'a str, usize>,
    /// Visited files that have no component yet.
    stack: Vec<&'a str>,
    components: Vec<BTreeSet<String>>,
}

fn components(edges: &Edges) -> Vec<BTreeSet<String>> {
    let mut search = Tarjan { edges, order: BTreeMap::new(), stack: Vec::new(), components: Vec::new() };
    for file in edges.keys() {
        if !search.order.contains_key(file.as_str()) {
            search.visit(file);
        }
    }
    search.components
}

impl<'a> Tarjan<'a> {
    /// Visits a file and all files that it reaches through imports. Of the files on the stack that it reaches, returns the `order` of
    /// the one that was visited first.
    fn visit(&mut self, file: &'a str) -> usize {
        let order = self.order.len();
        self.order.insert(file, order);
        let depth = self.stack.len();
        self.stack.push(file);
        let mut earliest = order;
        for next in self.edges.get(file).into_iter().flatten() {
            match self.order.get(next.as_str()) {
                None => earliest = earliest.min(self.visit(next)),
                Some(&visited) if self.stack.contains(&next.as_str()) => earliest = earliest.min(visited),
                Some(_) => {}
            }
        }
        if earliest == order {
            self.components.push(self.stack.drain(depth..).map(str::to_owned).collect());
        }
        earliest
    }
}

#[cfg(test)]
fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let circles = circles(&super::modules::invented(files)).into_iter();
    circles.map(|circle| circle.into_keys().collect()).collect()
}

#[test]
fn a_circle_of_two_files_is_found() {
    let circles = circles_of(&[
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "use crate::b::B; pub struct A(B);"),
        ("src/b.rs", "pub struct B; fn f() { super::a::A::new(); }"),
        ("src/c.rs", "use crate::{a::A, b::B}; pub struct C(A, B);"),
    ]);
    assert_eq!(circles, [["src/a.rs", "src/b.rs"]]);
}

#[test]
fn a_circle_over_three_files_and_a_macro_is_found() {
    let circles = circles_of(&[
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "pub fn a() { call!(crate::b::b()); }"),
        ("src/b.rs", "use crate::c; pub fn b() { c::c(); }"),
        ("src/c.rs", "pub fn c() -> Vec<crate::a::Made> {}"),
    ]);
    assert_eq!(circles, [["src/a.rs", "src/b.rs", "src/c.rs"]]);
}

#[test]
fn a_parent_and_a_child_that_use_each_other_are_a_circle() {
    let circles = circles_of(&[
        ("src/lib.rs", "mod a;"),
        ("src/a.rs", "mod child; pub struct A; fn f() { child::g(); }"),
        ("src/a/child.rs", "use super::A; pub fn g() -> A {}"),
    ]);
    assert_eq!(circles, [["src/a.rs", "src/a/child.rs"]]);
}

#[test]
fn a_reexport_is_no_import_and_an_import_through_it_is_one_of_the_file_that_defines_the_item() {
    let circles = circles_of(&[
        ("src/lib.rs", "mod a; mod b; pub use a::A; pub use b::B; pub struct Own;"),
        ("src/a.rs", "use crate::Own; pub struct A(Own);"),
        ("src/b.rs", "use crate::A; pub struct B(A);"),
    ]);
    assert!(circles.is_empty(), "{circles:?}");
}

#[test]
fn what_tests_import_and_what_variables_are_called_makes_no_circle() {
    let circles = circles_of(&[
        ("src/lib.rs", "mod a; pub struct Own; fn f(a: u8) { g(a); }"),
        ("src/a.rs", "use super::Own; pub fn h() -> Own {} #[cfg(test)] mod tests { use crate::f; }"),
    ]);
    assert!(circles.is_empty(), "{circles:?}");
}
