//! The versions of one event's schema, and the ids that records name them by.
//!
//! An id is derived from the schema's text, so every process and every log agrees on it without a server. Where a registry hands
//! out ids, [`bind`] says once, before anything is read or written, which they are; records of before keep their own.
//! Invariant: an id names one schema of an event, or none: what could mean two is refused at the start.
//! Not here: how a registry is asked (`src/registry` of the root).
use crate::{
    catalog,
    foreign_schema::ForeignSchema,
    raw::DeadLetter,
    wire::{Event, WireError},
};
use serde_avro_fast::Schema;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

/// Answers the text of a schema that somebody else registered, by its id; the reason when there is none.
pub type Fetch = Box<dyn Fn(u32) -> Result<String, String> + Send + Sync>;

/// The ids that a registry gave.
pub struct Binding {
    /// By event, those of its newest schema; records are written with the first.
    pub ids: BTreeMap<&'static str, Vec<u32>>,
    /// Where any other id is looked up.
    pub fetch: Fetch,
}

/// Why ids cannot be bound.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BindError {
    #[error("{event}: the registry gave no id for its schema; next: `fastbreak schemas push`")]
    Missing { event: &'static str },
    #[error(
        "{event}: the registry's id {id} is also that of another schema of its own, so a record could mean either; register \
         the schema in another registry or context"
    )]
    Ambiguous { event: &'static str, id: u32 },
    #[error("records were read or written before the registry's ids were known")]
    Late,
}

/// `None` once something was read or written without a registry.
static BINDING: OnceLock<Option<Binding>> = OnceLock::new();

/// Makes this process write, and read, with the ids of a registry.
///
/// # Errors
/// When an event has no id or one that could mean two schemas, or when it is too late.
pub fn bind(binding: Binding) -> Result<(), BindError> {
    // A dead letter on Kafka is the original record with headers, so its schema has no subject; its id stays the local one.
    for entry in catalog::entries().into_iter().filter(|entry| entry.name != DeadLetter::NAME) {
        let event = entry.name;
        let ids = binding.ids.get(event).filter(|ids| !ids.is_empty()).ok_or(BindError::Missing { event })?;
        let older = entry.released.split_last().map_or(&[][..], |(_, older)| older);
        if let Some(id) = ids.iter().find(|id| older.iter().any(|text| id_of(text) == **id)) {
            return Err(BindError::Ambiguous { event, id: *id });
        }
    }
    BINDING.set(Some(binding)).map_err(|_| BindError::Late)
}

/// The released versions of one event's schema, parsed.
pub struct Schemas {
    event: &'static str,
    texts: &'static [&'static str],
    /// With the ids of their texts, oldest first.
    released: Vec<(u32, Schema)>,
    ids: OnceLock<Ids>,
    /// Schemas that others registered, as they were met.
    others: RwLock<BTreeMap<u32, Arc<ForeignSchema>>>,
}
struct Ids {
    written: u32,
    /// Each id that names a released version, with its position.
    known: Vec<(u32, usize)>,
}

impl Schemas {
    /// Parses the released texts of an event, oldest first.
    pub fn parse(event: &'static str, texts: &'static [&'static str]) -> Self {
        let parse = |text: &&str| text.parse().ok().map(|schema| (id_of(text), schema));
        let released = texts.iter().filter_map(parse).collect();
        Schemas { event, texts, released, ids: OnceLock::new(), others: RwLock::default() }
    }
    fn ids(&self) -> &Ids {
        self.ids.get_or_init(|| {
            let newest = self.released.len().saturating_sub(1);
            let bound = BINDING.get_or_init(|| None).as_ref().and_then(|binding| binding.ids.get(self.event));
            let bound = bound.map_or(&[][..], Vec::as_slice);
            let local = self.released.iter().enumerate().map(|(at, (id, _))| (*id, at));
            let known: Vec<_> = bound.iter().map(|id| (*id, newest)).chain(local).collect();
            Ids { written: bound.first().copied().unwrap_or(self.local()), known }
        })
    }
    /// The version that is written, with the id that records name it by.
    ///
    /// # Panics
    /// When an event has no released schema; the tests make sure that each has.
    #[allow(clippy::expect_used)]
    pub fn newest(&self) -> (u32, &Schema) {
        let (_, schema) = self.released.last().expect("every event has a released schema");
        (self.ids().written, schema)
    }
    pub fn find(&self, id: u32) -> Option<&Schema> {
        self.position(id).map(|at| &self.released[at].1)
    }
    fn position(&self, id: u32) -> Option<usize> {
        self.ids().known.iter().find(|(known, _)| *known == id).map(|(_, at)| *at)
    }
    /// The id that the newest version has by its text, whatever a registry says.
    pub fn local(&self) -> u32 {
        self.released.last().map_or(0, |(id, _)| *id)
    }
    /// What an id means that is none of its own: asked of the registry the first time.
    #[cold]
    pub(crate) fn foreign_schema(&self, id: u32) -> Result<Arc<ForeignSchema>, WireError> {
        let event = self.event;
        let known = self.others.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let binding = BINDING.get_or_init(|| None).as_ref().ok_or(WireError::UnknownSchema { event, id })?;
        let foreign = |reason| WireError::ForeignSchema { event, id, reason };
        let text = (binding.fetch)(id).map_err(foreign)?;
        let other = Arc::new(ForeignSchema::from_text(&text, self.texts).map_err(foreign)?);
        self.others.write().unwrap_or_else(PoisonError::into_inner).insert(id, other.clone());
        Ok(other)
    }
    /// The schema of a position, which `ForeignSchema` found among the texts.
    pub(crate) fn at(&self, position: usize) -> Option<&Schema> {
        self.released.get(position).map(|(_, schema)| schema)
    }
    /// A record as it would have been written without a registry: what content is hashed over.
    ///
    /// # Errors
    /// When it is no record of this event.
    pub fn canonical<'a>(&self, record: &'a [u8]) -> Result<Cow<'a, [u8]>, WireError> {
        let (event, len) = (self.event, record.len());
        let (id, body) = unframe(record).ok_or(WireError::Framing { event, len })?;
        let framed = |id, body: &[u8]| Cow::Owned([&frame(id), body].concat());
        let of = |at: usize| self.released.get(at).map_or(0, |(id, _)| *id);
        match self.position(id).map(of) {
            Some(local) if local == id => Ok(Cow::Borrowed(record)),
            Some(local) => Ok(framed(local, body)),
            None => match &*self.foreign_schema(id)? {
                ForeignSchema::Ours(at) => Ok(framed(of(*at), body)),
                ForeignSchema::Readable(translation) => {
                    let body = translation.translate(body);
                    body.map(|body| framed(self.local(), &body))
                        .map_err(|reason| WireError::Body { event, reason })
                }
            },
        }
    }
}

/// The id of a schema: the first 31 bits of the BLAKE3 hash of its text (registries count in signed integers).
pub fn id_of(text: &str) -> u32 {
    let mut first = [0; 4];
    first.copy_from_slice(&blake3::hash(text.trim().as_bytes()).as_bytes()[..4]);
    u32::from_be_bytes(first) >> 1
}

/// What stands before the body of a record whose schema has this id.
pub fn frame(id: u32) -> [u8; 5] {
    let mut header = [0; 5];
    header[1..].copy_from_slice(&id.to_be_bytes());
    header
}

/// Splits a framed record into schema id and body.
pub fn unframe(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (header, body) = bytes.split_first_chunk::<5>()?;
    let [0, id @ ..] = header else { return None };
    Some((u32::from_be_bytes(*id), body))
}
