//! The released versions of one event's schema, and the ids by which records refer to them.
//!
//! An id is derived from the schema's text, so all processes and logs use the same id without a schema registry. If a registry assigns ids,
//! [`Binding`] supplies them once, before the first record is read or written; records written earlier keep their ids.
//!
//! Invariant: an id refers to at most one schema of an event; a registry id that could refer to two is rejected at startup.
//! Not here: the check that a binding covers all events (`catalog::bind`), the client of the registry (crate `schema-registry`).
use crate::{
    foreign_schema::ForeignSchema,
    framing::{frame, id_of, unframe},
    wire_error::WireError,
};
use serde_avro_fast::Schema;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

/// Looks up the text of a registered schema by its id; `None` if the registry has no such schema, an error if it does not answer.
pub type Fetch = Box<dyn Fn(u32) -> Result<Option<String>, String> + Send + Sync>;

/// The schema ids that a schema registry assigned, and a function that fetches the registry's other schemas.
pub struct Binding {
    /// For each event, the ids that the registry has for its newest schema; records are written with the first of these ids.
    pub ids: BTreeMap<&'static str, Vec<u32>>,
    /// Looks up the schema text of an id that is neither in `ids` nor derived from the text of a released version.
    pub fetch: Fetch,
}
impl Binding {
    /// Makes this process read and write records with these ids. Returns false if a binding is already set, or if a record was already
    /// read or written without one.
    pub(crate) fn activate(self) -> bool {
        BINDING.set(Some(self)).is_ok()
    }
}

/// The binding of this process; `None` if a record was read or written before a binding was set.
static BINDING: OnceLock<Option<Binding>> = OnceLock::new();

/// The parsed released versions of one event's schema, and the schema ids that records of the event may have.
pub struct Schemas {
    event: &'static str,
    texts: &'static [&'static str],
    /// The released versions, oldest first, each with the id derived from its text.
    released: Vec<(u32, Schema)>,
    ids: OnceLock<Ids>,
    /// The foreign schemas (registered by other producers) of records read so far, by schema id.
    foreign_schemas: RwLock<BTreeMap<u32, Arc<ForeignSchema>>>,
}
struct Ids {
    written: u32,
    /// The ids of the released versions, each with the index of its version in `Schemas::released`.
    index_by_id: Vec<(u32, usize)>,
}

impl Schemas {
    /// Parses the released texts of an event, oldest first.
    pub fn parse(event: &'static str, texts: &'static [&'static str]) -> Self {
        let parse = |text: &&str| text.parse().ok().map(|schema| (id_of(text), schema));
        let released = texts.iter().filter_map(parse).collect();
        Schemas { event, texts, released, ids: OnceLock::new(), foreign_schemas: RwLock::default() }
    }
    fn ids(&self) -> &Ids {
        self.ids.get_or_init(|| {
            let newest = self.released.len().saturating_sub(1);
            let bound = BINDING.get_or_init(|| None).as_ref().and_then(|binding| binding.ids.get(self.event));
            let bound = bound.map_or(&[][..], Vec::as_slice);
            let local = self.released.iter().enumerate().map(|(index, (id, _))| (*id, index));
            let index_by_id: Vec<_> = bound.iter().map(|id| (*id, newest)).chain(local).collect();
            Ids { written: bound.first().copied().unwrap_or(self.local()), index_by_id }
        })
    }
    /// Returns the schema version with which records are written, and its id.
    ///
    /// # Panics
    /// If the event has no released schema; a test proves that each event has one.
    #[allow(clippy::expect_used)]
    pub fn newest(&self) -> (u32, &Schema) {
        let (_, schema) = self.released.last().expect("every event has a released schema");
        (self.ids().written, schema)
    }
    /// Returns the released version with this id.
    pub fn find(&self, id: u32) -> Option<&Schema> {
        self.index_of(id).map(|index| &self.released[index].1)
    }
    fn index_of(&self, id: u32) -> Option<usize> {
        self.ids().index_by_id.iter().find(|(candidate, _)| *candidate == id).map(|(_, index)| *index)
    }
    /// Returns the number of the released version with this id, counted from 1; `None` for the schema of another producer that differs from
    /// all of them, and for an unknown id.
    pub fn version_of(&self, id: u32) -> Option<usize> {
        let index = self.index_of(id).or_else(|| match &*self.foreign_schema(id).ok()? {
            ForeignSchema::SameAs(index) => Some(*index),
            ForeignSchema::Readable(_) => None,
        });
        index.map(|index| index + 1)
    }
    /// Returns the id that is derived from the text of the newest version, independent of any registry.
    pub fn local(&self) -> u32 {
        self.local_at(self.released.len().saturating_sub(1))
    }
    fn local_at(&self, index: usize) -> u32 {
        self.released.get(index).map_or(0, |(id, _)| *id)
    }
    /// Resolves an id that is not the id of a released version of the event; queries the registry once per id.
    #[cold]
    pub(crate) fn foreign_schema(&self, id: u32) -> Result<Arc<ForeignSchema>, WireError> {
        let event = self.event;
        let cached = self.foreign_schemas.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(cached) = cached {
            return Ok(cached);
        }
        let binding = BINDING.get_or_init(|| None).as_ref().ok_or(WireError::UnknownSchema { event, id })?;
        let to_error = |reason| WireError::ForeignSchema { event, id, reason };
        let text = (binding.fetch)(id).map_err(|reason| WireError::Registry { event, id, reason })?;
        let text = text.ok_or_else(|| to_error("the registry has no schema with this id".to_owned()))?;
        let foreign_schema = Arc::new(ForeignSchema::from_text(&text, self.texts).map_err(to_error)?);
        self.foreign_schemas
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, foreign_schema.clone());
        Ok(foreign_schema)
    }
    /// Returns the released version at the index in a [`ForeignSchema::SameAs`].
    pub(crate) fn version_at(&self, index: usize) -> Option<&Schema> {
        self.released.get(index).map(|(_, schema)| schema)
    }
    /// Returns the record in the form that it has without a registry, so that equal content has equal bytes. Content hashes are computed
    /// from this form.
    ///
    /// # Errors
    /// If the bytes are not a record of this event.
    pub fn canonical<'a>(&self, record: &'a [u8]) -> Result<Cow<'a, [u8]>, WireError> {
        let (event, len) = (self.event, record.len());
        let (id, body) = unframe(record).ok_or(WireError::Framing { event, len })?;
        let framed = |id, body: &[u8]| Cow::Owned([&frame(id), body].concat());
        match self.index_of(id).map(|index| self.local_at(index)) {
            Some(local) if local == id => Ok(Cow::Borrowed(record)),
            Some(local) => Ok(framed(local, body)),
            None => match &*self.foreign_schema(id)? {
                ForeignSchema::SameAs(index) => Ok(framed(self.local_at(*index), body)),
                ForeignSchema::Readable(translation) => {
                    let body = translation.translate(body);
                    body.map(|body| framed(self.local(), &body))
                        .map_err(|reason| WireError::Body { event, reason })
                }
            },
        }
    }
}
