//! Grows one tree: of all leaves, the one whose best split gains most is split next.
//!
//! A split gains g²/(n + s) of both sides less that of the whole, where g is the sum of the gradients of the pinball loss, n the number of
//! rows, and s a smoothing (T. Chen and C. Guestrin, "XGBoost", 2016, with 1 as second derivative).
//! Invariant: of equally good splits, the one of the first column and the lowest bin wins, so the tree does not depend on threads;
//! limits are shares of the rows, so a table with every row twice gives the same tree.
//! Not here: the sequence of trees (`boosting`).
use crate::{
    bins::BinnedColumn,
    histogram::{Counts, Histogram},
    parameters::TreeParameters,
    tree::{Node, Split, Tree},
};
use std::num::NonZeroUsize;

/// What a tree is grown from.
pub struct Growth<'a> {
    pub columns: &'a [BinnedColumn],
    /// The counts of each row.
    pub counts: &'a [Counts],
    pub parameters: &'a TreeParameters,
    pub threads: NonZeroUsize,
}

/// A leaf of the growing tree: a range of the list of rows.
struct Leaf {
    from: usize,
    to: usize,
    histogram: Histogram,
    total: Counts,
    best: Option<BestSplit>,
    /// Index of the node.
    node: usize,
}

#[derive(Clone, Copy)]
struct BestSplit {
    gain: f64,
    column: usize,
    /// The last bin that goes left.
    bin: usize,
    missing_left: bool,
    left: Counts,
}

/// A node of the growing tree; the children of a split are indexes of nodes.
enum Grown {
    Leaf(i32),
    Split { column: usize, threshold: f64, missing_left: bool, left: usize, right: usize },
}

impl Growth<'_> {
    /// Grows a tree. `rows` has the number of every row; afterwards, the rows of a leaf are adjacent. `leaf_value` returns the value of the leaf
    /// with these rows.
    pub fn grow(&self, rows: &mut [u32], mut leaf_value: impl FnMut(&[u32]) -> i32) -> Tree {
        let histogram = Histogram::new(self.columns, rows, self.counts, self.threads);
        let total = rows.iter().fold(Counts::default(), |total, row| total + self.counts[*row as usize]);
        let best = self.best_split(&histogram, total);
        let mut leaves = vec![Leaf { from: 0, to: rows.len(), histogram, total, best, node: 0 }];
        let mut nodes = vec![Grown::Leaf(0)];
        while leaves.len() < self.parameters.leaves as usize {
            let Some((index, split)) = next_split(&leaves) else { break };
            let leaf = leaves.swap_remove(index);
            let node = leaf.node;
            let (left, right) = self.split(leaf, split, rows, nodes.len());
            nodes[node] = Grown::Split {
                column: split.column,
                threshold: self.columns[split.column].thresholds[split.bin - 1],
                missing_left: split.missing_left,
                left: left.node,
                right: right.node,
            };
            nodes.extend([Grown::Leaf(0), Grown::Leaf(0)]);
            leaves.extend([left, right]);
        }
        for leaf in &leaves {
            nodes[leaf.node] = Grown::Leaf(leaf_value(&rows[leaf.from..leaf.to]));
        }
        let mut flat = Vec::with_capacity(nodes.len());
        flatten(&nodes, 0, &mut flat);
        Tree(flat)
    }

    /// Moves the rows of a leaf that go left before the others, in their order; returns the two new leaves.
    fn split(&self, leaf: Leaf, split: BestSplit, rows: &mut [u32], node: usize) -> (Leaf, Leaf) {
        let bins = &self.columns[split.column].bins;
        let is_left = |row: &u32| match usize::from(bins[*row as usize]) {
            0 => split.missing_left,
            bin => bin <= split.bin,
        };
        let (left, right): (Vec<u32>, Vec<u32>) =
            rows[leaf.from..leaf.to].iter().partition(|row| is_left(row));
        let middle = leaf.from + left.len();
        rows[leaf.from..middle].copy_from_slice(&left);
        rows[middle..leaf.to].copy_from_slice(&right);
        let smaller = if left.len() <= right.len() { &left } else { &right };
        let counted = Histogram::new(self.columns, smaller, self.counts, self.threads);
        let rest = leaf.histogram.without(&counted);
        let (left_histogram, right_histogram) =
            if left.len() <= right.len() { (counted, rest) } else { (rest, counted) };
        let new = |(from, to), histogram: Histogram, total, node| {
            let best = self.best_split(&histogram, total);
            Leaf { from, to, histogram, total, best, node }
        };
        (
            new((leaf.from, middle), left_histogram, split.left, node),
            new((middle, leaf.to), right_histogram, leaf.total - split.left, node + 1),
        )
    }

    fn best_split(&self, histogram: &Histogram, total: Counts) -> Option<BestSplit> {
        let min_rows = self.parameters.min_leaf_share * self.counts.len() as f64;
        let whole = self.score(total);
        let mut best: Option<BestSplit> = None;
        for (column, cells) in histogram.columns().enumerate() {
            let (missing, present) = (cells[0], &cells[1..]);
            for missing_left in [false, true] {
                if missing_left && missing.rows() == 0 {
                    continue;
                }
                let mut left = if missing_left { missing } else { Counts::default() };
                for (bin, cell) in present.iter().enumerate() {
                    if cell.rows() == 0 {
                        continue;
                    }
                    left += *cell;
                    let right = total - left;
                    if (left.rows() as f64) < min_rows || left.rows() == 0 {
                        continue;
                    }
                    if (right.rows() as f64) < min_rows || right.rows() == 0 {
                        break;
                    }
                    let gain = self.score(left) + self.score(right) - whole;
                    if gain > best.map_or(0.0, |best| best.gain) {
                        best = Some(BestSplit { gain, column, bin: bin + 1, missing_left, left });
                    }
                }
            }
        }
        best
    }

    /// Returns g²/(n + s) of a set of rows.
    fn score(&self, counts: Counts) -> f64 {
        let TreeParameters { quantile, smoothing_share, .. } = *self.parameters;
        let (rows, below) = (counts.rows() as f64, counts.below() as f64);
        let gradient = below * (1.0 - quantile) - (rows - below) * quantile;
        gradient * gradient / (rows + smoothing_share * self.counts.len() as f64)
    }
}

/// Returns the leaf with the best split. Of equally good ones, the leaf with the lowest node wins.
fn next_split(leaves: &[Leaf]) -> Option<(usize, BestSplit)> {
    let splits = leaves.iter().enumerate().filter_map(|(index, leaf)| Some((index, leaf.node, leaf.best?)));
    let best = splits.max_by(|(_, node, split), (_, other_node, other)| {
        split.gain.total_cmp(&other.gain).then(other_node.cmp(node))
    });
    best.map(|(index, _, split)| (index, split))
}

/// Appends the subtree of a node in preorder.
fn flatten(nodes: &[Grown], node: usize, flat: &mut Vec<Node>) {
    match nodes[node] {
        Grown::Leaf(value) => flat.push(Node::Leaf(value)),
        Grown::Split { column, threshold, missing_left, left, right } => {
            let index = flat.len();
            flat.push(Node::Leaf(0));
            flatten(nodes, left, flat);
            // A table has fewer than 2^16 columns and a tree fewer than 2^32 nodes (checked by `fit`).
            let (column, right_index) = (column as u16, flat.len() as u32);
            flat[index] = Node::Split(Split { column, threshold, right: right_index, missing_left });
            flatten(nodes, right, flat);
        }
    }
}
