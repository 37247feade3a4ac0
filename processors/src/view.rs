//! Views: derived tables that a stream keeps current, and that a batch over the same facts would give.
//!
//! A view holds, per key, the rows of its input tables and the sightings it has merged; `derive` says what an output row is as a
//! function of those alone. The engine derives each row that a changed input can reach and publishes it when it differs.
//!
//! Invariant: what a view has published is `derive` of the key's tables, whatever order, batching, repetition, crash or
//! compaction brought the rows in. `derive` is total.
//! Not here: when rows are derived, and what a commit is (`runtime::engine`).

/// What a record left in the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    /// A row of an input table: its topic keeps it.
    Row,
    /// A sighting that adds to the memory; kept in the changelog under this id until one of the same id replaces it.
    Kept(String),
    /// A sighting that adds nothing.
    Unchanged,
}

/// Something that cannot be used until a named key arrives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting {
    /// The key it waits for: a fixture, a name.
    pub key: String,
    /// What waits.
    pub what: String,
}

/// One processor with memory.
pub trait View: Send + Sync + 'static {
    /// Consumer group, changelog, dead letters and metric label: one name.
    const NAME: &'static str;
    /// The key that rows must share to meet; a function of the record key's partition part.
    type Key: Ord + Clone + std::hash::Hash + Send;
    /// What is held for one key.
    type Tables: Default + Send;
    /// One input: a row of a table, or a sighting.
    type In;
    /// Names an output row.
    type Slot: Ord + Clone + std::hash::Hash + Send;
    type Out;

    fn key(&self, input: &Self::In) -> Option<Self::Key>;
    /// The key under which a slot is derived.
    fn key_of(&self, slot: &Self::Slot) -> Self::Key;
    /// Puts one input into the tables and names every slot whose output it can reach.
    fn apply(
        &self,
        tables: &mut Self::Tables,
        input: Self::In,
        reached: &mut dyn FnMut(Self::Slot),
    ) -> Merged;
    /// Every slot that the tables may give an output for.
    fn slots(&self, tables: &Self::Tables, known: &mut dyn FnMut(Self::Slot));
    /// The output row as a function of the tables alone; `None` when there is no such row.
    fn derive(&self, tables: &Self::Tables, slot: &Self::Slot) -> Option<Self::Out>;
    /// What of this slot's sightings waits for a named key, and how many records that holds up.
    fn waiting(&self, _tables: &Self::Tables, _slot: &Self::Slot) -> (u32, Vec<Waiting>) {
        (0, Vec::new())
    }
}
