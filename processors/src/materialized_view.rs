//! Views: derived tables that a stream keeps current, and that a batch over the same facts would give.
//!
//! A view holds, per key, the rows of its input tables and the observations it has merged; `derive` says what an output row is as a
//! function of those alone. The engine derives each row that a changed input can reach and publishes it when it differs.
//!
//! Invariant: what a view has published is `derive` of the key's tables, whatever order, batching, repetition, crash or
//! compaction brought the rows in. `derive` is total.
//! Not here: when rows are derived, and what a commit is (`runtime::engine`).

/// What a record left in the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// A row of an input table: its topic keeps it.
    RowReplaced,
    /// An observation that adds to the memory; kept in the changelog under this id until one of the same id replaces it.
    Retained(String),
    /// An observation that adds nothing.
    Unchanged,
}

/// Something that cannot be used until a named key arrives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParkedItem {
    /// The key it waits for: a fixture, a name.
    pub key: String,
    /// What waits.
    pub what: String,
}

/// One processor with memory.
pub trait MaterializedView: Send + Sync + 'static {
    /// Consumer group, changelog, dead letters and metric label: one name.
    const NAME: &'static str;
    /// The key that rows must share to meet; a function of the record key's partition part.
    type Key: Ord + Clone + std::hash::Hash + Send;
    /// What is held for one key.
    type Tables: Default + Send;
    /// One input: a row of a table, or an observation.
    type In;
    /// Names an output row.
    type OutputKey: Ord + Clone + std::hash::Hash + Send;
    type Out;

    fn key(&self, input: &Self::In) -> Option<Self::Key>;
    /// The key under which an output key is derived.
    fn key_of(&self, output_key: &Self::OutputKey) -> Self::Key;
    /// Puts one input into the tables and names every output key whose output it can reach.
    fn apply(
        &self,
        tables: &mut Self::Tables,
        input: Self::In,
        invalidate: &mut dyn FnMut(Self::OutputKey),
    ) -> StateChange;
    /// Every output key that the tables may give an output for.
    fn all_keys(&self, tables: &Self::Tables, emit: &mut dyn FnMut(Self::OutputKey));
    /// The output row as a function of the tables alone; `None` when there is no such row.
    fn derive(&self, tables: &Self::Tables, output_key: &Self::OutputKey) -> Option<Self::Out>;
    /// What of this output key's observations waits for a named key, and how many records that holds up.
    fn parked(&self, _tables: &Self::Tables, _output_key: &Self::OutputKey) -> (u32, Vec<ParkedItem>) {
        (0, Vec::new())
    }
}
