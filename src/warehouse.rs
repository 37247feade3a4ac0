//! The warehouse: where it is (`target`), and the definitions of its tables and views (`definitions`).
//!
//! Invariant: this file is a module root: it contains only `mod` and `pub use`.
//! Not here: the warehouses themselves (crate `sinks`).
pub mod definitions;
mod target;

pub use target::{WarehouseTarget, connect, path_in};
