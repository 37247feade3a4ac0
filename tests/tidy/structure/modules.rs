//! Modules: the module tree of one crate, and the file that defines what a path in its code refers to.
//!
//! A path is resolved as in the compiler, through imports and re-exports to the file that defines the item. A name without a visible
//! definition, because a macro defines it, counts as defined in the module that the path specifies.
//! Invariant: code under `#[cfg(test)]` is not part of the tree.
//! Not here: which paths count as an import of a file (`circles`).
use super::paths::{self, Import, is_test_only};
use std::collections::HashMap;
use syn::{Ident, Item, Type};

/// Largest number of lookups to resolve a path. No chain of re-exports needs as many. Without this limit, an import that refers to itself
/// would be followed forever.
const MOST_STEPS: usize = 16;

/// The module or item that a path refers to.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    Module(usize),
    Item { module: usize, name: String },
}

pub struct Crate {
    pub modules: Vec<Module>,
}

pub struct Module {
    pub file: String,
    parent: usize,
    names: HashMap<String, Vec<Name>>,
    /// Modules whose names are imported with `*`.
    globs: Vec<Vec<String>>,
    /// Imports, including those inside blocks, but not re-exports (`pub use`).
    pub imports: Vec<Vec<String>>,
    /// Paths in code other than imports.
    pub paths: Vec<Vec<String>>,
    /// Types with an `impl` block in this module, without `impl` blocks of traits.
    pub impls: Vec<Vec<String>>,
}

enum Name {
    Item,
    Module(usize),
    Import(Vec<String>),
}

impl Crate {
    /// Reads a crate from its root file; `read` returns the text of a file.
    pub fn read(root: &str, read: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut tree = Self { modules: Vec::new() };
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        let text = read(root).unwrap_or_else(|| panic!("{root} is missing"));
        let items = parse(root, &text);
        tree.add(Location { file: root, folder, parent: 0 }, items, read);
        tree
    }

    /// Adds a module with all modules in it; returns its index.
    fn add(&mut self, location: Location, items: Vec<Item>, read: &dyn Fn(&str) -> Option<String>) -> usize {
        let index = self.modules.len();
        self.modules.push(Module::new(location.file, location.parent));
        for item in items {
            match item {
                _ if is_test_only(paths::attributes(&item)) => {}
                Item::Mod(module) => {
                    let name = module.ident.to_string();
                    let child = match module.content {
                        Some((_, items)) => {
                            let folder = format!("{}/{name}", location.folder);
                            self.add(
                                Location { file: location.file, folder: &folder, parent: index },
                                items,
                                read,
                            )
                        }
                        None => self.add_file(location.folder, &name, index, read),
                    };
                    self.modules[index].names.entry(name).or_default().push(Name::Module(child));
                }
                item => self.modules[index].add(&item),
            }
        }
        index
    }

    fn add_file(
        &mut self,
        folder: &str,
        name: &str,
        parent: usize,
        read: &dyn Fn(&str) -> Option<String>,
    ) -> usize {
        let inner = format!("{folder}/{name}");
        let files = [format!("{inner}.rs"), format!("{inner}/mod.rs")];
        let found = files.iter().find_map(|file| Some((file, read(file)?)));
        let (file, text) = found.unwrap_or_else(|| panic!("no file for mod {name} in {folder}"));
        self.add(Location { file, folder: &inner, parent }, parse(file, &text), read)
    }

    /// Returns the targets of a path in a module; none for a path into another crate.
    pub fn resolve(&self, from: usize, path: &[String]) -> Vec<Target> {
        self.resolve_within(from, path, MOST_STEPS)
    }

    fn resolve_within(&self, from: usize, path: &[String], steps: usize) -> Vec<Target> {
        match path.split_first() {
            Some((first, rest)) if first == "crate" => self.walk(0, rest, steps),
            Some((first, _)) if first == "self" || first == "super" => self.walk(from, path, steps),
            Some(_) => self.lookup(from, path, steps),
            None => Vec::new(),
        }
    }

    /// Follows a path whose first name must be in the module; an unknown name counts as an item of the module.
    fn walk(&self, module: usize, path: &[String], steps: usize) -> Vec<Target> {
        match path.split_first() {
            None => vec![Target::Module(module)],
            Some((first, rest)) if first == "self" => self.walk(module, rest, steps),
            Some((first, rest)) if first == "super" => self.walk(self.modules[module].parent, rest, steps),
            Some((first, _)) => {
                let found = self.lookup(module, path, steps);
                let is_known = !found.is_empty() || self.modules[module].names.contains_key(first);
                if is_known { found } else { vec![Target::Item { module, name: first.clone() }] }
            }
        }
    }

