//! The interface of a materialized view: its rows are derived incrementally from streams, and equal those that a batch over the same input
//! would derive.
//!
//! A view stores, per key, the rows of its input tables and the observations that it merged. `derive` computes an output row from these
//! alone. The engine derives each output row that an input affects, and publishes it if it differs from the row published before.
//!
//! Invariant: each published row is the result of `derive` on the tables of its key. The rows do not depend on the order, batching,
//! repetition or compaction of the input, or on crashes. `derive` cannot fail.
//! Not here: when rows are derived and what a commit contains (`runtime::engine`).

use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

/// The effect of an input on the state store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// A row of an input table was replaced. The changelog does not retain the row, because it can be restored from the topic of the table.
    RowReplaced,
    /// The histories of observations changed; the records that the view passed to [`Effects::retain`] state how.
    Stored,
    /// The input changed nothing.
    Unchanged,
}

/// Receives the effects of an input, other than those on the tables.
pub struct Effects<'a, K, R> {
    /// Invalidates an output key: its row may change, so it is derived again at the commit.
    pub invalidate: &'a mut dyn FnMut(K),
    /// Retains a record in the changelog, instead of an earlier one with the same id. The id must be unique among the records of the same
    /// view key.
    pub retain: &'a mut dyn FnMut(String, R),
}

/// A parked input: it is stored, but cannot be used before the missing key arrives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParkedItem {
    /// The missing key, such as a fixture or a name.
    pub key: String,
    /// A description of the parked input, for an operator.
    pub what: String,
}

/// The logic of one stateful processor.
pub trait MaterializedView: Send + Sync + 'static {
    /// The name of the processor; its consumer group, changelog, dead-letter queue and metric label are named after it.
    const NAME: &'static str;
    /// The key by which inputs are joined. It must be a function of the partition key of their records, so that all inputs with the same
    /// key are read by the same instance.
    type Key: Ord + Clone + std::hash::Hash + Send;
    /// The state of one key. Its debug text contains the whole state, so tests compare it.
    type Tables: Default + Send + Debug;
    /// A record of the changelog. The newest records of all ids, in any order, restore the histories of observations.
    type Retained: Serialize + DeserializeOwned;
    /// One input: a row of a table, or an observation.
    type In;
    /// The key of an output row.
    type OutputKey: Ord + Clone + std::hash::Hash + Send;
    type Out;

    /// Returns the key of an input; `None` if the input belongs to no key and is ignored.
    fn key(&self, input: &Self::In) -> Option<Self::Key>;
    /// Returns the key from whose tables the output row is derived.
    fn key_of(&self, output_key: &Self::OutputKey) -> Self::Key;
    /// Merges one input into the tables and invalidates every output key whose row may change.
    fn apply(
        &self,
        tables: &mut Self::Tables,
        input: Self::In,
        effects: &mut Effects<'_, Self::OutputKey, Self::Retained>,
    ) -> StateChange;
    /// True if a former version retained the record with this id, and this version derives nothing from it. Such a record is deleted.
    fn is_formerly_retained(_id: &str) -> bool {
        false
    }
    /// Adds a retained record to the tables. Afterwards, they equal those of the instance that retained it.
    fn restore(&self, tables: &mut Self::Tables, retained: Self::Retained);
    /// Passes to `emit` every output key for which `derive` may return a row.
    fn all_keys(&self, tables: &Self::Tables, emit: &mut dyn FnMut(Self::OutputKey));
    /// Derives an output row from the tables alone; `None` if there is no such row.
    fn derive(&self, tables: &Self::Tables, output_key: &Self::OutputKey) -> Option<Self::Out>;
    /// Returns the number of records of this output key that are parked, and a description of each parked item.
    fn parked(&self, _tables: &Self::Tables, _output_key: &Self::OutputKey) -> (u32, Vec<ParkedItem>) {
        (0, Vec::new())
    }
}
