//! The state of one partition of a materialized view, and the keys under which its changelog stores it.
//!
//! To invalidate an output key is to mark it, so that its row is derived again at the next commit.
//! Invariant: each output key is invalidated at most once per micro-batch. For every record read, the range of output keys that it affects
//! is stored; the range may be empty.
//! Not here: decoding, deriving and publishing (`materialized_view`).
use crate::record_batch::RecordBatch;
use processors::materialized_view::{Effects, MaterializedView, StateChange};
use rustc_hash::FxHashMap;
use schemas::ops::LedgerEntry;
use std::fmt::Display;

/// The key of a changelog record.
pub enum ChangelogKey<'a> {
    /// The number of parked records; one record per partition.
    ParkedCount,
    /// A record that restores observations (see [`MaterializedView::Retained`]), as JSON.
    State { view_key: &'a str, id: &'a str },
    /// A copy of an input record with an observation, as former versions of Fastbreak stored it instead of `State`.
    FormerCopy,
    /// The hash of a published row.
    Published { topic: &'a str, view_key: &'a str, record_key: &'a str },
}

const PARKED_COUNT: &str = "parked-count";
const STATE: &str = "state";
const FORMER_COPY: &str = "retained";
const PUBLISHED: &str = "published";

impl<'a> ChangelogKey<'a> {
    /// Parses a key; `None` if it is not the key of a changelog record.
    pub fn parse(key: &'a str) -> Option<ChangelogKey<'a>> {
        if key == PARKED_COUNT {
            return Some(ChangelogKey::ParkedCount);
        }
        let (kind, rest) = key.split_once('|')?;
        if kind == STATE {
            return rest.split_once('|').map(|(view_key, id)| ChangelogKey::State { view_key, id });
        }
        let (topic, rest) = rest.split_once('|')?;
        let (view_key, record_key) = rest.split_once('|')?;
        match kind {
            FORMER_COPY => Some(ChangelogKey::FormerCopy),
            PUBLISHED => Some(ChangelogKey::Published { topic, view_key, record_key }),
            _ => None,
        }
    }
    pub fn state(view_key: &impl Display, id: &str) -> String {
        format!("{STATE}|{view_key}|{id}")
    }
    pub fn published(topic: &str, view_key: &impl Display, record_key: &str) -> String {
        format!("{PUBLISHED}|{topic}|{view_key}|{record_key}")
    }
}

/// Identifies the row that is currently published for an output key, by content hash, topic and record key.
pub struct PublishedRow {
    pub hash: u64,
    pub topic: &'static str,
    pub key: String,
}

/// What happened when the row of one output key was derived: whether a change was published, and whether the key has parked records.
#[derive(Clone, Copy, Default)]
pub struct RecomputedRow {
    pub is_published: bool,
    pub is_parked: bool,
}

/// A record read since the last commit. The output keys that it affects are a range of [`ViewState::affected`]: from the end of the
/// previous record's range to `affected_end`.
struct ReadRecord {
    affected_end: usize,
    adds_state: bool,
}

/// The state of a materialized view in one partition.
pub struct ViewState<V: MaterializedView> {
    pub tables: FxHashMap<V::Key, V::Tables>,
    pub published: FxHashMap<V::OutputKey, PublishedRow>,
    /// Current number of parked records, by the output key that they affect.
    parked: FxHashMap<V::OutputKey, u32>,
    /// The number of parked records at the last commit. The next ledger entry counts only the change since then.
    pub parked_count: i64,
    /// Index in `output_keys` of each output key that was invalidated since the last commit.
    invalidated: FxHashMap<V::OutputKey, u32>,
    pub output_keys: Vec<V::OutputKey>,
    /// For each record read, one after the other: the indexes in `output_keys` of the output keys that the record affects.
    pub affected: Vec<u32>,
    reads: Vec<ReadRecord>,
    /// Changelog records of the micro-batch in progress.
    pub changelog: RecordBatch,
}

impl<V: MaterializedView> Default for ViewState<V> {
    fn default() -> Self {
        ViewState {
            tables: FxHashMap::default(),
            published: FxHashMap::default(),
            parked: FxHashMap::default(),
            parked_count: 0,
            invalidated: FxHashMap::default(),
            output_keys: Vec::new(),
            affected: Vec::new(),
            reads: Vec::new(),
            changelog: RecordBatch::default(),
        }
    }
}

/// Receives a record for the changelog, with its view key and id.
pub type RetainRecord<'a, V> =
    dyn FnMut(&<V as MaterializedView>::Key, &str, <V as MaterializedView>::Retained) + 'a;

impl<V: MaterializedView> ViewState<V> {
    /// Applies an input, invalidates the output keys that it affects, and passes to `retain` the records for the changelog. `None` if the
    /// input has no key in this view.
    pub fn apply(&mut self, view: &V, input: V::In, retain: &mut RetainRecord<'_, V>) -> Option<StateChange> {
        let view_key = view.key(&input)?;
        let ViewState { tables, invalidated, output_keys, affected, .. } = self;
        let tables = tables.entry(view_key.clone()).or_default();
        let mut effects = Effects {
            invalidate: &mut |output_key| affected.push(invalidate(invalidated, output_keys, output_key)),
            retain: &mut |id, retained| retain(&view_key, &id, retained),
        };
        Some(view.apply(tables, input, &mut effects))
    }
    /// Ends the reading of one record: the output keys added to `affected` since the previous call are those that the record affects.
    pub fn end_read(&mut self, adds_state: bool) {
        self.reads.push(ReadRecord { affected_end: self.affected.len(), adds_state });
    }
    /// Invalidates all output keys: those that can be derived from the tables, and those with a published row. No record counts as the
    /// cause.
    pub fn invalidate_all(&mut self, view: &V) {
        let mut all_keys: Vec<V::OutputKey> = self.published.keys().cloned().collect();
        for tables in self.tables.values() {
            view.all_keys(tables, &mut |output_key| all_keys.push(output_key));
        }
        for output_key in all_keys {
            invalidate(&mut self.invalidated, &mut self.output_keys, output_key);
        }
    }
    /// Returns the state as of the last commit as text: the tables of each key unless they are empty, the published rows, and the number of
    /// parked records; sorted. Empty tables are left out, because a restored instance does not know a key whose rows were deleted.
    pub fn text(&self) -> Vec<String>
    where
        V::Key: Display,
    {
        let tables = self.tables.iter().map(|(view_key, tables)| (view_key, format!("{tables:?}")));
        let tables = tables.filter(|(_, text)| has_content(text));
        let tables = tables.map(|(view_key, text)| format!("tables of {view_key}: {text}"));
        let published = self.published.values();
        let published =
            published.map(|row| format!("published {}/{}: {:016x}", row.topic, row.key, row.hash));
        let mut text: Vec<String> = tables.chain(published).collect();
        text.sort_unstable();
        text.push(format!("{} parked records", self.parked_count));
        text
    }
    pub fn set_parked(&mut self, output_key: &V::OutputKey, records: u32) {
        if records > 0 {
            self.parked.insert(output_key.clone(), records);
        } else {
            self.parked.remove(output_key);
        }
    }
    /// Counts the outcomes of the records that were read, and ends the micro-batch. `recomputed` has the same indexes as `output_keys`. A
    /// record is unchanged if it caused no row to be published, and did not add state for an output key that has parked records.
    pub fn count_outcomes(&mut self, recomputed: &[RecomputedRow], entry: &mut LedgerEntry) {
        let (mut first, mut unchanged) = (0, 0);
        for read in &self.reads {
            let has_effect = self.affected[first..read.affected_end].iter().any(|index| {
                let row = recomputed[*index as usize];
                row.is_published || (read.adds_state && row.is_parked)
            });
            unchanged += i64::from(!has_effect);
            first = read.affected_end;
        }
        let read = self.reads.len() as i64;
        let parked: i64 = self.parked.values().map(|records| i64::from(*records)).sum();
        let newly_parked = parked - self.parked_count;
        if newly_parked != 0 {
            self.parked_count = parked;
            self.changelog.push(PARKED_COUNT, Some(&parked.to_le_bytes()));
        }
        entry.read += read;
        entry.unchanged += unchanged;
        entry.parked += newly_parked;
        entry.applied += read - unchanged - newly_parked;
        self.invalidated.clear();
        self.output_keys.clear();
        self.affected.clear();
        self.reads.clear();
    }
}

/// True if the debug text of a struct of collections shows that one of them has an element.
fn has_content(text: &str) -> bool {
    let collections = text.split_once('{').map_or(text, |(_, fields)| fields);
    let is_filled = |pair: &[u8]| matches!(pair[0], b'{' | b'[') && !matches!(pair[1], b'}' | b']');
    collections.as_bytes().windows(2).any(is_filled)
}

/// Adds an output key to the keys that are derived at the commit, unless it is already there; returns its index.
fn invalidate<K: Clone + std::hash::Hash + Eq>(
    invalidated: &mut FxHashMap<K, u32>,
    output_keys: &mut Vec<K>,
    output_key: K,
) -> u32 {
    *invalidated.entry(output_key.clone()).or_insert_with(|| {
        output_keys.push(output_key);
        (output_keys.len() - 1) as u32
    })
}
