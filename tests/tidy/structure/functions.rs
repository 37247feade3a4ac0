//! Functions: the length of every function in a file.
//!
//! Invariant: a length is the number of lines from `fn` to the closing brace, including comments, empty lines and closures. Functions of
//! tests are left out.
//! Not here: the largest allowed length (`structure`).
use super::paths::{self, is_test_only};
use proc_macro2::Span;
use syn::{
    Block, ImplItemFn, Item, ItemFn, ItemImpl, ItemTrait, Signature, TraitItemFn, Type,
    visit::{self, Visit},
};

/// Returns every function of a file with its number of lines; the name of a method is `Type::method`.
pub fn lengths(source: &str) -> Vec<(String, usize)> {
    let mut lengths = Lengths::default();
    lengths.visit_file(&syn::parse_file(source).unwrap_or_else(|error| panic!("not valid Rust: {error}")));
    lengths.found
}

#[derive(Default)]
struct Lengths {
    /// The type or trait whose methods are visited.
    owner: Option<String>,
    found: Vec<(String, usize)>,
}

impl Lengths {
    fn add(&mut self, signature: &Signature, body: &Block) {
        let line = |span: Span| span.start().line;
        let lines = line(body.brace_token.span.close()) - line(signature.fn_token.span) + 1;
        let owner = self.owner.iter().map(|owner| format!("{owner}::"));
        self.found.push((owner.chain([signature.ident.to_string()]).collect(), lines));
    }

    fn within(&mut self, owner: Option<String>, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.owner, owner);
        visit(self);
        self.owner = outer;
    }
}

impl<'ast> Visit<'ast> for Lengths {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test_only(paths::attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_item_impl(&mut self, block: &'ast ItemImpl) {
        let owner = match &*block.self_ty {
            Type::Path(path) => paths::segments(&path.path).pop(),
            _ => None,
        };
        self.within(owner, |lengths| visit::visit_item_impl(lengths, block));
    }

    fn visit_item_trait(&mut self, block: &'ast ItemTrait) {
        self.within(Some(block.ident.to_string()), |lengths| visit::visit_item_trait(lengths, block));
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !is_test_only(&function.attrs) {
            self.add(&function.sig, &function.block);
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.add(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[test]
fn a_length_goes_from_fn_to_the_closing_brace() {
    let source = "/// Comment.\n#[inline]\npub fn one() {}\n\nimpl A {\n    fn two(\n        &self,\n    ) {\n    }\n}\n";
    assert_eq!(lengths(source), [("one".to_owned(), 1), ("A::two".to_owned(), 4)]);
}

#[test]
fn functions_of_tests_are_not_measured_and_those_of_traits_are() {
    let source = "trait T { fn a(&self) {\n} }\n#[test] fn b() {}\n#[cfg(test)] mod tests { fn c() {} }";
    assert_eq!(lengths(source), [("T::a".to_owned(), 2)]);
}