    /// Follows a path if its first name is in the module or in a module imported with `*`; else returns no target.
    fn lookup(&self, module: usize, path: &[String], steps: usize) -> Vec<Target> {
        let Some(steps) = steps.checked_sub(1) else { return Vec::new() };
        let (first, rest) = (&path[0], &path[1..]);
        let mut found = Vec::new();
        for name in self.modules[module].names.get(first).into_iter().flatten() {
            match name {
                Name::Item => found.push(Target::Item { module, name: first.clone() }),
                Name::Module(child) => found.extend(self.walk(*child, rest, steps)),
                Name::Import(import) => {
                    for target in self.resolve_within(module, import, steps) {
                        match target {
                            Target::Module(imported) => found.extend(self.walk(imported, rest, steps)),
                            item => found.push(item),
                        }
                    }
                }
            }
        }
        if !self.modules[module].names.contains_key(first) {
            for glob in &self.modules[module].globs {
                for target in self.resolve_within(module, glob, steps) {
                    if let Target::Module(imported) = target {
                        found.extend(self.lookup(imported, path, steps));
                    }
                }
            }
        }
        found
    }
}

/// Location of a module: its file, the folder with the files of its child modules, and the index of its parent.
struct Location<'a> {
    file: &'a str,
    folder: &'a str,
    parent: usize,
}

impl Module {
    fn new(file: &str, parent: usize) -> Self {
        Self {
            file: file.to_owned(),
            parent,
            names: HashMap::new(),
            globs: Vec::new(),
            imports: Vec::new(),
            paths: Vec::new(),
            impls: Vec::new(),
        }
    }

    /// True if the module defines other items than modules and imports.
    pub fn defines_items(&self) -> bool {
        self.names.values().flatten().any(|name| matches!(name, Name::Item))
    }

    fn add(&mut self, item: &Item) {
        if let Some(name) = defined_name(item) {
            self.names.entry(name.to_string()).or_default().push(Name::Item);
        }
        if let Item::Impl(block) = item
            && block.trait_.is_none()
            && let Type::Path(path) = &*block.self_ty
        {
            self.impls.push(paths::segments(&path.path));
        }
        let used = paths::used(item);
        for Import { path, name, is_reexport } in used.imports {
            if !is_reexport {
                self.imports.push(path.clone());
            }
            match name {
                Some(name) => self.names.entry(name).or_default().push(Name::Import(path)),
                None => self.globs.push(path),
            }
        }
        self.paths.extend(used.paths);
    }
}

fn parse(file: &str, text: &str) -> Vec<Item> {
    syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}")).items
}

fn defined_name(item: &Item) -> Option<&Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        Item::Union(item) => Some(&item.ident),
        _ => None,
    }
}

/// Reads a crate from invented files.
#[cfg(test)]
pub fn invented(files: &[(&str, &str)]) -> Crate {
    let read = |name: &str| files.iter().find(|(file, _)| *file == name).map(|(_, text)| (*text).to_owned());
    Crate::read(files[0].0, &read)
}

#[cfg(test)]
fn file_of(tree: &Crate, from: &str, path: &str) -> Vec<String> {
    let from = tree.modules.iter().position(|module| module.file == from).unwrap();
    let path: Vec<String> = path.split("::").map(str::to_owned).collect();
    let file = |target| match target {
        Target::Module(module) | Target::Item { module, .. } => tree.modules[module].file.clone(),
    };
    tree.resolve(from, &path).into_iter().map(file).collect()
}

#[test]
fn a_path_through_a_reexport_leads_to_the_file_of_the_item() {
    let tree = invented(&[
        ("src/lib.rs", "mod a; mod b; pub use a::Thing; pub use b::*;"),
        ("src/a.rs", "pub struct Thing;"),
        ("src/b.rs", "mod inner; pub use inner::Other as Better;"),
        ("src/b/inner.rs", "pub struct Other; use super::super::a;"),
    ]);
    assert_eq!(file_of(&tree, "src/b.rs", "crate::Thing"), ["src/a.rs"]);
    assert_eq!(file_of(&tree, "src/a.rs", "crate::Better::new"), ["src/b/inner.rs"]);
    assert_eq!(file_of(&tree, "src/b/inner.rs", "a::Thing"), ["src/a.rs"]);
    assert_eq!(file_of(&tree, "src/b/inner.rs", "super::super::Thing"), ["src/a.rs"]);
}

#[test]
fn a_name_that_only_a_macro_defines_is_in_the_module_that_the_path_names() {
    let tree = invented(&[("src/lib.rs", "mod a;"), ("src/a.rs", "things! { Made }")]);
    assert_eq!(file_of(&tree, "src/lib.rs", "a::Made"), ["src/a.rs"]);
}

#[test]
fn a_path_into_another_crate_leads_nowhere() {
    let tree = invented(&[("src/lib.rs", "mod a; use other::Thing; use itself;"), ("src/a.rs", "")]);
    assert!(file_of(&tree, "src/lib.rs", "other::a").is_empty());
    assert!(file_of(&tree, "src/lib.rs", "Thing").is_empty());
    assert!(file_of(&tree, "src/lib.rs", "itself::Thing").is_empty());
}
