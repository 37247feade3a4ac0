//! A view kept current in memory, for the tests of what it decides.
//!
//! Invariant: only the rows that an input is said to reach are derived anew, and each time all of them are what a batch gives.
//! Not here: logs, commits, restores (`runtime`).
use crate::view::{Merged, View, Waiting};
use std::{collections::BTreeMap, fmt::Debug};

/// A view's tables and what stands of it.
pub struct Kept<V: View> {
    view: V,
    keys: BTreeMap<V::Key, V::Tables>,
    stands: BTreeMap<V::Slot, V::Out>,
}
impl<V: View> Kept<V>
where
    V::Out: Debug,
    V::Slot: Debug,
{
    pub fn new(view: V) -> Self {
        Kept { view, keys: BTreeMap::new(), stands: BTreeMap::new() }
    }
    pub fn put(&mut self, input: V::In) -> Merged {
        let key = self.view.key(&input).unwrap();
        let tables = self.keys.entry(key).or_default();
        let mut reached = Vec::new();
        let merged = self.view.apply(tables, input, &mut |slot| reached.push(slot));
        for slot in reached {
            let tables = &self.keys[&self.view.key_of(&slot)];
            match self.view.derive(tables, &slot) {
                Some(out) => _ = self.stands.insert(slot, out),
                None => _ = self.stands.remove(&slot),
            }
        }
        let mut batch = BTreeMap::new();
        for tables in self.keys.values() {
            self.view.slots(tables, &mut |slot| {
                if let Some(out) = self.view.derive(tables, &slot) {
                    batch.insert(slot, out);
                }
            });
        }
        assert_eq!(
            format!("{:#?}", self.stands),
            format!("{batch:#?}"),
            "what was reached against all there is"
        );
        merged
    }
    pub fn row(&self, slot: &V::Slot) -> Option<&V::Out> {
        self.stands.get(slot)
    }
    pub fn waiting(&self) -> Vec<Waiting> {
        let mut waiting = Vec::new();
        for tables in self.keys.values() {
            self.view.slots(tables, &mut |slot| waiting.extend(self.view.waiting(tables, &slot).1));
        }
        waiting
    }
}
