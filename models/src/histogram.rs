//! Histograms: for each bin of each column, how many rows have a value in it, and how many of them are below their forecast.
//!
//! The gradient of the pinball loss has only two values (R. Koenker and G. Bassett, "Regression Quantiles", 1978), so a cell is two counts.
//! Invariant: counts are whole numbers, so a histogram is the same in whatever order, and on however many threads, the rows are counted.
//! Not here: which split is the best one (`growth`).
use crate::bins::{BINS, BinnedColumn};
use std::{
    num::NonZeroUsize,
    ops::{Add, AddAssign, Sub},
};

/// The fewest rows that are counted on several threads.
const MIN_PARALLEL_ROWS: usize = 8192;

/// Two counts in one word: rows in the upper half, those below their forecast in the lower half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts(u64);
impl Counts {
    /// The counts of one row.
    pub const fn one(is_below: bool) -> Counts {
        Counts(1 << 32 | is_below as u64)
    }
    pub const fn rows(self) -> u64 {
        self.0 >> 32
    }
    pub const fn below(self) -> u64 {
        self.0 & 0xffff_ffff
    }
}
impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.0 += other.0;
    }
}
impl Add for Counts {
    type Output = Counts;
    fn add(self, other: Counts) -> Counts {
        Counts(self.0 + other.0)
    }
}
impl Sub for Counts {
    type Output = Counts;
    /// Both counts of `other` must be at most those of `self`.
    fn sub(self, other: Counts) -> Counts {
        Counts(self.0 - other.0)
    }
}

/// The counts of a set of rows: [`BINS`] cells for each column.
pub struct Histogram(Vec<Counts>);
impl Histogram {
    /// Counts rows; `counts` has the counts of every row of the table.
    pub fn new(
        columns: &[BinnedColumn],
        rows: &[u32],
        counts: &[Counts],
        threads: NonZeroUsize,
    ) -> Histogram {
        let mut cells = vec![Counts::default(); columns.len() * BINS];
        let threads = if rows.len() < MIN_PARALLEL_ROWS { 1 } else { threads.get() };
        let columns_per_thread = columns.len().div_ceil(threads).max(1);
        let count = |columns: &[BinnedColumn], cells: &mut [Counts]| {
            for (column, cells) in columns.iter().zip(cells.chunks_exact_mut(BINS)) {
                for row in rows {
                    cells[usize::from(column.bins[*row as usize])] += counts[*row as usize];
                }
            }
        };
        if threads == 1 {
            count(columns, &mut cells);
        } else {
            std::thread::scope(|scope| {
                let parts = cells.chunks_mut(columns_per_thread * BINS);
                for (columns, cells) in columns.chunks(columns_per_thread).zip(parts) {
                    scope.spawn(move || count(columns, cells));
                }
            });
        }
        Histogram(cells)
    }
    /// Returns the histogram of the rows that this one has and `part` has not.
    pub fn without(&self, part: &Histogram) -> Histogram {
        Histogram(self.0.iter().zip(&part.0).map(|(all, part)| *all - *part).collect())
    }
    /// Returns the cells of each column.
    pub fn columns(&self) -> impl Iterator<Item = &[Counts]> {
        self.0.chunks_exact(BINS)
    }
}
