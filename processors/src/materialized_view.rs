//! The interface of a materialized view: derived rows that a stream keeps equal to what a batch over the same input gives.
//!
//! A view stores, per key, the rows of its input tables and the observations that it merged. `derive` computes an output row from those
//! alone. The engine derives each output row that an input affects and publishes the row if it differs from the published one.
//!
//! Invariant: the published rows are `derive` of the key's tables, independent of order, batching, repetition, crashes and compaction of
//! the input. `derive` is total.
//! Not here: when rows are derived and what a commit contains (`runtime::engine`).

/// The effect of an input on the state store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// A row of an input table was replaced; its topic stores the row.
    RowReplaced,
    /// An observation was added; the changelog retains it under this id until another one with the same id replaces it.
    Retained(String),
    /// The input changed nothing.
    Unchanged,
}

/// Something that is stored and cannot be used before a named key arrives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParkedItem {
    /// The missing key: a fixture, a name.
    pub key: String,
    /// The parked input, in words.
    pub what: String,
}

/// One stateful processor.
pub trait MaterializedView: Send + Sync + 'static {
    /// Used for consumer group, changelog, dead-letter queue and metric label.
    const NAME: &'static str;
    /// The key by which inputs are joined: a function of the partition key of their records.
    type Key: Ord + Clone + std::hash::Hash + Send;
    /// The state of one key.
    type Tables: Default + Send;
    /// One input: a row of a table, or an observation.
    type In;
    /// The key of an output row.
    type OutputKey: Ord + Clone + std::hash::Hash + Send;
    type Out;

    /// The key of an input; `None` if the input belongs to no key and is ignored.
    fn key(&self, input: &Self::In) -> Option<Self::Key>;
    /// The key whose tables the output row is derived from.
    fn key_of(&self, output_key: &Self::OutputKey) -> Self::Key;
    /// Merges one input into the tables and passes every output key whose row it may change to `invalidate`.
    fn apply(
        &self,
        tables: &mut Self::Tables,
        input: Self::In,
        invalidate: &mut dyn FnMut(Self::OutputKey),
    ) -> StateChange;
    /// Passes every output key for which the tables may give a row to `emit`.
    fn all_keys(&self, tables: &Self::Tables, emit: &mut dyn FnMut(Self::OutputKey));
    /// The output row as a function of the tables alone; `None` if there is no such row.
    fn derive(&self, tables: &Self::Tables, output_key: &Self::OutputKey) -> Option<Self::Out>;
    /// The parked observations of this output key, and the number of records that they came in.
    fn parked(&self, _tables: &Self::Tables, _output_key: &Self::OutputKey) -> (u32, Vec<ParkedItem>) {
        (0, Vec::new())
    }
}
