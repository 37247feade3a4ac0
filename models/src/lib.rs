//! Trained models: a linear median regression, and boosted trees on what it leaves unexplained.
//!
//! `fit` turns a table of numbers into a `Model`; the model forecasts a target from one row of numbers. Neither knows what the columns mean.
//! Invariant: a model depends only on the table and the parameters, bit for bit: not on the machine, the optimization level or the number
//! of threads. Training uses only + − × ÷ √ and comparisons of floating-point numbers, in the order of the rows, and sums of whole numbers.
//! Not here: the features of a player and the file of a model (`processors::predictor`), reading a log (the binary).
mod bins;
mod boosting;
mod cholesky;
mod fit;
mod growth;
mod histogram;
mod linear;
mod model;
mod numbers;
mod parameters;
mod table;
mod tree;

pub use fit::{Fit, FitError, fit};
pub use model::{Column, Model, ModelError};
pub use numbers::significant;
pub use parameters::{LinearParameters, Parameters, TreeParameters};
pub use table::{DropReason, Dropped, Table, TableError};
pub use tree::{Node, Split, Tree, TreeError};
