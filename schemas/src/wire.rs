//! The wire: an Avro datum in Confluent framing, `0x00`, the schema id in four bytes, the body.
//!
//! Encoding and decoding are `serde_avro_fast`'s, which is an order of magnitude cheaper than `apache-avro`; the latter is the
//! oracle in the tests and judges compatibility.
//! Invariant: a record is decoded with the schema that wrote it, found by its id, so old records stay readable.
//! Not here: the list of schemas (`catalog`), their ids (`schema_ids`).
use crate::{
    foreign_schema::ForeignSchema,
    schema_ids::{self, Schemas},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_avro_fast::{Schema, ser::SerializerConfig};

/// Something that is published to a topic.
pub trait Event: Serialize + DeserializeOwned + serde_avro_derive::BuildSchema + Send + 'static {
    /// The name of its schema's files: `<NAME>.v<n>.avsc`.
    const NAME: &'static str;
    /// The text of the released versions, oldest first; the last is the one written.
    const RELEASED: &'static [&'static str];
    /// Fields that its first versions lack: name, and what they are read as, in JSON.
    const DEFAULTS: &'static [(&'static str, &'static str)] = &[];
    fn schemas() -> &'static Schemas;
}

/// An event that is a row of a table topic: a newer one of the same id replaces it.
pub trait Row: Event {
    /// What names the row; its text is the record key.
    type Id: std::fmt::Display + std::str::FromStr<Err = String> + Copy;
    /// `None` for a row that names nothing, which no processor can have written.
    fn row_id(&self) -> Option<Self::Id>;
}

/// Bytes that are no record of the type expected.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("{event}: not in Confluent framing ({len} bytes)")]
    Framing { event: &'static str, len: usize },
    #[error(
        "{event}: schema id {id} is none of its versions; if a registry gave it out, name that one: `--registry URL`, or \
         `registry` in the configuration"
    )]
    UnknownSchema { event: &'static str, id: u32 },
    #[error(
        "{event}: schema id {id} was registered by somebody else: {reason}; next: `fastbreak schemas check`"
    )]
    ForeignSchema { event: &'static str, id: u32, reason: String },
    #[error("{event}: {reason}")]
    Body { event: &'static str, reason: String },
}

/// Encodes events of one type, reusing its tables from one to the next.
pub struct Encoder {
    config: SerializerConfig<'static>,
    header: [u8; 5],
    event: &'static str,
}
impl Encoder {
    pub fn new<E: Event>() -> Self {
        let schemas = E::schemas();
        let (id, schema) = schemas.newest();
        Encoder { config: SerializerConfig::new(schema), header: schema_ids::frame(id), event: E::NAME }
    }
    /// Appends one framed record.
    pub fn encode<E: Event>(&mut self, event: &E, to: &mut Vec<u8>) -> Result<(), WireError> {
        debug_assert_eq!(self.event, E::NAME);
        to.extend_from_slice(&self.header);
        let written = serde_avro_fast::to_datum(event, to, &mut self.config);
        written.map(|_| ()).map_err(|error| WireError::Body { event: E::NAME, reason: error.to_string() })
    }
}

/// One framed record.
pub fn encode<E: Event>(event: &E) -> Result<Vec<u8>, WireError> {
    let mut bytes = Vec::with_capacity(128);
    Encoder::new::<E>().encode(event, &mut bytes)?;
    Ok(bytes)
}

/// Reads one framed record with the schema that wrote it.
pub fn decode<E: Event>(bytes: &[u8]) -> Result<E, WireError> {
    let event = E::NAME;
    let (id, body) = schema_ids::unframe(bytes).ok_or(WireError::Framing { event, len: bytes.len() })?;
    match E::schemas().find(id) {
        Some(schema) => read(body, schema),
        None => decode_foreign(id, body),
    }
}

fn read<E: Event>(body: &[u8], schema: &Schema) -> Result<E, WireError> {
    serde_avro_fast::from_datum_slice(body, schema)
        .map_err(|error| WireError::Body { event: E::NAME, reason: error.to_string() })
}

#[cold]
fn decode_foreign<E: Event>(id: u32, body: &[u8]) -> Result<E, WireError> {
    let (event, schemas) = (E::NAME, E::schemas());
    match &*schemas.foreign_schema(id)? {
        ForeignSchema::Ours(at) => read(body, schemas.at(*at).ok_or(WireError::UnknownSchema { event, id })?),
        ForeignSchema::Readable(translation) => {
            let body = translation.translate(body).map_err(|reason| WireError::Body { event, reason })?;
            read(&body, schemas.newest().1)
        }
    }
}

/// What stands before a record of this event where no registry hands out ids.
pub fn canonical_frame<E: Event>() -> [u8; 5] {
    schema_ids::frame(E::schemas().local())
}
