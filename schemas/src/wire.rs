//! Events on the wire: an Avro datum in Confluent framing (`framing`).
//!
//! The crate `serde_avro_fast` encodes and decodes records, at a tenth of the cost of the crate `apache-avro`. The tests compare the
//! results of the two crates. `apache-avro` is also used to check schema compatibility.
//!
//! Invariant: a record is decoded with the schema that it was written with, found by its id, so old records stay readable.
//! Not here: the list of events (`catalog`), the ids of their schemas (`schema_ids`).
use crate::{
    foreign_schema::ForeignSchema,
    framing::{frame, unframe},
    schema_ids::Schemas,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_avro_fast::{Schema, ser::SerializerConfig};

pub use crate::wire_error::WireError;

/// A type that is published to a topic.
pub trait Event: Serialize + DeserializeOwned + serde_avro_derive::BuildSchema + Send + 'static {
    /// The name of the event in its schema files: `<NAME>.v<n>.avsc`.
    const NAME: &'static str;
    /// The texts of the released schema versions, oldest first; records are written with the last one.
    const RELEASED: &'static [&'static str];
    /// The fields that earlier schema versions lack, as `Record.field`. Each has a default as JSON, which is used when a record of such a
    /// version is read.
    const DEFAULTS: &'static [(&'static str, &'static str)] = &[];
    fn schemas() -> &'static Schemas;
}

/// An event that is a row of a table topic: a newer record with the same id replaces it.
pub trait Row: Event {
    /// The id of the row; its text is the record key.
    type Id: std::fmt::Display + std::str::FromStr<Err = String> + Clone;
    /// Returns the id of the row; `None` if the fields form no valid id. No processor writes such a row.
    fn row_id(&self) -> Option<Self::Id>;
}

/// Encodes events of one type. It keeps the serializer's buffers from one event to the next.
pub struct Encoder {
    config: SerializerConfig<'static>,
    header: [u8; 5],
    event: &'static str,
}
impl Encoder {
    pub fn new<E: Event>() -> Self {
        let (id, schema) = E::schemas().newest();
        Encoder { config: SerializerConfig::new(schema), header: frame(id), event: E::NAME }
    }
    /// Appends one framed record to `buffer`.
    ///
    /// # Errors
    /// If the event's value does not match its schema.
    pub fn encode<E: Event>(&mut self, event: &E, buffer: &mut Vec<u8>) -> Result<(), WireError> {
        debug_assert_eq!(self.event, E::NAME);
        buffer.extend_from_slice(&self.header);
        let written = serde_avro_fast::to_datum(event, buffer, &mut self.config);
        written.map(|_| ()).map_err(|error| WireError::Body { event: E::NAME, reason: error.to_string() })
    }
}

/// Encodes one event as a framed record.
///
/// # Errors
/// If the event's value does not match its schema.
pub fn encode<E: Event>(event: &E) -> Result<Vec<u8>, WireError> {
    let mut bytes = Vec::with_capacity(128);
    Encoder::new::<E>().encode(event, &mut bytes)?;
    Ok(bytes)
}

/// Decodes one framed record with the schema that it was written with.
///
/// # Errors
/// If the bytes are not framed, the schema id is unknown or its schema unreadable, or the body does not match the schema.
pub fn decode<E: Event>(bytes: &[u8]) -> Result<E, WireError> {
    let event = E::NAME;
    let (id, body) = unframe(bytes).ok_or(WireError::Framing { event, len: bytes.len() })?;
    match E::schemas().find(id) {
        Some(schema) => decode_body(body, schema),
        None => decode_foreign(id, body),
    }
}

fn decode_body<E: Event>(body: &[u8], schema: &Schema) -> Result<E, WireError> {
    serde_avro_fast::from_datum_slice(body, schema)
        .map_err(|error| WireError::Body { event: E::NAME, reason: error.to_string() })
}

#[cold]
fn decode_foreign<E: Event>(id: u32, body: &[u8]) -> Result<E, WireError> {
    let (event, schemas) = (E::NAME, E::schemas());
    match &*schemas.foreign_schema(id)? {
        ForeignSchema::SameAs(index) => {
            decode_body(body, schemas.version_at(*index).ok_or(WireError::UnknownSchema { event, id })?)
        }
        ForeignSchema::Readable(translation) => {
            let body = translation.translate(body).map_err(|reason| WireError::Body { event, reason })?;
            decode_body(&body, schemas.newest().1)
        }
    }
}

/// Returns the header (with the schema id) that records of this event have if no schema registry is used.
pub fn canonical_frame<E: Event>() -> [u8; 5] {
    frame(E::schemas().local())
}
