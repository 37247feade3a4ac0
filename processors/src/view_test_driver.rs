//! A materialized view held in memory, for the tests of what it decides.
//!
//! Invariant: only the rows that an input is said to reach are derived anew, and each time all of them are what a batch gives.
//! Not here: logs, commits, restores (`runtime`).
use crate::materialized_view::{MaterializedView, ParkedItem, StateChange};
use std::{collections::BTreeMap, fmt::Debug};

/// A view's tables and its published rows.
pub struct ViewTestDriver<V: MaterializedView> {
    view: V,
    keys: BTreeMap<V::Key, V::Tables>,
    published: BTreeMap<V::OutputKey, V::Out>,
}
impl<V: MaterializedView> ViewTestDriver<V>
where
    V::Out: Debug,
    V::OutputKey: Debug,
{
    pub fn new(view: V) -> Self {
        ViewTestDriver { view, keys: BTreeMap::new(), published: BTreeMap::new() }
    }
    pub fn put(&mut self, input: V::In) -> StateChange {
        let key = self.view.key(&input).unwrap();
        let tables = self.keys.entry(key).or_default();
        let mut reached = Vec::new();
        let state_change = self.view.apply(tables, input, &mut |output_key| reached.push(output_key));
        for output_key in reached {
            let tables = &self.keys[&self.view.key_of(&output_key)];
            match self.view.derive(tables, &output_key) {
                Some(out) => _ = self.published.insert(output_key, out),
                None => _ = self.published.remove(&output_key),
            }
        }
        let mut batch = BTreeMap::new();
        for tables in self.keys.values() {
            self.view.all_keys(tables, &mut |output_key| {
                if let Some(out) = self.view.derive(tables, &output_key) {
                    batch.insert(output_key, out);
                }
            });
        }
        assert_eq!(
            format!("{:#?}", self.published),
            format!("{batch:#?}"),
            "what was reached against all there is"
        );
        state_change
    }
    pub fn row(&self, output_key: &V::OutputKey) -> Option<&V::Out> {
        self.published.get(output_key)
    }
    pub fn parked(&self) -> Vec<ParkedItem> {
        let mut waiting = Vec::new();
        for tables in self.keys.values() {
            self.view
                .all_keys(tables, &mut |output_key| waiting.extend(self.view.parked(tables, &output_key).1));
        }
        waiting
    }
}
