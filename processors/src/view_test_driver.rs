//! Drives a materialized view in memory, for the tests of its logic.
//!
//! Invariant: only invalidated rows are derived again, and after each input the published rows must equal those that a batch over the same
//! input derives.
//! Not here: the log, commits, restores (crate `runtime`).
use crate::materialized_view::{MaterializedView, ParkedItem, StateChange};
use std::{collections::BTreeMap, fmt::Debug};

/// Runs one view in a test: holds the tables of each key and the published rows.
pub struct ViewTestDriver<V: MaterializedView> {
    view: V,
    tables_by_key: BTreeMap<V::Key, V::Tables>,
    published: BTreeMap<V::OutputKey, V::Out>,
}
impl<V: MaterializedView> ViewTestDriver<V>
where
    V::Out: Debug,
    V::OutputKey: Debug,
{
    pub fn new(view: V) -> Self {
        ViewTestDriver { view, tables_by_key: BTreeMap::new(), published: BTreeMap::new() }
    }
    /// Applies one input, derives the invalidated rows, and compares all rows with those of a batch over the same input.
    pub fn put(&mut self, input: V::In) -> StateChange {
        let key = self.view.key(&input).unwrap();
        let tables = self.tables_by_key.entry(key).or_default();
        let mut invalidated = Vec::new();
        let state_change = self.view.apply(tables, input, &mut |output_key| invalidated.push(output_key));
        for output_key in invalidated {
            let tables = &self.tables_by_key[&self.view.key_of(&output_key)];
            match self.view.derive(tables, &output_key) {
                Some(row) => _ = self.published.insert(output_key, row),
                None => _ = self.published.remove(&output_key),
            }
        }
        let mut batch = BTreeMap::new();
        for tables in self.tables_by_key.values() {
            self.view.all_keys(tables, &mut |output_key| {
                if let Some(row) = self.view.derive(tables, &output_key) {
                    batch.insert(output_key, row);
                }
            });
        }
        let (published, batch) = (format!("{:#?}", self.published), format!("{batch:#?}"));
        assert_eq!(
            published, batch,
            "the incrementally derived rows differ from those of a batch over the same input"
        );
        state_change
    }
    pub fn row(&self, output_key: &V::OutputKey) -> Option<&V::Out> {
        self.published.get(output_key)
    }
    pub fn parked(&self) -> Vec<ParkedItem> {
        let mut items = Vec::new();
        for tables in self.tables_by_key.values() {
            self.view
                .all_keys(tables, &mut |output_key| items.extend(self.view.parked(tables, &output_key).1));
        }
        items
    }
}
