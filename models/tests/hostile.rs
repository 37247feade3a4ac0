//! Models that were changed on purpose: each is refused with a reason, or forecasts numbers.
//!
//! Invariant: no change of a model makes a forecast that is not a number, or that does not end.
//! Not here: the hash of a model file, which already refuses most changes (`processors::predictor`).
#![allow(clippy::unwrap_used)]
use models::{Column, Model, ModelError, Node, Split, Tree, TreeError};
use proptest::prelude::*;

fn split(column: u16, right: u32) -> Node {
    Node::Split(Split { column, threshold: 0.5, right, missing_left: false })
}
fn column(name: &str) -> Column {
    Column { name: name.into(), impute: Some(0.0), mean: 0.5, deviation: 2.0, weight: 1.5 }
}
/// Returns a model with one tree: a split whose left branch is a split.
fn model() -> Model {
    let nodes = vec![split(0, 4), split(1, 3), Node::Leaf(-5000), Node::Leaf(100), Node::Leaf(20_000)];
    Model { columns: vec![column("a"), column("b")], intercept: 1.0, offset: 0, trees: vec![Tree(nodes)] }
}
fn error(nodes: Vec<Node>) -> TreeError {
    Tree(nodes).check(2).unwrap_err()
}

#[test]
fn a_model_forecasts_what_its_formula_says() {
    assert_eq!(model().check(), Ok(()));
    // 1 + 1.5 · (0.5 − 0.5) / 2 + 1.5 · (2.5 − 0.5) / 2 + 0.01
    assert_eq!(model().forecast(&[Some(0.5), Some(2.5)]), Ok(2.51));
    // A value is limited to 5 deviations: 1 + 1.5 · 5 − 1.5 · 0.25 + 2
    assert_eq!(model().forecast(&[Some(1e9), None]), Ok(10.125));
}

#[test]
fn a_missing_value_goes_to_the_side_of_the_split() {
    for (missing_left, expected) in [(false, 2.0), (true, 1.0)] {
        let root = Node::Split(Split { column: 0, threshold: 0.5, right: 2, missing_left });
        let tree = Tree(vec![root, Node::Leaf(0), Node::Leaf(10_000)]);
        let text = serde_json::to_string(&tree).unwrap();
        assert_eq!(serde_json::from_str::<Tree>(&text).unwrap(), tree, "{text}");
        let column = Column { weight: 0.0, ..column("a") };
        let model = Model { columns: vec![column], intercept: 1.0, offset: 0, trees: vec![tree] };
        assert_eq!(model.forecast(&[None]), Ok(expected));
    }
}

#[test]
fn nodes_that_are_no_tree_are_refused() {
    let leaf = Node::Leaf(0);
    assert_eq!(error(vec![]), TreeError::Empty);
    assert_eq!(error(vec![split(2, 2), leaf, leaf]), TreeError::Column { node: 0, column: 2, columns: 2 });
    // A branch to itself, to a node before it, past the last node, or into another branch.
    for right in [0, 1, 3, 9, u32::MAX] {
        assert_eq!(
            error(vec![split(0, right), leaf, leaf]),
            TreeError::Right { node: 0, right, expected: 2 }
        );
    }
    let cycle = vec![split(0, 4), split(1, 0), leaf, leaf, leaf];
    assert_eq!(error(cycle), TreeError::Right { node: 1, right: 0, expected: 3 });
    assert_eq!(error(vec![split(0, 2)]), TreeError::Open { node: 0 });
    assert_eq!(error(vec![split(0, 2), leaf]), TreeError::Open { node: 1 });
    assert_eq!(error(vec![leaf, leaf]), TreeError::Unreached { node: 1 });
    let value = i32::MAX;
    assert_eq!(error(vec![Node::Leaf(value)]), TreeError::Leaf { node: 0, value });
    let threshold = Split { column: 0, threshold: f64::NAN, right: 2, missing_left: false };
    assert!(matches!(error(vec![Node::Split(threshold), leaf, leaf]), TreeError::Threshold { node: 0, .. }));
}

#[test]
fn numbers_out_of_range_are_refused() {
    let with = |change: &dyn Fn(&mut Model)| {
        let mut model = model();
        change(&mut model);
        model.check().unwrap_err()
    };
    assert!(matches!(
        with(&|model| model.columns[0].weight = f64::NAN),
        ModelError::Number { what: "weight", .. }
    ));
    assert!(matches!(with(&|model| model.columns[1].weight = 1e300), ModelError::Number { .. }));
    assert!(matches!(
        with(&|model| model.columns[1].deviation = 0.0),
        ModelError::Number { what: "deviation", .. }
    ));
    assert!(matches!(
        with(&|model| model.columns[1].impute = Some(f64::INFINITY)),
        ModelError::Number { .. }
    ));
    assert!(matches!(
        with(&|model| model.columns[0].mean = f64::NAN),
        ModelError::Number { what: "mean", .. }
    ));
    assert!(matches!(with(&|model| model.intercept = f64::NEG_INFINITY), ModelError::Intercept(_)));
    assert!(matches!(with(&|model| model.columns.swap(0, 1)), ModelError::Order(name) if name == "a"));
    assert!(matches!(with(&|model| model.trees.push(Tree(vec![]))), ModelError::Tree { tree: 1, .. }));
}

proptest! {
    #[test]
    fn a_changed_text_is_no_model_or_a_model_that_is_refused_or_forecasts_numbers(
        place in any::<prop::sample::Index>(),
        byte in prop::sample::select(b"0123456789-.,[]e:\"n".to_vec()),
        value in prop::option::of(-10.0..10.0),
    ) {
        let mut text = serde_json::to_string(&model()).unwrap().into_bytes();
        let place = place.index(text.len());
        text[place] = byte;
        let Ok(model) = serde_json::from_slice::<Model>(&text) else { return Ok(()) };
        if model.check().is_ok() {
            let row = vec![value; model.columns.len()];
            prop_assert!(model.forecast(&row).map_or(true, f64::is_finite));
        }
    }
    #[test]
    fn random_nodes_are_refused_or_a_tree_in_which_every_row_finds_a_leaf(
        nodes in prop::collection::vec(prop_oneof![(-5i32..5).prop_map(Node::Leaf), (0u16..3, 0u32..9).prop_map(|(column, right)| split(column, right))], 0..9),
        values in prop::collection::vec(prop::option::of(0.0..1.0), 2),
    ) {
        let tree = Tree(nodes);
        if tree.check(2).is_ok() {
            let model = Model { columns: vec![column("a"), column("b")], intercept: 0.0, offset: 0, trees: vec![tree] };
            prop_assert!(model.forecast(&values).unwrap().is_finite());
        }
    }
}
