//! Paths: the names that an item uses, in imports, in code and in the arguments of macros.
//!
//! Invariant: a path is a list of names. Paths that begin with `::` are left out, since they refer to other crates; so is code that
//! exists only in tests.
//! Not here: the file that a path leads to (`modules`).
use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, ImplItem, Item, ItemUse, Macro, Meta, Path, UseTree, Visibility,
    visit::{self, Visit},
};

#[derive(Default)]
pub struct Used {
    pub imports: Vec<Import>,
    pub paths: Vec<Vec<String>>,
}

pub struct Import {
    pub path: Vec<String>,
    /// The name under which the module uses the import; `None` for `*`.
    pub name: Option<String>,
    pub is_reexport: bool,
}

/// Returns the imports and paths in an item, except those in modules inside the item.
pub fn used(item: &Item) -> Used {
    let mut used = Used::default();
    used.visit_item(item);
    used
}

pub fn segments(path: &Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// True for code that exists only in tests.
pub fn is_test_only(attributes: &[Attribute]) -> bool {
    let is_test = |attribute: &Attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || condition.starts_with("all") && condition.contains("test")
        }
        _ => false,
    };
    attributes.iter().any(is_test)
}

pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

impl<'ast> Visit<'ast> for Used {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test_only(attributes(item)) && !matches!(item, Item::Mod(_)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !matches!(item, ImplItem::Fn(function) if is_test_only(&function.attrs)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            let is_reexport = !matches!(item.vis, Visibility::Inherited);
            self.add_imports(&item.tree, &[], is_reexport);
        }
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() {
            self.paths.push(segments(path));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        visit::visit_macro(self, call);
        self.add_tokens(call.tokens.clone());
    }
}

impl Used {
    fn add_imports(&mut self, tree: &UseTree, before: &[String], is_reexport: bool) {
        let with = |name: String| [before, &[name]].concat();
        let (path, name) = match tree {
            UseTree::Path(path) => {
                return self.add_imports(&path.tree, &with(path.ident.to_string()), is_reexport);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_imports(tree, before, is_reexport);
                }
                return;
            }
            UseTree::Name(name) if name.ident == "self" => (before.to_vec(), before.last().cloned()),
            UseTree::Name(name) => (with(name.ident.to_string()), Some(name.ident.to_string())),
            UseTree::Rename(rename) if rename.ident == "self" => {
                (before.to_vec(), Some(rename.rename.to_string()))
            }
            UseTree::Rename(rename) => (with(rename.ident.to_string()), Some(rename.rename.to_string())),
            UseTree::Glob(_) => (before.to_vec(), None),
        };
        self.imports.push(Import { path, name, is_reexport });
    }

    /// Adds the names joined by `::` in the arguments of a macro, except names after a dot, which are fields or methods.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        // The punctuation between the previous name and the current token.
        let mut marks = String::new();
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    let is_next = marks == "::" && !path.is_empty();
                    if !is_next {
                        self.add_path(&mut path);
                    }
                    let is_field = marks.ends_with('.') && !marks.ends_with("..");
                    if is_next || !is_field && !marks.ends_with("::") {
                        path.push(name.to_string());
                    }
                    marks.clear();
                }
                TokenTree::Punct(mark) => marks.push(mark.as_char()),
                TokenTree::Group(group) => {
                    self.add_path(&mut path);
                    marks = " ".to_owned();
                    self.add_tokens(group.stream());
                }
                TokenTree::Literal(_) => marks.push(' '),
            }
        }
        self.add_path(&mut path);
    }

    fn add_path(&mut self, path: &mut Vec<String>) {
        if !path.is_empty() {
            self.paths.push(std::mem::take(path));
        }
    }
}

#[cfg(test)]
fn paths_of(source: &str) -> Vec<String> {
    let file = syn::parse_file(source).unwrap();
    let used: Vec<Used> = file.items.iter().map(used).collect();
    let imports = used.iter().flat_map(|used| used.imports.iter().map(|import| import.path.join("::")));
    imports.chain(used.iter().flat_map(|used| used.paths.iter().map(|path| path.join("::")))).collect()
}

#[test]
fn imports_are_taken_apart() {
    let paths = paths_of("use crate::{a::{self, B as C}, d::*};");
    assert_eq!(paths, ["crate::a", "crate::a::B", "crate::d"]);
}

#[test]
fn paths_in_code_and_in_macros_are_found() {
    let paths = paths_of("fn f() { a::b(); call!(c::d(e.f), ::other::x, \"{}\", g: h::i..j); }");
    for path in ["a::b", "c::d", "e", "g", "h::i", "j"] {
        assert!(paths.iter().any(|found| found == path), "{path} in {paths:?}");
    }
    assert!(!paths.iter().any(|path| path == "f" || path.starts_with("other")), "{paths:?}");
}

#[test]
fn what_only_tests_use_is_left_out() {
    let paths = paths_of(
        "#[cfg(test)] use crate::a; #[test] fn f() { b::c(); } impl D { #[cfg(test)] fn g() { e::f(); } }",
    );
    assert_eq!(paths, ["D"]);
}
