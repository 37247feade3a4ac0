//! A decision tree as a flat list of nodes, in preorder: a split is followed by its left subtree.
//!
//! Invariant: in a tree that `check` accepts, every node is reached from the first node in exactly one way, so a walk ends at a leaf.
//! Not here: growing trees (`growth`).
use serde::{Deserialize, Serialize};

/// The number of leaf units in one unit of the target: the values of leaves are whole ten-thousandths, so their sums are exact.
pub const UNITS: f64 = 10_000.0;
/// The largest value of a leaf in either direction, in units: 1000 units of the target.
const MAX_LEAF: i32 = 10_000_000;

/// A node: as JSON, a number for a leaf, and a list of three numbers for a split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Node {
    /// The value, in 1/10000 of the target.
    Leaf(i32),
    Split(Split),
}

/// A comparison of one column with a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(u16, f64, i32)", into = "(u16, f64, i32)")]
pub struct Split {
    /// Index of the column in the model.
    pub column: u16,
    /// Values up to this one go left, to the next node.
    pub threshold: f64,
    /// Index of the node to which the other values go.
    pub right: u32,
    /// True if a missing value goes left.
    pub missing_left: bool,
}
impl Split {
    /// True if the value goes left.
    fn is_left(&self, value: Option<f64>) -> bool {
        value.map_or(self.missing_left, |value| value <= self.threshold)
    }
}
impl From<Split> for (u16, f64, i32) {
    /// The sign of the last number says where a missing value goes: it is negative if that is to the left.
    fn from(Split { column, threshold, right, missing_left }: Split) -> Self {
        let right = right.cast_signed();
        (column, threshold, if missing_left { right.wrapping_neg() } else { right })
    }
}
impl From<(u16, f64, i32)> for Split {
    fn from((column, threshold, right): (u16, f64, i32)) -> Self {
        Split { column, threshold, right: right.unsigned_abs(), missing_left: right < 0 }
    }
}

/// Why a list of nodes is not a tree.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum TreeError {
    #[error("it has no nodes")]
    Empty,
    #[error("node {node} uses column {column}, but the model has {columns}")]
    Column { node: usize, column: u16, columns: usize },
    #[error("the right branch of node {node} leads to node {right}, expected node {expected}")]
    Right { node: usize, right: u32, expected: usize },
    #[error("the left branch of node {node} leads beyond the last node")]
    Open { node: usize },
    #[error("node {node} and those after it are reached from no node")]
    Unreached { node: usize },
    #[error("node {node} has the threshold {threshold}, which is not finite")]
    Threshold { node: usize, threshold: f64 },
    #[error("leaf {node} has the value {value}, which is out of range")]
    Leaf { node: usize, value: i32 },
}

/// A decision tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tree(pub Vec<Node>);
impl Tree {
    /// Checks that the nodes are a tree over this number of columns.
    ///
    /// # Errors
    /// The first node that is wrong.
    pub fn check(&self, columns: usize) -> Result<(), TreeError> {
        // The splits whose left subtree the loop is in.
        let mut open: Vec<(usize, &Split)> = Vec::new();
        let mut is_complete = false;
        if self.0.is_empty() {
            return Err(TreeError::Empty);
        }
        for (node, content) in self.0.iter().enumerate() {
            if is_complete {
                return Err(TreeError::Unreached { node });
            }
            match content {
                Node::Split(split) => {
                    if usize::from(split.column) >= columns {
                        return Err(TreeError::Column { node, column: split.column, columns });
                    }
                    if !split.threshold.is_finite() {
                        return Err(TreeError::Threshold { node, threshold: split.threshold });
                    }
                    open.push((node, split));
                }
                Node::Leaf(value) if !(-MAX_LEAF..=MAX_LEAF).contains(value) => {
                    return Err(TreeError::Leaf { node, value: *value });
                }
                // A leaf ends the left subtree of the newest split whose left subtree is open; the right one begins at the next node.
                Node::Leaf(_) => match open.pop() {
                    Some((parent, split)) if split.right as usize != node + 1 => {
                        let (node, right, expected) = (parent, split.right, node + 1);
                        return Err(TreeError::Right { node, right, expected });
                    }
                    Some(_) => {}
                    None => is_complete = true,
                },
            }
        }
        match open.pop() {
            None if is_complete => Ok(()),
            Some((node, _)) => Err(TreeError::Open { node }),
            None => Err(TreeError::Open { node: self.0.len() - 1 }),
        }
    }
    /// Returns the value of the leaf to which a row leads, in units. The tree must be one that [`Tree::check`] accepts for the row's columns;
    /// of another list of nodes, 0 is returned where it leads nowhere.
    pub(crate) fn leaf(&self, row: &[Option<f64>]) -> i32 {
        let mut node = 0;
        loop {
            match self.0.get(node) {
                Some(Node::Leaf(value)) => return *value,
                Some(Node::Split(split)) => {
                    let value = row.get(usize::from(split.column)).copied().flatten();
                    // `check` accepts only branches to later nodes, so the walk ends.
                    node = if split.is_left(value) { node + 1 } else { split.right as usize };
                }
                None => return 0,
            }
        }
    }
}
